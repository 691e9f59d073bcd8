"""The records that count on a day, what came since an anchor, and who had met whom."""

from collections.abc import Iterable
from datetime import date
from itertools import pairwise

import pytest

from keepintouch.standards.history import History
from keepintouch.standards.identifiers import unpack
from keepintouch.standards.ladder import Rung
from keepintouch.standards.person import Person, Register
from keepintouch.standards.policy import Needs, Who

from .told import ADVISER, OTHER, contact, person, visit, void

TODAY = date(2024, 6, 13)
THIRD = "lancashire:w03"


def history(told: Person, today: date = TODAY) -> History:
    return History(told, today.toordinal())


def ids(registers: Iterable[Register]) -> list[str]:
    return [unpack(register.record_id) for register in registers]


def test_days_end_at_london_s_midnight() -> None:
    told = person(contact("2024-06-13T22:59:59.999999Z", record_id="last"), contact("2024-06-13T23:00:00Z", record_id="next"))
    assert (ids(history(told).records), ids(history(told).later)) == (["last"], ["next"])
    told = person(contact("2024-01-13T23:59:59Z", record_id="last"), contact("2024-01-14T00:00:00Z", record_id="next"))
    assert ids(history(told, date(2024, 1, 13)).records) == ["last"]
    assert ids(history(told, date(2024, 1, 14)).records) == ["last", "next"]


def test_what_is_voided_is_passed_over_wherever_it_stands() -> None:
    told = person(
        contact("2024-06-01", record_id="a"), contact("2024-06-03", record_id="b"), contact("2024-06-05", record_id="c"),
        void("b", "2024-06-04T10:00:00Z"), void("x", "2024-05-01T10:00:00Z"), void("y", "2024-06-14T09:00:00Z"))
    assert (ids(history(told).records), history(told).later) == (["a", "c"], [])


def test_several_records_to_come() -> None:
    told = person(*(contact(f"2024-06-{day}", record_id=name) for day, name in [(14, "b"), (15, "c"), (13, "a")]))
    assert (ids(history(told).records), ids(history(told).later)) == (["a"], ["b", "c"])


@pytest.mark.parametrize("before", [0, 1, 2, 3])
@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_since_a_record_is_after_its_instant(before: int, after: int) -> None:
    told = person(*(contact(f"2024-06-01T0{number}:00:00Z", record_id=f"before-{number}") for number in range(before)),
                  contact("2024-06-01T10:00:00Z", record_id="anchor"), visit("2024-06-01T10:00:00Z", record_id="same-instant"),
                  *(contact(f"2024-06-01T1{number}:00:00Z", record_id=f"later-{number}") for number in range(1, 1 + after)))
    known = history(told)
    anchor = next(register for register in known.records if unpack(register.record_id) == "anchor")
    assert ids(list(known.since(anchor, 0))) == [f"later-{number}" for number in range(1, 1 + after)]


@pytest.mark.parametrize("before", [0, 1, 2, 3])
@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_since_a_day_is_from_its_first_hour(before: int, after: int) -> None:
    told = person(*(contact(f"2024-05-3{number}T22:59:59Z", record_id=f"before-{number}") for number in range(before and 1)),
                  *(contact(f"2024-05-2{number}T11:00:00Z", record_id=f"long-before-{number}") for number in range(before)),
                  *(contact(f"2024-06-0{number}T00:00:00+01:00", record_id=f"since-{number}") for number in range(1, 1 + after)))
    assert ids(list(history(told).since(None, date(2024, 6, 1).toordinal()))) == [f"since-{n}" for n in range(1, 1 + after)]


def test_records_at_one_instant_stand_in_the_order_of_their_ids() -> None:
    """At the beginning, in the middle and at the end; two of them or more."""
    days = {"b": 1, "a": 1, "z": 2, "e": 3, "d": 3, "c": 3, "y": 4, "x": 4}
    told = person(*(contact(f"2024-06-0{day}", record_id=name) for name, day in days.items()))
    assert ids(history(told).records) == ["a", "b", "z", "c", "d", "e", "x", "y"]
    assert all(one.occurred_at <= other.occurred_at for one, other in pairwise(history(told).records))


def test_who_is_the_adviser_among_many_workers_or_none_of_them() -> None:
    workers = [OTHER, THIRD, "lancashire:w04", "lancashire:w05"]
    said = [visit(f"2024-06-0{number}", worker_ref=worker) for number, worker in enumerate(workers, 1)]
    stranger = history(person(*said))
    assert stranger.met_adviser is False
    assert list(stranger.satisfying(Needs(Rung.SEEN, by=Who.ADVISER))) == []
    met = history(person(*said, visit("2024-06-06", worker_ref=ADVISER, record_id="met")))
    assert met.met_adviser is True
    assert ids(list(met.satisfying(Needs(Rung.SEEN, by=Who.ADVISER)))) == ["met"]
    nobody = history(person(*said, adviser_ref=None))
    assert nobody.met_adviser is None
    assert list(nobody.satisfying(Needs(Rung.SEEN, by=Who.ADVISER))) == []


def test_whoever_told_nothing_about_themselves_has_no_adviser() -> None:
    told = Person()
    told.fold("e1", visit("2024-06-01"))
    assert history(told).met_adviser is None
    assert list(history(told).satisfying(Needs(Rung.SEEN, by=Who.ADVISER))) == []


def test_what_satisfies_comes_oldest_first() -> None:
    told = person(visit("2024-06-01", record_id="a"), contact("2024-06-02", "text", record_id="b"),
                  visit("2024-06-03", record_id="c"))
    assert ids(list(history(told).satisfying(Needs(Rung.SEEN)))) == ["a", "c"]
    assert ids(list(history(told).satisfying(Needs(Rung.SEEN), date(2024, 6, 2).toordinal()))) == ["c"]
