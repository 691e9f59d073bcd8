"""What the tests share. The real Apache Kafka of this machine:

- ``broker``: one local broker for the whole run, started when the first test asks for it. A test that uses it, even by
  way of another fixture, is marked `broker` by itself and so left out of `make test-fast`.
- ``kafka``: settings that lead to it.
- ``topics``: every topic declared in deploy/kafka/topics.yaml, fresh and empty, with few partitions: what an earlier
  test left there is deleted first, and its consumer groups with it. Ask for it in every test that reads or writes a
  topic; then each test has Kafka for itself. `make_topics` does the same with another app id or partition count.

A real PostgreSQL: ``postgres``, one server for the whole run; `postgres.fresh()` is the URL of an empty database.

What runs against the broker must have ended before its test does: a leftover worker would read the next test's topics.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence

import pytest
from hypothesis import HealthCheck, settings

from keepintouch.runtime.kafka import KafkaSettings, admin, check_broker
from keepintouch.runtime.local_broker import LocalBroker
from keepintouch.runtime.stopping import exit_on_signals
from keepintouch.runtime.topics import Topic, create_topics, load_topics
from tests.postgres import LocalPostgres

PARTITIONS = 4


# The same commit gives the same verdict; `make fuzz` is where new cases are drawn.
# How long an example takes is the machine's business.
however_slow = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("default", however_slow, derandomize=True)
settings.register_profile("fast", however_slow, derandomize=True, max_examples=10)
settings.register_profile("fuzz", however_slow, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.hookimpl(tryfirst=True)   # before pytest applies -m
def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    for item in items:
        if "broker" in getattr(item, "fixturenames", ()):
            item.add_marker("broker")
        if item.get_closest_marker("broker"):   # one broker, one test at a time, while the other core does the rest
            item.add_marker(pytest.mark.xdist_group("broker"))


@pytest.fixture(scope="session", autouse=True)
def _clean_exit() -> Iterator[None]:
    """Let SIGTERM unwind the fixtures, so that nothing stays running."""
    with exit_on_signals():
        yield


@pytest.fixture(scope="session", autouse=True)
def _patience() -> Iterator[None]:
    """A Kafka that shares its machine with all of this may take more than five seconds to answer; one that is away says so at
    once.
    """
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(check_broker, "__defaults__", (60.0,))
        yield


@pytest.fixture(scope="session")
def broker() -> Iterator[LocalBroker]:
    """The local Apache Kafka of this run."""
    with LocalBroker() as running:
        yield running


@pytest.fixture(scope="session")
def kafka(broker: LocalBroker) -> KafkaSettings:
    """Settings that lead to the local broker."""
    return broker.settings


@pytest.fixture(scope="session")
def make_topics(kafka: KafkaSettings) -> Callable[..., tuple[Topic, ...]]:
    """A function `(app_id="contact-monitor", partitions=4)` that makes every topic anew and returns them."""
    def make(app_id: str = "contact-monitor", partitions: int = PARTITIONS) -> tuple[Topic, ...]:
        declared = load_topics(app_id=app_id, partitions=partitions, replication=1)
        _clear(kafka)
        create_topics(kafka, declared)
        return declared

    return make


@pytest.fixture
def topics(make_topics: Callable[..., tuple[Topic, ...]]) -> tuple[Topic, ...]:
    """Every declared topic, new and empty, four partitions for events and state."""
    return make_topics()


@pytest.fixture(scope="session")
def postgres() -> Iterator[LocalPostgres]:
    """The PostgreSQL of this run."""
    with LocalPostgres() as running:
        yield running


def _clear(kafka: KafkaSettings) -> None:
    with contextlib.closing(admin(kafka)) as client:
        def names() -> list[str]:
            return [name for name in client.list_topics() if not name.startswith("__")]

        if old := names():
            client.delete_topics(old)
        deadline = time.monotonic() + 3   # until the session of whoever was killed is over: it would hold partitions of the new
        while (groups := client.list_groups()) and any(group["group_state"] not in ("Empty", "Dead") for group in groups):
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        if empty := [group["group_id"] for group in groups if group["group_state"] == "Empty"]:
            client.delete_groups(empty)
        deadline = time.monotonic() + 60
        while names():
            assert time.monotonic() < deadline, "topics were not deleted in time"
            time.sleep(0.02)
