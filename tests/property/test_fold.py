"""What is known of people is a function of the set of events: their order, repeats and batches do not matter."""

from datetime import datetime
from itertools import pairwise
from random import Random

from hypothesis import given

from keepintouch.acceptance import Accepted
from keepintouch.standards import stored
from keepintouch.standards.person import Person
from schemas.common import council_of
from schemas.events import Feed
from tests.reference import worlds

from .worlds import RNGS, WORLDS, accepted, folded, now_of, quick, thorough


def events_of(world: worlds.World) -> tuple[list[Accepted], datetime]:
    last = world.steps[-1]
    return accepted(last.lines, now_of(last)), now_of(last)


def stored_forms(events: list[Accepted]) -> dict[str, bytes]:
    """Everybody's stored form, and how far every feed is."""
    world = folded(events)
    forms = {ref: stored.dump(person) for ref, person in world.people.items()}
    feeds = {event.data.council for event in events if isinstance(event.data, Feed)}
    return forms | {f"feed:{council}": repr(sorted(world.feeds.of(council).items())).encode() for council in feeds}


@thorough
@given(world=WORLDS, rng=RNGS)
def test_any_order_and_any_repetition(world: worlds.World, rng: Random) -> None:
    events, _ = events_of(world)
    other = [*events, *rng.choices(events, k=len(events) // 2)] if events else []
    rng.shuffle(other)
    assert stored_forms(events) == stored_forms(other)


@thorough
@given(world=WORLDS, rng=RNGS)
def test_any_batches_with_a_stored_form_between_them(world: worlds.World, rng: Random) -> None:
    events, _ = events_of(world)
    cuts = sorted({0, len(events), *(rng.randint(0, len(events)) for _ in range(rng.randint(0, 5)))})
    forms: dict[str, bytes] = {}
    for start, end in pairwise(cuts):
        people = {ref: stored.load(form) for ref, form in forms.items()}
        for event in events[start:end]:
            if not isinstance(event.data, Feed):
                people.setdefault(event.data.person_ref, Person()).fold(event.event_id, event.data)
        forms |= {ref: stored.dump(person) for ref, person in people.items()}
    assert forms == {ref: form for ref, form in stored_forms(events).items() if not ref.startswith("feed:")}


@thorough
@given(world=WORLDS)
def test_fold_says_whether_anything_changed(world: worlds.World) -> None:
    """Or a store would write what did not change, or miss what did."""
    events, _ = events_of(world)
    people: dict[str, Person] = {}
    for event in events:
        if isinstance(event.data, Feed):
            continue
        person = people.setdefault(event.data.person_ref, Person())
        before = stored.dump(person)
        changed = person.fold(event.event_id, event.data)
        assert changed == (stored.dump(person) != before)
        assert not person.fold(event.event_id, event.data), "a repeat changes nothing"


@quick
@given(world=WORLDS)
def test_a_stored_form_holds_everything(world: worlds.World) -> None:
    events, _ = events_of(world)
    for ref, person in folded(events).people.items():
        again = stored.load(stored.dump(person, due_on=739_000))
        assert stored.dump(again, due_on=739_000) == stored.dump(person, due_on=739_000), ref
        assert (again.facts, again.erased_at) == (person.facts, person.erased_at)
        assert [(again.worker(r), r.occurred_at) for r in again.in_order()] == [
            (person.worker(r), r.occurred_at) for r in person.in_order()]


@quick
@given(world=WORLDS)
def test_a_manifest_of_one_council_says_nothing_of_another(world: worlds.World) -> None:
    events, _ = events_of(world)
    everything = folded(events)
    for ref in everything.people:
        own = folded([e for e in events if isinstance(e.data, Feed) and e.data.council == council_of(ref)])
        assert dict(everything.marks_for(ref)) == dict(own.feeds.of(council_of(ref)))
