"""However often a person is evaluated while they are being told of, it says what a first look at all that was told would say."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from hypothesis import given

from keepintouch.acceptance import Accepted
from keepintouch.calendar import london_day
from keepintouch.standards import ledger, stored
from keepintouch.standards import person as people
from keepintouch.standards.evaluation import Evaluation, evaluate
from keepintouch.standards.evidence import evidence_for
from keepintouch.standards.ledger import Publication, policy_mark
from keepintouch.standards.person import Person, Register
from keepintouch.standards.policy import Policy
from keepintouch.standards.world import Feeds
from schemas.events import Feed
from tests.reference import worlds
from tests.unit.standards.told import OTHER, person, visit

from .worlds import ENGINES, MODELS, RNGS, WORLDS, accepted, now_of, thorough

COUNCIL, REF = "lancs", "lancs:p1"


class Told:
    """One person, kept as the monitor keeps them, and all that was told of them."""

    def __init__(self, rng: Random, policy: Policy, now: datetime) -> None:
        self.rng, self.policy, self.now = rng, policy, now
        self.person, self.events, self.feeds = Person(), list[Accepted](), Feeds()
        self.more_feeds = frozenset[str]()

    def hear(self, event: Accepted) -> None:
        """Fold in one event more."""
        if isinstance(event.data, Feed):
            self.feeds.fold(event.data)
            return
        self.events.append(event)
        self.person.fold(event.event_id, event.data)

    def live_on(self) -> None:
        """Something else goes on, mostly nothing: a day, another policy, a write, a restart, what a council requires."""
        rng = self.rng
        match rng.randint(0, 13):
            case 0 | 1:
                self.now += timedelta(days=rng.choice([1, 1, 1, 7, 28, -1]))
            case 2:
                self.policy = ENGINES[rng.choice(sorted(ENGINES))]
            case 3 | 4 | 5:
                stored.dump(self.person)
            case 6:
                self.person = stored.load(stored.dump(self.person))
            case 7:
                self.more_feeds = frozenset(rng.sample(["visits", "contacts"], rng.randint(0, 2)))
            case _:
                pass

    def at_first_sight(self) -> Person:
        """Somebody of whom all this has just been read, and whom nobody has looked at."""
        found = Person()
        for event in self.events:
            found.fold(event.event_id, event.data)
        found = stored.load(stored.dump(found))
        found.ledger = self.person.ledger
        return found

    def look(self, at: Person) -> tuple[Any, list[Publication]]:
        """What an evaluation says, and what would be published."""
        today = london_day(self.now).toordinal()
        evaluation = evaluate(at, self.policy, today, self.feeds.of(COUNCIL), ledger.open_keys(at), self.more_feeds)
        if evaluation is None:
            return None, ledger.close(REF, at, self.now, today)
        said = what_it_says(evaluation, at)
        mark = policy_mark(self.policy, self.more_feeds)
        return said, ledger.settle(REF, at, evaluation, self.policy, mark, self.now)


def what_it_says(evaluation: Evaluation, told: Person) -> Any:
    """All of it, with workers by their refs: where they stand in a list is nobody's business."""
    def record(register: Register | None) -> Any:
        return None if register is None else (register.record_id, register.event_id, register.recorded_at, register.occurred_at,
                                              register.kind, told.worker(register))

    return (evaluation.today, evaluation.in_scope, evaluation.in_touch, evaluation.meaningful, evaluation.unknown,
            evaluation.next_change_on,
            [(c.standard, c.state, c.why, c.anchor_on, record(c.anchor), c.due_on, c.opens_on, c.warned_on)
             for c in evaluation.clocks],
            [(f.key, f.severity, f.clock.standard, evidence_for(f.clock, evaluation.history)) for f in evaluation.findings])


@contextmanager
def at_most(registers: int) -> Iterator[None]:
    """With so many records kept of a person."""
    before, people.REGISTER_LIMIT = people.REGISTER_LIMIT, registers
    try:
        yield
    finally:
        people.REGISTER_LIMIT = before


@thorough
@given(world=WORLDS, rng=RNGS)
def test_looking_again_and_again(world: worlds.World, rng: Random) -> None:
    step = world.steps[-1]
    now = now_of(step)
    teller = worlds.Teller(rng, london_day(now), MODELS[step.policy])
    teller.workers = [f"lancs:w{number}" for number in range(rng.choice([1, 3, 6]))]
    with at_most(rng.choice([2_000, 2_000, 2_000, 5])):
        everybody = accepted(step.lines, now)
        for ref in sorted({event.data.person_ref for event in everybody if not isinstance(event.data, Feed)}):
            events = [event for event in everybody if isinstance(event.data, Feed) or event.data.person_ref == ref]
            events += accepted([more(teller, ref) for _ in range(rng.choice([0, 10, 20]))], now)
            if rng.randint(0, 2):   # as they happen: then most are newer than all before
                events.sort(key=lambda event: getattr(event.data, "occurred_at", event.data.recorded_at))
            look_after(Told(rng, ENGINES[step.policy], now), events)


def more(teller: worlds.Teller, ref: str) -> str:
    """One line more about somebody."""
    match teller.rng.randint(0, 19):
        case 0:
            return teller.void(ref)
        case 1:
            return teller.erasure(ref)
        case 2:
            return teller.snapshot(ref, teller.instant(teller.near()))
        case _:
            return teller.record(ref)


def look_after(told: Told, events: list[Accepted]) -> None:
    """Hear one after the other, and look at the person between them."""
    restless = told.rng.randint(0, 1)
    for event in events:
        told.hear(event)
        if restless or not told.rng.randint(0, 5):
            told.live_on()
        if told.rng.randint(0, 3):
            new, held = told.at_first_sight(), told.person.ledger
            expected, published = told.look(new)
            assert told.person.ledger is held
            assert told.look(told.person) == (expected, published)
            assert told.person.ledger == new.ledger


def test_a_place_that_the_adviser_has_left_is_not_theirs_when_another_takes_it() -> None:
    """Corrections take all records of the adviser away; a write forgets that they were among the workers; a stranger comes."""
    told = person(visit("2024-05-01", worker_ref=OTHER), visit("2024-05-02", record_id="r"),
                  visit("2024-05-02", record_id="r", recorded_at="2024-05-03T10:00:00Z", worker_ref=OTHER))
    policy, today = ENGINES["test-homes"], date(2024, 6, 13).toordinal()
    for _ in range(2):
        looked = evaluate(told, policy, today, {})
        assert looked is not None
        assert looked.history.met_adviser is False
        stored.dump(told)
        told.fold("e9", visit("2024-05-20", record_id="r-new", worker_ref="lancashire:w03"))
