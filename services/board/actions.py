"""What staff do about alerts, and when they are away: checked, written with its entry in the audit, then in force here."""
from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, get_args
from uuid import NAMESPACE_URL, UUID, uuid5

import orjson
from prometheus_client import Counter

from keepintouch.runtime.logs import get_logger
from keepintouch.runtime.topics import ALERT_ACTIONS, STAFF
from schemas.actions import Action, AlertAction, NoteCode
from services.board.access import MAY_RELEASE
from services.board.model.model import Model
from services.board.model.records import Alert
from services.board.model.staff import Worker
from services.board.publishing import NotSavedError, Outgoing, Publisher, audit_record

AHEAD_DAYS = 60
"""How far ahead a visit may be planned, or a reminder put off."""
LEAVE_AHEAD_DAYS = 550
PATIENCE_SECONDS = 4.0
"""How long one answer waits for those before it."""
_ACTIONS: tuple[str, ...] = get_args(Action)
_NOTES: tuple[str, ...] = get_args(NoteCode)
_DATED = frozenset({"snooze", "plan_visit"})
_ONCE = re.compile(r"[A-Za-z0-9_-]{16,64}")
_BOARD = uuid5(NAMESPACE_URL, "urn:keep-in-touch:board")

_log = get_logger(__name__)


class RefusedError(Exception):
    """Why it was not done, in one plain sentence for who asked."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a form asks for, as it came."""

    action: str
    alerts: Sequence[Alert]
    once: str
    """Random, from the page: the same answer sent twice does one thing, another answer from the same page another."""
    until: str = ""
    note_code: str = ""
    page: str = "/"


@dataclass(slots=True)
class ActionDesk:
    """Takes wishes, one at a time."""

    model: Model
    publisher: Publisher
    taken: Counter
    """Counts what was done, by action."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def act(self, worker: Worker, wish: Wish) -> list[AlertAction]:
        """Do what a form asks for, once however often it is sent. Raises RefusedError or NotSavedError: nothing was saved."""
        now = self.model.now()
        action, until, note_code = _checked(worker, wish, self.model.today)
        with self._turn():
            actions = [AlertAction(action_id=_action_id(worker, wish, alert), alert_id=UUID(alert.alert_id), action=action,
                                   actor_ref=worker.ref, at=now, via="board", until=until, note_code=note_code)
                       for alert in wish.alerts]
            with self.model.lock:
                new = [(each, alert) for each, alert in zip(actions, wish.alerts, strict=True)
                       if not self.model.log.done(alert.alert_id, each.action_id)]
            still_open = [(each, alert) for each, alert in new if alert.is_open]
            if new and not still_open:
                raise RefusedError("This has been put right since the page was made, so nothing was saved.")
            self._write(worker, still_open, now, wish.page)
        return actions

    def set_leave(self, worker: Worker, whose: Worker, absence: dict[str, Any] | None, page: str) -> None:
        """Write a member of staff's record with this absence and all else as it was. Raises RefusedError, NotSavedError."""
        with self._turn():
            with self.model.lock:   # as it is now: the nightly staff file may have come since the form was read
                now = self.model.staff.get(whose.ref)
            if now is None or not now.active:
                raise RefusedError("They work here no more, so nothing was saved.")
            value = orjson.dumps({**now.raw, "absence": absence})
            self.publisher.publish([
                Outgoing(STAFF, whose.ref, value),
                audit_record(worker.ref, None, "leave" if absence else "leave_ended", self.model.now(), page)])
            with self.model.lock:
                self.model.fold(STAFF, whose.ref.encode(), value)
        _log.info("leave_set", worker_ref=whose.ref)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One after another, but for no longer than people wait: while Kafka is away those who answer must not keep pages from
        those who read.
        """
        if not self._lock.acquire(timeout=PATIENCE_SECONDS):
            raise NotSavedError
        try:
            yield
        finally:
            self._lock.release()

    def _write(self, worker: Worker, new: Sequence[tuple[AlertAction, Alert]], now: datetime, page: str) -> None:
        if not new:
            return
        records = [Outgoing(ALERT_ACTIONS, str(each.alert_id), each.model_dump_json(exclude_none=True).encode())
                   for each, _ in new]
        looks = [audit_record(worker.ref, alert.person_ref, each.action, now, page) for each, alert in new]
        self.publisher.publish([*records, *looks])
        with self.model.lock:
            for record in records:
                self.model.fold(record.topic, record.key.encode(), record.value)
        for each, _ in new:
            self.taken.labels(each.action).inc()
            _log.info("acted", action=each.action, alert_id=str(each.alert_id), worker_ref=worker.ref)


def leave(today: date, first: str, last: str, cover: Worker | None, whose: Worker) -> dict[str, Any]:
    """The absence a form asks for, as a staff record has it. Raises RefusedError."""
    begins, ends = _day(first), _day(last)
    if begins is None or ends is None:
        raise RefusedError("Give the first and the last day away as dates.")
    if ends < begins:
        raise RefusedError("The last day away must not be before the first.")
    if ends < today:
        raise RefusedError("The last day away must not be in the past.")
    if ends > today + timedelta(days=LEAVE_AHEAD_DAYS):
        raise RefusedError("The last day away must be within the next 18 months.")
    if cover is not None and (cover.ref == whose.ref or cover.council != whose.council or not cover.active):
        raise RefusedError("Choose somebody else of the same council as cover.")
    return {"from": begins.isoformat(), "until": ends.isoformat(), "cover_ref": None if cover is None else cover.ref}


def _checked(worker: Worker, wish: Wish, today: date) -> tuple[Any, date | None, Any]:
    if wish.action not in _ACTIONS or not _ONCE.fullmatch(wish.once) or not wish.alerts:
        raise RefusedError("The form was not complete, so nothing was saved. Go back and try again.")
    if wish.action == "release" and worker.role not in MAY_RELEASE:
        raise RefusedError("Only a service manager can release what is held.")
    if wish.action == "review" and not worker.manages:
        raise RefusedError("Only a manager can record a review.")
    if wish.action == "review" and wish.note_code not in _NOTES:
        raise RefusedError("Choose what was decided.")
    return wish.action, _until(wish, today), wish.note_code if wish.action == "review" else None


def _until(wish: Wish, today: date) -> date | None:
    if wish.action not in _DATED:
        return None
    until = _day(wish.until)
    first = today if wish.action == "plan_visit" else today + timedelta(days=1)
    if until is None:
        raise RefusedError("Choose a day.")
    if not first <= until <= today + timedelta(days=AHEAD_DAYS):
        raise RefusedError(f"Choose a day within the next {AHEAD_DAYS} days.")
    return until


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        return None


def _action_id(worker: Worker, wish: Wish, alert: Alert) -> str:
    return str(uuid5(_BOARD, f"{worker.ref}|{wish.once}|{wish.action}|{alert.alert_id}|{wish.until}|{wish.note_code}"))
