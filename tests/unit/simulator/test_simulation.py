"""A made-up council is the same each time, says only what may be said, and looks as councils do."""
from __future__ import annotations

import hashlib
import itertools
import os
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta

import pytest

from keepintouch.acceptance import Accepted, accept_event
from keepintouch.calendar import london_day
from keepintouch.simulator import (
    FIGURES,
    LANCASHIRE_2017,
    LARGE,
    MOST_AFTERWARDS,
    MOST_PEOPLE,
    TYPICAL,
    Arrival,
    Scenario,
    Simulation,
    simulate,
)
from schemas.events import Contact, Feed, Person, RecordVoided, Visit

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def as_bytes(simulation: Simulation) -> list[bytes]:
    return [arrival.event.model_dump_json(exclude_none=True).encode() for arrival in simulation]


@pytest.fixture(scope="module")
def small() -> list[Arrival]:
    """A hundred people over a year and four weeks."""
    return list(simulate(LANCASHIRE_2017, people=100, afterwards=28))


def records(arrivals: list[Arrival]) -> list[Contact | Visit]:
    return [a.event.data for a in arrivals if isinstance(a.event.data, (Contact, Visit))]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_in_every_process() -> None:
    script = ("import hashlib\nfrom keepintouch.simulator import TYPICAL, simulate\ndigest = hashlib.sha256()\n"
              "for arrival in simulate(TYPICAL, seed=7, people=30):\n"
              "    digest.update(arrival.event.model_dump_json(exclude_none=True).encode())\nprint(digest.hexdigest())")
    found = {subprocess.run([sys.executable, "-c", script], env=os.environ | {"PYTHONHASHSEED": seed}, check=True, text=True,
                            capture_output=True).stdout.strip() for seed in ("1", "2")}
    here = simulate(TYPICAL, seed=7, people=30)
    assert found == {hashlib.sha256(b"".join(as_bytes(here))).hexdigest()}
    assert as_bytes(here) == as_bytes(here)


def test_what_is_said_in_the_end_is_what_nothing_later_took_back() -> None:
    council = simulate(LANCASHIRE_2017, people=100, afterwards=28)
    said = [arrival.event.data for arrival in council.history()]
    people, held = council.as_it_stands()
    assert people == {each.person_ref: each for each in said if isinstance(each, Person)}
    voided = {each.record_id for each in said if isinstance(each, RecordVoided)}
    newest = {each.record_id: each for each in said if isinstance(each, Contact | Visit)}
    assert voided
    assert held == sorted((each for each in newest.values() if each.record_id not in voided),
                          key=lambda each: (each.occurred_at, each.record_id))


def test_another_seed_is_another_council() -> None:
    one, other = (as_bytes(simulate(TYPICAL, seed=seed, people=5)) for seed in (1, 2))
    assert not set(one) & set(other)


def test_every_event_is_accepted() -> None:
    simulation = simulate(LANCASHIRE_2017, people=100, afterwards=28, feeds=("visits",))
    assert simulation.boundary < NOW
    kinds: Counter[str] = Counter()
    for arrival in simulation:
        event = arrival.event
        accepted = accept_event(event.model_dump_json(exclude_none=True).encode(), event.subject.encode(), None, NOW,
                                frozenset({"lancashire"}))
        assert isinstance(accepted, Accepted), accepted
        assert accepted.data == event.data
        kinds[accepted.type] += 1
    assert set(kinds) == {"care.person.v1", "care.contact.v1", "care.visit.v1", "care.record-voided.v1", "care.feed.v1"}


def test_events_come_in_the_order_they_are_typed_up(small: list[Arrival]) -> None:
    assert all(earlier.at <= later.at for earlier, later in itertools.pairwise(small))
    assert all(a.event.data.recorded_at == a.at for a in small)
    assert all(record.occurred_at < record.recorded_at for record in records(small))


def test_ids_are_unique_and_short_and_a_record_belongs_to_one_person(small: list[Arrival]) -> None:
    assert len({a.event.id for a in small}) == len(small)
    owners = defaultdict(set)
    for a in small:
        if isinstance(a.event.data, (Contact, Visit, RecordVoided)):
            owners[a.event.data.record_id].add(a.event.subject)
    assert all(len(owner) == 1 for owner in owners.values())
    assert {len(record_id) for record_id in owners} == {10}


def test_a_person_is_known_before_anything_else_is_said(small: list[Arrival]) -> None:
    seen = set()
    for a in small:
        assert isinstance(a.event.data, Person) or a.event.subject in seen
        seen.add(a.event.subject)
    assert len(seen) == 100


def test_refs_turn_back_into_case_ids() -> None:
    simulation = simulate(LANCASHIRE_2017, people=100)
    assert sorted(simulation.refs.who(ref) for ref in simulation.patterns) == [("person", str(100_101 + n)) for n in range(100)]
    assert simulate(LANCASHIRE_2017, people=100, seed=2).refs != simulation.refs


def test_the_history_is_the_same_whatever_follows(small: list[Arrival]) -> None:
    without = simulate(LANCASHIRE_2017, people=100)
    history = [a.event for a in without]
    assert history == [a.event for a in small[:len(history)]]
    assert small[len(history)].at >= without.boundary > next(without.history()).at
    assert without.boundary == datetime(2017, 3, 1, tzinfo=UTC)
    assert (without.start, without.last_day) == (date(2016, 3, 1), date(2017, 2, 28))
    assert history == [a.event for a in simulate(LANCASHIRE_2017, people=100, afterwards=3).history()]


def test_recording_lags(small: list[Arrival]) -> None:
    """Most is typed up on the same or the next working day, some weeks later."""
    first = {record.record_id: record for record in reversed(records(small))}.values()
    lags = [(london_day(r.recorded_at) - london_day(r.occurred_at)).days for r in first]
    assert 0.5 < sum(lag == 0 for lag in lags) / len(lags) < 0.62
    assert 0.02 < sum(lag >= 5 for lag in lags) / len(lags) < 0.12
    assert max(lags) > 14


def test_corrections_and_voids_are_about_one_per_cent(small: list[Arrival]) -> None:
    counts = Counter(a.event.data.record_id for a in small if isinstance(a.event.data, (Contact, Visit)))
    voids = sum(isinstance(a.event.data, RecordVoided) for a in small)
    assert 0.004 < sum(count == 2 for count in counts.values()) / len(counts) < 0.02
    assert 0.004 < voids / len(counts) < 0.02


def test_records_a_year_are_as_many_as_people_type(small: list[Arrival]) -> None:
    counts = Counter(record.person_ref for record in records([a for a in small if a.at < datetime(2017, 3, 1, tzinfo=UTC)]))
    assert 25 < sum(counts.values()) / 100 < 45
    assert max(counts.values()) < 110


def test_third_parties_write_too_and_hostels_most() -> None:
    simulation = simulate(LANCASHIRE_2017, people=300, days=130)
    by_staff = Counter(simulation.patterns[r.person_ref] for r in records(list(simulation))
                       if r.worker_role == "accommodation_staff")
    assert by_staff["hostel_left_to_staff"] > 20
    assert by_staff["well_served"] == 0


@pytest.mark.slow
def test_homes_follow_the_mix() -> None:
    held = {a.event.subject: a.event.data for a in simulate(LARGE, days=130) if isinstance(a.event.data, Person)}
    homes = Counter(p.accommodation.code for p in held.values() if p.accommodation and not p.looked_after)
    share = {code: count / sum(homes.values()) for code, count in homes.items()}
    assert 0.25 < share["U"] < 0.4
    assert 0.02 < share["X"] < 0.05
    assert {"B", "C", "D", "E", "K", "R", "S", "T", "V", "W", "Y", "Z"} < set(homes)
    assert all(not p.accommodation.suitable for p in held.values() if p.accommodation and p.accommodation.code in ("S", "X"))
    assert all(p.looked_after == (p.category == "eligible") for p in held.values())


def test_everybody_is_16_to_24_and_18_ends_being_looked_after() -> None:
    simulation = simulate(TYPICAL, people=150)
    held = {a.event.subject: a.event.data for a in simulation if isinstance(a.event.data, Person)}
    for person in held.values():
        age = (simulation.last_day - person.born_on).days / 365.25
        assert 16 <= age < 25
        assert age >= 18 - 1 / 365 or person.category in ("eligible", "relevant", "qualifying", "none")
        assert age < 18 + 1 / 365 or person.category in ("former_relevant", "qualifying", "none")


def test_closed_cases_have_no_adviser_where_councils_close_them() -> None:
    def without(scenario: Scenario) -> int:
        simulation = simulate(scenario, people=600, days=130)
        silent = [ref for ref, pattern in simulation.patterns.items() if pattern in ("drifting", "opted_out")]
        held = {a.event.subject: a.event.data for a in simulation.about(silent) if isinstance(a.event.data, Person)}
        return sum(person.adviser_ref is None for person in held.values())

    assert without(TYPICAL) > 0
    assert without(LANCASHIRE_2017) == 0


def test_some_people_alone_are_as_they_are_among_the_others(small: list[Arrival]) -> None:
    refs = {a.event.subject for a in small[:3]}
    alone = simulate(LANCASHIRE_2017, people=100, afterwards=28, feeds=("visits",)).about(refs)
    assert list(alone) == [a for a in small if a.event.subject in refs]


@pytest.mark.parametrize("people", [1, 2, 3, 17])
def test_any_size(people: int) -> None:
    simulation = simulate(TYPICAL, people=people, days=200)
    assert len({a.event.subject for a in simulation}) == people
    assert simulation.cast == {}


def test_a_single_day() -> None:
    first = list(simulate(TYPICAL, people=3, days=1))
    assert {type(a.event.data) for a in first} >= {Person}


@pytest.mark.parametrize(("people", "days", "afterwards"), [
    (-1, 9, 0), (0, 9, 0), (9, 0, 0), (MOST_PEOPLE + 1, 9, 0), (9, -1, 0), (9, 9, MOST_AFTERWARDS + 1), (9, 9, -1)])
def test_numbers_that_cannot_be(people: int, days: int, afterwards: int) -> None:
    with pytest.raises(ValueError, match="days 1 or more"):
        simulate(TYPICAL, people=people, days=days, afterwards=afterwards)


def test_manifests_follow_each_night() -> None:
    simulation = simulate(TYPICAL, people=5, days=130, afterwards=2, feeds=("visits", "contacts"))
    arrivals = list(simulation)
    manifests = [(a.at, a.event.data) for a in arrivals if isinstance(a.event.data, Feed)]
    assert len({a.event.id for a in arrivals}) == len(arrivals)
    visits = [m for _, m in manifests if m.feed == "visits"]
    assert [m.complete_through for m in visits] == [simulation.start + timedelta(days=n) for n in range(131)]
    assert all(london_day(at) == m.complete_through + timedelta(days=1) for at, m in manifests)
    assert all(a.event.subject == a.event.data.key for a in arrivals if isinstance(a.event.data, Feed))
    last = visits[-1].recorded_at
    assert sum(m.records for m in visits) == sum(a.at < last and not isinstance(a.event.data, Feed) for a in arrivals)


def test_every_figure_says_where_it_comes_from() -> None:
    figures = [getattr(FIGURES, field.name) for field in fields(FIGURES)]
    figures += [figure for s in (LANCASHIRE_2017, TYPICAL, LARGE) for figure in (s.people, s.shares, s.plans_in_date)]
    assert all("assumed" in f.source or "Ofsted" in f.source or "DfE" in f.source or "SSDA903" in f.source for f in figures)
