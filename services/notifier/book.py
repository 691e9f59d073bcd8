"""The book of alerts: what the topics say of them, and which steps are due to whom. SQL; every function runs in the caller's
transaction, and applying the same record again changes nothing.
"""
from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection

from keepintouch.ladders.ladder import Ladder, Target
from keepintouch.ladders.schedule import BACKFILL, Act, Schedule, schedule
from schemas.actions import AlertAction
from schemas.alerts import Alert
from schemas.common import council_of
from services.notifier.publications import note_step
from services.notifier.tables import act, alert, appeal, backfill, line, step

STORM = "storm"
"""Kind of an appeal, and why its steps are held: too much would open at once."""

_HOLDS = frozenset({"acknowledge", "seen_already", "refused", "snooze", "plan_visit"})
_WAITING_FOR = frozenset({"outside_hours", "not_working", "nobody"})   # it would have gone out but for these
_MANY = 500   # ids in one query


class Outcome(StrEnum):
    """What a record of the alerts topic did."""

    OPENED = "opened"
    CHANGED = "changed"
    ENDED = "ended"
    ERASED = "erased"        # a tombstone
    STALE = "stale"
    UNKNOWN = "unknown"      # a tombstone for an alert never heard of


@dataclass(frozen=True, slots=True)
class Erased:
    """A tombstone on the alerts topic."""

    alert_id: str


def apply_alerts(connection: Connection, records: Sequence[Alert | Erased], ladder_of: Callable[[str], Ladder],
                 now: datetime) -> Counter[Outcome]:
    """Take over records of the alerts topic in their order, and bring what is due into line with them."""
    outcomes: Counter[Outcome] = Counter()
    for _, alike in groupby(records, type):
        some = list(alike)
        outcomes += _forget(connection, [each.alert_id for each in some if isinstance(each, Erased)], now)
        outcomes += _take_over(connection, [each for each in some if isinstance(each, Alert)], ladder_of, now)
    return outcomes


def _take_over(connection: Connection, records: Sequence[Alert], ladder_of: Callable[[str], Ladder],
               now: datetime) -> Counter[Outcome]:
    held = _alerts(connection, {str(record.alert_id) for record in records})
    known = set(held)
    outcomes: Counter[Outcome] = Counter()
    for record in records:
        before = held.get(str(record.alert_id))
        if before is not None and record.sequence < before["sequence"]:
            outcomes[Outcome.STALE] += 1
        else:
            held[str(record.alert_id)], outcome = _taken(record, before, ladder_of, now)
            outcomes[outcome] += 1
    if new := [row for key, row in held.items() if key not in known]:
        connection.execute(sa.insert(alert), new)
    _update(connection, alert, "alert_id", [held[key] for key in known])
    sync_steps(connection, held, now)
    return outcomes


def apply_actions(connection: Connection, actions: Iterable[AlertAction], is_manager: Callable[[str], bool],
                  now: datetime) -> list[AlertAction]:
    """Take over what people did; return what had not been known. What was done about an alert not yet known waits for it."""
    new = []
    for action in actions:
        row = {"action_id": action.action_id, "alert_id": str(action.alert_id), "action": action.action,
               "actor_ref": action.actor_ref, "at": action.at, "via": action.via, "until": action.until,
               "note_code": action.note_code, "by_manager": is_manager(action.actor_ref), "noted_at": now}
        if insert_new(connection, act, row):
            new.append(action)
    holding = {str(action.alert_id) for action in new if action.action in _HOLDS}
    if holding:
        connection.execute(sa.update(alert).where(alert.c.alert_id.in_(holding)).values(held_noted_at=now))
    sync_steps(connection, {str(action.alert_id) for action in new}, now)
    for action in new:
        if action.action == "release":
            held = connection.execute(sa.select(alert.c.council, alert.c.storm_id).where(
                alert.c.alert_id == str(action.alert_id))).one_or_none()
            if held is not None and held.storm_id is not None and council_of(action.actor_ref) == held.council:
                release_storm(connection, held.council, action.actor_ref, now)
    return new


def release_storm(connection: Connection, council: str, by: str, now: datetime) -> int:
    """Let everything go that a storm of a council held back; return how many alerts that were. Steps count from now."""
    held = list(connection.scalars(sa.select(alert.c.alert_id).where(
        alert.c.storm_id.in_(sa.select(appeal.c.id).where(appeal.c.council == council)))))
    connection.execute(sa.update(appeal).where(appeal.c.council == council, appeal.c.kind == STORM, appeal.c.ended_at.is_(None))
                       .values(ended_at=now, ended_by=by, look_at=None))
    for start in range(0, len(held), _MANY):
        some = held[start:start + _MANY]
        connection.execute(sa.update(alert).where(alert.c.alert_id.in_(some)).values(storm_id=None, ladder_from=now))
        connection.execute(sa.update(step).where(step.c.alert_id.in_(some), step.c.state == "waiting", step.c.reason == STORM)
                           .values(look_at=step.c.due_at, reason=None))
    sync_steps(connection, held, now)
    return len(held)


def insert_into(connection: Connection, table: sa.Table) -> Any:
    """An insert of the engine's own, which can say what is to be done about a row that is there already."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql  # a large import, for those only who need it

        return postgresql.insert(table)
    return sqlite.insert(table)


def insert_new(connection: Connection, table: sa.Table, row: dict[str, Any]) -> bool:
    """Insert a row unless it is there already; whether it was new."""
    statement = insert_into(connection, table).values(row).on_conflict_do_nothing().returning(*table.primary_key.columns)
    return connection.execute(statement).first() is not None


def sync_steps(connection: Connection, alert_ids: Iterable[str], now: datetime) -> None:
    """Bring what is due into line with the alerts, their ladders, what was done about them, and what has gone out."""
    alerts = _alerts(connection, alert_ids)
    acts = _acts(connection, alerts)
    steps: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in _in_chunks(connection, sa.select(step), step.c.alert_id, alerts):
        steps[row["alert_id"]].append(row)
    changes = _Changes()
    for alert_id, row in alerts.items():
        if row["status"] != "open":
            changes.cancel(steps[alert_id], "ended")
            continue
        current = [each for each in steps[alert_id] if each["episode"] == row["episode"]]
        changes.cancel([each for each in steps[alert_id] if each["episode"] != row["episode"]], "ended")
        if row["mode"] == "backfill":
            if not current:
                changes.insert(row, BACKFILL, Target.MANAGER, row["opened_at"], None)
        else:
            changes.follow(row, current, planned(row, acts[alert_id], current), now)
    changes.write(connection, now)


def planned(row: dict[str, Any], acts: Sequence[Act], steps: Iterable[dict[str, Any]]) -> Schedule:
    """The schedule of an open alert by its row, what was done about it, and its steps of this episode."""
    released: dict[str, datetime] = {}
    for each in steps:
        if each["released_at"] is not None:
            released[each["key"]] = min(each["released_at"], released.get(each["key"], each["released_at"]))
    # What was done about an earlier episode does not count for this one.
    mine = [each for each in acts if row["episode"] == 1 or each.at >= row["opened_at"]]
    start = row["ladder_from"] or row["opened_at"]
    return schedule(Ladder.from_json(row["ladder"]), start, row["critical_at"], mine, released)


@dataclass(frozen=True, slots=True)
class Ahead:
    """What is ahead of an open alert, by which ladder, and when its steps went out so far."""

    ladder: Ladder
    schedule: Schedule
    released: Mapping[str, datetime]


def schedule_of(connection: Connection, alert_id: str) -> Ahead | None:
    """What is ahead of an open alert; None if it is not open."""
    row = _alerts(connection, [alert_id]).get(alert_id)
    if row is None or row["status"] != "open":
        return None
    steps = list(_in_chunks(connection, sa.select(step).where(step.c.episode == row["episode"]), step.c.alert_id, [alert_id]))
    released = {each["key"]: each["released_at"] for each in steps if each["released_at"] is not None}
    return Ahead(Ladder.from_json(row["ladder"]), planned(row, _acts(connection, {alert_id: row})[alert_id], steps), released)


def note_first_look(connection: Connection, councils: Iterable[str], real: datetime) -> None:
    """Alerts of a first look have come for these councils, at this instant of real time: their summaries wait."""
    for council in councils:
        while not insert_new(connection, backfill, {"council": council, "came_at": real}):
            known = sa.update(backfill).where(backfill.c.council == council).values(came_at=real)
            if connection.execute(known).rowcount:   # else its summaries have been let go this moment
                break


def _forget(connection: Connection, alert_ids: Sequence[str], now: datetime) -> Counter[Outcome]:
    """Their keys have a tombstone: nothing of them is left, and nothing more is said of them."""
    known = _alerts(connection, set(alert_ids))
    changes = _Changes()
    changes.cancel(_in_chunks(connection, sa.select(step), step.c.alert_id, known), "ended")
    changes.write(connection, now)
    if known:
        for row in connection.execute(sa.select(appeal.c.id, appeal.c.about)).all():
            if not known.keys().isdisjoint(row.about):
                connection.execute(sa.update(appeal).where(appeal.c.id == row.id).values(
                    about=[each for each in row.about if each not in known]))
    delete_alerts(connection, alert_ids)
    return +Counter({Outcome.ERASED: len(known), Outcome.UNKNOWN: len(set(alert_ids)) - len(known)})


def delete_alerts(connection: Connection, alert_ids: Sequence[str]) -> None:
    """Delete alerts and all that names them."""
    for start in range(0, len(alert_ids), _MANY):
        some = alert_ids[start:start + _MANY]
        for table in (line, step, act, alert):
            connection.execute(sa.delete(table).where(table.c.alert_id.in_(some)))


def _taken(record: Alert, before: dict[str, Any] | None, ladder_of: Callable[[str], Ladder],
           now: datetime) -> tuple[dict[str, Any], Outcome]:
    row = {"alert_id": str(record.alert_id), "council": record.council, "person_ref": record.person_ref, "rule": record.rule,
           "status": record.status, "severity": record.severity, "mode": record.mode, "sequence": record.sequence,
           "adviser_ref": record.adviser_ref, "team_ref": record.team_ref}
    was_open = before is not None and before["status"] == "open"
    if record.status == "open" and was_open and before is not None:
        critical = record.severity == "critical" and before["critical_at"] is None
        return before | row | ({"critical_at": now} if critical else {}), Outcome.CHANGED
    if record.status == "open" or before is None:
        # Steps of an alert that opens again cannot count from its first publication: they would all be overdue.
        opened_at = record.detected_at if before is None else now
        row |= {"episode": 1 if before is None else before["episode"] + 1, "ladder": ladder_of(record.council).to_json(),
                "opened_at": opened_at, "critical_at": opened_at if record.severity == "critical" else None,
                "manager_stands_in": False, "held_noted_at": None, "held_until": None, "ended_noted_at": None,
                "storm_id": None, "ladder_from": None}
        if record.status == "open":
            return row, Outcome.OPENED
        return row | {"ended_noted_at": now}, Outcome.ENDED
    return before | row | ({"ended_noted_at": now} if was_open else {}), Outcome.ENDED if was_open else Outcome.CHANGED


class _Changes:
    """Collects what is to be written about steps, so that it is written in few statements."""

    def __init__(self) -> None:
        self._inserts: list[dict[str, Any]] = []
        self._updates: list[dict[str, Any]] = []
        self._alerts: list[dict[str, Any]] = []
        self._notes: dict[tuple[str, str, str | None], list[str]] = defaultdict(list)   # key, reason, recipient -> alerts

    def insert(self, row: dict[str, Any], key: str, target: Target, due_at: datetime, look_at: datetime | None) -> None:
        self._inserts.append({
            "alert_id": row["alert_id"], "episode": row["episode"], "key": key, "target": str(target), "state": "waiting",
            "due_at": due_at, "look_at": look_at, "reason": key if key == BACKFILL else None})

    def cancel(self, rows: Iterable[dict[str, Any]], reason: str) -> None:
        for row in rows:
            if row["state"] in ("waiting", "gathering"):
                self._change(row, state="cancelled", look_at=None, release_at=None, reason=reason)
                if row["state"] == "gathering" or row["reason"] is not None:   # it would have gone out by now
                    self._notes[row["key"], reason, row["recipient_ref"]].append(row["alert_id"])

    def follow(self, row: dict[str, Any], rows: Sequence[dict[str, Any]], wanted: Schedule, now: datetime) -> None:
        # What was due and is being gathered goes out, also if steps count from a later release now; only a hold stops it.
        movable = {"waiting", "gathering"} if wanted.held_until is not None and wanted.held_until > now else {"waiting"}
        there = {(each["key"], each["target"]): each for each in rows}
        for due in wanted.due:
            for target in due.step.to:
                existing = there.pop((due.step.key, str(target)), None)
                if existing is None:
                    self.insert(row, due.step.key, target, due.at, due.at)
                elif existing["state"] in movable and existing["due_at"] != due.at:
                    if due.at > now and (existing["state"] == "gathering" or existing["reason"] in _WAITING_FOR):
                        self._notes[existing["key"], "on_hold", existing["recipient_ref"]].append(row["alert_id"])
                    self._change(existing, state="waiting", due_at=due.at, look_at=due.at, release_at=None, reason=None)
        for (key, _), existing in there.items():
            self.cancel([existing], str(wanted.passed_over.get(key, "ladder")))
        if (row["held_until"], row["manager_stands_in"]) != (wanted.held_until, wanted.manager_stands_in):
            self._alerts.append({"alert_id": row["alert_id"], "held_until": wanted.held_until,
                                 "manager_stands_in": wanted.manager_stands_in})

    def write(self, connection: Connection, now: datetime) -> None:
        if self._inserts:
            connection.execute(sa.insert(step), self._inserts)
            recorded = [row["alert_id"] for row in self._inserts if row["key"] == BACKFILL]
            note_step(connection, recorded, BACKFILL, "held", now, "backfill")
        _update(connection, step, "id", self._updates)
        _update(connection, alert, "alert_id", self._alerts)
        for (key, reason, recipient), alert_ids in self._notes.items():
            note_step(connection, alert_ids, key, "dropped", now, reason, recipient)

    def _change(self, row: dict[str, Any], **values: Any) -> None:
        changed = {"state": row["state"], "due_at": row["due_at"], "look_at": row["look_at"], "reason": row["reason"],
                   "release_at": row["release_at"]} | values
        self._updates.append({"id": row["id"], **changed})


def _alerts(connection: Connection, alert_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Rows by id, locked until the end of the transaction: whoever changes what is due for an alert has its row."""
    query = sa.select(alert).order_by(alert.c.alert_id).with_for_update()
    return {row["alert_id"]: row for row in _in_chunks(connection, query, alert.c.alert_id, sorted(alert_ids))}


def _acts(connection: Connection, alerts: Mapping[str, dict[str, Any]]) -> dict[str, list[Act]]:
    """What people of the alert's own council have done; what others claim to have done counts for nothing."""
    found: dict[str, list[Act]] = defaultdict(list)
    for row in _in_chunks(connection, sa.select(act), act.c.alert_id, alerts):
        if council_of(row["actor_ref"]) == alerts[row["alert_id"]]["council"]:
            found[row["alert_id"]].append(Act(row["action_id"], row["action"], row["at"], row["until"], row["by_manager"]))
    return found


def _in_chunks(connection: Connection, query: sa.Select[Any], column: sa.ColumnElement[Any],
               values: Iterable[str]) -> Iterable[dict[str, Any]]:
    todo = list(values)
    for start in range(0, len(todo), _MANY):
        rows = connection.execute(query.where(column.in_(todo[start:start + _MANY]))).mappings()
        yield from (dict(row) for row in rows)


def _update(connection: Connection, table: sa.Table, key: str, rows: Sequence[dict[str, Any]]) -> None:
    """Update rows of the same columns by their key, all in one statement executed many times."""
    if rows:
        values: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in rows[0] if name != key}
        statement = sa.update(table).where(table.c[key] == sa.bindparam("the_key")).values(values)
        connection.execute(statement, [{"the_key": row[key], **{f"new_{name}": value for name, value in row.items()
                                                                if name != key}} for row in rows])
