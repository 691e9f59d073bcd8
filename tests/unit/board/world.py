"""A made-up council as the board would have read it from the topics, without Kafka: for tests of pages, and for pictures."""
from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import orjson
import yaml
from fastapi import FastAPI

from keepintouch.calendar import london_day, london_midnight
from keepintouch.councils import Councils, load_councils
from keepintouch.publishing import to_json
from keepintouch.refs import new_key
from keepintouch.rulebook import read_rules
from keepintouch.runtime.clock import ManualClock
from keepintouch.runtime.topics import ALERT_ACTIONS, ALERTS, AUDIT, NOTIFICATIONS, STAFF, people_changelog
from keepintouch.simulator import LANCASHIRE_2017, Simulation, simulate
from keepintouch.standards import stored
from keepintouch.standards.evaluation import evaluate
from keepintouch.standards.ledger import open_keys, policy_mark, settle
from keepintouch.standards.policy import Policy
from keepintouch.standards.policy_file import load_policy
from keepintouch.standards.world import World
from schemas.notifications import Notification
from schemas.staff import Staff
from services.board.actions import ActionDesk
from services.board.app import make_app
from services.board.assets import icon, stylesheet
from services.board.figures import Figures
from services.board.metrics import Metrics
from services.board.model.model import Model
from services.board.publishing import NotSavedError, Outgoing, Trail
from services.board.sessions import Sessions
from services.board.settings import BoardSettings, assets_dir
from services.board.web import Board
from services.board.who import WhoIsWho

OWN_URL = "http://127.0.0.1:8104"
POLICY = "standard_8_week"
PEOPLE = people_changelog()
NEIGHBOUR = "cumbria"
Raw = tuple[str, bytes, bytes | None]


@dataclass(frozen=True, slots=True)
class Arranged:
    """What is on the topics one morning."""

    simulation: Simulation
    records: tuple[Raw, ...]
    now: datetime


@cache
def arranged(people: int = 60, seed: int = 1) -> Arranged:
    """A council after a year: what was overdue a week before was found then, the rest since; half past nine on a Tuesday."""
    simulation = simulate(LANCASHIRE_2017, people=people, seed=seed)
    policy, world = load_policy(POLICY), World()
    records: list[Raw] = [(STAFF, each.worker_ref.encode(), to_json(each)) for each in simulation.staff]
    looks = [london_midnight(simulation.last_day - timedelta(days=back)) + timedelta(hours=1) for back in (9, 2, -1)]
    arrivals = iter(simulation.history())
    waiting = next(arrivals, None)
    for at in looks:
        while waiting is not None and waiting.at < at:
            world.fold(waiting.event.id, waiting.event.data)
            waiting = next(arrivals, None)
        records += _alerts(world, policy, at)
    for ref, person in world.people.items():
        records.append((PEOPLE, ref.encode(), stored.dump(person)))
    now = london_midnight(simulation.last_day + timedelta(days=1)) + timedelta(hours=9, minutes=30)
    return Arranged(simulation, tuple(records), now)


def _alerts(world: World, policy: Policy, at: datetime) -> Iterator[Raw]:
    mark = policy_mark(policy)
    for ref, person in world.people.items():
        found = evaluate(person, policy, london_day(at).toordinal(), {}, open_keys(person))
        if found is not None:
            for each in settle(ref, person, found, policy, mark, at):
                yield ALERTS, str(each.alert_id).encode(), each.value


def councils_file(folder: Path, *, neighbour: bool = False, **more: Any) -> Path:
    """The council's own file; `more` are further settings of the council, `neighbour`: whether it has another one beside it."""
    council = {"name": "Lancashire", "policy": POLICY, "ladder": "standard", "fallback": "lancashire:duty",
               "sign_in": OWN_URL, "channels": {"sms": ["console"]}} | more
    ladder = {"calendar": "working_hours", "weekly": "mon", "steps": [
        {"after": "0d", "to": ["adviser"]}, {"after": "1wd", "to": ["adviser"]}, {"after": "2wd", "to": ["manager"]},
        {"after": "5wd", "to": ["service_manager"]}], "critical": [{"after": "0d", "to": ["adviser", "manager"]}]}
    path = folder / "councils.yaml"
    councils = {"lancashire": council}
    if neighbour:
        councils[NEIGHBOUR] = council | {"name": "Cumbria", "fallback": f"{NEIGHBOUR}:duty"}
    path.write_text(yaml.safe_dump({"councils": councils, "ladders": {"standard": ladder}}))
    return path


@dataclass
class Ledger:
    """A publisher that keeps what it was given, and hands it to the model as Kafka would."""

    model: Model
    written: list[Outgoing] = field(default_factory=list)
    away: bool = False

    def publish(self, records: Sequence[Outgoing]) -> None:
        if self.away:
            raise NotSavedError
        self.written += records
        with self.model.lock:
            for each in records:
                if each.topic == AUDIT:
                    self.model.fold(each.topic, each.key.encode(), each.value)

    def on(self, topic: str) -> list[Outgoing]:
        """What was written to a topic."""
        return [each for each in self.written if each.topic == topic]


@dataclass
class Stage:
    """A board without Kafka: its application, its model, and what it has written."""

    app: FastAPI
    board: Board
    model: Model
    ledger: Ledger
    clock: ManualClock
    figures: Figures
    metrics: Metrics
    simulation: Simulation | None = None

    def staff(self, role: str, *, with_people: bool = True) -> str:
        """The ref of someone with that role, of an adviser one with people and open alerts."""
        found = [worker for worker in self.model.staff.of_council("lancashire") if worker.role == role]
        if role == "adviser" and with_people:
            found.sort(key=lambda worker: -len(self.model.open_alerts(self.model.people.of_advisers([worker.ref]))))
        return found[0].ref

    def text(self, ref: str, recipient: str, alert_ids: Sequence[str], *, state: str = "delivered", step: str = "1",
             reason: str | None = None, at: datetime | None = None) -> None:
        """A message about some alerts."""
        note = Notification.model_validate({
            "notification_id": uuid4().hex, "alert_ids": list(alert_ids), "recipient_ref": recipient, "ref": ref or None,
            "step": step, "channel": "sms", "provider": "console", "template": "ladder", "state": state,
            "at": at or self.clock.now() - timedelta(hours=1), "reason": reason}, strict=False)
        for each in alert_ids:
            self.model.fold(NOTIFICATIONS, each.encode(), note.model_dump_json().encode())

    def actions(self) -> list[Outgoing]:
        """Actions written."""
        return self.ledger.on(ALERT_ACTIONS)


def stage(folder: Path, given: Arranged | None = None, *, keys: bool = True, since: datetime | None = None,
          **council: Any) -> Stage:
    """A board that has read these records; `since`: when it started, else before all of them."""
    file = councils_file(folder, **council)
    councils: Councils = load_councils(file)
    settings = BoardSettings(councils_file=file, keepintouch_demo="1", council_keys_dir=folder / "keys")
    clock, metrics = ManualClock(given.now if given else datetime.fromisoformat("2017-03-01T09:30:00+00:00")), Metrics()
    figures = Figures(metrics, since or datetime.fromtimestamp(0, UTC))
    model = Model(councils, read_rules(councils, settings.policies_dir, file), clock.now, figures.alert_changed)
    for topic, key, value in given.records if given else ():
        model.fold(topic, key, value)
    if keys and given is not None and not (folder / "keys").exists():
        new_key(folder / "keys", "lancashire", given.simulation.refs.key)
    ledger = Ledger(model)
    trail = Trail(ledger, clock.now)
    board = Board(councils, model, ActionDesk(model, ledger, metrics.actions), trail, Sessions(),
                  WhoIsWho(councils.councils, folder / "keys", lambda: 0.0), OWN_URL, True, lambda: None,
                  list, list)
    app = make_app(board, settings, stylesheet(assets_dir(settings)), icon(), metrics.registry)
    return Stage(app, board, model, ledger, clock, figures, metrics, given.simulation if given else None)


@dataclass(frozen=True, slots=True)
class Abroad:
    """What a neighbouring council has on the same topics: everything that could be asked for."""

    person: str
    worker: str
    alert: str
    text: str


def abroad(made: Stage) -> Abroad:
    """A person of the neighbour who by mistake has an adviser and a team of ours, with an open alert and a text about it."""
    adviser = made.staff("adviser")
    alert = made.model.open_alerts(made.model.people.of_advisers([adviser]))[0]
    theirs = Abroad(f"{NEIGHBOUR}:p1", f"{NEIGHBOUR}:w1", str(uuid4()), "CUMB")
    made.model.fold(PEOPLE, theirs.person.encode(), made.model.people.stored(alert.person_ref))
    made.model.fold(STAFF, theirs.worker.encode(), to_json(Staff.model_validate({
        "worker_ref": theirs.worker, "council": NEIGHBOUR, "role": "adviser", "name": "Somebody Abroad", "channels": [],
        "team_ref": "north", "email": "abroad@cumbria.example", "active": True}, strict=False)))
    value = orjson.loads(msgspec.json.encode(alert)) | {
        "alert_id": theirs.alert, "person_ref": theirs.person, "council": NEIGHBOUR}
    made.model.fold(ALERTS, theirs.alert.encode(), orjson.dumps(value))
    made.text(theirs.text, theirs.worker, [theirs.alert])
    made.text("", theirs.worker, [theirs.alert], state="held", reason="storm", at=made.clock.now())
    assert made.model.alerts[theirs.alert].is_open
    assert made.model.explanation(theirs.person) is not None
    return theirs


class Browser:
    """What a browser does, without one: keeps cookies, sends forms, follows nothing by itself."""

    def __init__(self, made: Stage) -> None:
        self.stage = made
        self.cookies = httpx.Cookies()

    def sign_in(self, worker_ref: str) -> None:
        """Sign in as somebody."""
        self.cookies.set("board", self.stage.board.sessions.sign_in(worker_ref).id)

    @property
    def csrf(self) -> str:
        """The token of the session."""
        session = self.stage.board.sessions.get(self.cookies.get("board"))
        assert session is not None
        return session.csrf

    def get(self, path: str, *, raise_app_exceptions: bool = True, **headers: str) -> httpx.Response:
        """A page."""
        return self._send("GET", path, raise_app_exceptions, headers=headers)

    def post(self, path: str, headers: dict[str, str] | None = None, **fields: Any) -> httpx.Response:
        """A form, with the session's token unless another is given."""
        if "csrf" not in fields:
            fields["csrf"] = self.csrf
        return self._send("POST", path, headers=headers or {}, data={"once": "a-form-sent-only-once"} | fields)

    def _send(self, method: str, path: str, raising: bool = True, **more: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.stage.app, raise_app_exceptions=raising)
            async with httpx.AsyncClient(transport=transport, base_url=OWN_URL, cookies=self.cookies) as client:
                answer = await client.request(method, path, **more)
                self.cookies = client.cookies
                return answer

        return asyncio.run(send())
