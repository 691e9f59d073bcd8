"""Folding statements about one person, where the examples of the conformance cases end."""

from datetime import UTC, datetime

import pytest

from keepintouch.standards import stored
from keepintouch.standards.identifiers import unpack
from keepintouch.standards.instants import instant, microseconds
from keepintouch.standards.person import REGISTER_LIMIT, Person
from schemas.events import Feed

from .told import ADVISER, OTHER, contact, erased, person, snapshot, visit, void


def ids(told: Person) -> list[str]:
    return [unpack(register.record_id) for register in told.in_order()]


def test_a_manifest_is_about_nobody() -> None:
    manifest = Feed.model_validate({"council": "lancashire", "feed": "visits", "complete_through": "2024-05-01", "records": 1,
                                    "recorded_at": "2024-05-02T02:00:00Z"})
    with pytest.raises(TypeError, match="not about a person"):
        Person().fold("e1", manifest)


def test_two_sources_that_give_the_same_id_at_the_same_instant_are_settled_by_what_they_say() -> None:
    one = contact("2024-05-15", record_id="r1")
    others = [contact("2024-05-15", record_id="r1", worker_ref=OTHER), contact("2024-05-15", record_id="r1", worker_ref=None),
              contact("2024-05-15", "text", record_id="r1"), contact("2024-05-15T12:00:00Z", record_id="r1")]
    for other in others:
        forms = set()
        for order in ([one, other], [other, one]):
            told = Person()
            changes = [told.fold("e1", statement) for statement in order]
            assert changes[0]
            forms.add(stored.dump(told))
        assert len(forms) == 1


def test_two_snapshots_of_the_same_id_and_instant_are_too() -> None:
    forms = set()
    for order in ([snapshot(), snapshot(need="high")], [snapshot(need="high"), snapshot()]):
        told = Person()
        for statement in order:
            told.fold("e1", statement)
        forms.add(stored.dump(told))
    assert len(forms) == 1


def test_the_greater_event_id_holds_by_code_point() -> None:
    """As UTF-16 a telephone would come before a wide tilde, and as a number 9 before 10."""
    for lesser, greater in [("e10", "e9"), ("E", "e"), ("\uff5e", "\U0001f4de"), ("e", "e1")]:
        for order in ([lesser, greater], [greater, lesser]):
            told = Person()
            for event_id in order:
                told.fold(event_id, snapshot(need="high" if event_id == greater else "standard"))
                told.fold(event_id, contact("2024-05-15", record_id="r1", worker_ref=OTHER if event_id == greater else ADVISER))
            assert told.facts is not None
            assert told.facts.need == "high"
            assert told.worker(told.in_order()[0]) == OTHER


def test_records_at_the_same_instant_go_by_their_id_as_text() -> None:
    """Whatever form the id is kept in."""
    names = ["0f8fad5b-d9cb-469f-a165-70867728950e", "r1", "R1", "\u00e9", "0g"]
    told = person(*(contact("2024-05-15", record_id=name) for name in names), contact("2024-05-14", record_id="z"))
    assert [unpack(r.record_id) for r in told.in_order()] == ["z", *sorted(names)]


def test_an_erasure_forgets_what_was_recorded_up_to_its_instant() -> None:
    told = person(contact("2024-05-01", record_id="old"), contact("2024-05-20", record_id="new"),
                  void("gone", "2024-05-01T10:00:00Z"))
    assert told.fold("x", erased("2024-05-01T16:00:00Z"))
    assert told.facts is None
    assert ids(told) == ["new"]
    assert not told.fold("y", erased("2024-05-01T16:00:00Z")), "said twice"
    assert not told.fold("y", erased("2024-04-01T16:00:00Z")), "an earlier one"
    assert not told.fold("z", contact("2024-05-01", record_id="old")), "what it forgets may come later"
    assert not told.fold("z", snapshot())
    assert not told.fold("z", snapshot(recorded_at="2024-05-01T16:00:00Z")), "at the same instant the erasure wins"
    assert told.fold("z", snapshot(recorded_at="2024-05-01T16:00:00.000001Z"))
    assert told.facts is not None


def test_an_erasure_wins_at_the_snapshot_s_own_instant() -> None:
    told = person(contact("2024-05-01T10:00:00Z", recorded_at="2024-05-01T16:00:00Z"), recorded_at="2024-05-01T16:00:00Z")
    assert told.fold("x", erased("2024-05-01T16:00:00Z"))
    assert (told.facts, told.registers) == (None, {})


def test_a_statement_repeated_changes_nothing() -> None:
    told = Person()
    for statement in (snapshot(), contact("2024-05-01", record_id="r"), void("r2", "2024-05-01T16:00:00Z")):
        assert told.fold("e1", statement)
        assert not told.fold("e1", statement)


def test_a_later_snapshot_outlives_an_erasure() -> None:
    told = person(recorded_at="2024-06-01T10:00:00Z")
    assert told.fold("x", erased("2024-05-01T16:00:00Z"))
    assert told.facts is not None


def test_nothing_of_an_erased_person_is_in_the_stored_form() -> None:
    told = person(contact("2024-05-01", record_id="secret-record", worker_ref="lancashire:secret-worker"))
    told.fold("x", erased("2024-06-01T16:00:00Z"))
    form = stored.dump(told)
    assert b"secret" not in form
    assert b"north" not in form
    assert len(form) < 40


def test_beyond_the_limit_the_oldest_record_goes() -> None:
    told = Person()
    for number in range(REGISTER_LIMIT + 2):
        day = number * 5 % (REGISTER_LIMIT + 2)
        at = instant(1_600_000_000_000_000 + day * 60_000_000)
        told.fold("e1", contact("2024-05-15", "text", record_id=f"r{day:04}", occurred_at=at))
    assert len(told.registers) == REGISTER_LIMIT
    assert ids(told)[0] == "r0002"
    assert ids(told)[-1] == f"r{REGISTER_LIMIT + 1:04}"


def test_instants_keep_their_microseconds() -> None:
    moment = datetime(2024, 5, 15, 11, 0, 0, 123_456, UTC)
    assert instant(microseconds(moment)) == moment
    assert microseconds(datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC)) == -1


def test_the_day_of_a_record_is_london_s() -> None:
    told = person(visit("2024-05-14T23:30:00Z"))
    assert told.in_order()[0].day == datetime(2024, 5, 15, tzinfo=UTC).toordinal()
