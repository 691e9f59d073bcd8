"""The staff of a made-up council: everyone who is told something is there, nobody is real."""
from __future__ import annotations

import re
from collections import Counter

import pytest

from keepintouch.simulator import LANCASHIRE_2017, TYPICAL, Arrival, Simulation, simulate
from schemas.events import Person
from schemas.staff import Staff

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def lancashire() -> Simulation:
    return simulate(LANCASHIRE_2017)


@pytest.fixture(scope="module")
def arrivals(lancashire: Simulation) -> list[Arrival]:
    return list(lancashire)


@pytest.fixture(scope="module")
def held(arrivals: list[Arrival]) -> list[Person]:
    """Everybody as held on the last day."""
    return list({a.event.subject: a.event.data for a in arrivals if isinstance(a.event.data, Person)}.values())


def by_role(simulation: Simulation, role: str) -> list[Staff]:
    return [member for member in simulation.staff if member.role == role]


def test_everybody_has_an_active_adviser_and_every_adviser_a_manager(lancashire: Simulation, held: list[Person]) -> None:
    staff = {member.worker_ref: member for member in lancashire.staff}
    assert len(staff) == len(lancashire.staff)
    for person in held:
        assert person.adviser_ref is not None
        adviser = staff[person.adviser_ref]
        assert (adviser.role, adviser.active, adviser.team_ref) == ("adviser", True, person.team_ref)
        assert adviser.manager_ref is not None
        assert (staff[adviser.manager_ref].role, staff[adviser.manager_ref].team_ref) == ("manager", adviser.team_ref)
    (head,), (duty,) = by_role(lancashire, "service_manager"), by_role(lancashire, "duty")
    assert {manager.manager_ref for manager in by_role(lancashire, "manager")} == {head.worker_ref} == {duty.manager_ref}


def test_caseloads_are_about_20_and_some_far_too_large(held: list[Person]) -> None:
    sizes = sorted(Counter(person.adviser_ref for person in held).values())
    assert sizes[0] >= 15
    assert 16 <= sizes[len(sizes) // 2] <= 23
    assert sizes[-1] >= 34


def test_some_advisers_left_and_took_nobody_with_them(lancashire: Simulation, arrivals: list[Arrival],
                                                      held: list[Person]) -> None:
    left = {member.worker_ref for member in lancashire.staff if not member.active}
    assert 2 <= len(left) <= 15
    assert not left & {person.adviser_ref for person in held}
    wrote = {getattr(a.event.data, "worker_ref", None) for a in arrivals}
    assert left <= wrote


def test_numbers_are_free_for_drama_and_addresses_lead_nowhere(lancashire: Simulation) -> None:
    mobiles = [member.mobile for member in lancashire.staff if member.mobile is not None]
    assert all(re.fullmatch(r"\+447700900\d{3}", mobile) for mobile in mobiles)
    assert len(set(mobiles)) == len(mobiles) == len(lancashire.staff) - 1
    assert all(member.email is not None and member.email.endswith("@lancashire.example") for member in lancashire.staff)
    assert len({member.name for member in lancashire.staff}) == len(lancashire.staff)


def test_after_a_thousand_the_numbers_are_used_up() -> None:
    staff = simulate(TYPICAL, people=22_000).staff
    mobiles = [member.mobile for member in staff if member.mobile is not None]
    assert len(staff) > 1000 >= len(set(mobiles)) == len(mobiles) > 990
    assert len({member.name for member in staff}) == len(staff)


def test_leave_and_part_time_have_cover_in_the_team(lancashire: Simulation) -> None:
    staff = {member.worker_ref: member for member in lancashire.staff}
    covered = [(m, m.cover_ref) for m in staff.values() if len(m.works) < 5]
    away = [(m, m.absence.cover_ref) for m in staff.values() if m.absence is not None]
    assert covered
    assert len(away) == 1
    for member, cover in covered + away:
        assert cover is not None
        assert cover != member.worker_ref
        assert staff[cover].team_ref == member.team_ref
    absence = away[0][0].absence
    assert absence is not None
    assert absence.from_ <= lancashire.last_day < absence.until
