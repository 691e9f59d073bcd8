"""The county of the letter: its own headline holds, what it hides is there, and the cast plays its parts.

Judged by the engine and the shipped policies, as anybody would.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pytest

from keepintouch.calendar import london_day, london_midnight
from keepintouch.simulator import LANCASHIRE_2017, Arrival, CastMember, Simulation, simulate
from keepintouch.standards.evaluation import Evaluation, evaluate
from keepintouch.standards.policy import Policy
from keepintouch.standards.policy_file import SHIPPED, load_policy
from keepintouch.standards.world import World
from schemas.events import COUNCIL_ROLES, WRITTEN_CHANNELS, Contact, Person, RecordVoided, Visit

PLAN_DUTY = ("eligible", "relevant", "former_relevant")
LAST_DAY = date(2017, 2, 28)


@dataclass(frozen=True)
class County:
    """One county at the end of its history."""

    simulation: Simulation
    world: World
    people: dict[str, Person]
    records: dict[str, list[Contact | Visit]]

    def judged(self, policy: Policy, day: date = LAST_DAY) -> dict[str, Evaluation]:
        found = {}
        for ref, person in self.world.people.items():
            judged = evaluate(person, policy, day.toordinal(), self.world.marks_for(ref))
            assert judged is not None
            if judged.in_scope:
                found[ref] = judged
        return found


def county(seed: int) -> County:
    simulation, world, people = simulate(LANCASHIRE_2017, seed=seed), World(), {}
    registers: dict[str, Contact | Visit] = {}
    for arrival in simulation:
        data = arrival.event.data
        world.fold(arrival.event.id, data)
        if isinstance(data, Person):
            people[data.person_ref] = data
        elif isinstance(data, RecordVoided):
            del registers[data.record_id]
        elif isinstance(data, Contact | Visit):
            registers[data.record_id] = data
    records: dict[str, list[Contact | Visit]] = {ref: [] for ref in people}
    for record in sorted(registers.values(), key=lambda r: r.occurred_at):
        records[record.person_ref].append(record)
    return County(simulation, world, people, records)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=[1, 2, 3])
def lancashire(request: pytest.FixtureRequest) -> County:
    return county(request.param)


@pytest.fixture(scope="module")
def headline_policy() -> Policy:
    return load_policy("letter_2017", SHIPPED)


@pytest.fixture(scope="module")
def today_policy() -> Policy:
    return load_policy("lancashire", SHIPPED)


@pytest.mark.parametrize("day", [LAST_DAY, LAST_DAY + timedelta(days=1)])
def test_the_headline_is_92_per_cent(lancashire: County, headline_policy: Policy, day: date) -> None:
    judged = lancashire.judged(headline_policy, day)
    assert 740 <= len(judged) <= 750
    assert sum(e.in_touch for e in judged.values()) / len(judged) == pytest.approx(0.92, abs=0.005)


def test_94_per_cent_of_plans_are_in_date_and_everybody_has_an_adviser(lancashire: County, headline_policy: Policy) -> None:
    judged = lancashire.judged(headline_policy)
    duty = [ref for ref in judged if lancashire.people[ref].category in PLAN_DUTY]
    overdue = [ref for ref in duty if any(finding.rule == "plan_review_overdue" for finding in judged[ref].findings)]
    assert len(duty) > 650
    assert 1 - len(overdue) / len(duty) == pytest.approx(0.94, abs=0.005)
    assert all(lancashire.people[ref].adviser_ref is not None for ref in judged)


def test_meaningful_contact_is_far_less(lancashire: County, today_policy: Policy) -> None:
    judged = lancashire.judged(today_policy)
    assert 0.60 < sum(e.meaningful for e in judged.values()) / len(judged) < 0.66


def test_many_have_only_texts_and_many_only_strangers(lancashire: County, today_policy: Policy) -> None:
    judged = lancashire.judged(today_policy)
    texts, strangers, both = 0, 0, 0
    for ref in judged:
        only_texts, only_strangers = kinds_of_contact(lancashire.records[ref])
        texts, strangers, both = texts + only_texts, strangers + only_strangers, both + (only_texts and only_strangers)
    assert 0.15 < texts / len(judged) < 0.20
    assert 0.10 < strangers / len(judged) < 0.19
    assert both / len(judged) > 0.05
    rules = Counter(finding.rule for e in judged.values() for finding in e.findings)
    assert rules["text_only"] > 100
    assert rules["strangers_only"] > 60
    assert rules["never_met"] > 60


def kinds_of_contact(records: list[Contact | Visit]) -> tuple[bool, bool]:
    """Whether all council contact of the last three months was written, and whether all was by strangers."""
    met: set[str | None] = set()
    written, strange = [], []
    for record in records:
        if record.outcome == "seen" or (record.outcome == "completed" and getattr(record, "channel", "") == "face_to_face"):
            met.add(record.worker_ref)
        recent = london_day(record.occurred_at) >= date(2016, 11, 28)
        if recent and record.worker_role in COUNCIL_ROLES and record.outcome != "cancelled":
            written.append(isinstance(record, Contact) and record.channel in WRITTEN_CHANNELS)
            strange.append(record.worker_ref is None or record.worker_ref not in met)
    return bool(written) and all(written), bool(strange) and all(strange)


class Days:
    """The afterwards, instant by instant: what is open about whom."""

    def __init__(self, seed: int, policy: Policy) -> None:
        self.simulation = simulate(LANCASHIRE_2017, seed=seed, afterwards=7)
        self.cast = self.simulation.cast
        self._policy, self._world = policy, World()
        self._arrivals: Iterator[Arrival] = self.simulation.about([member.person_ref for member in self.cast.values()])
        self._next: Arrival | None = next(self._arrivals)

    def rules(self, role: str, at: datetime, *, including: bool = True) -> set[str]:
        """The rules open about a member of the cast at an instant, with or without what arrives at that very instant."""
        while self._next is not None and (self._next.at < at or (including and self._next.at == at)):
            self._world.fold(self._next.event.id, self._next.event.data)
            self._next = next(self._arrivals, None)
        ref = self.cast[role].person_ref
        judged = evaluate(self._world.people[ref], self._policy, london_day(at).toordinal(), {})
        assert judged is not None
        return {finding.rule for finding in judged.findings}


@pytest.fixture(params=[(1, "lancashire"), (2, "lancashire"), (3, "lancashire"), (1, "standard_8_week")])
def days(request: pytest.FixtureRequest) -> Days:
    seed, policy = request.param
    return Days(seed, load_policy(policy, SHIPPED))


def march(day: int, hour: int = 0) -> datetime:
    return london_midnight(date(2017, 3, day)) + timedelta(hours=hour)


def event_of(days: Days, role: str) -> Arrival:
    """The event that a member of the cast is there for."""
    member = days.cast[role]
    (arrival,) = (a for a in days.simulation.about([member.person_ref]) if a.event.id == member.event_id)
    assert (arrival.at, arrival.event.subject) == (member.at, member.person_ref)
    return arrival


def test_who_the_cast_are(days: Days) -> None:
    assert set(days.cast) == {"late_visit", "clearing_visit", "bed_and_breakfast", "voided_visit", "due_1", "due_2", "due_3"}
    for n, member in enumerate(days.cast.values()):
        assert isinstance(member, CastMember)
        assert member.case_id == str(100_101 + n)
        assert days.simulation.refs.who(member.person_ref) == ("person", member.case_id)
        assert member.adviser_ref in {m.worker_ref for m in days.simulation.staff if m.active and m.role == "adviser"}


def test_the_late_visit_withdraws_an_alert(days: Days) -> None:
    data = event_of(days, "late_visit").event.data
    assert isinstance(data, Visit)
    assert (london_day(data.recorded_at) - london_day(data.occurred_at)).days == 6
    assert days.cast["late_visit"].record_id == data.record_id
    assert days.rules("late_visit", march(1) - timedelta(seconds=1)) == set()
    assert days.rules("late_visit", march(1)) == {"visit_overdue"}
    assert days.rules("late_visit", data.recorded_at, including=False) == {"visit_overdue"}
    assert days.rules("late_visit", data.recorded_at) == set()


def test_the_visit_that_clears(days: Days) -> None:
    data = event_of(days, "clearing_visit").event.data
    assert isinstance(data, Visit)
    assert london_day(data.occurred_at) == date(2017, 3, 3)
    assert days.rules("clearing_visit", march(1) - timedelta(seconds=1)) == {"text_only", "visit_overdue"}
    assert days.rules("clearing_visit", data.recorded_at, including=False) == {"text_only", "visit_overdue"}
    assert days.rules("clearing_visit", data.recorded_at) == set()


def test_the_move_to_bed_and_breakfast_opens_at_once(days: Days) -> None:
    data = event_of(days, "bed_and_breakfast").event.data
    assert isinstance(data, Person)
    assert data.accommodation is not None
    assert (data.accommodation.code, data.accommodation.suitable) == ("W", False)
    assert days.rules("bed_and_breakfast", data.recorded_at, including=False) == set()
    assert days.rules("bed_and_breakfast", data.recorded_at) == {"visit_overdue"}


def test_the_voided_visit_opens_at_once(days: Days) -> None:
    arrival = event_of(days, "voided_visit")
    assert isinstance(arrival.event.data, RecordVoided)
    assert arrival.event.data.record_id == days.cast["voided_visit"].record_id
    assert days.rules("voided_visit", arrival.at, including=False) == set()
    assert days.rules("voided_visit", arrival.at) == {"text_only", "visit_overdue"}


def test_some_fall_due_at_midnight_by_themselves(days: Days) -> None:
    due = [days.cast[f"due_{n}"] for n in (1, 2, 3)]
    assert [member.at for member in due] == [march(1), march(3), march(4)]
    for member in due:
        assert member.event_id is None
        assert days.rules(member.role, member.at - timedelta(seconds=1)) == set()
        assert days.rules(member.role, member.at) == {"visit_overdue"}
    assert days.rules("due_3", march(7, 12)) == {"visit_overdue"}
