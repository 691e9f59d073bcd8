"""The notifier as a process: real Kafka, real database file, real HTTP to a stand-in for Twilio."""
from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from aiokafka import AIOKafkaProducer
from kafka import KafkaConsumer, TopicPartition

from keepintouch.calendar import LONDON, is_working_day
from keepintouch.runtime import topics as t
from keepintouch.runtime.clock import parse_clock
from keepintouch.runtime.kafka import KafkaSettings, consumer, producer
from keepintouch.runtime.local_broker import LocalBroker
from keepintouch.runtime.ports import free_port
from keepintouch.runtime.supervisor import Child, Supervisor
from schemas.actions import AlertAction
from schemas.alerts import Alert
from schemas.notifications import Notification
from schemas.staff import Staff
from services.notifier.kafka import NONE, make_producer
from tests.processes import until
from tests.standins.mail import MailStandIn
from tests.standins.notify import NotifyStandIn, post_callback, receipt, received
from tests.standins.twilio import Behaviour, Sent, TwilioStandIn, post_signed
from tests.unit.notifier.world import NUMBERS, alert, councils_file, ended, everybody, member

Topics = tuple[t.Topic, ...]


@dataclass
class Rig:
    """A notifier, the topics around it, and what it should never say in a log."""

    kafka: KafkaSettings
    supervisor: Supervisor
    folder: Path
    twilio: TwilioStandIn
    port: int = field(default_factory=free_port)
    more: dict[str, str] = field(default_factory=dict)
    _readers: dict[str, tuple[KafkaConsumer, list[Any]]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder / "notifier.log"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers, "KAFKA_SESSION_TIMEOUT": "6s", "KEEPINTOUCH_DEMO": "1",
            "COUNCILS_FILE": str(self.folder / "councils.yaml"), "NOTIFIER_HTTP_PORT": str(self.port),
            "NOTIFIER_DATABASE_URL": f"sqlite:///{self.folder}/notifier.db", "NOTIFIER_TRIAL": "off", "NOTIFIER_GATHER": "1s",
            "NOTIFIER_HTTP_TIMEOUT": "10s", "NOTIFIER_LEASE": "16s", "NOTIFIER_UNCERTAIN_AFTER": "1s",
            "NOTIFIER_LOOK_AGAIN": "1s", "PUBLIC_BASE_URL": self.url} | self.twilio.environment | self.more

    def start(self, *, ready: bool = True) -> None:
        self.supervisor.start(Child("notifier", [sys.executable, "-m", "services.notifier"], self.log, self.environment,
                                    f"{self.url}/readyz"))
        if ready:
            self.supervisor.wait_ready(within=120)

    def kill(self) -> None:
        self.supervisor.kill("notifier")

    def stop(self) -> None:
        """In order, and it says so."""
        self.supervisor.stop("notifier")
        assert b'"event":"stopped"' in self.log.read_bytes()

    def write(self, *records: Staff | Alert | AlertAction | tuple[str, bytes, bytes | None]) -> None:
        with contextlib.closing(producer(self.kafka)) as to:
            for record in records:
                match record:
                    case Staff():
                        to.send(t.STAFF, key=record.worker_ref.encode(), value=record.model_dump_json(by_alias=True).encode())
                    case Alert():
                        to.send(t.ALERTS, key=str(record.alert_id).encode(), value=record.model_dump_json().encode())
                    case AlertAction():
                        to.send(t.ALERT_ACTIONS, key=str(record.alert_id).encode(), value=record.model_dump_json().encode())
                    case (topic, key, value):
                        to.send(topic, key=key, value=value)
            to.flush(timeout=30)

    def write_odd(self) -> None:
        """What clients other than kafka-python can write: a record of nothing at all, and a header without a value."""
        async def with_null_header() -> None:
            async with AIOKafkaProducer(bootstrap_servers=self.kafka.bootstrap_servers) as to:
                await to.send_and_wait(t.ALERTS, key=b"odd", value=b"{}", headers=[("trace", None)])

        asyncio.run(with_null_header())
        with contextlib.closing(make_producer(self.kafka)) as to:
            to.send(t.ALERT_ACTIONS, value=NONE).get(timeout=30)

    def read(self, topic: str) -> list[Any]:
        """All records so far, or nearly: it is asked again until the expected ones are there."""
        if topic not in self._readers:
            reader = consumer(self.kafka)
            partitions = [TopicPartition(topic, number) for number in reader.partitions_for_topic(topic)]
            reader.assign(partitions)
            reader.seek_to_beginning(*partitions)
            self._readers[topic] = reader, []
        reader, records = self._readers[topic]
        for batch in reader.poll(timeout_ms=200).values():
            records += batch
        return records

    def close(self) -> None:
        """Stop reading; what is read later is read from the beginning."""
        while self._readers:
            self._readers.popitem()[1][0].close()

    def story(self, record: Alert) -> list[str]:
        """The states published about an alert; a record may have been published twice."""
        told = [Notification.model_validate_json(each.value) for each in self.read(t.NOTIFICATIONS)
                if each.key == str(record.alert_id).encode()]
        return [each.state for each, before in zip(told, [None, *told], strict=False) if each != before]

    def only_text(self) -> Sent:
        """The one text there is in the end."""
        until(lambda: self.twilio.ledger)
        [sent] = self.twilio.ledger
        return sent

    def check_logs(self) -> None:
        """No number, no name, no words of a text, and nobody's ref."""
        log = self.log.read_text()
        said = [*NUMBERS.values(), "Name of", "young", "demo:p1", "Ref ", "stand-in-token"]
        assert not [each for each in said if each in log]
        assert '"dropped"' not in log
        assert not [line for line in log.splitlines() if not line.startswith("{")]


@pytest.fixture
def rig(kafka: KafkaSettings, topics: Topics, tmp_path: Path) -> Iterator[Rig]:
    councils_file(tmp_path, calendar="always")
    with TwilioStandIn() as twilio, Supervisor(stop_within=60) as supervisor:
        made = Rig(kafka, supervisor, tmp_path, twilio)
        made.write(*everybody())
        with contextlib.closing(made):
            yield made
        made.check_logs()


def fresh(person: str = "p1", **more: Any) -> Alert:
    """An alert that has opened just now."""
    return alert(person, detected_at=datetime.now(UTC), **more)


def test_staff_and_alert_in_one_text_out_and_everything_that_follows(rig: Rig) -> None:
    one = fresh()
    rig.start()
    rig.write(one)
    sent = rig.only_text()
    assert sent.to == NUMBERS["demo:ada"]
    assert sent.body.startswith("1 young person needs contact. Ref ")
    assert sent.callback is not None
    assert sent.callback.startswith(f"{rig.url}/twilio/status/")
    until(lambda: "accepted" in rig.story(one))
    assert rig.twilio.call_back(sent, "delivered") == 204
    assert rig.twilio.call_back(sent, "sent") == 204
    assert rig.twilio.call_back(sent, "failed", token="wrong") == 403
    until(lambda: "delivered" in rig.story(one))

    rig.write(one, one)   # delivered again, as the monitor may
    ref = sent.body.split("Ref ")[1][:4]
    fields = {"MessageSid": "IN1", "From": sent.to, "To": sent.sender, "Body": f"1 {ref}"}
    assert f"{ref}: on it" in post_signed(f"{rig.url}/twilio/inbound", fields)[1]
    until(lambda: rig.read(t.ALERT_ACTIONS))
    [action] = [AlertAction.model_validate_json(each.value) for each in rig.read(t.ALERT_ACTIONS)]
    assert (action.alert_id, action.action, action.actor_ref, action.via) == (one.alert_id, "acknowledge", "demo:ada", "sms")
    rig.stop()
    rig.start()   # and once more from the beginning of nothing
    rig.write(one, fresh("p2", adviser_ref="demo:ben"))
    until(lambda: rig.twilio.to(NUMBERS["demo:ben"]))
    assert len(rig.twilio.to(NUMBERS["demo:ada"])) == 1
    assert rig.story(one) == ["sending", "accepted", "delivered"]
    rig.stop()


def test_texts_by_notify_emails_by_a_mail_server_and_no_second_notifier_on_the_same_file(rig: Rig) -> None:
    file = councils_file(rig.folder, calendar="always")
    raw = yaml.safe_load(file.read_text())
    raw["councils"]["demo"]["channels"] = {"sms": ["notify"], "email": ["smtp"]}
    file.write_text(yaml.safe_dump(raw))
    one, two = fresh(), fresh("p2", adviser_ref="demo:ben")
    rig.write(member("demo:ben", channels=["email"], email="ben@example.gov.uk"))
    with NotifyStandIn() as notify, MailStandIn() as mail:
        rig.more = notify.environment | {"SMTP_URL": mail.url(login=False), "SMTP_FROM": "contact@example.gov.uk"}
        rig.start()
        rig.write(one, two)
        until(lambda: notify.ledger and mail.ledger)
        [sent], [letter] = notify.ledger, mail.ledger
        assert (sent.to, letter["To"]) == (NUMBERS["demo:ada"], "ben@example.gov.uk")
        assert letter["Message-ID"].endswith("@example.gov.uk>")
        assert "Reply" not in letter.get_content()
        assert post_callback(f"{rig.url}/notify/status", receipt(sent.id, sent.reference, "delivered"), "wrong") == 403
        assert post_callback(f"{rig.url}/notify/status", receipt(sent.id, sent.reference, "delivered")) == 204
        until(lambda: rig.story(one) == ["sending", "accepted", "delivered"])
        until(lambda: rig.story(two) == ["sending", "sent"])
        ref = sent.body.split("Ref ")[1][:4]
        assert post_callback(f"{rig.url}/notify/inbound", received("IN1", sent.to, f"1 {ref}")) == 204
        until(lambda: len(notify.to(sent.to)) == 2)
        assert f"{ref}: on it" in notify.ledger[-1].body

        again = subprocess.run([sys.executable, "-m", "services.notifier"], capture_output=True, text=True, timeout=120,
                               check=False, env=os.environ | rig.environment | {"NOTIFIER_HTTP_PORT": str(free_port())})
        assert (again.returncode, again.stderr.count("\n")) == (2, 1)
        assert again.stderr.startswith(f"notifier: another notifier works with {rig.folder}/notifier.db")
        rig.stop()


def test_killed_before_the_provider_has_it_there_is_one_text_in_the_end(rig: Rig) -> None:
    """SIGKILL after the intent is written and before the provider takes the text."""
    killed: list[bool] = []

    def kill_once() -> None:
        if not killed:
            rig.kill()
            killed.append(True)

    rig.twilio.on_request = kill_once
    rig.twilio.next(Behaviour.RESET)
    one = fresh()
    rig.start()
    rig.write(one)
    until(lambda: killed)
    assert rig.twilio.ledger == []
    rig.start(ready=False)
    rig.only_text()
    until(lambda: rig.story(one)[-1:] == ["accepted"])
    assert rig.story(one) == ["sending", "uncertain", "sending", "accepted"]
    last = Notification.model_validate_json(rig.read(t.NOTIFICATIONS)[-1].value)
    assert last.possible_duplicate   # nobody could know that it was not


def test_killed_after_the_provider_has_it_there_is_one_text_in_the_end(rig: Rig) -> None:
    """SIGKILL after the provider took the text and before its answer was written down: found by its Ref, not sent again."""
    rig.twilio.next(Behaviour.TIME_OUT_AFTER_ACCEPTING)
    one = fresh()
    rig.start()
    rig.write(one)
    until(lambda: rig.twilio.ledger)
    rig.kill()
    rig.start()
    until(lambda: rig.story(one)[-1:] == ["accepted"])
    assert rig.story(one) == ["sending", "uncertain", "accepted"]
    assert len(rig.twilio.requests) == 1
    rig.only_text()


def test_bad_records_go_to_the_dead_letters_and_the_rest_goes_on(rig: Rig) -> None:
    one = fresh()
    value, key = one.model_dump_json().encode(), str(one.alert_id).encode()
    elsewhere = one.model_dump(mode="json") | {"council": "elsewhere", "person_ref": "elsewhere:p1"}
    rig.write((t.ALERTS, key, b"{"), (t.ALERTS, key, b""), (t.ALERTS, key, b"null"), (t.ALERTS, b"other", value),
              (t.ALERTS, key, b" " * 70_000), (t.ALERTS, key, orjson.dumps(elsewhere)), (t.ALERTS, key, None),
              (t.STAFF, b"demo:bad", b'{"worker_ref":1}'), (t.STAFF, b"demo:gone", None), (t.ALERT_ACTIONS, key, b"[]"))
    rig.write_odd()
    rig.write(one)
    rig.start()
    rig.only_text()
    until(lambda: len(rig.read(t.DEAD_LETTERS)) >= 10)
    letters = list(rig.read(t.DEAD_LETTERS))
    reasons = sorted((dict(each.headers)["topic"].decode(), dict(each.headers)["reason"].decode()) for each in letters)
    assert reasons == sorted([(t.ALERTS, reason) for reason in
                              ("not_json", "schema", "schema", "key_mismatch", "too_large", "schema", "schema")]
                             + [(t.STAFF, "schema"), (t.ALERT_ACTIONS, "schema"), (t.ALERT_ACTIONS, "schema")])
    [nothing] = [each for each in letters if each.key is None]
    assert nothing.value is None
    [odd] = [each for each in letters if each.key == b"odd"]
    assert odd.headers[0] == ("trace", b"")
    rig.stop()
    rig.start()
    assert len(rig.read(t.DEAD_LETTERS)) == len(letters)   # the staff topic is read anew, its bad records are not reported anew
    rig.stop()


def test_while_kafka_is_away_what_is_due_goes_out_and_is_published_later(rig: Rig, broker: LocalBroker) -> None:
    councils_file(rig.folder, calendar="always", steps=[{"after": "0d", "to": ["adviser"]}, {"after": "10s", "to": ["manager"]}])
    rig.start()
    one = fresh()
    rig.write(one)
    until(lambda: "accepted" in rig.story(one))
    rig.close()
    broker.kill()
    try:
        until(lambda: rig.twilio.to(NUMBERS["demo:mia"]))
        sent = rig.twilio.to(NUMBERS["demo:mia"])[0]
        ref = sent.body.split("Ref ")[1][:4]
        fields = {"MessageSid": "IN1", "From": sent.to, "To": sent.sender, "Body": f"1 {ref}"}
        assert f"{ref}: on it" in post_signed(f"{rig.url}/twilio/inbound", fields)[1]
    finally:
        broker.start()
    until(lambda: rig.read(t.ALERT_ACTIONS))
    until(lambda: rig.story(one) == ["sending", "accepted"] * 2)
    rig.write(ended(one))
    rig.stop()


def test_on_a_fast_clock_the_ladder_goes_all_the_way_by_the_console(rig: Rig) -> None:
    """As the demo runs it: working hours and working days, 20,000 times as fast."""
    councils = councils_file(rig.folder)
    councils.write_text(councils.read_text().replace("- twilio", "- console"))
    texts = rig.folder / "texts.jsonl"
    spec = f"2026-03-10T08:00:00Z@{datetime.now(UTC).isoformat()}*20000"
    rig.more = {"KEEPINTOUCH_CLOCK": spec, "NOTIFIER_CONSOLE_FILE": str(texts), "NOTIFIER_GATHER": "60s"}
    rig.start()
    one = alert(detected_at=parse_clock(spec).now())
    rig.write(one)

    def delivered() -> set[str]:
        told = [Notification.model_validate_json(each.value) for each in rig.read(t.NOTIFICATIONS)]
        return {each.step for each in told if each.state == "delivered"}

    until(lambda: delivered() == {"1", "2", "3", "4"}, 400)
    rig.stop()
    told = [orjson.loads(line) for line in texts.read_bytes().splitlines()]
    # If the machine stands still for a second a day has gone by, and what is overdue goes out together.
    assert list(dict.fromkeys(each["recipient_ref"] for each in told)) == ["demo:ada", "demo:mia", "demo:sam"]
    released = [datetime.fromisoformat(each["at"]).astimezone(LONDON) for each in told]
    assert all(is_working_day(each.date()) and time(8, 30) <= each.time() < time(18) for each in released)
    assert released == sorted(released)
