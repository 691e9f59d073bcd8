"""A person's stored form: one version byte, the next due day, then everything else, compact.

The due day (four bytes, a day number, big-endian) can be read without decoding the rest. Equal people have equal bytes,
in whatever order their statements came.
"""
from __future__ import annotations

import msgspec

from .ledger import Ledger
from .person import Facts, Person, Register

VERSION = 1
DUE_NOW = 0
"""Due day of a person into whom something was folded since they were last evaluated."""

_DUE = slice(1, 5)
_HEADER_BYTES = 5


class StoredFormError(ValueError):
    """Bytes that are no person of a version that this code knows."""


class _Body(msgspec.Struct, array_like=True, gc=False):
    facts: Facts | None
    erased_at: int | None
    workers: list[str]
    registers: list[Register]
    ledger: Ledger | None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Body).decode


def dump(person: Person, due_on: int = DUE_NOW) -> bytes:
    """The stored form, with the day number on which the person must be evaluated next."""
    workers, registers = _canonical(person)
    body = _Body(person.facts, person.erased_at, workers, registers, person.ledger)
    return bytes((VERSION,)) + due_on.to_bytes(4, "big") + _encode(body)


def due_on(stored: bytes) -> int:
    """The day number on which the person must be evaluated next."""
    return int.from_bytes(stored[_DUE], "big")


def load(stored: bytes) -> Person:
    """The person; `StoredFormError` for what is not one."""
    if not stored or stored[0] != VERSION:
        raise StoredFormError(f"stored form of version {stored[0] if stored else None}; this code reads {VERSION}")
    try:
        body = _decode(memoryview(stored)[_HEADER_BYTES:])
    except msgspec.DecodeError as error:
        raise StoredFormError(str(error)) from None
    person = Person()
    person.facts, person.erased_at, person.workers, person.ledger = body.facts, body.erased_at, body.workers, body.ledger
    person.restore(body.registers)
    return person


def _canonical(person: Person) -> tuple[list[str], list[Register]]:
    """Workers in the order of their first record, and registers in the order of time with their workers renumbered."""
    ordered = person.in_order()
    places: dict[int, int] = {-1: -1}
    for register in ordered:
        places.setdefault(register.worker, len(places) - 1)
    if all(old == new for old, new in places.items()):
        return person.workers[:len(places) - 1], ordered
    workers = [person.workers[old] for old in places if old >= 0]
    return workers, [r if places[r.worker] == r.worker else msgspec.structs.replace(r, worker=places[r.worker]) for r in ordered]

