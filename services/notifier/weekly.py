"""The weekly message: once a week everybody hears how many of their people need contact, however far their ladders are.

Nobody can answer it away: it counts every open alert, whatever its mode, its step, or what was done about it.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from keepintouch.calendar import london_day
from keepintouch.ladders.ladder import Calendar, Target, is_open, is_working, opens_at
from keepintouch.runtime.logs import get_logger
from services.notifier import outbox
from services.notifier.book import insert_new
from services.notifier.directory import WEEKDAYS, Directory, Worker
from services.notifier.office import Around, Office, take_turn
from services.notifier.outbox import Moment
from services.notifier.publications import new_id, note_step
from services.notifier.recipient import Place, Recipient, address_of
from services.notifier.release import HeldReason
from services.notifier.tables import act, alert, line, message, weekly
from services.notifier.texts import Counts, Template
from services.notifier.wording import WENT_OUT

WEEK = timedelta(days=7)
WEEKLY = "weekly"
"""Its step in records."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Calendars:
    """When a council works, as its file has it now."""

    weekday: int
    calendar: Calendar
    closed: frozenset[date]

    def week_of(self, day: date) -> date:
        """The day of the weekly message on or before a day."""
        return day - timedelta(days=(day.weekday() - self.weekday) % 7)

    def works(self, day: date) -> bool:
        """Whether the council works on a day; one that goes by no hours works whenever it is not closed."""
        return day not in self.closed if self.calendar is Calendar.ALWAYS else is_working(day, self.closed)

    def is_day_of(self, worker: Worker, day: date) -> bool:
        """Whether this is the day of somebody's weekly message: the first of its week on which both work."""
        week = self.week_of(day)
        days = (week + timedelta(days=n) for n in range((day - week).days + 1))
        return next((each for each in days if self.works(each) and worker.works_on(each)), None) == day

    def is_time(self, now: datetime) -> bool:
        """Whether weekly messages of this day may go out now."""
        day = london_day(now)
        return self.works(day) and now >= opens_at(day) and is_open(now, self.calendar, self.closed)


def holders(adviser_ref: str | None, team_ref: str | None, council: str, directory: Directory,
            day: date) -> Iterator[tuple[Worker, Target]]:
    """Whose weekly message counts an alert, and as what: the adviser's and their manager's, and if that one is on leave that
    one's manager's, too."""
    adviser = directory.get(adviser_ref)
    if adviser is not None and adviser.active:
        yield adviser, Target.ADVISER
    manager = directory.manager_for(council, adviser_ref, team_ref)
    if manager is not None and manager != adviser:
        yield manager, Target.MANAGER
    above = directory.service_manager_for(council, manager)
    if (manager is None or manager.away(day)) and above is not None and above not in (adviser, manager):
        yield above, Target.MANAGER


@dataclass(slots=True)
class _Mine:
    """One recipient's alerts."""

    worker: Worker
    rows: dict[str, tuple[Any, Target]] = field(default_factory=dict)
    ended: list[Any] = field(default_factory=list)


@dataclass(slots=True)
class WeeklyMessages:
    """Makes them, once a week each."""

    office: Office
    _done: dict[str, date] = field(default_factory=dict)

    def run_once(self) -> int:
        """Make the weekly messages whose time has come; return how many."""
        now = self.office.moment().now
        day, made = london_day(now), 0
        for slug in self.office.councils.councils:
            calendars = self.calendars(slug)
            if calendars is not None and self._done.get(slug) != day and calendars.is_time(now):
                made += self._make(slug, calendars)
                self._done[slug] = day
        return made

    def calendars(self, slug: str) -> Calendars | None:
        """When a council's weekly messages go out; None if it has none."""
        ladder = self.office.councils.ladder_of(slug)
        if ladder.weekly is None:
            return None
        return Calendars(WEEKDAYS.index(ladder.weekly), Calendar(ladder.calendar),
                         frozenset(self.office.councils.councils[slug].closed))

    def _make(self, slug: str, calendars: Calendars) -> int:
        moment = self.office.moment()
        day = london_day(moment.now)
        with self.office.database.read() as connection:
            circumstances = Around(self.office, connection, moment.now).now_of(slug)
            planned, everybody = _visits(connection, slug, day), self._everybody(connection, slug, day)
        made = 0
        for mine in everybody:   # a transaction each, so that callbacks need not wait for all of a large council
            if mine.worker.away(day) or not calendars.is_day_of(mine.worker, day):
                continue
            found = address_of(mine.worker, replace(circumstances, by_email=True))
            if found is not None:
                recipient = Recipient(mine.worker, *found, Place.ADVISER, ())
                made += self._tell(slug, recipient, mine, calendars.week_of(day), planned, moment)
        _log.info("weekly_messages", council=slug, count=made)
        return made

    def _tell(self, slug: str, recipient: Recipient, mine: _Mine, week: date, planned: set[str], moment: Moment) -> bool:
        """Make somebody's message of a week, unless that has been seen to."""
        with self.office.database.write() as connection:
            take_turn(connection)
            if not insert_new(connection, weekly, {"recipient_ref": mine.worker.ref, "week": week, "made_at": moment.now}):
                return False
            if not self.office.may_get(recipient.address):
                note_step(connection, mine.rows, WEEKLY, "held", moment.now, HeldReason.TRIAL, mine.worker.ref)
                return False
            self._put(connection, slug, recipient, mine, week, _counts(connection, mine, planned, moment.now), moment)
            return True

    def _everybody(self, connection: Connection, slug: str, day: date) -> list[_Mine]:
        columns = (alert.c.alert_id, alert.c.episode, alert.c.person_ref, alert.c.adviser_ref, alert.c.team_ref,
                   alert.c.status, alert.c.ended_noted_at)
        found: dict[str, _Mine] = {}
        since = opens_at(day) - 5 * WEEK
        for row in connection.execute(sa.select(*columns).where(alert.c.council == slug, sa.or_(
                alert.c.status == "open", alert.c.ended_noted_at > since))):
            for worker, target in holders(row.adviser_ref, row.team_ref, slug, self.office.directory, day):
                mine = found.setdefault(worker.ref, _Mine(worker))
                if row.status == "open":
                    mine.rows[row.alert_id] = row, target
                else:
                    mine.ended.append(row)
        return [found[ref] for ref in sorted(found) if found[ref].rows]

    def _put(self, connection: Connection, slug: str, recipient: Recipient, mine: _Mine, week: date, counts: Counts,
             moment: Moment) -> None:
        message_id = new_id()
        lines = [{"message_id": message_id, "alert_id": row.alert_id, "episode": row.episode, "step": WEEKLY,
                  "target": str(target), "hops": None,
                  "dedupe_key": f"{row.alert_id}/{row.episode}/{WEEKLY}-{week}/{mine.worker.ref}"}
                 for row, target in mine.rows.values()]
        said = {"own": counts.own, "team": counts.team, "new": counts.new, "cleared": counts.cleared, "planned": counts.planned}
        outbox.put(connection, message_id, slug, recipient, Template.WEEKLY, lines, moment, counts=said)
        connection.execute(sa.update(weekly).where(weekly.c.recipient_ref == mine.worker.ref, weekly.c.week == week)
                           .values(message_id=message_id))
        self.office.metrics.released.labels(slug, Template.WEEKLY).inc()


def _counts(connection: Connection, mine: _Mine, planned: set[str], now: datetime) -> Counts:
    """In people; new and ended since the last one that went out, before the first one: all, and a week's."""
    own = {row.person_ref for row, target in mine.rows.values() if target is Target.ADVISER}
    people = {row.person_ref for row, _ in mine.rows.values()}
    last = connection.execute(
        sa.select(message.c.id, message.c.created_at)
        .where(message.c.recipient_ref == mine.worker.ref, message.c.template == Template.WEEKLY,
               message.c.state.in_(WENT_OUT)).order_by(message.c.created_at.desc()).limit(1)).one_or_none()
    since, known = now - WEEK, set[str]()
    if last is not None:
        since = last.created_at
        known = set(connection.scalars(sa.select(alert.c.person_ref).join(line, line.c.alert_id == alert.c.alert_id).where(
            line.c.message_id == last.id)))
    ended = {row.person_ref for row in mine.ended if row.ended_noted_at > since}
    visits = {row.person_ref for row, _ in mine.rows.values() if row.alert_id in planned}
    return Counts(own=len(own), team=len(people - own), new=len(people - known), cleared=len(ended - people), planned=len(visits))


def _visits(connection: Connection, slug: str, day: date) -> set[str]:
    """Open alerts for whose person a visit is planned in the week of a day, Monday to Sunday."""
    monday = day - timedelta(days=day.weekday())
    return set(connection.scalars(
        sa.select(act.c.alert_id).join(alert, alert.c.alert_id == act.c.alert_id)
        .where(alert.c.council == slug, alert.c.status == "open", act.c.action == "plan_visit",
               act.c.actor_ref.startswith(f"{slug}:"), act.c.until >= monday, act.c.until < monday + WEEK)))
