"""Two refs that are one person, in whatever order what was said of them is read."""
from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepintouch.merging import Merger
from keepintouch.runtime.errors import UserError
from keepintouch.standards.identifiers import unpack
from keepintouch.standards.world import World
from schemas.events import Contact, EventData, Person, PersonErased, RecordVoided

OLD, NEW = "lancashire:old", "lancashire:new"
NOW = datetime(2026, 3, 10, 9, tzinfo=UTC)


def at(hours: int) -> datetime:
    return NOW - timedelta(hours=100 - hours)


def contact(record_id: str, hours: int, ref: str = OLD, channel: Any = "phone") -> Contact:
    return Contact(record_id=record_id, person_ref=ref, recorded_at=at(hours), occurred_at=at(hours), worker_role="duty",
                   channel=channel, direction="out", outcome="completed")


def person(ref: str, hours: int) -> Person:
    return Person(person_ref=ref, recorded_at=at(hours), born_on=date(2007, 1, 1), category="relevant",
                  supported_since=date(2024, 1, 1), need="standard", looked_after=False, cohorts=[])


SAID: list[EventData] = [
    person(OLD, 1), contact("a", 2), contact("b", 3), contact("b", 5, channel="text"), contact("c", 4),
    RecordVoided(record_id="c", person_ref=OLD, recorded_at=at(6)), contact("n", 2, ref=NEW),
    contact("z", 1, ref="lancashire:other")]


def merged(said: list[EventData]) -> list[EventData]:
    merger = Merger(OLD, NEW)
    for number, data in enumerate(said):
        merger.take(str(number), data)
    return [event.data for event in merger.events(NOW)]


@given(st.permutations(SAID))
def test_afterwards_everything_stands_under_the_new_ref_and_nothing_under_the_old(said: list[EventData]) -> None:
    world = World()
    for number, data in enumerate([*said, *merged(said)]):
        world.fold(str(number), data)
    new, old = world.people[NEW], world.people[OLD]
    assert {unpack(record_id) for record_id in new.registers} == {"a", "b", "n"}
    assert new.facts is not None
    assert (old.facts, old.registers) == (None, {})


def test_the_old_is_voided_before_it_is_erased_and_the_newest_statement_moves() -> None:
    events = merged(SAID)
    assert [type(data) for data in events] == [Person, Contact, Contact, RecordVoided, RecordVoided, PersonErased]
    moved = {data.record_id: data for data in events if isinstance(data, Contact)}
    assert moved["b"].channel == "text"
    assert moved["a"].recorded_at == at(2)


def test_the_new_ref_keeps_its_own_snapshot() -> None:
    assert not any(isinstance(data, Person) for data in merged([*SAID, person(NEW, 1)]))


def test_what_was_erased_before_does_not_come_back() -> None:
    erased = PersonErased(person_ref=OLD, recorded_at=at(3))
    assert [data.record_id for data in merged([*SAID, erased]) if isinstance(data, Contact)] == ["b"]


def test_nothing_to_merge_and_a_new_ref_that_was_erased_are_refused() -> None:
    with pytest.raises(UserError, match="nothing is known"):
        merged([contact("n", 2, ref=NEW)])
    with pytest.raises(UserError, match="erased"):
        merged([*SAID, PersonErased(person_ref=NEW, recorded_at=at(9))])
