"""A person's stored form: a short header, then everything else, compact. And those of a feed's mark and of a position.

The header can be read without decoding the rest: a version, whether the person waits for a feed, the next due day, and
the mark of the policy they were last evaluated under. Equal people have equal bytes, in whatever order their statements came.

The first byte is a version. Whoever changes what is written gives it a new one and leaves a reader for those before it.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from struct import Struct
from typing import NamedTuple

import msgspec

from .person import Facts, Person, Register
from .published import NEVER, Ledger

VERSION = 1
"""Of a person as written now. The header is alike in all versions."""
DUE_NOW = 0
"""Due day of a person into whom something was folded since they were last evaluated."""
POSITION_KEY = b"@position"
"""Key of the record that says up to which offset the events are contained in what is stored before it."""

_OTHERS_VERSION = 1
"""Of a feed's mark and of a position."""
_NEWEST = bytes((max(VERSION, _OTHERS_VERSION),))
_OURS = b"@"
"""Begins the keys of records about the state itself, some of which other versions of this code may not know; no ref's."""

_HEADER = Struct(">B?I8s")
_MARK = Struct(">BI")
_POSITION = Struct(">BQ")


class StoredFormError(ValueError):
    """Bytes that are no stored form of a version that this code knows."""


class Header(NamedTuple):
    """What is known without decoding a person."""

    version: int
    waits_for_feed: bool
    """Something is unknown that a manifest may settle."""
    due_on: int
    """Day number on which the person must be evaluated next."""
    mark: bytes
    """`ledger.policy_mark` of the last evaluation."""


class _Body(msgspec.Struct, array_like=True, gc=False):
    facts: Facts | None
    erased_at: int | None
    workers: list[str]
    registers: list[Register]
    ledger: Ledger | None


class _Beginning(msgspec.Struct, array_like=True, gc=False):
    facts: Facts | None
    erased_at: int | None


_encode = msgspec.msgpack.Encoder().encode
_READERS: Mapping[int, Callable[[memoryview], _Body]] = {1: msgspec.msgpack.Decoder(_Body).decode}
"""What reads each version of a person, header left out."""
_FACTS_READERS: Mapping[int, Callable[[memoryview], _Beginning]] = {1: msgspec.msgpack.Decoder(_Beginning).decode}
_VERSIONS = ", ".join(map(str, sorted(_READERS)))


def dump(person: Person, due_on: int = DUE_NOW, waits_for_feed: bool = False) -> bytes:
    """The stored form; `due_on` is the day number on which the person must be evaluated next."""
    workers, registers = person.canonical()
    mark = NEVER if person.ledger is None else person.ledger.mark
    return _HEADER.pack(VERSION, waits_for_feed, due_on, mark) + _encode(
        _Body(person.facts, person.erased_at, workers, registers, person.ledger))


def header(stored: bytes) -> Header:
    """The header alone; `StoredFormError` for what is no person."""
    if len(stored) < _HEADER.size or stored[0] not in _READERS:
        raise StoredFormError(f"a person of version {stored[0] if stored else None}; this code reads {_VERSIONS}")
    return Header._make(_HEADER.unpack_from(stored))


def load(stored: bytes) -> Person:
    """The person; `StoredFormError` for what is not one."""
    version = header(stored).version
    try:
        body = _READERS[version](memoryview(stored)[_HEADER.size:])
    except msgspec.DecodeError as error:
        raise StoredFormError(str(error)) from None
    person = Person()
    person.facts, person.erased_at, person.workers, person.ledger = body.facts, body.erased_at, body.workers, body.ledger
    person.restore(body.registers)
    return person


def facts(stored: bytes) -> Facts | None:
    """The newest snapshot alone, without decoding the records; `StoredFormError` for what is no person."""
    version = header(stored).version
    try:
        return _FACTS_READERS[version](memoryview(stored)[_HEADER.size:]).facts
    except msgspec.DecodeError as error:
        raise StoredFormError(str(error)) from None


def dump_feed(complete_through: int) -> bytes:
    """The stored form of a feed's mark, a day number; its key is the manifest's."""
    return _MARK.pack(_OTHERS_VERSION, complete_through)


def load_feed(stored: bytes) -> int:
    """The day number through which a feed is complete."""
    if len(stored) != _MARK.size or stored[0] != _OTHERS_VERSION:
        raise StoredFormError(f"a feed's mark of version {stored[0] if stored else None}; this code reads {_OTHERS_VERSION}")
    complete_through: int = _MARK.unpack(stored)[1]
    return complete_through


def dump_position(offset: int) -> bytes:
    """The stored form of a position: an offset of the events partition; everything before it is contained."""
    return _POSITION.pack(_OTHERS_VERSION, offset)


def load_position(stored: bytes) -> int:
    """The offset before which every event is contained."""
    if len(stored) != _POSITION.size or stored[0] != _OTHERS_VERSION:
        raise StoredFormError(f"a position of version {stored[0] if stored else None}; this code reads {_OTHERS_VERSION}")
    offset: int = _POSITION.unpack(stored)[1]
    return offset


def is_newer(stored: bytes) -> bool:
    """Whether a record, of whatever kind, was written by a newer version of this code that may say it otherwise."""
    return stored[:1] > _NEWEST


def is_person(key: bytes) -> bool:
    """Whether the record of this key is about a person."""
    return not is_of_state(key) and feed_of(key) is None


def is_of_state(key: bytes) -> bool:
    """Whether the record of this key is about the state itself, as a position is, or another that only other versions know."""
    return key.startswith(_OURS)


def feed_of(key: bytes) -> tuple[str, str] | None:
    """Council and feed of a feed's key; None for the key of a person."""
    prefix, _, rest = key.decode().partition(":")
    council, slash, feed = rest.partition("/")
    return (council, feed) if prefix == "feed" and slash else None
