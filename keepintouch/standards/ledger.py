"""What has been published about one person: the memory that makes ids, sequences and modes deterministic.

An alert is published when it opens, when a field of it changes, and when it ends. The ledger lives in the person's stored
form, so a crash after publishing repeats a record that is already there: the same id and the same number.
"""
from __future__ import annotations

from binascii import crc32
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache, lru_cache
from hashlib import blake2b
from uuid import UUID

from msgspec.structs import replace

from schemas.alerts import Alert, AlertStatus, Mode, alert_id

from .alert_json import alert_json
from .ending import NO_LONGER_APPLIES, Ending, OpenAlert, end
from .evaluation import Evaluation, Finding
from .evidence import evidence_for
from .instants import microseconds
from .person import Person
from .policy import Policy
from .published import NEVER, AlertKey, EndedEntry, Evidence, Ledger, OpenEntry

_NO_POLICY = b"\xff" * 8
"""Mark of a person to whom no policy applies: their council has left."""


_NOTHING_YET = Ledger(NEVER, b"")


@dataclass(frozen=True, slots=True)
class Publication:
    """A record for the alerts topic; without a value, a tombstone for its key."""

    alert_id: UUID
    value: bytes | None
    """JSON of a `schemas.alerts.Alert`."""
    status: AlertStatus | None = None
    mode: Mode | None = None

    @property
    def alert(self) -> Alert | None:
        """What the record says."""
        return None if self.value is None else Alert.model_validate_json(self.value)


def policy_mark(policy: Policy, more_feeds: frozenset[str] = frozenset()) -> bytes:
    """What an evaluation was under: another policy id, version or other feeds give another mark."""
    feeds = ",".join(sorted(policy.feeds | more_feeds))
    return blake2b(f"{policy.id}|{policy.version}|{feeds}".encode(), digest_size=8).digest()


def open_keys(person: Person) -> tuple[AlertKey, ...]:
    """Rule and anchor of each alert of a person that is open."""
    return () if person.ledger is None else tuple(entry.key for entry in person.ledger.open)


def settle(ref: str, person: Person, evaluation: Evaluation, policy: Policy, mark: bytes, now: datetime) -> list[Publication]:
    """Bring a person's ledger in line with an evaluation; returns what must be published, in the order of rules."""
    held = _NOTHING_YET if person.ledger is None else person.ledger
    first = held.mark != mark
    known = _known_after(held.known, tuple(policy.rules), evaluation.unknown)
    if not first and known == held.known and _is_said(held, evaluation, person, policy):
        return []
    at = microseconds(now)
    open_before, ended_before = {entry.key: entry for entry in held.open}, {entry.key: entry for entry in held.ended}
    published: list[Publication] = []
    open_now: list[OpenEntry] = []
    for finding in evaluation.findings:
        before, ended = open_before.pop(finding.key, None), ended_before.pop(finding.key, None)
        if before is not None and _says(before, finding, person, policy):
            open_now.append(before)
            continue
        origin: OpenEntry | EndedEntry | None = ended if before is None else before
        mode: Mode = (origin.mode if origin is not None
                      else "backfill" if first or _crc(finding.rule) not in _crcs(held.known) else "live")
        entry = _entry(finding, person, policy, origin, mode, at, evidence_for(finding.clock, evaluation.history))
        open_now.append(entry)
        published.append(_publish(ref, entry))
    for gone in open_before.values():
        ending = end(OpenAlert(gone.rule, gone.standard, gone.anchor_on, gone.due_on), person, evaluation, policy)
        ended_before[gone.key] = _ended(gone, at)
        published.append(_publish(ref, gone, ending, at))
    kept, forgotten = _forget(ref, tuple(ended_before.values()), evaluation.today)
    person.ledger = Ledger(mark, known, tuple(open_now), kept)
    return published + forgotten


def close(ref: str, person: Person, now: datetime, today: int) -> list[Publication]:
    """End all open alerts of a person because nothing applies any more: the council has left, or nothing is known of them."""
    held = person.ledger
    if held is None:
        return []
    at = microseconds(now)
    ended = (*held.ended, *(_ended(entry, at) for entry in held.open))
    published = [_publish(ref, entry, NO_LONGER_APPLIES, at) for entry in held.open]
    kept, forgotten = _forget(ref, ended, today)
    person.ledger = Ledger(_NO_POLICY, held.known, (), kept)
    return published + forgotten


def erase(ref: str, person: Person) -> list[Publication]:
    """Tombstones for every alert that was published about an erased person, and an empty ledger."""
    held, person.ledger = person.ledger, None
    if held is None:
        return []
    keys = [entry.key for entry in held.open] + [entry.key for entry in held.ended]
    return [Publication(_id(ref, key), None) for key in keys]


def adopt(person: Person, alert: Alert) -> bool:
    """Go on from a record that was published and is newer than what the ledger knows of that alert; says whether it was.

    So it is when a crash came between publishing and writing the state, or when the state was lost.
    """
    held = _NOTHING_YET if person.ledger is None else person.ledger
    key = alert.rule, alert.anchor_on.toordinal()
    entries: list[OpenEntry | EndedEntry] = [*held.open, *held.ended]
    if any(entry.sequence >= alert.sequence for entry in entries if entry.key == key):
        return False
    open_now = tuple(entry for entry in held.open if entry.key != key)
    ended = tuple(entry for entry in held.ended if entry.key != key)
    if alert.ended_at is None:
        open_now += (_open_entry(alert),)
    else:
        ended += (EndedEntry(*key, alert.sequence, alert.mode, microseconds(alert.detected_at), microseconds(alert.ended_at)),)
    person.ledger = replace(held, open=open_now, ended=ended)
    return True


def _entry(finding: Finding, person: Person, policy: Policy, origin: OpenEntry | EndedEntry | None, mode: Mode, at: int,
           evidence: Evidence) -> OpenEntry:
    """What is to be known of an open alert."""
    clock, facts = finding.clock, person.facts
    assert clock.due_on is not None
    assert clock.opens_on is not None
    assert facts is not None
    return OpenEntry(
        clock.anchor_on, 1 if origin is None else origin.sequence + 1, mode,
        at if origin is None else origin.detected_at, clock.standard.id, finding.severity, clock.due_on, clock.opens_on,
        facts.adviser_ref, facts.team_ref, policy.id, policy.version, evidence)


def _says(entry: OpenEntry, finding: Finding, person: Person, policy: Policy) -> bool:
    """Whether what was published is what there is to say: evidence, sequence, mode and detection do not matter."""
    clock, facts = finding.clock, person.facts
    assert facts is not None
    return (entry.standard == clock.standard.id and entry.severity == finding.severity and entry.due_on == clock.due_on
            and entry.opens_on == clock.opens_on and entry.adviser_ref == facts.adviser_ref and entry.team_ref == facts.team_ref
            and entry.policy_id == policy.id and entry.policy_version == policy.version)


def _is_said(held: Ledger, evaluation: Evaluation, person: Person, policy: Policy) -> bool:
    """Whether what was published is all there is to say, and nothing of it is to be forgotten yet."""
    return (len(held.open) == len(evaluation.findings)
            and all(entry.anchor_on == finding.clock.anchor_on and _says(entry, finding, person, policy)
                    for entry, finding in zip(held.open, evaluation.findings, strict=True))
            and evaluation.today < held.next_change_on)


def _ended(entry: OpenEntry, at: int) -> EndedEntry:
    return EndedEntry(entry.rule, entry.anchor_on, entry.sequence + 1, entry.mode, entry.detected_at, at)


def _forget(ref: str, ended: tuple[EndedEntry, ...], today: int) -> tuple[tuple[EndedEntry, ...], list[Publication]]:
    kept = tuple(entry for entry in ended if entry.forgotten_on > today)
    return kept, [Publication(_id(ref, entry.key), None) for entry in ended if entry.forgotten_on <= today]


def _id(ref: str, key: AlertKey) -> UUID:
    return alert_id(ref, key[0], date.fromordinal(key[1]).isoformat())


def _publish(ref: str, entry: OpenEntry, ending: Ending | None = None, ended_at: int = 0) -> Publication:
    identity = _id(ref, entry.key)
    return Publication(identity, alert_json(identity, ref, entry, ending, ended_at),
                       "open" if ending is None else ending.status, entry.mode)


def _open_entry(alert: Alert) -> OpenEntry:
    """What the record of an open alert was made from."""
    d = alert.detail
    attempted, messaged, spoke, seen, at_home = (None if day is None else day.toordinal() for day in (
        d.last_attempted_on, d.last_messaged_on, d.last_spoke_on, d.last_seen_on, d.last_seen_at_home_on))
    evidence = Evidence((attempted, messaged, spoke, seen, at_home), d.met_adviser, d.written_since_anchor,
                        d.attempts_since_anchor, d.strangers_only, tuple(alert.evidence))
    return OpenEntry(
        alert.anchor_on.toordinal(), alert.sequence, alert.mode, microseconds(alert.detected_at), alert.standard,
        alert.severity, alert.due_on.toordinal(), alert.opens_on.toordinal(), alert.adviser_ref, alert.team_ref,
        alert.policy.id, alert.policy.version, evidence)


@lru_cache(maxsize=65_536)
def _known_after(known: bytes, rules: tuple[str, ...], unknown: tuple[str, ...]) -> bytes:
    """The marks of rules that were known at some time, after an evaluation under some rules of which these were unknown."""
    return b"".join(sorted(_crcs(known).union(_crc(rule) for rule in rules if rule not in unknown)))


@cache
def _crc(rule: str) -> bytes:
    return crc32(rule.encode()).to_bytes(4, "big")


def _crcs(known: bytes) -> set[bytes]:
    return {known[i:i + 4] for i in range(0, len(known), 4)}
