"""What is known about one person: a register for each record, the newest snapshot, an erasure.

A person is a function of the *set* of statements folded in, whatever their order, repeats or batches.
"""
from __future__ import annotations

from bisect import bisect_left
from datetime import date
from operator import attrgetter
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from schemas.events import Contact, EventData, Feed, PersonErased, RecordVoided, Visit
from schemas.events import Person as Snapshot

from .identifiers import Packed, pack, unpack
from .instants import day_of, microseconds
from .ladder import VOID, kind_of
from .published import Ledger

if TYPE_CHECKING:
    from .evaluation import Reckoned

REGISTER_LIMIT = 2_000
"""Records kept of one person; beyond it the one with the oldest `occurred_at` goes."""



class Register(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """The statement that holds for one record id: the one with the greatest `(recorded_at, event id)`."""

    record_id: Packed
    event_id: Packed
    recorded_at: int
    """Microseconds since 1970, UTC."""
    occurred_at: int
    """Microseconds since 1970, UTC; of a void, which states none, its `recorded_at`."""
    kind: int
    """Its place in `ladder.KINDS`, or `VOID`."""
    worker: int
    """Place in the person's list of workers; -1: no worker was given."""

    @property
    def day(self) -> int:
        """London day number on which it occurred."""
        return day_of(self.occurred_at)


class Statement(msgspec.Struct, gc=False):
    """What a contact, a visit or a void says, before it is known whether it holds. Fields as in `Register`."""

    record_id: Packed
    event_id: Packed
    recorded_at: int
    occurred_at: int
    kind: int
    worker_ref: str | None


class Home(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """Where the person lives; `since` is a day number."""

    code: str | None
    suitable: bool | None
    council_provided: bool
    hostel: bool
    since: int | None


class Facts(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """The newest snapshot, with days as day numbers."""

    event_id: Packed
    recorded_at: int
    born_on: int
    category: str
    supported_since: int
    in_touch: str | None
    in_touch_since: int | None
    opt_out_review_on: int | None
    adviser_ref: str | None
    adviser_since: int | None
    team_ref: str | None
    home: Home | None
    need: str
    plan_reviewed_on: int | None
    offer_made_on: int | None
    no_face_to_face_until: int | None
    looked_after: bool
    cohorts: tuple[str, ...]

    def newer_than(self, other: Facts) -> bool:
        """Whether this snapshot holds against another."""
        if self.recorded_at != other.recorded_at:
            return self.recorded_at > other.recorded_at
        mine, theirs = unpack(self.event_id), unpack(other.event_id)
        return mine > theirs or (mine == theirs and _ENCODER.encode(self) > _ENCODER.encode(other))


_ENCODER = msgspec.msgpack.Encoder()
_in_time_order = attrgetter("occurred_at")


class Person:
    """Everything known about one person, and the place where statements are folded in."""

    __slots__ = ("_ordered", "_workers_in_order", "added", "erased_at", "facts", "ledger", "let_go", "reckoned", "registers",
                 "workers")

    def __init__(self) -> None:
        self.facts: Facts | None = None
        self.registers: dict[Packed, Register] = {}
        self.workers: list[str] = []
        self.erased_at: int | None = None
        self.ledger: Ledger | None = None
        self._ordered: list[Register] | None = None
        self._workers_in_order = False
        self.added: list[Register] | None = None
        """What was added since this was last set to an empty list; None again once anything else has happened to a register."""
        self.reckoned: Reckoned | None = None
        """How far they have been evaluated; kept by `evaluation`."""
        self.let_go = 0
        """How many records went because there were too many, since this was last set to 0."""

    def fold(self, event_id: str, data: EventData) -> bool:
        """Fold in one event about this person; says whether anything changed. Manifests concern nobody and are refused."""
        if isinstance(data, Feed):
            raise TypeError("a manifest is not about a person")
        if isinstance(data, (Contact, Visit, RecordVoided)):
            return self.take(_statement(event_id, data))
        recorded_at = microseconds(data.recorded_at)
        if self.erased_at is not None and recorded_at <= self.erased_at:
            return False
        if isinstance(data, PersonErased):
            self._forget(recorded_at)
            return True
        facts = _facts(event_id, recorded_at, data)
        if self.facts is not None and not facts.newer_than(self.facts):
            return False
        self.facts = facts
        return True

    def take(self, said: Statement) -> bool:
        """Take what was said of a record, if it holds against what was said before; says whether it does."""
        if self.erased_at is not None and said.recorded_at <= self.erased_at:
            return False
        record_id, registers = said.record_id, self.registers
        held = registers.get(record_id)
        if held is not None and not self._holds_against(said, held):
            return False
        register = Register(record_id, said.event_id, said.recorded_at, said.occurred_at, said.kind,
                            self._place_of(said.worker_ref))
        registers[record_id] = register
        self._insert(register, held is not None)
        if len(registers) > REGISTER_LIMIT:
            del registers[self.in_order()[0].record_id]
            self._disorder()
            self.let_go += 1
        return True

    def restore(self, ordered: list[Register]) -> None:
        """Take registers back from a stored form, in the order of time."""
        self.registers = {register.record_id: register for register in ordered}
        self._ordered, self._workers_in_order, self.added = ordered, True, None

    def in_order(self) -> list[Register]:
        """All registers, oldest `occurred_at` first; at the same instant by record id. Not to be changed."""
        if self._ordered is None:
            self._ordered = sorted(self.registers.values(), key=_in_time_order)
            _settle_ties(self._ordered)
        return self._ordered

    def canonical(self) -> tuple[list[str], list[Register]]:
        """Workers in the order of their first record, and all registers in the order of time: whatever order they came in."""
        ordered = self.in_order()
        if not self._workers_in_order and not self._are_workers_in_order(ordered):
            places = {old: new for new, old in enumerate(dict.fromkeys([-1, *[r.worker for r in ordered]]), start=-1)}
            self.workers = [self.workers[old] for old in places if old >= 0]
            ordered = [r if places[r.worker] == r.worker else replace(r, worker=places[r.worker]) for r in ordered]
            self.restore(ordered)
        self._workers_in_order = True
        return self.workers, ordered

    def _are_workers_in_order(self, ordered: list[Register]) -> bool:
        following = 0
        for register in ordered:
            if register.worker >= following:
                if register.worker > following:
                    return False
                following += 1
        return following == len(self.workers)

    def _insert(self, register: Register, instead: bool) -> None:
        """Keep the registers in order, if they were: most records are newer than all before."""
        ordered = self._ordered
        if instead or not ordered:
            return self._disorder()
        if register.occurred_at > ordered[-1].occurred_at:
            ordered.append(register)
        else:
            place = bisect_left(ordered, register.occurred_at, key=_in_time_order)
            if ordered[place].occurred_at == register.occurred_at:
                return self._disorder()
            ordered.insert(place, register)
            self._workers_in_order = False
        if self.added is not None:
            self.added.append(register)
        return None

    def _disorder(self) -> None:
        self._ordered, self._workers_in_order, self.added = None, False, None

    def worker(self, register: Register) -> str | None:
        """Ref of the worker of a record."""
        return None if register.worker < 0 else self.workers[register.worker]

    def _place_of(self, worker_ref: str | None) -> int:
        if worker_ref is None:
            return -1
        try:
            return self.workers.index(worker_ref)
        except ValueError:
            self.workers.append(worker_ref)
            return len(self.workers) - 1

    def _holds_against(self, new: Statement, held: Register) -> bool:
        """The greatest `(recorded_at, event id)` holds; where two sources gave even those, the content settles it."""
        if new.recorded_at != held.recorded_at:
            return new.recorded_at > held.recorded_at
        return (unpack(new.event_id), new.occurred_at, new.kind, new.worker_ref or "") > (
            unpack(held.event_id), held.occurred_at, held.kind, self.worker(held) or "")

    def _forget(self, recorded_at: int) -> None:
        self.erased_at = recorded_at
        self.registers = {key: r for key, r in self.registers.items() if r.recorded_at > recorded_at}
        self._disorder()
        if self.facts is not None and self.facts.recorded_at <= recorded_at:
            self.facts = None


def _settle_ties(ordered: list[Register]) -> None:
    """Sort records at the same instant by their id, as text: rare, so it costs next to nothing elsewhere."""
    if len({register.occurred_at for register in ordered}) == len(ordered):
        return
    start = 0
    for end in range(1, len(ordered) + 1):
        if end == len(ordered) or ordered[end].occurred_at != ordered[start].occurred_at:
            if end - start > 1:
                ordered[start:end] = sorted(ordered[start:end], key=lambda r: unpack(r.record_id))
            start = end


def _statement(event_id: str, data: Contact | Visit | RecordVoided) -> Statement:
    recorded_at = microseconds(data.recorded_at)
    if isinstance(data, RecordVoided):
        return Statement(pack(data.record_id), pack(event_id), recorded_at, recorded_at, VOID, None)
    return Statement(pack(data.record_id), pack(event_id), recorded_at, microseconds(data.occurred_at), kind_of(data),
                     data.worker_ref)


def _number(day: date | None) -> int | None:
    return None if day is None else day.toordinal()


def _facts(event_id: str, recorded_at: int, s: Snapshot) -> Facts:
    a = s.accommodation
    home = None if a is None else Home(a.code, a.suitable, a.council_provided, a.hostel, _number(a.since))
    return Facts(pack(event_id), recorded_at, s.born_on.toordinal(), s.category, s.supported_since.toordinal(), s.in_touch,
                 _number(s.in_touch_since), _number(s.opt_out_review_on), s.adviser_ref, _number(s.adviser_since), s.team_ref,
                 home, s.need, _number(s.plan_reviewed_on), _number(s.offer_made_on), _number(s.no_face_to_face_until),
                 s.looked_after, tuple(s.cohorts))
