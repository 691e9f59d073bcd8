"""A made-up county of some hundred people with two years of records, as `keepintouch demo` runs it; and a reader of its pages."""
from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import orjson
import pytest

from keepintouch.demo.stack import BOARD, MONITOR, Stack
from keepintouch.publishing import to_json
from keepintouch.runtime.clock import LinearClock
from keepintouch.runtime.kafka import KafkaSettings
from keepintouch.simulator import Arrival, Simulation
from tests.integration.test_board import csrf
from tests.processes import until
from tests.reference.command import keepintouch

POLICY = "standard_8_week"


@contextmanager
def county(council: Simulation, kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """The council on the tests' own Kafka; nothing runs yet. At its end no log holds what it must not."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap_servers)
    said: list[str] = []
    with Stack(council, POLICY, settle_seconds=1, say=said.append) as stack:
        yield stack
        logs = "".join(path.read_text() for path in stack.folder.glob("*.log"))
    staff = council.staff
    never = [*council.patterns, *council.labels.values(), *(each.name for each in staff),
             *(each.mobile for each in staff if each.mobile)]
    assert [each for each in never if each in logs] == []
    assert "Traceback" not in logs


def start_at(stack: Stack, when: datetime, *services: str) -> LinearClock:
    """Start services at that time."""
    clock = LinearClock(when, datetime.now(UTC))
    for service in services:
        stack.start(service, clock)
    stack.wait_ready(*services)
    return clock


def wait_until_evaluated(stack: Stack, people: int) -> None:
    """Return once the monitor has looked at everybody."""
    until(lambda: stack.gauge(MONITOR, "contact_monitor_people") == people
          and not stack.gauge(MONITOR, "contact_monitor_people_settling")
          and not stack.gauge(MONITOR, "contact_monitor_people_not_looked_at"), within=240)


@contextmanager
def signed_in(stack: Stack, worker_ref: str) -> Iterator[httpx.Client]:
    """A browser in which somebody is signed in."""
    with httpx.Client(base_url=stack.address(BOARD), timeout=60, follow_redirects=True) as client:
        page = client.get("/")
        client.post("/sign-in/as", data={"csrf": csrf(page), "worker": worker_ref}).raise_for_status()
        yield client


def refs_on(page: httpx.Response) -> set[str]:
    """Whom a page leads to."""
    assert page.status_code == 200, page.text
    return set(re.findall(r'href="/people/([^"/]+)"', page.text))


def figure(page: httpx.Response, link: str) -> int:
    """The number that leads to a list."""
    found = re.search(rf'href="[^"]*\?{re.escape(html.escape(link))}[^"]*">(\d+)', page.text)
    assert found is not None, f"{link} is not on the page"
    return int(found[1])


def words_of(page: httpx.Response) -> str:
    """A page without its marks."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


def events_file(path: Path, arrivals: Iterable[Arrival]) -> Path:
    """The same events for the command line."""
    path.write_bytes(b"".join(to_json(each.event) + b"\n" for each in arrivals))
    return path


def standings(events: Path, as_of: datetime) -> dict[str, dict[str, bool]]:
    """How `keepintouch evaluate` says everybody in scope stands."""
    ran = keepintouch("evaluate", "--policy", POLICY, "--as-of", as_of.isoformat(), str(events))
    assert ran.status == 0, ran.err
    lines = map(orjson.loads, ran.out.splitlines())
    return {each["person_ref"]: each for each in lines if each["kind"] == "person" and each["in_scope"]}
