"""The stored form: small, readable by its header alone, and refused where it is of another version or broken."""

import uuid
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from keepintouch.standards import ledger, published, stored
from keepintouch.standards.evaluation import evaluate
from keepintouch.standards.person import Person
from keepintouch.standards.policy_file import load_policy

from .told import ADVISER, OTHER, REF, contact, erased, home, person, snapshot, visit, void

POLICY = load_policy(str(Path(__file__).parents[2] / "conformance/policies/test-homes.yaml"))
TODAY = date(2024, 6, 13)
NOW = datetime(2024, 6, 13, 10, tzinfo=UTC)


def settled(told: Person) -> Person:
    evaluation = evaluate(told, POLICY, TODAY.toordinal(), {})
    assert evaluation is not None
    ledger.settle(REF, told, evaluation, POLICY, ledger.policy_mark(POLICY), NOW)
    return told


def test_a_busy_person_with_two_open_alerts_takes_less_than_two_kibibytes() -> None:
    """26 records with ids as a case system numbers them, event ids that are UUIDs, and workers' refs as long as real ones."""
    told = Person()
    adviser, other, third = (f"lancashire:{'aB3_' * 7}aB{number}" for number in range(3))
    told.fold(str(uuid.uuid4()), snapshot(accommodation=home(code="W", council_provided=True), adviser_ref=adviser))
    for number in range(26):
        day = date.fromordinal(date(2024, 1, 8).toordinal() + 3 * number).isoformat()
        worker = (adviser, other, third, None)[number % 4]
        record_id = f"C{7_100_000 + number}"
        statement = (contact(day, "text", record_id=record_id, worker_ref=worker) if number % 3
                     else visit(day, "office", "no_access" if number else "seen", record_id=record_id, worker_ref=worker))
        told.fold(str(uuid.uuid4()), statement)
    settled(told)
    assert told.ledger is not None
    assert len(told.ledger.open) == 2
    assert len(told.registers) == 26
    assert len(stored.dump(told)) < 2048


def test_the_header_is_read_without_decoding_the_rest() -> None:
    told = settled(person(contact("2024-05-15")))
    form = stored.dump(told, due_on=739_051, waits_for_feed=True)
    cut = form[:len(form) // 4]
    assert stored.header(cut) == (stored.VERSION, True, 739_051, ledger.policy_mark(POLICY))
    assert stored.header(form[:14]) == stored.header(form)
    with pytest.raises(stored.StoredFormError, match="truncated"):
        stored.load(cut)


def test_whoever_was_never_evaluated_is_due_at_once() -> None:
    head = stored.header(stored.dump(person()))
    assert (head.due_on, head.waits_for_feed, head.mark) == (stored.DUE_NOW, False, published.NEVER)


@pytest.mark.parametrize("form", [b"", b"\x02" + bytes(20), stored.dump(person())[:8], stored.dump(person())[:-1],
                                  stored.dump(person())[:14] + b"\xc0"])
def test_what_is_no_person_is_refused(form: bytes) -> None:
    with pytest.raises(stored.StoredFormError):
        stored.load(form)


def test_everything_comes_back() -> None:
    told = settled(person(contact("2024-02-15"), visit("2024-03-01", worker_ref=None), contact("2024-03-02", worker_ref=OTHER),
                          void("r-gone", "2024-03-03T10:00:00Z")))
    again = stored.load(stored.dump(told))
    assert (again.facts, again.registers, again.ledger, again.erased_at) == (told.facts, told.registers, told.ledger, None)
    assert [again.worker(r) for r in again.in_order()] == [ADVISER, None, OTHER, None]
    assert stored.dump(again) == stored.dump(told)


def test_that_someone_was_erased_comes_back_too() -> None:
    told = person(contact("2024-05-01"))
    told.fold("x", erased("2024-06-01T16:00:00Z"))
    again = stored.load(stored.dump(told))
    assert (again.erased_at, again.facts, again.ledger) == (told.erased_at, None, None)
    assert not again.fold("y", snapshot(recorded_at="2024-06-01T16:00:00Z"))


def test_another_version_is_named() -> None:
    with pytest.raises(stored.StoredFormError, match=r"a person of version 2; this code reads 1"):
        stored.header(b"\x02\x07" + bytes(20))
    with pytest.raises(stored.StoredFormError, match=r"a person of version None"):
        stored.header(b"")
    with pytest.raises(stored.StoredFormError, match=r"a feed's mark of version 2; this code reads 1"):
        stored.load_feed(b"\x02\x07\x07\x07\x07")


def test_workers_stand_in_the_order_of_their_first_record() -> None:
    early, late = contact("2024-02-15", worker_ref=OTHER, record_id="a"), contact("2024-03-15", worker_ref=ADVISER, record_id="b")
    forms = []
    for order in ([early, late], [late, early]):
        told = Person()
        for statement in order:
            told.fold("e1", statement)
        forms.append(stored.dump(told))
        assert stored.load(forms[-1]).workers == [OTHER, ADVISER]
    assert forms[0] == forms[1]


def test_workers_without_a_record_are_left_out() -> None:
    told = person(contact("2024-02-15", worker_ref=OTHER, record_id="a"),
                  contact("2024-02-15", worker_ref=ADVISER, record_id="a", recorded_at="2024-02-16T10:00:00Z"))
    assert stored.load(stored.dump(told)).workers == [ADVISER]


def test_a_feed_s_mark() -> None:
    assert stored.load_feed(stored.dump_feed(739_051)) == 739_051
    assert stored.feed_of(b"feed:lancashire/visits") == ("lancashire", "visits")
    assert stored.feed_of(b"lancashire:p001") is None
    assert stored.feed_of(b"feed:p001") is None, "a council may be called feed"


@pytest.mark.parametrize("form", [b"", b"\x01\x00", b"\x02" + bytes(4), stored.dump_feed(1) + b"\x00"])
def test_what_is_no_feed_s_mark_is_refused(form: bytes) -> None:
    with pytest.raises(stored.StoredFormError, match="a feed's mark"):
        stored.load_feed(form)
