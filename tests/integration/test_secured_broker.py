"""Rights on a real Kafka that knows its users: each service works with its own, and nobody may do anything else.

One broker, set up as docs/how-to/secure-kafka.md says; the tests build on each other's records, so their order counts.
"""
from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import httpx
import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError as AioKafkaError
from kafka import TopicPartition
from kafka.errors import GroupAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError

from keepintouch.runtime import topics as t
from keepintouch.runtime.access import Principal, Right, compare, grant, load_access
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.kafka import BrokerUnreachable, KafkaSettings, admin, check_broker, consumer, producer, read_to_end
from keepintouch.runtime.ports import free_port
from keepintouch.runtime.supervisor import Child, Supervisor
from tests.integration.monitor_process import TODAY, councils_file, send
from tests.processes import until
from tests.secured_broker import SecuredBroker, refused
from tests.unit.contact_monitor.events import a_policy, in_bed_and_breakfast

pytestmark = pytest.mark.broker

PRINCIPALS = {principal.name: principal for principal in load_access()}
NAMES = [topic.name for topic in t.load_topics()]


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredBroker]:
    with SecuredBroker(tmp_path_factory.mktemp("secrets")) as running:
        for arguments in (["topics", "create", "--partitions", "2", "--replication", "1"],
                          ["access", "create", "--passwords", str(running.secrets / "passwords")]):
            done = keepintouch(running.settings, *arguments)
            assert done.returncode == 0, done.stderr
        yield running


def keepintouch(as_whom: KafkaSettings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line, as somebody runs it with the environment of docs/how-to/secure-kafka.md."""
    told = {"BOOTSTRAP_SERVERS": as_whom.bootstrap_servers, "SECURITY_PROTOCOL": as_whom.security_protocol,
            "SSL_CAFILE": as_whom.ssl_cafile, "SSL_CERTFILE": as_whom.ssl_certfile, "SASL_USERNAME": as_whom.sasl_username,
            "SASL_PASSWORD": as_whom.sasl_password.get_secret_value() if as_whom.sasl_password else None}
    return subprocess.run([sys.executable, "-c", "from keepintouch.cli import main; main()", *arguments], text=True,
                          capture_output=True, timeout=120, check=False,
                          env={**os.environ, **{f"KAFKA_{key}": str(value) for key, value in told.items() if value}})


def own_settings(service: str, folder: Path) -> dict[str, str]:
    """What each is told besides who it is."""
    port = {f"{service.upper()}_HTTP_PORT": str(free_port())}
    return port | {
        "contact_monitor": {"CONTACT_MONITOR_SETTLE_SECONDS": "0.2"},
        "notifier": {"NOTIFIER_DATABASE_URL": f"sqlite:///{folder}/notifier.db",
                     "NOTIFIER_CONSOLE_FILE": str(folder / "texts.jsonl")},
        "intake": {"INTAKE_DATABASE_URL": f"sqlite:///{folder}/intake.db"},
        "board": {}}[service]


def test_the_services_work_each_as_itself(secured: SecuredBroker, children: Supervisor, tmp_path: Path) -> None:
    a_policy(tmp_path)
    common = {"KEEPINTOUCH_DEMO": "1", "KEEPINTOUCH_CLOCK": f"{TODAY.isoformat()}@{datetime.now(UTC).isoformat()}*1",
              "POLICIES_DIR": str(tmp_path), "COUNCILS_FILE": str(councils_file(tmp_path / "councils.yaml", ["lancashire"])),
              "COUNCIL_KEYS_DIR": str(tmp_path)}
    url = {}
    for service in ("contact_monitor", "notifier", "intake", "board"):
        own = own_settings(service, tmp_path)
        url[service] = f"http://127.0.0.1:{own[f'{service.upper()}_HTTP_PORT']}"
        children.start(Child(service, [sys.executable, "-m", f"services.{service}"], tmp_path / f"{service}.log",
                             common | own | secured.environment(service.replace("_", "-")), f"{url[service]}/readyz"))
    children.wait_ready(within=240)
    taken = httpx.post(f"{url['intake']}/v1/events", json=in_bed_and_breakfast("2024-02-10"),
                       headers={"Content-Type": "application/cloudevents+json"}, timeout=60)
    assert taken.status_code == 202, taken.text
    send(secured.user("case-system"), {"subject": "nothing"})

    board, operator = secured.user("board"), secured.user("operator")
    until(lambda: "bed_and_breakfast" in {orjson.loads(record.value or b"{}").get("rule")
                                          for record in read_to_end(board, t.ALERTS)})
    until(lambda: list(read_to_end(operator, t.DEAD_LETTERS)))
    until(lambda: list(read_to_end(board, t.people_changelog())))
    for who, *command in ((operator, "dead-letters", "list"), (operator, "alerts", "list"), (secured.user("auditor"), "audit")):
        done = keepintouch(who, *command)
        assert done.returncode == 0, done.stdout + done.stderr
    # The notifier has read the alert, and published what it decided: nobody is there to be told but the fallback.
    until(lambda: list(read_to_end(secured.user("auditor"), t.NOTIFICATIONS)))
    children.check()


def may_write(to_whom: KafkaSettings, topic: str) -> bool:
    with contextlib.closing(producer(to_whom, max_block_ms=60_000)) as to:
        try:
            to.send(topic, key=b"a:1", value=b"x").get(timeout=60)
        except KafkaError as error:
            if "AuthorizationFailed" not in f"{type(error).__name__} {error}":
                raise
            return False
    return True


def may_read(as_whom: KafkaSettings, topic: str) -> bool:
    """Whether the one record that is there at least comes, or that it will not is said."""
    with contextlib.closing(consumer(as_whom, isolation_level="read_uncommitted", fetch_max_wait_ms=50)) as client:
        try:
            if not (numbers := client.partitions_for_topic(topic)):
                return False
            partitions = [TopicPartition(topic, number) for number in numbers]
            client.assign(partitions)
            client.seek_to_beginning(*partitions)
            until(lambda: client.poll(timeout_ms=250))
        except TopicAuthorizationFailedError:
            return False
    return True


def test_nobody_reads_or_writes_anything_else(secured: SecuredBroker) -> None:
    for topic in NAMES:   # something to be found on each
        assert may_write(secured.settings, topic)

    def found(name: str) -> set[tuple[str, str]]:
        return {(topic, operation) for topic in NAMES for operation, may in (("read", may_read), ("write", may_write))
                if may(secured.user(name), topic)}

    with ThreadPoolExecutor(len(PRINCIPALS)) as pool:
        for name, rights in zip(PRINCIPALS, pool.map(found, PRINCIPALS), strict=True):
            assert rights == {(right.name, right.operation) for right in PRINCIPALS[name].rights
                              if right.kind == "topic" and right.operation in ("read", "write")}, name


@pytest.mark.parametrize("name", PRINCIPALS)
def test_nobody_joins_another_group_or_takes_the_monitors_partitions(secured: SecuredBroker, name: str) -> None:
    mine = {right.name for right in PRINCIPALS[name].rights if right.kind == "group"}
    for group in ("contact-monitor", "notifier", "notifier-staff"):
        with contextlib.closing(consumer(secured.user(name), group=group)) as client:
            try:
                client.committed(TopicPartition(t.EVENTS, 0))
                joined = True
            except (GroupAuthorizationFailedError, TopicAuthorizationFailedError) as error:
                joined = isinstance(error, TopicAuthorizationFailedError)
        assert joined == (group in mine)

    async def begin() -> bool:
        to = AIOKafkaProducer(**secured.user(name).client_config(), transactional_id="contact-monitor-0")
        try:
            await to.start()
        except AioKafkaError:
            return False
        finally:
            await to.stop()
        return True

    assert asyncio.run(begin()) == (name == "contact-monitor")


def test_an_asynchronous_client_is_refused_as_well(secured: SecuredBroker) -> None:
    async def read() -> None:
        client = AIOKafkaConsumer(t.STAFF, **secured.user("contact-monitor").client_config())
        try:
            await client.start()
            await asyncio.wait_for(client.getone(), 60)
        finally:
            await client.stop()

    with pytest.raises(AioKafkaError):
        asyncio.run(read())


def test_nobody_but_the_administrator_changes_what_there_is(secured: SecuredBroker) -> None:
    for name in ("operator", "contact-monitor"):
        with contextlib.closing(admin(secured.user(name))) as client:
            with pytest.raises(KafkaError):
                client.delete_topics([t.AUDIT])
            with pytest.raises(KafkaError):
                client.create_topics({"mine": {"num_partitions": 1, "replication_factor": 1}})
    with pytest.raises(UserError, match="administrator"):
        grant(secured.user("operator"), [Principal("x", "", (Right("x", "topic", t.AUDIT, False, "write"),))])
    assert keepintouch(secured.user("operator"), "topics", "check", "--partitions", "2", "--replication", "1").returncode == 0


def test_who_lacks_a_right_is_told_so_in_one_line(secured: SecuredBroker) -> None:
    """Whether a topic is hidden from a user, or shown and not to be read; also where nothing stands in it yet."""
    few = "--partitions", "2", "--replication", "1"
    for name, *command in (
            ("auditor", "dead-letters", "list"), ("operator", "audit"), ("case-system", "alerts", "list"),
            ("operator", "simulate", "--people", "1", "--days", "1", "--to-kafka"), ("auditor", "topics", "create", *few),
            ("intake", "topics", "check", *few)):
        done = keepintouch(secured.user(name), *command)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert "keepintouch access check" in done.stderr


def test_strangers_and_wrong_passwords_stay_outside(secured: SecuredBroker) -> None:
    refused(secured.user("board", sasl_password="not the right one"), "KAFKA_SASL_PASSWORD")
    with pytest.raises(BrokerUnreachable):   # the administrator's door, without a certificate
        check_broker(KafkaSettings.model_validate({
            "bootstrap_servers": secured.bootstrap, "security_protocol": "SSL", "ssl_cafile": secured.secrets / "ca.pem"}),
            timeout=3)
    with pytest.raises(BrokerUnreachable):   # and without TLS
        check_broker(KafkaSettings.model_validate({"bootstrap_servers": f"127.0.0.1:{secured.clients}"}), timeout=3)


def test_what_differs_is_told_and_put_right_and_passwords_change(secured: SecuredBroker) -> None:
    assert keepintouch(secured.settings, "access", "check").stdout == "all rights are as stated\n"
    grant(secured.settings, [Principal("stranger", "", (Right("stranger", "topic", t.EVENTS, False, "read"),))])
    checked = keepintouch(secured.settings, "access", "check")
    assert (checked.returncode, checked.stdout) == (1, f"not stated: stranger: read topic {t.EVENTS}\n")
    assert compare(secured.settings, PRINCIPALS.values())[0] == []

    (secured.secrets / "passwords" / "auditor").write_text("another one, of twenty and more")
    again = keepintouch(secured.settings, "access", "create", "--passwords", str(secured.secrets / "passwords"))
    assert (again.returncode, again.stdout) == (0, f"{len(PRINCIPALS)} users, 0 rights given\n")
    assert "not stated: stranger" in again.stderr
    check_broker(secured.user("auditor"), timeout=60)
