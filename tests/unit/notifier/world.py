"""A notifier without Kafka and HTTP, on a real database file and a clock that is set by hand."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
import yaml

from keepintouch.calendar import LONDON, london_day
from keepintouch.councils import Councils, load_councils
from keepintouch.ladders.ladder import Ladder
from keepintouch.runtime.clock import ManualClock
from keepintouch.runtime.database import Database
from keepintouch.runtime.topics import NOTIFICATIONS
from schemas.actions import AlertAction
from schemas.alerts import Alert, alert_id
from schemas.notifications import Notification
from schemas.staff import Staff
from services.notifier.book import Erased, Outcome, apply_actions, apply_alerts, note_first_look
from services.notifier.conversation import Heard, Text, hear
from services.notifier.delivery import Delivery
from services.notifier.directory import Directory
from services.notifier.metrics import Metrics
from services.notifier.outbox import Moment
from services.notifier.planner import BACKFILL_QUIET, Planner
from services.notifier.settings import NotifierSettings
from services.notifier.tables import appeal, backfill, message, publication, step
from tests.standins.provider import Immediately, ProviderStandIn

TUESDAY = date(2026, 3, 10)
STANDARD: dict[str, Any] = {
    "calendar": "working_hours",
    "steps": [{"after": "0d", "to": ["adviser"]}, {"after": "1wd", "to": ["adviser"]}, {"after": "2wd", "to": ["manager"]},
              {"after": "5wd", "to": ["service_manager"]}],
    "critical": [{"after": "0d", "to": ["adviser", "manager"]}]}


def at(day: date, clock: str = "09:00") -> datetime:
    """A London time of day as an instant."""
    hour, minute = map(int, clock.split(":"))
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=LONDON).astimezone(UTC)


def councils_file(folder: Path, council: dict[str, Any] | None = None, **ladder: Any) -> Path:
    """A councils file with one council, `demo`, and the standard ladder but for what is given."""
    file = folder / "councils.yaml"
    file.write_text(yaml.safe_dump({
        "councils": {"demo": {"name": "Demo", "policy": "standard_8_week", "ladder": "standard", "fallback": "demo:duty",
                              "sign_in": "https://contact.example.gov.uk", "channels": {"sms": ["twilio"]}} | (council or {})},
        "ladders": {"standard": STANDARD | ladder}}))
    return file


NUMBERS = {"demo:ada": "+447700900001", "demo:ben": "+447700900002", "demo:mia": "+447700900003", "demo:sam": "+447700900004",
           "demo:duty": "+447700900005"}


def member(ref: str, role: str = "adviser", **more: Any) -> Staff:
    """A member of staff of team north, with the number of `NUMBERS`, whose manager is Mia."""
    fields = {"worker_ref": ref, "council": "demo", "role": role, "name": f"Name of {ref}", "mobile": NUMBERS.get(ref),
              "team_ref": "north", "manager_ref": None, "channels": ["sms"], "active": True}
    return Staff.model_validate(fields | more)


def everybody() -> list[Staff]:
    """Two advisers, their manager, the service manager and the fallback."""
    return [member("demo:ada", manager_ref="demo:mia"), member("demo:ben", manager_ref="demo:mia"),
            member("demo:mia", "manager", manager_ref="demo:sam"), member("demo:sam", "service_manager", team_ref=None),
            member("demo:duty", "duty", team_ref=None)]


def alert(person: str = "p1", rule: str = "visit_overdue", detected_at: datetime | None = None, **more: Any) -> Alert:
    """An open, live alert about one of Ada's people."""
    ref = f"demo:{person}"
    fields = {"alert_id": alert_id(ref, rule, "2026-01-05"), "person_ref": ref, "council": "demo", "rule": rule,
              "standard": f"standard_8_week/{rule}/1", "status": "open", "sequence": 1, "severity": "high",
              "anchor_on": date(2026, 1, 5), "due_on": date(2026, 3, 2), "opens_on": date(2026, 3, 3),
              "adviser_ref": "demo:ada", "team_ref": "north", "policy": {"id": "standard_8_week", "version": 1},
              "mode": "live", "evidence": [], "detected_at": detected_at or at(TUESDAY),
              "detail": {"met_adviser": True, "written_since_anchor": 0, "attempts_since_anchor": 0, "strangers_only": False}}
    return Alert.model_validate(fields | more)


def ended(record: Alert, status: str = "cleared", **more: Any) -> Alert:
    """The next record of the same alert, which says that it has ended."""
    return record.model_copy(update={"status": status, "sequence": record.sequence + 1, "end_reason": "done",
                                     "ended_at": record.detected_at} | more)


@dataclass
class World:
    """Everything between the topics and the provider; time passes only when told to."""

    folder: Path
    councils: Councils
    database: Database
    settings: NotifierSettings
    clock: ManualClock
    provider: ProviderStandIn = field(default_factory=ProviderStandIn)
    mail: ProviderStandIn = field(default_factory=lambda: ProviderStandIn("smtp"))
    directory: Directory = field(default_factory=Directory)
    metrics: Metrics = field(default_factory=Metrics)
    _numbers: count[int] = field(default_factory=count)

    @classmethod
    def make(cls, folder: Path, database: Database, *, ladder: dict[str, Any] | None = None, staff: Sequence[Staff] | None = None,
             now: datetime | None = None, council: dict[str, Any] | None = None, **settings: Any) -> Self:
        """By default: Tuesday 09:00, working hours, the standard ladder, everybody at work, trial off."""
        councils = load_councils(councils_file(folder, council, **(ladder or {})))
        chosen = NotifierSettings.model_validate({"notifier_trial": "off"} | settings)
        world = cls(folder, councils, database, chosen, ManualClock(now or at(TUESDAY)))
        world.wire()
        world.staff(*(everybody() if staff is None else staff))
        return world

    def wire(self) -> None:
        """Build the parts; again after a crash."""
        def seconds() -> float:
            return self.clock.now().timestamp()

        self.planner = Planner(self.database, self.directory, self.councils, self.moment, self.settings.notifier_gather,
                               self.settings.may_get, self.metrics,
                               hourly_cap=self.settings.notifier_hourly_cap)
        channels = {("demo", "sms"): [self.provider], ("demo", "email"): [self.mail]}
        self.delivery = Delivery(self.database, channels, self.councils, self.clock, self.moment, self.settings, self.metrics,
                                 seconds, pool=Immediately())

    def moment(self) -> Moment:
        """Real time goes with the clock."""
        return Moment(self.clock.now(), self.clock.now())

    def staff(self, *members: Staff) -> None:
        for each in members:
            self.directory.put(each)
        self.planner.staff_changed()

    def read(self, *records: Alert | Erased) -> dict[Outcome, int]:
        """These records come from the alerts topic."""
        with self.database.write() as connection:
            outcomes = apply_alerts(connection, records, lambda slug: Ladder.of_council(self.councils, slug), self.clock.now())
            if any(isinstance(each, Alert) and each.mode == "backfill" for each in records):
                note_first_look(connection, ["demo"], self.moment().real)
        return dict(outcomes)

    def act(self, record: Alert, action: str, actor: str = "demo:ada", until: date | None = None, **more: Any) -> None:
        """Somebody does something on the board."""
        done = AlertAction.model_validate({
            "action_id": f"a{next(self._numbers)}", "alert_id": record.alert_id, "action": action, "actor_ref": actor,
            "at": self.clock.now(), "via": "board", "until": until} | more)
        with self.database.write() as connection:
            apply_actions(connection, [done], self.directory.is_manager, self.clock.now())

    def hear(self, sender: str, body: str, sid: str | None = None) -> tuple[Heard, str | None]:
        """A text comes in."""
        text = Text("twilio", sid or f"IN{next(self._numbers)}", sender, body)
        with self.database.write() as connection:
            return hear(connection, text, self.directory.is_manager, self.moment())

    def work(self) -> None:
        """All loops come round until there is nothing to do at this instant."""
        while self.planner.run_once() or self.delivery.send_all():
            pass
        self.delivery.look_for_uncertain()
        self.delivery.ask_about_silent()
        self.delivery.send_all()

    def go_to(self, instant: datetime) -> None:
        """Let time pass, from event to event, with all loops running."""
        self.work()
        while self.clock.now() < instant:
            due = [each for each in self.next_events() if self.clock.now() < each < instant]
            following = min(due, default=instant)
            self.clock.instant = following
            self.work()

    def after(self, **span: float) -> None:
        """Let so much time pass."""
        self.go_to(self.clock.now() + timedelta(**span))

    def next_events(self) -> list[datetime]:
        with self.database.read() as connection:
            columns = (step.c.look_at, step.c.release_at, message.c.next_try_at, message.c.look_again_at, message.c.lease_until,
                       appeal.c.look_at)
            openings = [at(london_day(self.clock.now()) + timedelta(days=n), "08:30") for n in (0, 1)]   # weekly messages
            settled = [each + BACKFILL_QUIET for each in connection.scalars(sa.select(backfill.c.came_at))]
            return openings + settled + [each for column in columns
                               for each in connection.scalars(sa.select(column).where(column.is_not(None)))]

    def texts(self, *refs: str) -> list[str]:
        """The texts that went to these people, or all, oldest first."""
        return [sent.body for sent in self.provider.ledger if not refs or sent.recipient_ref in refs]

    def told(self) -> list[str]:
        """Who got a text, oldest first."""
        return [sent.recipient_ref.removeprefix("demo:") for sent in self.provider.ledger]

    def notifications(self, record: Alert | None = None) -> list[Notification]:
        """What was published on the notifications topic, for one alert or all."""
        with self.database.read() as connection:
            rows = connection.execute(sa.select(publication).where(publication.c.topic == NOTIFICATIONS)
                                      .order_by(publication.c.seq)).all()
        return [Notification.model_validate_json(row.value) for row in rows
                if record is None or str(record.alert_id) in row._mapping["keys"]]

    def actions(self) -> list[AlertAction]:
        """What was published on the actions topic."""
        with self.database.read() as connection:
            rows = connection.scalars(sa.select(publication.c.value).where(publication.c.topic != NOTIFICATIONS)
                                      .order_by(publication.c.seq)).all()
        return [AlertAction.model_validate_json(row) for row in rows]

    def states(self) -> list[str]:
        """The state of each message in the outbox, oldest first."""
        with self.database.read() as connection:
            return list(connection.scalars(sa.select(message.c.state).order_by(message.c.created_at, message.c.id)))

    def ref(self, index: int = -1) -> str:
        """The Ref of a text."""
        return self.provider.ledger[index].ref


def story(told: Sequence[Notification]) -> list[str]:
    """Records shortly: step, state and reason."""
    return [f"{each.step} {each.state}" + (f": {each.reason}" if each.reason else "") for each in told]
