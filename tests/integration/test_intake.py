"""The gateway as a process: real Kafka, a real database file, real HTTP."""
from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import httpx
import orjson
import pytest

from keepintouch.acceptance import Refused, dead_letter_headers
from keepintouch.runtime.kafka import KafkaSettings, producer
from keepintouch.runtime.local_broker import LocalBroker
from keepintouch.runtime.supervisor import Child, Supervisor
from keepintouch.runtime.topics import DEAD_LETTERS, EVENTS, STAFF, Topic
from schemas.staff import Staff
from tests.certificates import self_signed
from tests.conftest import PARTITIONS
from tests.integration.intake_process import NAME, Gateway
from tests.processes import until
from tests.unit.intake.rig import OTHER_SOURCE, SOURCE, contact, member, results, snapshot

Topics = tuple[Topic, ...]


@pytest.fixture
def gateway(kafka: KafkaSettings, topics: Topics, tmp_path: Path, children: Supervisor) -> Iterator[Gateway]:
    made = Gateway(kafka, children, tmp_path)
    yield made
    made.check_logs()


def test_what_is_posted_is_on_the_topics_as_any_producer_would_have_put_it(gateway: Gateway, kafka: KafkaSettings) -> None:
    gateway.command("keys", "new", "demo")
    gateway.start()
    events = [each for n in range(40) for each in (snapshot(f"demo:p{n}"), contact(n, f"demo:p{n}"))]
    answer = gateway.post(events)
    assert (answer.status_code, set(results(answer))) == (202, {"accepted"})
    assert results(gateway.post([contact(77, person="000123", worker_ref="W1")], headers={"Refs": "case-ids"})) == ["accepted"]
    complete = httpx.post(f"{gateway.url}/v1/feeds/visits/complete", json={"complete_through": "2026-03-09", "records": 40},
                          headers={"Authorization": f"Bearer {gateway.key}"}, timeout=90)
    assert complete.status_code == 202
    read = gateway.on(EVENTS)
    manifests = [each for each in read if each.key == b"feed:demo/visits"]
    assert sorted(each.partition for each in manifests) == list(range(PARTITIONS))
    for partition in range(PARTITIONS):   # after everything of that partition
        assert [each.key for each in read if each.partition == partition][-1] == b"feed:demo/visits"
    with contextlib.closing(producer(kafka)) as ordinary:
        elsewhere = {each.key: ordinary.send(DEAD_LETTERS, b"", each.key).get(30).partition for each in read
                     if each.key not in (b"feed:demo/visits", None)}
        placed = {key: ordinary.send(EVENTS, b"x", key).get(30).partition for key in elsewhere}
    assert {each.key: each.partition for each in read if each.key in placed} == placed
    assert len(read) == 81 + PARTITIONS
    case_id = next(orjson.loads(each.value or b"")["subject"] for each in read if b'"c77"' in (each.value or b""))
    assert gateway.command("who", case_id) == "000123"
    shown = gateway.metric("intake_events_total")
    assert shown[f'council="demo",result="accepted",source="{SOURCE}"'] == 82
    assert gateway.get("/healthz").json()["healthy"] is True
    assert gateway.get("/openapi.json", key="").json()["info"]["title"] == "Keep in Touch: intake"
    gateway.children.stop(NAME)
    assert b'"event":"stopped"' in gateway.log.read_bytes()


def test_a_staff_file_keeps_the_leave_that_is_on_the_topic(gateway: Gateway, kafka: KafkaSettings) -> None:
    leave = {"from": date(2026, 3, 9), "until": date(2026, 3, 20)}
    with contextlib.closing(producer(kafka)) as board:   # as the board does
        on_leave = Staff.model_validate(member(absence=leave, cover_ref="demo:bo"))
        board.send(STAFF, on_leave.model_dump_json(by_alias=True).encode(), b"demo:ada").get(30)
    gateway.start()
    with contextlib.closing(gateway.client()) as client:
        answer = client.put("/v1/staff", json=[member(name="Name of Ada Again"), member("demo:bo")])
    assert results(answer) == ["accepted", "accepted"]
    newest = {each.key: Staff.model_validate_json(each.value or b"") for each in gateway.on(STAFF)}
    assert newest[b"demo:ada"] == on_leave.model_copy(update={"name": "Name of Ada Again"})
    assert set(newest) == {b"demo:ada", b"demo:bo"}


def test_a_source_sees_its_dead_letters_once_and_nobody_elses(gateway: Gateway, kafka: KafkaSettings) -> None:
    housing, theirs = gateway.new_key("demo", OTHER_SOURCE), gateway.new_key("other")
    mine, other = contact(1, channel="pigeon"), contact(2, source=OTHER_SOURCE)
    letters: list[tuple[bytes | None, bytes]] = [
        (b"demo:p1", orjson.dumps(mine)), (b"other:p9", orjson.dumps(other)),   # key and subject disagree: nobody's
        (b"demo:p1", orjson.dumps(other)), (None, b"no json"), (b"nowhere:p1", orjson.dumps(contact(3, "nowhere:p1")))]

    def write() -> None:
        with contextlib.closing(producer(kafka)) as monitor:
            for offset, (key, value) in enumerate(letters):
                headers = dead_letter_headers((), Refused("schema", "data.channel: wrong"), EVENTS, 0, offset, datetime.now(UTC))
                monitor.send(DEAD_LETTERS, value, key, headers=headers).get(30)

    def seen(key: str | None = None) -> list[str]:
        said = gateway.get("/v1/dead-letters", key).json()
        assert said["sources"][0]["dead_letters"] == len(said["newest"])
        return [each["id"] for each in said["newest"]]

    write()
    gateway.start()
    until(lambda: seen() == ["c1"])
    assert (seen(housing), seen(theirs)) == (["c2"], [])
    gateway.children.stop(NAME)
    write()
    gateway.start()
    until(lambda: seen() == ["c1", "c1"])
    assert (seen(housing), seen(theirs)) == (["c2", "c2"], [])


class Poster:
    """Posts batches one after another until told to stop, and keeps who was accepted."""

    def __init__(self, gateway: Gateway, first: int) -> None:
        self.accepted, self.statuses, self._stop = set[str](), Counter[int](), threading.Event()
        self._gateway, self._first = gateway, first
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def finish(self) -> None:
        """Stop, after the answer to the last."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        number = self._first
        while not self._stop.is_set():
            answer = self._gateway.post([contact(n, f"demo:p{n % 50}") for n in range(number, number + 20)])
            self.statuses[answer.status_code] += 1
            if answer.status_code == 202:
                self.accepted |= {each["id"] for each in answer.json()["results"]}
                number += 20   # else the same again


def test_nothing_is_accepted_that_kafka_does_not_have_though_it_is_killed(gateway: Gateway, broker: LocalBroker) -> None:
    gateway.more["INTAKE_KAFKA_TIMEOUT"] = "4s"
    gateway.start()
    posters = [Poster(gateway, first) for first in (0, 100_000, 200_000)]
    try:
        until(lambda: all(len(each.accepted) > 100 for each in posters))
        broker.kill()
        until(lambda: gateway.get("/readyz").json()["reasons"] == ["kafka_away"])
        until(lambda: any(each.statuses[503] for each in posters))
        broker.start()
        until(lambda: gateway.get("/readyz").status_code == 200)
        after = [len(each.accepted) for each in posters]
        until(lambda: all(len(each.accepted) > more for each, more in zip(posters, after, strict=True)))
    finally:
        for each in posters:
            each.finish()
        if broker.pid is None:
            broker.start()
    accepted = set().union(*(each.accepted for each in posters))
    on_topic = {orjson.loads(each.value or b"")["id"] for each in gateway.on(EVENTS)}
    assert len(accepted) > 300
    assert accepted <= on_topic
    statuses = sum((each.statuses for each in posters), Counter[int]())
    assert set(statuses) == {202, 503}, statuses


def test_asked_to_stop_it_answers_what_is_under_way_first(gateway: Gateway, broker: LocalBroker) -> None:
    gateway.start()
    gateway.post([contact(1)])
    answers: list[httpx.Response] = []
    assert broker.pid is not None
    subprocess.run(["kill", "-STOP", str(broker.pid)], check=True)
    try:
        post = threading.Thread(target=lambda: answers.append(gateway.post([contact(2)])))
        post.start()
        until(lambda: gateway.metric("intake_posts_under_way")[""] == 1)   # to a broker that stands still
        gateway.children.signal(NAME, signal.SIGTERM)
        until(lambda: b'"event":"stopping"' in gateway.log.read_bytes())
    finally:
        subprocess.run(["kill", "-CONT", str(broker.pid)], check=True)
    post.join()
    assert results(answers[0]) == ["accepted"]
    until(lambda: gateway.children.pid(NAME) is None)
    assert b'"event":"stopped"' in gateway.log.read_bytes()


def test_a_key_ceases_to_hold_within_seconds_of_being_revoked(gateway: Gateway) -> None:
    gateway.start()
    other = gateway.command("sources", "new", "other", "--source", SOURCE)
    until(lambda: gateway.post([contact(person="other:p1")], other).status_code == 202)
    gateway.command("sources", "revoke", other.split("_")[1])
    until(lambda: gateway.post([], other).status_code == 401)


def test_with_a_certificate_it_answers_https(gateway: Gateway, tmp_path: Path) -> None:
    server, authority = self_signed(tmp_path)
    gateway.more |= {"KEEPINTOUCH_DEMO": "0", "INTAKE_TLS_CERTFILE": str(server), "INTAKE_TLS_KEYFILE": str(server)}
    gateway.children.start(Child(NAME, [sys.executable, "-m", "services.intake"], gateway.log, gateway.environment))
    trusted = ssl.create_default_context(cafile=authority)

    def ready() -> bool:
        url = f"https://127.0.0.1:{gateway.port}/readyz"
        with contextlib.suppress(OSError), urllib.request.urlopen(url, context=trusted) as answer:
            return bool(answer.status == 200)
        return False

    until(ready)


@pytest.mark.parametrize(("more", "said"), [
    ({"INTAKE_HTTP_HOST": "0.0.0.0"}, "INTAKE_HTTP_HOST=0.0.0.0 would take API keys over plain http"),
    ({"INTAKE_DATABASE_URL": "sqlite:///{folder}/empty.db"}, "there is no API key, so nobody could send anything"),
    ({"INTAKE_HTTP_PORT": "{taken}"}, "cannot listen on 127.0.0.1:"),
    ({"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}, "Kafka does not answer at 127.0.0.1:1")])
def test_what_is_unsafe_or_wrong_is_one_line_and_status_2(
        gateway: Gateway, tmp_path: Path, more: dict[str, str], said: str) -> None:
    with contextlib.closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        values = {"folder": str(tmp_path), "taken": str(taken.getsockname()[1])}
        gateway.more |= {"KEEPINTOUCH_DEMO": "0"} | {name: value.format(**values) for name, value in more.items()}
        ended = subprocess.run([sys.executable, "-m", "services.intake"], env=os.environ | gateway.environment,
                               capture_output=True, text=True, timeout=120, check=False)
    gateway.log.touch()
    assert ended.returncode == 2
    [line] = [each for each in ended.stderr.splitlines() if not each.startswith("{")]
    assert line.startswith("intake: ")
    assert said in line


def test_garbage_on_the_wire_is_answered_or_closed_and_the_next_is_served(gateway: Gateway) -> None:
    gateway.start()
    for garbage in (b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"POST /v1/events HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                    b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", gateway.port), 60) as raw, contextlib.suppress(ConnectionError):
            raw.sendall(garbage)
            raw.shutdown(socket.SHUT_WR)
            answer = raw.recv(4096)
            assert not answer or answer.startswith((b"HTTP/1.1 4",))
    assert gateway.post([]).status_code == 202
