"""`keepintouch audit` on a real Apache Kafka: who looked at whom, by person, by member of staff, since when."""
from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime, timedelta

import pytest

from keepintouch.runtime.kafka import KafkaSettings, producer
from keepintouch.runtime.topics import AUDIT, Topic
from services.board.publishing import audit_record
from tests.reference.command import keepintouch

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
ROBIN, ASH, MANAGER, ADVISER = "lancashire:robin", "lancashire:ash", "lancashire:m", "lancashire:a"


@pytest.fixture(autouse=True)
def _entries(kafka: KafkaSettings, topics: tuple[Topic, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap_servers)
    monkeypatch.setenv("KEEPINTOUCH_DEMO", "1")
    monkeypatch.setenv("KEEPINTOUCH_CLOCK", f"{NOW.isoformat()}@{datetime.now(UTC).isoformat()}*1")
    with contextlib.closing(producer(kafka)) as to:
        for actor, person, what, ago in ((ADVISER, ROBIN, "viewed", 40), (MANAGER, ROBIN, "review", 10),
                                         (ADVISER, ASH, "acknowledge", 5), (MANAGER, None, "viewed", 1)):
            made = audit_record(actor, person, what, NOW - timedelta(days=ago), "/team")
            to.send(AUDIT, value=made.value, key=made.key.encode())
        to.send(AUDIT, value=b"{}", key=b"x")
        to.flush(timeout=30)


@pytest.mark.parametrize(("arguments", "whats"), [
    ((), ["viewed", "review", "acknowledge", "viewed"]), (("--person", ROBIN), ["viewed", "review"]),
    (("--actor", ADVISER), ["viewed", "acknowledge"]), (("--since", "30d"), ["review", "acknowledge", "viewed"]),
    (("--person", ROBIN, "--since", "2026-02-01T00:00:00Z", "--actor", MANAGER), ["review"]), (("--person", "lancashire:x"), [])])
def test_it_prints_what_is_asked_for_the_oldest_first(arguments: tuple[str, ...], whats: list[str]) -> None:
    ran = keepintouch("audit", *arguments)
    assert ran.status == 0, ran.err
    assert [json.loads(line)["what"] for line in ran.out.splitlines()] == whats
    assert "1 records of care.audit.v1 could not be read" in ran.err


def test_what_is_no_ref_is_said_in_a_line() -> None:
    ran = keepintouch("audit", "--person", "Robin Fable")
    assert ran.status == 2
    assert "--person: that is no ref" in ran.err
    assert "Robin" not in ran.err
