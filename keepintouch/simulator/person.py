"""Everything that is said about one person, in the order in which it is typed up, and each of it as an event."""
from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

from keepintouch.simulator.draw import instant, stream
from keepintouch.simulator.life import Life, live
from keepintouch.simulator.people import FIRST_CASE, Sketch
from keepintouch.simulator.play import play
from keepintouch.simulator.records import Draft, Telling, tell
from keepintouch.simulator.setting import Setting
from keepintouch.simulator.snapshots import Facts, Snapshot, snapshots
from keepintouch.simulator.typing_up import Statement, type_up
from schemas.events import CloudEvent, Contact, EventData, EventType, Person, RecordVoided, Visit

_ID_SPACE, _SCRAMBLER = 9_999_999_967, 3_772_198_077
"""A prime and any number: below the prime no two products come out the same."""
_A_PERSONS_NUMBERS, _FIRST_SNAPSHOT = 50_000, 30_000
MOST_PEOPLE = _ID_SPACE // _A_PERSONS_NUMBERS
"""More would share their ids."""


class Said(NamedTuple):
    """One thing said about a person, at an instant: all the facts held, or a statement about a record."""

    recorded: int
    number: int
    sketch: Sketch
    ref: str
    what: Facts | Statement


def case_id(sketch: Sketch) -> str:
    """The person's id in the made-up case system."""
    return str(FIRST_CASE + sketch.index)


def said_about(setting: Setting, sketch: Sketch) -> Iterator[Said]:
    """Everything, in order. Nothing is worked out before it is wanted but what gives the first snapshot."""
    ref = setting.refs.person(case_id(sketch))
    rng = stream(setting.seed, setting.refs.council, "person", sketch.index)
    life = live(rng, sketch, setting.days, setting.figures)
    first, *changes = snapshots(rng, sketch, life, setting)
    yield Said(first.recorded, _FIRST_SNAPSHOT, sketch, ref, first.facts)
    left: list[Snapshot | Statement] = [*changes, *_statements(setting, sketch, rng, life)]
    left.sort(key=lambda item: item.recorded, reverse=True)
    del rng, life, changes   # thousands of people wait here at the same time
    facts, number = first.facts, _FIRST_SNAPSHOT
    while left:
        item = left.pop()
        if isinstance(item, Snapshot):
            facts, number = facts | item.facts, number + 1
            yield Said(item.recorded, number, sketch, ref, facts)
        else:
            yield Said(item.recorded, item.record, sketch, ref, item)


def _statements(setting: Setting, sketch: Sketch, rng: Random, life: Life) -> list[Statement]:
    telling = Telling(rng, sketch, life, setting)
    found = list(type_up(rng, tell(telling), setting.figures))
    if sketch.part:
        found += play(sketch.part, telling.adviser_on(setting.days.end), setting.days.last)
    return found


def short_id(sketch: Sketch, number: int) -> str:
    """A number such as case systems give; it does not show whose it is."""
    return f"{(sketch.index * _A_PERSONS_NUMBERS + number) * _SCRAMBLER % _ID_SPACE:010d}"


def event(setting: Setting, said: Said) -> CloudEvent:
    """What was said, as an event."""
    name = short_id(said.sketch, said.number)
    if isinstance(said.what, Statement):
        kind, data = _record(name, said, said.what.draft)
        return CloudEvent(id=f"{name}.{said.what.version}", source=setting.source, type=kind, subject=said.ref, data=data)
    person = Person(person_ref=said.ref, recorded_at=instant(said.recorded), **said.what)
    return CloudEvent(id=name, source=setting.source, type="care.person.v1", subject=said.ref, data=person)


def _record(record_id: str, said: Said, draft: Draft | None) -> tuple[EventType, EventData]:
    common: dict[str, Any] = {"record_id": record_id, "person_ref": said.ref, "recorded_at": instant(said.recorded)}
    if draft is None:
        return "care.record-voided.v1", RecordVoided(**common)
    common |= {"occurred_at": instant(draft.occurred), "worker_ref": draft.worker, "worker_role": draft.role,
               "outcome": draft.outcome}
    if draft.channel is not None:
        return "care.contact.v1", Contact(**common | {"channel": draft.channel, "direction": draft.direction})
    return "care.visit.v1", Visit(
        **common | {"location": draft.location, "announced": draft.announced, "seen_alone": draft.alone})
