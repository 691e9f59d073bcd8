"""Messages and their states. SQL; every function runs in the caller's transaction.

    pending -> sending -> accepted -> sent -> delivered | undelivered | failed
                  |  \\-> pending (definitely not sent)
                  \\----> uncertain -> accepted ... (found) | pending (looked for twice in vain: possible duplicate)
    pending -> dropped (nothing left to say, or in trial)

Nothing leaves a final state. A claim is one statement. That a call did not lead to a message is recorded only by who still has
the claim; that it did is evidence, whoever brings it.
"""
from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from keepintouch.runtime.logs import get_logger
from schemas.notifications import FINAL_STATES
from services.notifier.book import insert_new
from services.notifier.channels import Accepted, Fault, NotSent, Outcome, Refused, Seen, Uncertain
from services.notifier.publications import how_far, new_id, note_message, note_step
from services.notifier.recipient import Recipient
from services.notifier.release import Release
from services.notifier.replies import REF_LENGTHS, new_ref
from services.notifier.tables import alert, line, message, provider_event, step, unreachable

Row = RowMapping

_log = get_logger(__name__)

LOOKS = 2
"""How often an uncertain message is looked for in vain before it is sent again."""

_RANK = {"pending": 0, "sending": 0, "uncertain": 0, "accepted": 1, "sent": 2, "delivered": 3, "undelivered": 3, "failed": 3,
         "dropped": 3}
_DEAD_ADDRESS = frozenset({"30005", "30006", "21610",   # Twilio: no such handset; a landline; opted out
                           "permanent"})                # Notify: no such number or mailbox
_AGAIN = frozenset({"30003",                            # Twilio: out of reach
                    "temporary", "technical"})          # Notify: out of reach, or full; never handed to a network
_AGAIN_WAIT = timedelta(minutes=5)
_CONFIGURATION_WAIT = timedelta(minutes=1)
_ASK_FOR = timedelta(days=3)   # after that no provider has anything new to say: Notify itself gives up after 72 hours
_LONGEST_WAIT = timedelta(minutes=1)
_UNKNOWN_WAIT = timedelta(minutes=15)
_TRIES_AT_A_REF = 5
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Moment:
    """Now, on the service's clock, and now in real time, by which other machines are dealt with."""

    now: datetime
    real: datetime


class Evidence(StrEnum):
    """What came of something a provider said."""

    TAKEN = "taken"
    NOTHING_NEW = "nothing_new"
    OTHER_ATTEMPT = "other_attempt"   # it is about another attempt at the same message
    UNKNOWN = "unknown"


def create(connection: Connection, release: Release, template: str, moment: Moment) -> str | None:
    """Put a release into the outbox; return its id, None if the recipient has been told all of it before."""
    recipient, message_id = release.recipient, new_id()
    lines: dict[str, dict[str, Any]] = {}
    for waiting, reached in release.steps:
        key = "/".join((waiting.alert_id, str(waiting.episode), waiting.key, recipient.worker.ref, recipient.channel))
        if key in lines:
            note_step(connection, [waiting.alert_id], waiting.key, "merged", moment.now, "same_recipient", recipient.worker.ref)
        else:
            lines[key] = {"message_id": message_id, "alert_id": waiting.alert_id, "episode": waiting.episode,
                          "step": waiting.key, "target": str(waiting.target), "hops": reached.reason, "dedupe_key": key}
    told = set(connection.scalars(sa.select(line.c.dedupe_key).where(line.c.dedupe_key.in_(lines))))
    for key in told:
        known = lines.pop(key)
        note_step(connection, [known["alert_id"]], known["step"], "merged", moment.now, "already_told", recipient.worker.ref)
    if not lines:
        return None
    for known in _earlier(list(lines.values())):   # the record of the message is the furthest step's
        note_step(connection, [known["alert_id"]], known["step"], "merged", moment.now, "with_later_step", recipient.worker.ref)
    put(connection, message_id, release.council, recipient, template, list(lines.values()), moment, urgent=release.urgent)
    return message_id


def _earlier(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of which a later step of the same alert goes with the same message."""
    furthest = {each["alert_id"]: each["step"] for each in sorted(lines, key=lambda each: how_far(each["step"]))}
    return [each for each in lines if furthest[each["alert_id"]] != each["step"]]


def put(connection: Connection, message_id: str, council: str, recipient: Recipient, template: str,
        lines: Sequence[Mapping[str, Any]], moment: Moment, *, urgent: bool = False,
        counts: Mapping[str, int] | None = None) -> None:
    """Put a message and its lines into the outbox; one about nothing is not made. `counts`: what it says, if that is fixed."""
    if not lines:
        return
    connection.execute(sa.insert(message).values(
        id=message_id, council=council, recipient_ref=recipient.worker.ref, channel=recipient.channel,
        address=recipient.address, template=template, ref=_free_ref(connection), urgent=urgent, state="pending",
        created_at=moment.now, changed_at=moment.now, attempts=0, next_try_at=moment.real, fence=0, provider_turn=0, looks=0,
        possible_duplicate=False, sent_again=False, counts=counts))
    connection.execute(sa.insert(line), list(lines))


def full_until(connection: Connection, recipient_ref: str, cap: int, now: datetime) -> datetime | None:
    """Until when a recipient has had as many messages as they get in an hour; None: they may have more."""
    latest = list(connection.scalars(
        sa.select(message.c.created_at).where(message.c.recipient_ref == recipient_ref, message.c.created_at > now - _HOUR,
                                              message.c.state != "dropped")
        .order_by(message.c.created_at.desc()).limit(cap)))
    return latest[-1] + _HOUR if len(latest) == cap else None


def is_pending(connection: Connection, moment: Moment) -> bool:
    """Whether there is anything to claim; for a glance that takes no lock."""
    return _any(connection, message.c.state == "pending", message.c.next_try_at <= moment.real)


def oldest(connection: Connection, states: Sequence[str]) -> dict[str, datetime]:
    """When the oldest message of each of these states was made; states of none are left out."""
    made = sa.func.min(message.c.created_at)
    return {row[0]: row[1] for row in connection.execute(
        sa.select(message.c.state, made).where(message.c.state.in_(states)).group_by(message.c.state))}


def has_doubts(connection: Connection, moment: Moment) -> bool:
    """Whether there is anything to reap or to look for."""
    return (_any(connection, message.c.state == "sending", message.c.lease_until <= moment.real)
            or _any(connection, message.c.state == "uncertain", message.c.look_again_at <= moment.real))


def is_silent(connection: Connection, moment: Moment, after: timedelta) -> bool:
    """Whether there is any message to ask about."""
    return _any(connection, *_silent(moment, after))


def _silent(moment: Moment, after: timedelta) -> tuple[sa.ColumnElement[bool], ...]:
    return (message.c.state.in_(("accepted", "sent")), message.c.asked_at <= moment.real - after,
            message.c.attempted_at > moment.real - _ASK_FOR)


def _any(connection: Connection, *where: sa.ColumnElement[bool]) -> bool:
    return connection.scalar(sa.select(message.c.id).where(*where).limit(1)) is not None


def claim(connection: Connection, owner: str, moment: Moment, lease: timedelta) -> Row | None:
    """Take the next message that is to be tried: urgent ones first, then the oldest. One statement."""
    candidate = (sa.select(message.c.id).where(message.c.state == "pending", message.c.next_try_at <= moment.real)
                 .order_by(message.c.urgent.desc(), message.c.next_try_at).limit(1)
                 .with_for_update(skip_locked=True).scalar_subquery())
    return connection.execute(
        sa.update(message).where(message.c.id == candidate, message.c.state == "pending")
        .values(state="sending", owner=owner, lease_until=moment.real + lease, fence=message.c.fence + 1,
                attempts=message.c.attempts + 1, attempted_at=moment.real, changed_at=moment.now)
        .returning(*message.c)).mappings().one_or_none()


def begin(connection: Connection, claimed: Row, *, template: str, body: str, provider: str, moment: Moment,
          subject: str | None = None) -> Row:
    """A claimed message has got its words and its provider: from here on it counts as being sent."""
    row = _set(connection, claimed["id"], template=template, subject=subject, body=body, provider=provider)
    note_message(connection, row, moment.now)
    return row


def leave_out(connection: Connection, claimed: Row, about: Collection[str], moment: Moment) -> None:
    """Of what is gathered into a message that was never sent, only these alerts are left to be told of: what has ended is
    dropped, and what somebody is on goes back to be looked at anew.
    """
    gone = [each for each in connection.execute(sa.select(line.c.alert_id, line.c.step).where(
        line.c.message_id == claimed["id"])) if each.alert_id not in about]
    if not gone:
        return
    ids = {each.alert_id for each in gone}
    back = _return_steps(connection, claimed["id"], moment, ids)
    for each in gone:
        if each.alert_id not in back:
            note_step(connection, [each.alert_id], each.step, "dropped", moment.now, "ended", claimed["recipient_ref"])
    connection.execute(sa.delete(line).where(line.c.message_id == claimed["id"], line.c.alert_id.in_(ids)))


def drop(connection: Connection, claimed: Row, reason: str, moment: Moment) -> None:
    """There is nothing left to say."""
    row = _set(connection, claimed["id"], state="dropped", reason=reason, changed_at=moment.now, owner=None, lease_until=None)
    note_message(connection, row, moment.now, reason=reason)


def postpone(connection: Connection, claimed: Row, until_real: datetime, moment: Moment) -> None:
    """It may not go out now, and may have gone out before, so it stays what it is; no attempt is used up."""
    _set(connection, claimed["id"], state="pending", next_try_at=until_real, changed_at=moment.now, owner=None, lease_until=None,
         attempts=claimed["attempts"] - 1)


def hold_in_trial(connection: Connection, claimed: Row, moment: Moment) -> None:
    """Nobody else gets anything in trial, not even what was made before it: held, and not sent later."""
    row = _set(connection, claimed["id"], state="dropped", reason="trial", changed_at=moment.now, owner=None, lease_until=None)
    for alert_id, key in connection.execute(sa.select(line.c.alert_id, line.c.step).where(line.c.message_id == row["id"])):
        note_step(connection, [alert_id], key, "held", moment.now, "trial", row["recipient_ref"])


def hurry(connection: Connection, moment: Moment, council: str | None = None, channel: str | None = None) -> None:
    """A provider that had stopped goes on: what waits for it (default: for any) goes out now. But for what was sent once to a
    handset out of reach: for that it is too early.
    """
    named = ((message.c.council, council), (message.c.channel, channel))
    mine = [column == value for column, value in named if value is not None]
    connection.execute(sa.update(message).where(message.c.state == "pending", message.c.next_try_at > moment.real,
                                                ~message.c.sent_again, *mine).values(next_try_at=moment.real))


def take_back(connection: Connection, claimed: Row, reason: str, moment: Moment) -> None:
    """It was never sent and may not go out now: its steps go back to be looked at, and released, anew."""
    drop(connection, claimed, reason, moment)
    _return_steps(connection, claimed["id"], moment)
    connection.execute(sa.delete(line).where(line.c.message_id == claimed["id"]))


def record(connection: Connection, claimed: Row, outcome: Outcome, moment: Moment, uncertain_after: timedelta,
           following: int | None = None) -> bool:
    """Write down what a call led to; False if the lease had been lost meanwhile (an acceptance is still taken as evidence).

    `following`: which provider is to be tried at once with what this one definitely did not send; None: none of them.
    """
    if isinstance(outcome, Accepted):
        seen = Seen(outcome.provider_id, outcome.state)
        return evidence(connection, claimed["id"], claimed["provider"], seen, moment) is not Evidence.OTHER_ATTEMPT
    values = _after(claimed, outcome, moment, uncertain_after)
    if values["state"] == "pending":
        values |= {"provider_turn": following or 0} | ({"next_try_at": moment.real} if following is not None else {})
    row = connection.execute(
        sa.update(message).where(message.c.id == claimed["id"], message.c.owner == claimed["owner"],
                                 message.c.fence == claimed["fence"], message.c.state == "sending")
        .values(changed_at=moment.now, owner=None, lease_until=None, reason=outcome.reason, **values)
        .returning(*message.c)).mappings().one_or_none()
    if row is None:
        return False
    if row["state"] != "pending":
        note_message(connection, row, moment.now, reason=outcome.reason)
    if isinstance(outcome, Refused) and outcome.fault is Fault.RECIPIENT:
        pass_on(connection, row, outcome.reason, moment)
    return True


def _after(claimed: Row, outcome: Refused | NotSent | Uncertain, moment: Moment, uncertain_after: timedelta) -> dict[str, Any]:
    if isinstance(outcome, Uncertain):
        return {"state": "uncertain", "look_again_at": claimed["attempted_at"] + uncertain_after, "looks": 0}
    if isinstance(outcome, NotSent):
        wait = timedelta(seconds=2.0 ** min(claimed["attempts"], 6) * random.uniform(0.5, 1))  # noqa: S311 – jitter
        wait = max(min(wait, _LONGEST_WAIT), outcome.retry_after or timedelta())
        return {"state": "pending", "next_try_at": moment.real + wait}
    if outcome.fault is Fault.CONFIGURATION:   # no attempt is used up by what only an operator can put right
        return {"state": "pending", "next_try_at": moment.real + _CONFIGURATION_WAIT, "attempts": claimed["attempts"] - 1}
    if outcome.fault is Fault.UNKNOWN:
        return {"state": "pending", "next_try_at": moment.real + _UNKNOWN_WAIT}
    return {"state": "failed"}


def evidence(connection: Connection, message_id: str, provider: str, seen: Seen, moment: Moment) -> Evidence:
    """Take what a provider says of a message, by whatever way it came; states only go forward."""
    row = connection.execute(sa.select(message).where(message.c.id == message_id).with_for_update()).mappings().one_or_none()
    if row is None:
        return Evidence.UNKNOWN
    over = row["provider_id"] is None and connection.scalar(sa.select(provider_event.c.id).where(
        provider_event.c.message_id == message_id, provider_event.c.provider == provider,
        provider_event.c.provider_id == seen.provider_id,
        provider_event.c.status.in_(sorted(FINAL_STATES))).limit(1)) is not None
    insert_new(connection, provider_event, {
        "provider": provider, "message_id": message_id, "provider_id": seen.provider_id, "status": seen.state,
        "code": seen.code, "received_at": moment.now})
    if over or row["provider_id"] not in (None, seen.provider_id):
        return Evidence.OTHER_ATTEMPT
    if _RANK[seen.state] <= _RANK[row["state"]]:
        _set(connection, message_id, asked_at=moment.real)
        return Evidence.NOTHING_NEW
    reason = f"{provider}_{seen.code}" if seen.code is not None else None
    row = _set(connection, message_id, state=seen.state, provider=provider, provider_id=seen.provider_id, reason=reason,
               changed_at=moment.now, asked_at=moment.real, owner=None, lease_until=None, look_again_at=None)
    note_message(connection, row, moment.now, reason=reason)
    if seen.state in ("undelivered", "failed"):
        _not_delivered(connection, row, seen, moment)
    return Evidence.TAKEN


def _not_delivered(connection: Connection, row: Row, seen: Seen, moment: Moment) -> None:
    if seen.code in _DEAD_ADDRESS:
        pass_on(connection, row, f"{row['provider']}_{seen.code}", moment)
    elif seen.code in _AGAIN and not row["sent_again"]:
        # A new message at the provider: what it says of the first is about another attempt from here on.
        turn = row["provider_turn"] + (row["provider"] == "notify")   # which has tried for three days
        _set(connection, row["id"], state="pending", provider_id=None, sent_again=True, next_try_at=moment.real + _AGAIN_WAIT,
             provider_turn=turn)


def pass_on(connection: Connection, row: Row, reason: str, moment: Moment) -> None:
    """An address does not work: from now on others are found in its stead, and for these alerts at once."""
    insert_new(connection, unreachable, {"address": row["address"], "reason": reason, "since": moment.now})
    _log.error("recipient_unreachable", worker_ref=row["recipient_ref"], channel=row["channel"], provider=row["provider"],
               reason=reason, notification_id=row["id"])
    _return_steps(connection, row["id"], moment)


def _return_steps(connection: Connection, message_id: str, moment: Moment, of: Collection[str] | None = None) -> set[str]:
    """Have the steps in a message looked at anew (`of`: of these alerts alone), where the alert is open; returns which are."""
    lines = [each for each in connection.execute(
        sa.select(line).join(alert, (alert.c.alert_id == line.c.alert_id) & (alert.c.episode == line.c.episode))
        .where(line.c.message_id == message_id, alert.c.status == "open")) if of is None or each.alert_id in of]
    for each in lines:
        connection.execute(
            sa.update(step).where(step.c.alert_id == each.alert_id, step.c.episode == each.episode, step.c.key == each.step,
                                  step.c.target == each.target, step.c.state == "released")
            .values(state="waiting", look_at=moment.now, reason=None))
    return {each.alert_id for each in lines}


def reap(connection: Connection, moment: Moment, uncertain_after: timedelta) -> list[Row]:
    """Messages whose worker has gone: nobody knows whether they were sent."""
    rows = connection.execute(
        sa.update(message).where(message.c.state == "sending", message.c.lease_until <= moment.real)
        .values(state="uncertain", reason="lease_expired", looks=0, changed_at=moment.now, owner=None, lease_until=None,
                look_again_at=moment.real)
        .returning(*message.c)).mappings().all()
    for row in rows:
        _set(connection, row["id"], look_again_at=max(row["attempted_at"] + uncertain_after, moment.real))
        note_message(connection, row, moment.now, reason="lease_expired")
    return list(rows)


def to_look_for(connection: Connection, moment: Moment, again: timedelta, limit: int = 20) -> list[Row]:
    """Uncertain messages whose time to be looked for has come; the next time is set, whatever comes of this one."""
    due = (sa.select(message.c.id).where(message.c.state == "uncertain", message.c.look_again_at <= moment.real)
           .order_by(message.c.look_again_at).limit(limit).with_for_update(skip_locked=True))
    return list(connection.execute(sa.update(message).where(message.c.id.in_(due))
                                   .values(look_again_at=moment.real + again).returning(*message.c)).mappings().all())


def not_found(connection: Connection, looked_for: Row, moment: Moment) -> bool:
    """It was looked for in vain; whether that means that it is sent again."""
    again = looked_for["looks"] + 1 >= LOOKS
    values: dict[str, Any] = {"looks": looked_for["looks"] + 1}
    if again:
        values |= {"state": "pending", "possible_duplicate": True, "next_try_at": moment.real, "changed_at": moment.now}
    done = connection.execute(sa.update(message).where(message.c.id == looked_for["id"], message.c.state == "uncertain",
                                                       message.c.fence == looked_for["fence"]).values(**values))
    return again and done.rowcount > 0


def to_ask_about(connection: Connection, moment: Moment, after: timedelta, limit: int = 20) -> list[Row]:
    """Messages of which nothing has been heard for long; the next time is set."""
    due = (sa.select(message.c.id).where(*_silent(moment, after))
           .order_by(message.c.asked_at).limit(limit).with_for_update(skip_locked=True))
    return list(connection.execute(sa.update(message).where(message.c.id.in_(due)).values(asked_at=moment.real)
                                   .returning(*message.c)).mappings().all())


def _set(connection: Connection, message_id: str, **values: Any) -> Row:
    return connection.execute(sa.update(message).where(message.c.id == message_id).values(**values)
                              .returning(*message.c)).mappings().one()


def _free_ref(connection: Connection) -> str:
    for length in REF_LENGTHS:
        for _ in range(_TRIES_AT_A_REF):
            ref = new_ref(length)
            if connection.scalar(sa.select(message.c.id).where(message.c.ref == ref)) is None:
                return ref
    raise RuntimeError("no free Ref")
