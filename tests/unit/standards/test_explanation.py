"""Why someone is not covered, and what each record does for a standard; that all of it agrees with `evaluate` is a property."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from keepintouch.standards.clocks import Why
from keepintouch.standards.explanation import Explanation, OutOfScope, RecordReason, StandardReason, Verdict, explain
from keepintouch.standards.ladder import Kind
from keepintouch.standards.person import Person
from keepintouch.standards.policy import Miss
from keepintouch.standards.policy_file import load_policy

from .told import OTHER, contact, home, person, visit, void

POLICIES = Path(__file__).parents[2] / "conformance/policies"
TODAY = date(2024, 6, 13)


def explained(policy: str, told: Person, today: date = TODAY) -> Explanation:
    found = explain(told, load_policy(str(POLICIES / f"test-{policy}.yaml")), today.toordinal(), {})
    assert found is not None
    return found


def standard(explanation: Explanation, name: str) -> StandardReason:
    return next(reason for reason in explanation.standards if reason.standard.id == name)


def by_id(reason: StandardReason) -> dict[str, RecordReason]:
    return {record.record_id: record for record in reason.records}


def test_of_whom_nothing_is_known_nothing_is_explained() -> None:
    assert explain(Person(), load_policy(str(POLICIES / "test-plain.yaml")), TODAY.toordinal(), {}) is None


@pytest.mark.parametrize(("changes", "why"), [
    ({}, None), ({"category": "none"}, OutOfScope.CATEGORY), ({"in_touch": "DIED"}, OutOfScope.DIED),
    ({"born_on": "2008-06-14"}, OutOfScope.UNDER_16), ({"born_on": "1999-06-13"}, OutOfScope.OVER_24),
    ({"category": "none", "in_touch": "DIED", "born_on": "1999-06-13"}, OutOfScope.CATEGORY)])
def test_why_nothing_applies(changes: dict[str, Any], why: OutOfScope | None) -> None:
    explanation = explained("plain", person(**changes))
    assert explanation.out_of_scope is why
    assert explanation.evaluation.in_scope is (why is None)


@pytest.mark.parametrize(("name", "changes", "why"), [
    ("test-plain/no_adviser/1", {}, "adviser"), ("test-plain/annual_offer_due/1", {}, "ages"),
    ("test-plain/contact_overdue/1", {"in_touch": "REFU", "opt_out_review_on": "2024-12-31"}, "opted_out"),
    ("test-homes/visit_overdue/2", {"need": "enhanced", "looked_after": True}, "unless"),
    ("test-homes/visit_overdue/2", {"need": "enhanced", "looked_after": False}, None),
    ("test-homes/custody_visit_overdue/1", {"accommodation": home(code="X", since=None)}, "accommodation_since"),
    ("test-homes/custody_visit_overdue/1", {"accommodation": home(code="X")}, None)])
def test_why_a_standard_does_not_apply(name: str, changes: dict[str, Any], why: str | None) -> None:
    reason = standard(explained("homes", person(contact("2024-06-01"), **changes)), name)
    assert reason.not_covered == why
    assert (reason.clock is None) == (why is not None)
    assert (reason.records == ()) == (why is not None)


def test_records_of_a_recurring_standard() -> None:
    told = person(
        contact("2024-05-20", record_id="newest"), contact("2024-05-10", record_id="older"),
        contact("2024-05-25", "text", record_id="text"), contact("2024-05-26", record_id="mother", worker_role="family"),
        contact("2024-06-14", record_id="tomorrow"), contact("2024-05-27", record_id="wrong"),
        void("wrong", "2024-05-28T10:00:00Z"), supported_since="2024-05-15")
    reason = standard(explained("plain", told), "test-plain/contact_overdue/1")
    records = by_id(reason)
    assert {name: (record.verdict, record.miss) for name, record in records.items()} == {
        "newest": (Verdict.ANCHORS, None), "older": (Verdict.TOO_EARLY, None), "text": (Verdict.MISSES, Miss.RUNG),
        "mother": (Verdict.MISSES, Miss.THIRD_PARTY), "tomorrow": (Verdict.TO_COME, None), "wrong": (Verdict.VOIDED, None)}
    assert records["wrong"].day is None
    assert records["newest"].day == date(2024, 5, 20).toordinal()
    assert records["text"].kind is not None
    assert records["text"].kind.channel == "text"


def test_what_is_said_of_each_record() -> None:
    told = person(
        visit("2024-05-01", record_id="met", worker_ref=OTHER), contact("2024-06-13", record_id="today", worker_ref=OTHER),
        contact("2024-06-14", "text", record_id="to-come", worker_ref=OTHER), void("gone", "2024-05-28T10:00:00Z"))
    records = by_id(standard(explained("plain", told), "test-plain/contact_overdue/1"))
    day = TODAY.toordinal()
    assert records["today"] == RecordReason("today", day, Kind("personal_adviser", "completed", channel="phone"), OTHER, True,
                                            Verdict.ANCHORS)
    assert records["to-come"] == RecordReason("to-come", day + 1, Kind("personal_adviser", "completed", channel="text"), OTHER,
                                              True, Verdict.TO_COME)
    assert records["gone"] == RecordReason("gone", None, None, None, False, Verdict.VOIDED)


def test_a_record_on_the_day_the_clock_starts_is_not_too_early() -> None:
    told = person(contact("2024-05-15", record_id="first"), contact("2024-05-20", record_id="newest"),
                  supported_since="2024-05-15")
    records = by_id(standard(explained("plain", told), "test-plain/contact_overdue/1"))
    assert [record.verdict for record in records.values()] == [Verdict.SATISFIES, Verdict.ANCHORS]


def test_it_is_explained_as_it_was_evaluated() -> None:
    """With the feeds, what is open, and what the council requires besides."""
    policy, told = load_policy(str(POLICIES / "test-plain.yaml")), person(contact("2024-05-15", record_id="call"))
    more, today, key = frozenset({"visits"}), TODAY.toordinal(), ("contact_overdue", date(2024, 5, 15).toordinal())

    def why(*how: Any) -> Why:
        found = explain(told, policy, today, *how)
        assert found is not None
        clock = standard(found, "test-plain/contact_overdue/1").clock
        assert clock is not None
        return clock.why

    assert why({}) is Why.PAST_ITS_DAY
    assert why({}, (), more) is Why.FEEDS_BEHIND
    assert why({}, [key], more) is Why.STAYS_OPEN
    assert why({"visits": today}, (), more) is Why.PAST_ITS_DAY


def test_records_of_what_is_needed_once() -> None:
    told = person(
        visit("2024-06-02", record_id="before"), visit("2024-06-04", record_id="first"), visit("2024-06-05", record_id="second"),
        accommodation=home(council_provided=True, since="2024-06-03"))
    records = by_id(standard(explained("homes", told), "test-homes/new_home_visit/1"))
    assert {name: record.verdict for name, record in records.items()} == {
        "before": Verdict.TOO_EARLY, "first": Verdict.ANCHORS, "second": Verdict.SATISFIES}


def test_where_any_day_counts_no_record_is_too_early() -> None:
    told = person(visit("2022-06-02", record_id="long-ago"), visit("2024-06-02", record_id="again"), adviser_since="2024-05-15")
    records = by_id(standard(explained("texts", told), "test-texts/never_met/1"))
    assert {name: record.verdict for name, record in records.items()} == {
        "long-ago": Verdict.ANCHORS, "again": Verdict.SATISFIES}


def test_what_no_record_satisfies() -> None:
    reason = standard(explained("plain", person(contact("2024-05-20", record_id="call"))), "test-plain/plan_review_overdue/1")
    assert [record.verdict for record in reason.records] == [Verdict.NOTHING_NEEDED]


@pytest.mark.parametrize(("name", "record", "miss"), [
    ("test-homes/contact_overdue/1", contact("2024-06-01", worker_ref=OTHER, record_id="r"), Miss.STRANGER),
    ("test-homes/contact_overdue/1", contact("2024-06-01", worker_ref=None, record_id="r"), Miss.STRANGER),
    ("test-homes/never_met/1", visit("2024-06-01", worker_ref=OTHER, record_id="r"), Miss.NOT_ADVISER),
    ("test-homes/visit_overdue/3", visit("2024-06-01", worker_role="manager", record_id="r"), Miss.ROLE),
    ("test-homes/visit_overdue/1", visit("2024-06-01", "office", record_id="r"), Miss.RUNG),
    ("test-homes/visit_overdue/1", visit("2024-06-01", worker_ref=OTHER, record_id="r"), None),
    ("test-homes/never_met/1", visit("2024-06-01", record_id="r"), None),
    ("test-homes/custody_visit_overdue/1", visit("2024-06-01", "home", record_id="r"), Miss.LOCATION)])
def test_why_a_record_does_not_satisfy(name: str, record: Any, miss: Miss | None) -> None:
    told = person(record, accommodation=home(code="X", hostel=True, council_provided=True))
    assert by_id(standard(explained("homes", told), name))["r"].miss is miss


@pytest.mark.parametrize(("name", "changes", "miss"), [
    ("test-signals/unannounced_visit_due/1", {"announced": True}, Miss.ANNOUNCED),
    ("test-signals/unannounced_visit_due/1", {"announced": None}, Miss.ANNOUNCED),
    ("test-signals/unannounced_visit_due/1", {"announced": False}, None),
    ("test-signals/seen_alone_due/1", {"seen_alone": False}, Miss.SEEN_ALONE),
    ("test-signals/seen_alone_due/1", {"seen_alone": True}, None)])
def test_why_a_visit_is_not_of_the_kind_that_counts(name: str, changes: dict[str, Any], miss: Miss | None) -> None:
    told = person(visit("2024-06-01", record_id="r", **changes), born_on="2007-03-10", looked_after=True)
    assert by_id(standard(explained("signals", told), name))["r"].miss is miss


def test_what_counts_meanwhile_and_what_does_not() -> None:
    told = person(
        contact("2024-04-10", record_id="anchor"), visit("2024-04-01", "office", record_id="met"),
        contact("2024-04-05", "text", record_id="before"), contact("2024-05-01", "text", record_id="known"),
        contact("2024-05-02", "text", record_id="stranger", worker_ref=OTHER),
        contact("2024-05-03", "text", "cancelled", record_id="cancelled", worker_ref=OTHER),
        contact("2024-05-04", "other", record_id="unwritten", worker_ref=OTHER),
        contact("2024-05-05", "text", record_id="family", worker_ref=OTHER, worker_role="family"))
    records = by_id(standard(explained("texts", told), "test-texts/text_only/2"))
    assert {name: (record.counts_meanwhile, record.meanwhile_miss) for name, record in records.items()} == {
        "met": (False, Miss.CHANNEL), "anchor": (False, Miss.CHANNEL), "before": (False, Miss.KNOWN),
        "known": (False, Miss.KNOWN), "stranger": (True, None), "cancelled": (False, Miss.RUNG),
        "unwritten": (False, Miss.CHANNEL), "family": (False, Miss.THIRD_PARTY)}
    assert [record.known for record in records.values()] == [True, True, True, True, False, False, False, False]


def test_what_came_before_the_anchor_is_of_the_right_kind_but_does_not_count() -> None:
    told = person(
        visit("2024-03-10", "office", record_id="met"), contact("2024-04-10T09:00:00Z", "text", record_id="before"),
        visit("2024-04-10T11:00:00Z", record_id="anchor"), contact("2024-04-10T12:00:00Z", "text", record_id="after"))
    records = by_id(standard(explained("texts", told), "test-texts/text_only/1"))
    assert {name: (record.known, record.counts_meanwhile, record.meanwhile_miss) for name, record in records.items()} == {
        "met": (True, False, Miss.CHANNEL), "before": (True, False, None), "anchor": (True, False, Miss.CHANNEL),
        "after": (True, True, None)}


def test_what_came_in_is_not_what_went_out() -> None:
    told = person(contact("2024-06-01", "phone", "no_reply", record_id="in", direction="in"),
                  contact("2024-06-02", "phone", "no_reply", record_id="out"))
    records = by_id(standard(explained("signals", told), "test-signals/attempts_failing/1"))
    assert (records["in"].meanwhile_miss, records["out"].meanwhile_miss) == (Miss.DIRECTION, None)
