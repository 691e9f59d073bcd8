"""Somebody is erased: after that no store, page, metric or log of any service has a trace of them."""
from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from http.cookiejar import CookieJar
from pathlib import Path

import pytest

from keepintouch.calendar import london_midnight
from keepintouch.demo.stack import BOARD, INTAKE, MONITOR, NOTIFIER, Stack
from keepintouch.publishing import to_json
from keepintouch.runtime.clock import LinearClock
from keepintouch.runtime.kafka import KafkaSettings, read_to_end
from keepintouch.runtime.topics import ALERTS, Topic, people_changelog
from keepintouch.simulator import TYPICAL, Simulation, simulate
from keepintouch.standards import stored
from schemas.alerts import Alert
from services.intake.erasing import whose
from tests.processes import until

SERVICES = (MONITOR, NOTIFIER, INTAKE, BOARD)
TODAY = date(2026, 5, 12)
_AT_ONCE = 400


@pytest.fixture
def council() -> Simulation:
    return simulate(TYPICAL, people=30, start=TODAY - timedelta(days=200), days=200)


@pytest.fixture
def stack(council: Simulation, kafka: KafkaSettings, topics: tuple[Topic, ...],
          monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap_servers)
    clock = LinearClock(london_midnight(TODAY) + timedelta(hours=10), datetime.now(UTC))
    with Stack(council, "standard_8_week", settle_seconds=0.5, say=lambda _: None,
               more={"KEEPINTOUCH_CLOCK": clock.spec()}) as running:
        running.feed(council.staff, ())
        for service in SERVICES:
            running.start(service)
        running.wait_ready()
        yield running


def post(stack: Stack, council: Simulation) -> None:
    """Send the council's history as its case system would, so that the gateway knows of everyone, too."""
    events = [to_json(arrival.event) for arrival in council.history()]
    for first in range(0, len(events), _AT_ONCE):
        body = b"[" + b",".join(events[first:first + _AT_ONCE]) + b"]"
        request = urllib.request.Request(f"{stack.address(INTAKE)}/v1/events", body,
                                         {"Content-Type": "application/cloudevents-batch+json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.status == 202


def newest_alerts(kafka: KafkaSettings) -> dict[bytes, bytes | None]:
    return {record.key: record.value for record in read_to_end(kafka, ALERTS) if record.key}


def rows(database: Path) -> str:
    """Everything that a database holds, as text."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return "\n".join(connection.iterdump())


def accepted(intake: Path, ref: str) -> int:
    """How much the gateway remembers of what was sent about a person."""
    with contextlib.closing(sqlite3.connect(f"file:{intake}?mode=ro", uri=True)) as connection:
        found: int = connection.execute("SELECT count(*) FROM accepted WHERE person = ?", (whose(ref),)).fetchone()[0]
        return found


class Browser:
    """Somebody of the council, signed in at the board."""

    def __init__(self, stack: Stack, council: Simulation) -> None:
        self._address = stack.address(BOARD)
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        who = next(member.worker_ref for member in council.staff if member.role == "service_manager")
        with contextlib.suppress(urllib.error.HTTPError):   # there is no such text; but they are signed in
            self._opener.open(f"{self._address}/sign-in/as/{who}/ZZZZ", timeout=60)

    def status(self, path: str) -> int:
        try:
            with self._opener.open(self._address + path, timeout=60) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code


def test_nobody_knows_of_somebody_who_was_erased(stack: Stack, council: Simulation, kafka: KafkaSettings) -> None:
    post(stack, council)
    until(lambda: any(newest_alerts(kafka).values()))
    ref = next(Alert.model_validate_json(value).person_ref for value in newest_alerts(kafka).values() if value)
    about = {key for key, value in newest_alerts(kafka).items() if value and ref.encode() in value}
    notifier, intake = stack.folder / "notifier.db", stack.folder / "intake.db"
    browser = Browser(stack, council)
    until(lambda: ref in rows(notifier))
    until(lambda: browser.status(f"/people/{ref}") == 200)
    assert accepted(intake, ref)

    subprocess.run([sys.executable, "-m", "keepintouch", "erase", "-", "--yes", "--within", "120s"], input=ref.encode(),
                   check=True, timeout=300, env=stack.environment(), capture_output=True)

    gone = [ref.partition(":")[2], *(key.decode() for key in about)]
    until(lambda: browser.status(f"/people/{ref}") == 404)
    until(lambda: not any(newest_alerts(kafka)[key] for key in about))
    until(lambda: not any(word in rows(notifier) for word in gone))
    until(lambda: not accepted(intake, ref))
    assert [line for line in rows(intake).splitlines() if gone[0] in line and '"erased"' not in line] == []
    left = [record.value for record in read_to_end(kafka, people_changelog()) if record.key == ref.encode()][-1]
    assert left is not None
    person = stored.load(left)
    assert (person.facts, person.registers, person.ledger) == (None, {}, None)
    for service in SERVICES:
        with urllib.request.urlopen(f"{stack.address(service)}/metrics", timeout=60) as answer:
            assert gone[0] not in answer.read().decode(), service
    stack.services.stop(*SERVICES)
    assert [path.name for path in stack.folder.iterdir() if path.suffix in (".log", ".jsonl") and holds(path, gone)] == []
    assert not holds(notifier, gone), "nor in the room that was freed"


def holds(path: Path, words: list[str]) -> bool:
    """Whether a file has any of these words in it, wherever."""
    content = path.read_bytes()
    return any(word.encode() in content for word in words)
