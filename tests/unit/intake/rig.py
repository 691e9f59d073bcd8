"""The gateway without a process and without Kafka: the real application over a real database, and a Kafka that keeps a ledger."""
from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import httpx
import orjson
from fastapi import FastAPI
from httpx import Response

from keepintouch import refs
from keepintouch.runtime.clock import ManualClock
from keepintouch.runtime.database import Database
from keepintouch.runtime.topics import EVENTS, STAFF
from schemas.staff import Staff
from services.intake.app import Web, make_app
from services.intake.bodies import BATCH, STRUCTURED
from services.intake.gate import Gate
from services.intake.keys import Caller, Keyring, make_key
from services.intake.limits import Limits
from services.intake.metrics import Metrics
from services.intake.service import Intake
from services.intake.writer import Outgoing

NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
SOURCE, OTHER_SOURCE = "https://lcs.example.gov.uk", "https://housing.example.gov.uk"
COUNCILS = frozenset({"demo", "other"})


@dataclass
class Kafka:
    """Keeps what was written, in order. While `away` it takes nothing; `takes` so many more, then goes away."""

    ledger: list[tuple[str, Outgoing]] = field(default_factory=list)
    away: bool = False
    takes: int | None = None
    may_go_on: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.may_go_on.set()

    def write(self, topic: str, records: Sequence[Outgoing]) -> list[bool]:
        """As the real one: a manifest only if all before it were taken."""
        assert self.may_go_on.wait(120)
        done: list[bool] = []
        for record in records:
            takes = not self.away and (all(done) or not record.everywhere)
            if takes and self.takes is not None:
                takes, self.takes = self.takes > 0, self.takes - 1
            if takes:
                self.ledger.append((topic, record))
            done.append(takes)
        return done

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events there are."""
        return [orjson.loads(record.value) for topic, record in self.ledger if topic == EVENTS]

    @property
    def staff(self) -> dict[str, Staff]:
        """Everybody, as the last record has them."""
        return {record.key.decode(): Staff.model_validate_json(record.value) for topic, record in self.ledger if topic == STAFF}


class Client:
    """Asks an application in this process, from any thread, in one event loop as a server has it."""

    def __init__(self, app: FastAPI) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(app, client=("192.0.2.1", 50000)),
                                         base_url="http://intake:8103")

    def request(self, method: str, path: str, **more: Any) -> Response:
        return asyncio.run_coroutine_threadsafe(self._client.request(method, path, **more), self._loop).result(60)

    def get(self, path: str, **more: Any) -> Response:
        return self.request("GET", path, **more)

    def post(self, path: str, **more: Any) -> Response:
        return self.request("POST", path, **more)

    def put(self, path: str, **more: Any) -> Response:
        return self.request("PUT", path, **more)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._client.aclose(), self._loop).result(60)
        asyncio.run_coroutine_threadsafe(self._loop.shutdown_default_executor(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@dataclass
class Rig:
    """A running gateway and who sends to it: a context manager."""

    database: Database
    folder: Path
    kafka: Kafka = field(default_factory=Kafka)
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))
    largest_body: int = 1024 * 1024
    per_minute: int = 1_000_000
    patience: timedelta = timedelta(seconds=120)
    without: Caller | None = None

    def __enter__(self) -> Self:
        self.metrics = Metrics()
        self.gate = Gate(self.kafka, self.database, self.clock.now, self.metrics)
        self.intake = Intake(self.gate, self.kafka, self.database, COUNCILS, self.folder, self.clock.now,
                             lambda: self.kafka.staff, self.metrics, self.patience, timedelta(days=30))
        self.web = Web(self.intake, self._caller, self.largest_body, Limits(self.per_minute), list, list)
        self.app = make_app(self.web)
        self.client = Client(self.app)
        self.gate.start()
        self.key = self.new_key("demo", SOURCE)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.gate.close()

    def _caller(self, key: str) -> Caller | None:
        with self.database.read() as connection:
            ring = Keyring.read(connection)
        return self.without if self.without is not None else ring.caller(key)

    @property
    def under_way(self) -> int:
        """Posts that are not answered yet."""
        return int(self.metrics.registry.get_sample_value("intake_posts_under_way") or 0)

    def new_key(self, council: str, *sources: str) -> str:
        """A key that holds."""
        with self.database.write() as connection:
            return make_key(connection, council, sources, self.clock.now())[1]

    def council_key(self) -> refs.Refs:
        """The key of the council, made."""
        refs.new_key(self.folder, "demo")
        return refs.load_key(self.folder, "demo")

    def post(self, events: object, *, key: str | None = None, kind: str | None = None, path: str = "/v1/events",
             headers: Mapping[str, str] | None = None) -> Response:
        """Post one event or a list of them."""
        content = events if isinstance(events, bytes) else orjson.dumps(events)
        kind = kind or (BATCH if isinstance(events, list) else STRUCTURED)
        return self.client.post(path, content=content, headers=self.headers(key) | {"Content-Type": kind} | dict(headers or {}))

    def complete(self, feed: str = "visits", *, key: str | None = None, **said: object) -> Response:
        """Say that a feed is complete."""
        body = {"complete_through": "2026-03-09", "records": 3} | said
        return self.client.post(f"/v1/feeds/{feed}/complete", json=body, headers=self.headers(key))

    def put_staff(self, members: object, *, key: str | None = None, headers: Mapping[str, str] | None = None) -> Response:
        """Send staff."""
        return self.client.put("/v1/staff", json=members, headers=self.headers(key) | dict(headers or {}))

    def letters(self, *, key: str | None = None, **query: Any) -> dict[str, Any]:
        """What was not accepted."""
        answer = self.client.get("/v1/dead-letters", params=query, headers=self.headers(key))
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def headers(self, key: str | None = None) -> dict[str, str]:
        """With the usual key, or another; an empty one: none."""
        key = self.key if key is None else key
        return {"Authorization": f"Bearer {key}"} if key else {}


def contact(number: int = 1, person: str = "demo:p1", **more: Any) -> dict[str, Any]:
    """A contact as an event; `more` are fields of its data, but for `id`, `source` and `subject`."""
    return _event("care.contact.v1", f"c{number}", person, {
        "record_id": f"r{number}", "recorded_at": "2026-03-09T17:00:00Z", "occurred_at": "2026-03-09T15:30:00Z",
        "worker_ref": "demo:ada", "worker_role": "personal_adviser", "channel": "phone", "direction": "out",
        "outcome": "completed"}, more)


def snapshot(person: str = "demo:p1", **more: Any) -> dict[str, Any]:
    """A person as an event."""
    return _event("care.person.v1", f"s-{person}", person, {
        "recorded_at": "2026-03-09T17:00:00Z", "born_on": "2007-01-31", "category": "former_relevant",
        "supported_since": "2025-01-31", "adviser_ref": "demo:ada", "need": "standard", "looked_after": False,
        "cohorts": []}, more)


def member(worker: str = "demo:ada", **more: Any) -> dict[str, Any]:
    """A member of staff."""
    return {"worker_ref": worker, "council": "demo", "role": "adviser", "name": "Name of Ada", "mobile": "+447700900001",
            "team_ref": "north", "manager_ref": "demo:max", "channels": ["sms"], "active": True} | more


def _event(kind: str, event_id: str, person: str, data: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    envelope = {name: more.pop(name) for name in ("id", "source", "subject") if name in more}
    return {"specversion": "1.0", "id": event_id, "source": SOURCE, "type": kind, "subject": person,
            "data": {"person_ref": person} | data | more} | envelope


def results(answer: Response) -> list[str]:
    """Of each what became of it, a refusal by its reason."""
    return [each.get("reason", each["result"]) for each in answer.json()["results"]]


def without(event: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The same without some fields of its data."""
    return event | {"data": {name: value for name, value in event["data"].items() if name not in set(names)}}
