"""The local broker, our settings, and the topics, on a real Apache Kafka."""

import asyncio
import contextlib
import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, errors
from kafka.errors import KafkaError
from typer.testing import CliRunner

from keepintouch.cli.topics import app
from keepintouch.runtime import topics as t
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.kafka import (
    MAX_RECORD_BYTES,
    BrokerUnreachable,
    KafkaSettings,
    TopicMissing,
    admin,
    check_broker,
    consumer,
    producer,
    read_to_end,
)
from keepintouch.runtime.local_broker import LocalBroker
from keepintouch.runtime.ports import free_port
from tests.certificates import self_signed
from tests.processes import alive, until
from tests.secured_broker import refused

Topics = tuple[t.Topic, ...]

pytestmark = pytest.mark.broker   # some start a broker of their own


def write(kafka: KafkaSettings, topic: str, *values: bytes, key: bytes = b"a:1") -> None:
    with contextlib.closing(producer(kafka)) as to:
        for sent in [to.send(topic, key=key, value=value, headers=[("n", value)]) for value in values]:
            sent.get(timeout=30)


def first_values(reader: Any, within: float = 60) -> list[bytes]:
    """The values of the first batch that comes."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if batches := reader.poll(timeout_ms=200):
            return [record.value for batch in batches.values() for record in batch]
    return []


def test_reads_to_the_end_as_it_was_at_the_call(kafka: KafkaSettings, topics: Topics) -> None:
    write(kafka, t.EVENTS, *(b"%d" % n for n in range(100)))
    write(kafka, t.STAFF, b"staff")
    records = read_to_end(kafka, t.EVENTS, t.STAFF)
    first = next(records)
    write(kafka, t.EVENTS, b"too late")
    rest = [first, *records]
    assert sorted(record.value or b"" for record in rest) == sorted([b"staff", *(b"%d" % n for n in range(100))])
    events = [record for record in rest if record.topic == t.EVENTS]
    assert [record.offset for record in events] == list(range(100))
    assert (events[7].key, events[7].headers, events[7].timestamp_ms > 0) == (b"a:1", (("n", b"7"),), True)
    assert list(read_to_end(kafka, t.AUDIT)) == []


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_reads_what_others_have_compressed(kafka: KafkaSettings, topics: Topics, codec: Any) -> None:
    async def send() -> None:
        async with AIOKafkaProducer(**kafka.client_config(), compression_type=codec) as to:
            await to.send_and_wait(t.EVENTS, b"x" * 5_000, key=b"a:1")

    asyncio.run(send())
    assert [record.value for record in read_to_end(kafka, t.EVENTS)] == [b"x" * 5_000]


def test_a_topic_that_is_missing_is_one_line(kafka: KafkaSettings, topics: Topics) -> None:
    with pytest.raises(TopicMissing, match=r"no topic care\.none.*keepintouch topics create"):
        list(read_to_end(kafka, "care.none"))


@pytest.mark.parametrize(("key", "hashed"), [(b"21", -973932308), (b"foobar", -790332482),
                                             (b"a-little-bit-long-string", -985981536)])
def test_our_producers_partition_as_kafkas_own_do(kafka: KafkaSettings, topics: Topics, key: bytes, hashed: int) -> None:
    """The hashes are those of Kafka's own test of its murmur2."""
    write(kafka, t.EVENTS, b"x", key=key)
    (record,) = read_to_end(kafka, t.EVENTS)
    assert record.partition == (hashed & 0x7FFFFFFF) % 4


def test_a_consumer_commits_only_by_hand(kafka: KafkaSettings, topics: Topics) -> None:
    write(kafka, t.ALERTS, b"one")
    for _ in range(2):
        with contextlib.closing(consumer(kafka, t.ALERTS, group="hand")) as reader:
            assert first_values(reader) == [b"one"]


def test_what_may_be_large_and_what_not(kafka: KafkaSettings, topics: Topics) -> None:
    async def send(topic: str, mebibytes: float) -> None:
        config = {**kafka.client_config(), "max_request_size": MAX_RECORD_BYTES}
        async with AIOKafkaProducer(**config) as to:
            await to.send_and_wait(topic, b"x" * int(mebibytes * 1024 * 1024), key=b"a:1")

    asyncio.run(send(t.people_changelog(), 4.5))
    asyncio.run(send(t.DEAD_LETTERS, 5.5))
    with pytest.raises(errors.MessageSizeTooLargeError):
        asyncio.run(send(t.EVENTS, 1.5))


def test_topics_are_made_once_and_differences_are_told(kafka: KafkaSettings, topics: Topics) -> None:
    assert t.create_topics(kafka, topics) == []
    assert t.check_topics(kafka, topics) == []
    with contextlib.closing(admin(kafka)) as client:
        client.delete_topics([t.AUDIT])
        until(lambda: t.AUDIT not in client.list_topics())
        client.create_topics({t.AUDIT: {"num_partitions": 2, "replication_factor": 1,
                                        "configs": {"retention.ms": "1000"}}}, wait_for_metadata=True)
        client.delete_topics([t.STAFF])
        until(lambda: t.STAFF not in client.list_topics())
    found = [str(difference) for difference in t.check_topics(kafka, topics)]
    assert found[0] == "care.staff.v1 does not exist, or Kafka does not show it to this user"
    assert "care.audit.v1: partitions is 2, declared 3" in found
    assert "care.audit.v1: retention.ms is 1000, declared 220924800000" in found
    assert t.create_topics(kafka, topics) == [t.STAFF]


def test_more_copies_than_brokers(kafka: KafkaSettings, topics: Topics) -> None:
    with pytest.raises(UserError, match="--replication"):
        t.create_topics(kafka, t.load_topics(app_id="other"))


def test_the_command_line(kafka: KafkaSettings, make_topics: Callable[..., Topics],
                          monkeypatch: pytest.MonkeyPatch) -> None:
    make_topics("old")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap_servers)
    monkeypatch.setenv("CONTACT_MONITOR_APP_ID", "blue")
    run, laptop = CliRunner().invoke, ["--partitions", "4", "--replication", "1"]
    before = run(app, ["check", *laptop])
    assert before.exit_code == 1
    assert before.output == "blue-people-changelog does not exist, or Kafka does not show it to this user\n"
    made = run(app, ["create", *laptop])
    assert (made.exit_code, made.output) == (0, "created blue-people-changelog\n1 created, 7 were there\n")
    assert run(app, ["check", *laptop]).exit_code == 0
    assert "partitions is 4, declared 12" in run(app, ["check"]).output
    listed = run(app, ["list", *laptop]).output.splitlines()
    assert len(listed) == 9
    assert any(line.startswith("care.events.v1") and "retention.ms=34560000000" in line for line in listed)


def test_killed_it_comes_back_with_its_data_on_its_port(tmp_path: Path) -> None:
    """And what a killed owner left behind is removed by the next broker."""
    program = ("import time; from keepintouch.runtime.local_broker import LocalBroker\n"
               "with LocalBroker() as b: print(b.pid, b.log.parent, flush=True); time.sleep(600)")
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as owner:
        try:
            assert owner.stdout is not None
            pid, folder = owner.stdout.readline().split()
        finally:
            owner.kill()
    until(lambda: not alive(int(pid)))
    assert Path(folder).exists()
    os.utime(Path(folder) / "owned", (0, 0))

    with LocalBroker() as broker:
        assert not Path(folder).exists()
        port, first = broker.port, broker.pid
        t.create_topics(broker.settings, t.load_topics(partitions=1, replication=1))
        write(broker.settings, t.EVENTS, b"kept")
        broker.kill()
        with pytest.raises(BrokerUnreachable):
            check_broker(broker.settings, timeout=1)
        broker.start()
        assert (broker.port, broker.pid != first) == (port, True)
        assert [record.value for record in read_to_end(broker.settings, t.EVENTS)] == [b"kept"]
        broker.stop()
        assert broker.pid is None
        mine = broker.log.parent
    assert not mine.exists()


def test_sigterm_ends_the_broker_and_removes_its_data() -> None:
    program = ("import time; from keepintouch.runtime.local_broker import LocalBroker\n"
               "from keepintouch.runtime.stopping import exit_on_signals\n"
               "with exit_on_signals(), LocalBroker() as b: print(b.pid, b.log.parent, flush=True); time.sleep(600)")
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as owner:
        try:
            assert owner.stdout is not None
            pid, folder = owner.stdout.readline().split()
            owner.send_signal(signal.SIGTERM)
            assert owner.wait(60) == 143
        finally:
            owner.kill()
    assert (alive(int(pid)), Path(folder).exists()) == (False, False)


def test_a_broker_that_cannot_start_says_why_in_one_line() -> None:
    with pytest.raises(UserError, match=r"^Kafka (ended at its start|could not lay out its data): .*log\.dirs") as caught:
        LocalBroker({"log.dirs": ""}, say=lambda _: None).__enter__()
    assert "\n" not in str(caught.value)


def test_login_over_tls_with_both_libraries(tmp_path: Path) -> None:
    from kafka.admin import ScramMechanism, UserScramCredentialUpsertion

    pem, ca = self_signed(tmp_path)
    port = free_port()
    overrides = {
        "listeners": f"PLAINTEXT://127.0.0.1:{{port}},SASL_SSL://127.0.0.1:{port},CONTROLLER://127.0.0.1:{{control}}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{{port}},SASL_SSL://127.0.0.1:{port}",
        "ssl.keystore.type": "PEM", "ssl.keystore.location": str(pem), "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config":
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"}
    with LocalBroker(overrides) as broker:
        with contextlib.closing(admin(broker.settings)) as client:
            client.alter_user_scram_credentials([UserScramCredentialUpsertion(
                "monitor", ScramMechanism.SCRAM_SHA_512, "open-sesame", iterations=4096)])
            t.create_topics(broker.settings, t.load_topics(partitions=1, replication=1))

        def as_user(password: str, **more: object) -> KafkaSettings:
            return KafkaSettings.model_validate({
                "bootstrap_servers": f"127.0.0.1:{port}", "security_protocol": "SASL_SSL", "sasl_username": "monitor",
                "sasl_password": password, "ssl_cafile": ca, **more})

        write(as_user("open-sesame"), t.EVENTS, b"kafka-python")

        async def with_aiokafka() -> None:
            async with AIOKafkaProducer(**as_user("open-sesame").client_config()) as to:
                await to.send_and_wait(t.EVENTS, b"aiokafka", key=b"a:1")

        asyncio.run(with_aiokafka())
        assert [r.value for r in read_to_end(as_user("open-sesame"), t.EVENTS)] == [b"kafka-python", b"aiokafka"]

        assert "wrong" not in refused(as_user("wrong"), r"does not let us in.*KAFKA_SASL_PASSWORD")
        refused(as_user("open-sesame", ssl_cafile=None), "KAFKA_SSL_CAFILE")   # a certificate that nobody we trust has signed


def test_a_producer_goes_on_after_an_outage_in_which_its_records_expired() -> None:
    """kafka-python's idempotent one would wait for ever."""
    with LocalBroker() as broker:
        t.create_topics(broker.settings, t.load_topics(partitions=1, replication=1))
        with contextlib.closing(producer(broker.settings, request_timeout_ms=1000, delivery_timeout_ms=2000, max_block_ms=1000,
                                         reconnect_backoff_max_ms=500)) as to:

            def is_sent(value: bytes) -> bool:
                with contextlib.suppress(KafkaError):
                    to.send(t.STAFF, value, b"north:a").get(60)
                    return True
                return False

            until(lambda: is_sent(b"before"))
            assert broker.pid is not None
            os.kill(broker.pid, signal.SIGSTOP)
            assert not is_sent(b"meanwhile")   # on its way, and nobody knows whether it arrived
            broker.kill()
            broker.start()
            until(lambda: is_sent(b"after"))   # or it never sends again
        assert [record.value for record in read_to_end(broker.settings, t.STAFF)][-1] == b"after"
    gc.collect()
