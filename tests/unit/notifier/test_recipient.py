"""Somebody always gets it: who, and past whom."""
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepintouch.ladders.ladder import Calendar, Target
from schemas.staff import Absence, Staff
from services.notifier.directory import Directory
from services.notifier.recipient import Circumstances, Concern, Nobody, Recipient, Waits, resolve
from tests.unit.notifier.world import NUMBERS, everybody, member

TUESDAY = date(2026, 3, 10)
ADA = Concern("demo", "demo:ada", "north")
LEAVE = Absence.model_validate({"from": date(2026, 3, 9), "until": date(2026, 3, 20)})


def directory(*changed: Staff) -> Directory:
    made = Directory()
    for each in [*everybody(), *changed]:
        made.put(each)
    return made


def ada(**more: Any) -> Staff:
    return member("demo:ada", manager_ref="demo:mia", **more)


def found(staff: Directory, target: Target = Target.ADVISER, concern: Concern = ADA, *, dead: tuple[str, ...] = (),
          calendar: Calendar = Calendar.WORKING_HOURS) -> tuple[str, str | None]:
    result = resolve(concern, target, Circumstances(staff, TUESDAY, calendar, "demo:duty", frozenset({"sms"}), dead.__contains__))
    match result:
        case Recipient():
            return result.worker.ref.removeprefix("demo:"), result.reason
        case Waits():
            return "waits for " + result.worker.ref.removeprefix("demo:"), None
        case Nobody():
            return "nobody", None


def test_the_adviser_themself() -> None:
    assert found(directory()) == ("ada", None)


def test_the_fallback_gets_it_though_they_are_away_as_what_else_they_are() -> None:
    sam = member("demo:sam", "service_manager", mobile=NUMBERS["demo:sam"], team_ref=None, absence=LEAVE)
    staff = directory(ada(active=False), member("demo:mia", "manager", active=False), sam)
    result = resolve(ADA, Target.ADVISER, Circumstances(staff, TUESDAY, Calendar.WORKING_HOURS, "demo:sam", frozenset({"sms"}),
                                                        lambda _: False))
    assert isinstance(result, Recipient)
    assert (result.worker.ref, result.channel) == ("demo:sam", "sms")


@pytest.mark.parametrize(("changed", "who", "reason"), [
    (ada(absence=LEAVE, cover_ref="demo:ben"), "ben", "adviser absent, to cover"),
    (ada(absence=LEAVE), "mia", "adviser absent, to manager"),
    (ada(absence=LEAVE.model_copy(update={"cover_ref": "demo:ben"}), cover_ref="demo:sam"), "ben", "adviser absent, to cover"),
    (ada(active=False), "mia", "adviser inactive, to manager"),
    (ada(mobile=None), "mia", "adviser no_address, to manager"),
    (ada(mobile="+442079460000"), "mia", "adviser no_mobile, to manager"),
    (ada(channels=[]), "mia", "adviser no_address, to manager"),
    (ada(channels=["email"], email="ada@example.gov.uk"), "mia", "adviser no_address, to manager"),   # no e-mail provider
    (ada(works=["wed"], cover_ref="demo:ben"), "ben", "adviser not_working, to cover"),
    (ada(works=["wed"]), "waits for ada", None),
    (ada(works=["wed"], mobile=None), "mia", "adviser not_working, to manager"),
    (ada(works=["sat"]), "mia", "adviser not_working, to manager"),   # messages never go out on a Saturday
])
def test_who_stands_in_for_an_adviser(changed: Staff, who: str, reason: str | None) -> None:
    assert found(directory(changed)) == (who, reason)


def test_days_not_worked_do_not_matter_where_the_ladder_goes_by_the_clock() -> None:
    assert found(directory(ada(works=["wed"])), calendar=Calendar.ALWAYS) == ("ada", None)


def test_a_number_that_does_not_work_is_passed() -> None:
    assert found(directory(), dead=(NUMBERS["demo:ada"],)) == ("mia", "adviser unreachable, to manager")
    assert found(directory(), dead=(NUMBERS["demo:ada"], NUMBERS["demo:mia"])) == (
        "sam", "adviser unreachable, manager unreachable, to service_manager")


def test_who_has_gone_still_leads_to_their_last_known_manager() -> None:
    staff = directory(member("demo:kim", "manager", mobile="+447700900009", team_ref="south"), ada().model_copy(
        update={"manager_ref": "demo:kim"}))
    staff.remove("demo:ada")
    assert found(staff) == ("kim", "adviser gone, to manager")


def test_an_adviser_never_heard_of_and_none_at_all_lead_to_the_manager_of_the_alerts_team() -> None:
    assert found(directory(), concern=Concern("demo", "demo:who", "north")) == ("mia", "adviser unknown, to manager")
    assert found(directory(), concern=Concern("demo", None, "north")) == ("mia", "adviser none, to manager")
    assert found(directory(), concern=Concern("demo", None, None)) == ("sam", "adviser none, manager none, to service_manager")


def test_the_manager_of_a_team_is_the_active_one_with_the_smallest_ref() -> None:
    others = [member("demo:abe", "manager", active=False), member("demo:lou", "manager", mobile="+447700900010")]
    assert found(directory(*others), concern=Concern("demo", None, "north"))[0] == "lou"


def test_a_manager_away_is_covered_else_the_service_manager_hears() -> None:
    away = member("demo:mia", "manager", absence=LEAVE, manager_ref="demo:sam")
    assert found(directory(away), Target.MANAGER) == ("sam", "manager absent, to service_manager")
    covered = away.model_copy(update={"cover_ref": "demo:ben"})
    assert found(directory(covered), Target.MANAGER) == ("ben", "manager absent, to cover")


def test_cover_that_does_not_work_today_is_waited_for_or_covered_in_turn_by_nobody() -> None:
    ben = member("demo:ben", works=["wed"], manager_ref="demo:mia")
    assert found(directory(ada(absence=LEAVE, cover_ref="demo:ben"), ben)) == ("waits for ben", None)


def test_after_not_mine_the_manager_stands_for_the_adviser() -> None:
    handed = Concern("demo", "demo:ada", "north", manager_stands_in=True)
    assert found(directory(), concern=handed) == ("mia", "adviser handed_on, to manager")


def test_the_fallback_gets_what_nobody_else_can() -> None:
    staff = Directory()
    assert found(staff) == ("nobody", None)
    staff.put(member("demo:duty", "duty", absence=LEAVE, works=[]))
    assert found(staff) == ("duty", "adviser unknown, manager none, service_manager none, to fallback")


def test_covering_each_other_does_not_go_round_for_ever() -> None:
    ben = member("demo:ben", absence=LEAVE, cover_ref="demo:ada", manager_ref="demo:mia")
    assert found(directory(ada(absence=LEAVE, cover_ref="demo:ben"), ben)) == (
        "mia", "adviser absent, cover absent, to manager")


WORKERS = st.builds(
    lambda ref, role, active, away, works, number, cover, boss: member(
        ref, role, active=active, absence=LEAVE if away else None, works=works, cover_ref=cover, manager_ref=boss,
        mobile=NUMBERS[ref] if number else None),
    st.sampled_from(sorted(set(NUMBERS) - {"demo:duty"})), st.sampled_from(["adviser", "manager", "service_manager"]),
    st.booleans(), st.booleans(), st.sampled_from([["mon"], ["tue"], []]), st.booleans(),
    st.none() | st.sampled_from(sorted(NUMBERS)), st.none() | st.sampled_from(sorted(NUMBERS)))


@given(st.lists(WORKERS), st.sampled_from(list(Target)), st.none() | st.sampled_from(sorted(NUMBERS)), st.booleans())
def test_as_long_as_the_fallback_has_a_number_somebody_gets_it_or_is_waited_for(
        staff: list[Staff], target: Target, adviser: str | None, handed_on: bool) -> None:
    made = Directory()
    for each in [*staff, member("demo:duty", "duty")]:
        made.put(each)
    who, _ = found(made, target, Concern("demo", adviser, "north", handed_on))
    assert who != "nobody"
    if not who.startswith("waits for"):
        worker = made.get(f"demo:{who}")
        assert worker is not None
        assert worker.active
        assert worker.mobile is not None
    else:
        assert made.get(f"demo:{who.removeprefix('waits for ')}").works == frozenset({"mon"})  # type: ignore[union-attr]
