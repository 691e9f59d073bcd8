"""The memory of what was published: modes, sequences, what is forgotten, erased, closed and taken back."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from keepintouch.calendar import london_day
from keepintouch.standards import ledger, published, stored
from keepintouch.standards.evaluation import evaluate
from keepintouch.standards.instants import microseconds
from keepintouch.standards.ledger import Publication
from keepintouch.standards.person import Person
from keepintouch.standards.policy import Policy
from keepintouch.standards.policy_file import load_policy
from schemas.alerts import Alert

from .told import OTHER, REF, contact, erased, home, person, snapshot, visit, void

POLICIES = Path(__file__).parents[2] / "conformance/policies"
PLAIN, HOMES, STRICT = (load_policy(str(POLICIES / f"test-{name}.yaml")) for name in ("plain", "homes", "strict"))


def noon(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T12:00:00+00:00")


def settle(told: Person, now: datetime, policy: Policy = PLAIN, **marks: str) -> list[Publication]:
    """One evaluation under a policy, with feeds complete through some days."""
    today = london_day(now).toordinal()
    through = {feed: date.fromisoformat(day).toordinal() for feed, day in marks.items()}
    evaluation = evaluate(told, policy, today, through, ledger.open_keys(told))
    assert evaluation is not None
    return ledger.settle(REF, told, evaluation, policy, ledger.policy_mark(policy), now)


def alerts(published: list[Publication]) -> list[Alert]:
    found = []
    for publication in published:
        alert = publication.alert
        assert alert is not None
        assert (alert.alert_id, alert.status, alert.mode) == (publication.alert_id, publication.status, publication.mode)
        assert alert.model_dump_json().encode() == publication.value, "as pydantic would write it"
        found.append(alert)
    return found


def the(published: list[Publication]) -> Alert:
    alert, = alerts(published)
    return alert


def last_called(day: str) -> Person:
    return person(contact(day, record_id="call"), plan_reviewed_on="2024-05-15")


def test_what_is_found_at_the_first_evaluation_is_backfill_and_everything_after_it_live() -> None:
    told = last_called("2024-05-15")
    assert settle(told, noon("2024-06-12")) == []
    opened = the(settle(told, noon("2024-06-13")))
    assert (opened.mode, opened.sequence, opened.status, opened.opens_on) == ("live", 1, "open", date(2024, 6, 13))
    assert (opened.detected_at, opened.ended_at, opened.end_reason) == (noon("2024-06-13"), None, None)
    assert str(opened.alert_id) == "b139ceec-fb53-5c6b-8901-04f0ef70d279", "the same from whatever run"
    assert (opened.council, opened.person_ref, opened.team_ref) == ("lancashire", REF, "north")
    late = last_called("2024-05-01")
    assert the(settle(late, noon("2024-06-13"))).mode == "backfill"
    assert the(settle(late, noon("2024-11-20"))).mode == "live", "the plan review, due on 15 November"


def test_downtime_makes_no_backfill() -> None:
    told = last_called("2024-05-15")
    settle(told, noon("2024-05-16"))
    opened = the(settle(told, noon("2024-08-01")))
    assert (opened.mode, opened.opens_on, opened.detected_at) == ("live", date(2024, 6, 13), noon("2024-08-01"))


def test_another_policy_version_or_other_feeds_make_backfill_and_publish_what_is_open_once() -> None:
    told = last_called("2024-05-15")
    settle(told, noon("2024-05-16"))
    assert the(settle(told, noon("2024-06-13"))).mode == "live"
    again, never_met = alerts(settle(told, noon("2024-06-13"), HOMES))
    assert (again.mode, again.sequence, again.policy.id, again.detected_at) == ("live", 2, "test-homes", noon("2024-06-13"))
    assert (never_met.rule, never_met.mode, never_met.sequence) == ("never_met", "backfill", 1)
    assert settle(told, noon("2024-06-13"), HOMES) == []


def test_the_first_evaluation_under_another_policy_is_backfill_though_the_rule_is_known() -> None:
    told = last_called("2024-05-15")
    settle(told, noon("2024-05-16"))
    assert alerts(settle(told, noon("2024-06-13"), HOMES))[0].mode == "backfill"


def test_the_standard_named_on_the_alert_judges_its_end() -> None:
    """In bed and breakfast only someone known counts, whatever the other standard of the rule would make of a stranger's call."""
    told = person(visit("2024-05-15", record_id="met"), accommodation=home(code="W"))
    opened = next(alert for alert in alerts(settle(told, noon("2024-05-30"), HOMES)) if alert.rule == "contact_overdue")
    assert (opened.standard, opened.anchor_on) == ("test-homes/contact_overdue/1", date(2024, 5, 15))
    told.fold("x1", contact("2024-06-05", worker_ref=OTHER))
    told.fold("x2", visit("2024-05-14", record_id="met", recorded_at="2024-06-06T10:00:00Z"))
    ended = next(a for a in alerts(settle(told, noon("2024-06-06"), HOMES)) if a.alert_id == opened.alert_id)
    assert (ended.status, ended.end_reason) == ("withdrawn", "corrected")


def test_a_call_typed_up_late_withdraws_with_its_lag() -> None:
    told = last_called("2024-05-15")
    settle(told, noon("2024-06-13"))
    told.fold("x1", contact("2024-06-10", recorded_at="2024-06-14T09:00:00Z"))
    ended = the(settle(told, noon("2024-06-14")))
    assert (ended.status, ended.end_reason, ended.recording_lag_days) == ("withdrawn", "recorded_late", 4)


def test_the_first_evaluation_at_which_a_rule_is_not_unknown_is_backfill() -> None:
    """A council's first manifest must not text a county."""
    told = last_called("2024-05-01")
    assert settle(told, noon("2024-06-13"), STRICT) == []
    opened = alerts(settle(told, noon("2024-06-13"), STRICT, contacts="2024-06-12", visits="2024-06-12"))
    assert [(alert.rule, alert.mode) for alert in opened] == [("contact_overdue", "backfill"), ("never_met", "backfill")]
    told = last_called("2024-05-15")
    settle(told, noon("2024-05-16"), STRICT)
    opened = alerts(settle(told, noon("2024-06-13"), STRICT, contacts="2024-06-12", visits="2024-06-12"))
    assert [(alert.rule, alert.mode) for alert in opened] == [("contact_overdue", "live"), ("never_met", "backfill")], (
        "in May one was not due, the other long unknown")


@pytest.mark.parametrize(("policy", "other"), [(PLAIN, HOMES), (HOMES, STRICT)])
def test_the_mark_of_a_policy(policy: Policy, other: Policy) -> None:
    assert ledger.policy_mark(policy) != ledger.policy_mark(other)
    assert ledger.policy_mark(policy, frozenset({"visits"})) != ledger.policy_mark(policy)
    assert len(ledger.policy_mark(policy)) == len(published.NEVER)
    assert ledger.policy_mark(STRICT, frozenset({"visits"})) == ledger.policy_mark(STRICT), "which it requires already"


def test_an_alert_that_opens_again_goes_on_counting_and_keeps_when_and_how_it_was_found() -> None:
    told = last_called("2024-05-15")
    settle(told, noon("2024-05-16"))
    first = the(settle(told, noon("2024-06-13")))
    told.fold("x1", contact("2024-06-14", record_id="wrong"))
    ended = the(settle(told, noon("2024-06-14")))
    assert (ended.status, ended.end_reason, ended.sequence, ended.ended_at) == ("cleared", "done", 2, noon("2024-06-14"))
    assert (ended.alert_id, ended.detail, ended.evidence) == (first.alert_id, first.detail, first.evidence)
    told.fold("x2", void("wrong", "2024-06-15T10:00:00Z"))
    again = the(settle(told, noon("2024-06-15")))
    assert (again.alert_id, again.status, again.sequence, again.mode) == (first.alert_id, "open", 3, "live")
    assert (again.detected_at, again.ended_at, again.end_reason) == (noon("2024-06-13"), None, None)


def test_an_ended_alert_is_remembered_for_400_days_and_then_its_key_gets_a_tombstone() -> None:
    told = last_called("2024-05-15")
    settle(told, noon("2024-05-16"))
    first = the(settle(told, noon("2024-06-13")))
    told.fold("x1", contact("2024-06-14", record_id="wrong"))
    settle(told, noon("2024-06-14"))
    told.fold("x2", snapshot(category="none", recorded_at="2024-06-14T12:00:00Z"))
    assert told.ledger is not None
    forgotten_on = london_day(noon("2024-06-14") + timedelta(days=400))
    late = replace(told.ledger.ended[0], ended_at=microseconds(datetime(2024, 6, 14, 23, 30, tzinfo=UTC)))
    assert late.forgotten_on == forgotten_on.toordinal() + 1   # in London that is the 15th
    assert told.ledger.next_change_on == forgotten_on.toordinal()
    assert settle(told, noon("2024-06-14") + timedelta(days=399)) == []
    assert settle(told, noon("2024-06-14") + timedelta(days=400)) == [Publication(first.alert_id, None)]
    assert told.ledger.ended == ()
    assert settle(told, noon("2024-06-14") + timedelta(days=401)) == []


def test_who_holds_the_case_is_a_published_change_and_what_else_was_said_is_not() -> None:
    told = last_called("2024-05-01")
    first = the(settle(told, noon("2024-06-13")))
    told.fold("x1", contact("2024-06-13", "text", "no_reply"))
    assert settle(told, noon("2024-06-13")) == [], "detail and evidence alone publish nothing"
    told.fold("x2", snapshot(adviser_ref=OTHER, plan_reviewed_on="2024-05-15", recorded_at="2024-06-13T08:00:00Z"))
    again = the(settle(told, noon("2024-06-13")))
    assert (again.sequence, again.adviser_ref, again.alert_id) == (2, OTHER, first.alert_id)
    assert again.detail.attempts_since_anchor == 1, "but they come along"


def test_alerts_come_in_the_order_of_their_rules_and_the_ended_after_the_open() -> None:
    told = person(contact("2024-05-01", record_id="call"), plan_reviewed_on="2023-11-30", adviser_ref=None,
                  adviser_since="2024-06-01")
    rules = [alert.rule for alert in alerts(settle(told, noon("2024-06-13")))]
    assert rules == ["contact_overdue", "no_adviser", "plan_review_overdue"]


def test_evidence_is_the_anchor_and_then_the_newest_five_in_all() -> None:
    told = person(contact("2024-05-01", record_id="call"), *(
        contact(f"2024-05-1{number}", "text", "no_reply", record_id=f"text-{number}") for number in range(6)),
        contact("2024-05-20", "text", worker_role="family", record_id="by-family"),
        contact("2024-05-21", "text", "cancelled", record_id="cancelled"), visit("2024-04-01", worker_ref=OTHER))
    alert = alerts(settle(told, noon("2024-06-13")))[0]
    assert alert.evidence == ["call", "text-5", "text-4", "text-3", "text-2"]
    assert (alert.detail.written_since_anchor, alert.detail.attempts_since_anchor, alert.detail.strangers_only) == (6, 6, True)
    assert (alert.detail.last_attempted_on, alert.detail.last_messaged_on) == (date(2024, 5, 15), date(2024, 5, 1))
    assert (alert.detail.last_spoke_on, alert.detail.last_seen_on) == (date(2024, 5, 1), date(2024, 4, 1))
    assert (alert.detail.last_seen_at_home_on, alert.detail.met_adviser) == (date(2024, 4, 1), False)


def test_evidence_begins_with_the_anchor_s_instant() -> None:
    told = person(contact("2024-05-01T09:00:00Z", "text", record_id="before"), contact("2024-05-01T11:00:00Z", record_id="call"),
                  contact("2024-05-01T12:00:00Z", "text", record_id="after"),
                  contact("2024-05-02T12:00:00Z", "text", record_id="from-them", direction="in"),
                  contact("2024-05-03T12:00:00Z", "other", record_id="unwritten"), plan_reviewed_on="2024-05-15")
    alert = the(settle(told, noon("2024-06-13")))
    assert alert.evidence == ["call", "unwritten", "from-them", "after"]
    assert (alert.detail.written_since_anchor, alert.detail.attempts_since_anchor) == (1, 0)


def test_nothing_since_is_not_strangers_only() -> None:
    alert = the(settle(last_called("2024-05-01"), noon("2024-06-13")))
    assert (alert.detail.strangers_only, alert.detail.written_since_anchor, alert.evidence) == (False, 0, ["call"])


def test_an_erasure_leaves_a_tombstone_for_each_alert_open_or_ended() -> None:
    told = person(contact("2024-05-01", record_id="call"), plan_reviewed_on="2023-11-30")
    ids = {alert.alert_id for alert in alerts(settle(told, noon("2024-06-13")))}
    told.fold("x1", contact("2024-06-13"))
    settle(told, noon("2024-06-13"))
    assert told.ledger is not None
    assert (len(told.ledger.open), len(told.ledger.ended), len(ids)) == (1, 1, 2)
    told.fold("x2", erased("2024-06-13T20:00:00Z"))
    assert {(p.alert_id, p.alert) for p in ledger.erase(REF, told)} == {(alert_id, None) for alert_id in ids}
    assert told.ledger is None
    assert ledger.erase(REF, told) == []


def test_who_comes_back_is_a_new_person() -> None:
    told = last_called("2024-05-01")
    settle(told, noon("2024-05-02"))
    assert the(settle(told, noon("2024-06-13"))).mode == "live"
    told.fold("x1", erased("2024-06-13T20:00:00Z"))
    ledger.erase(REF, told)
    told.fold("x2", snapshot(recorded_at="2024-06-14T08:00:00Z", supported_since="2024-05-10", plan_reviewed_on=None))
    back = the(settle(told, noon("2024-06-14")))
    assert (back.mode, back.sequence, back.anchor_on) == ("backfill", 1, date(2024, 5, 10))


def test_when_a_council_leaves_its_alerts_end_and_are_remembered() -> None:
    told = last_called("2024-05-01")
    settle(told, noon("2024-05-02"))
    opened = the(settle(told, noon("2024-06-13")))
    ended = the(ledger.close(REF, told, noon("2024-06-14"), london_day(noon("2024-06-14")).toordinal()))
    assert (ended.status, ended.end_reason, ended.sequence) == ("cleared", "no_longer_applies", 2)
    assert (ended.alert_id, ended.ended_at) == (opened.alert_id, noon("2024-06-14"))
    assert stored.load(stored.dump(told)).ledger == told.ledger
    assert ledger.open_keys(told) == ()
    assert ledger.close(REF, told, noon("2024-06-15"), london_day(noon("2024-06-15")).toordinal()) == []
    later = noon("2024-06-14") + timedelta(days=400)
    assert ledger.close(REF, told, later, london_day(later).toordinal()) == [Publication(opened.alert_id, None)]
    assert ledger.close(REF, Person(), later, 0) == []


def test_a_council_that_comes_back_begins_with_backfill_but_goes_on_counting() -> None:
    told = last_called("2024-05-15")
    settle(told, noon("2024-05-16"))
    settle(told, noon("2024-06-13"))
    ledger.close(REF, told, noon("2024-06-14"), london_day(noon("2024-06-14")).toordinal())
    back = the(settle(told, noon("2024-12-01"))[:1])
    assert (back.sequence, back.mode, back.detected_at) == (3, "live", noon("2024-06-13"))
    plan = alerts(settle(last_called("2024-05-15"), noon("2024-12-01")))[1]
    assert plan.mode == "backfill"


class TestTakenBack:
    """What was published, and then the state was lost."""

    def test_open_and_ended_alerts_go_on_from_what_is_on_the_topic(self) -> None:
        told = person(contact("2024-05-01", record_id="call"), plan_reviewed_on="2023-11-30")
        settle(told, noon("2024-05-02"))
        published = settle(told, noon("2024-06-13"))
        told.fold("x1", contact("2024-06-13"))
        published += settle(told, noon("2024-06-13"))
        lost = stored.load(stored.dump(told))
        lost.ledger = None
        assert [ledger.adopt(lost, alert) for alert in alerts(published)] == [True] * len(published)
        assert lost.ledger is not None
        assert told.ledger is not None
        assert (lost.ledger.open, set(lost.ledger.ended)) == (told.ledger.open, set(told.ledger.ended))
        assert settle(lost, noon("2024-06-13")) == []

    def test_several_of_each_are_kept(self) -> None:
        told = person(contact("2024-05-01", record_id="call"), plan_reviewed_on="2023-11-30", adviser_ref=None,
                      adviser_since="2024-06-03")
        opened = alerts(settle(told, noon("2024-06-13")))
        told.fold("x1", snapshot(category="none", recorded_at="2024-06-13T10:00:00Z"))
        ended = alerts(settle(told, noon("2024-06-13")))
        for records in (opened, ended):
            lost = person()
            for alert in records:
                assert ledger.adopt(lost, alert)
            assert lost.ledger is not None
            assert (len(lost.ledger.open), len(lost.ledger.ended)) == ((3, 0) if records is opened else (0, 3))
            assert (lost.ledger.mark, lost.ledger.known) == (published.NEVER, b"")
            assert stored.load(stored.dump(lost)).ledger == lost.ledger

    def test_what_is_older_than_the_ledger_changes_nothing(self) -> None:
        told = last_called("2024-05-15")
        settle(told, noon("2024-05-16"))
        opened = the(settle(told, noon("2024-06-13")))
        assert not ledger.adopt(told, opened)
        told.fold("x1", contact("2024-06-14"))
        ended = the(settle(told, noon("2024-06-14")))
        before = told.ledger
        assert not ledger.adopt(told, opened)
        assert not ledger.adopt(told, ended)
        assert told.ledger == before

    def test_a_newer_record_of_an_alert_replaces_the_older(self) -> None:
        told = last_called("2024-05-15")
        settle(told, noon("2024-05-16"))
        opened = the(settle(told, noon("2024-06-13")))
        before = stored.dump(told)
        told.fold("x1", contact("2024-06-14"))
        ended = the(settle(told, noon("2024-06-14")))
        behind = stored.load(before)
        assert ledger.adopt(behind, ended)
        assert behind.ledger is not None
        assert (behind.ledger.open, [entry.sequence for entry in behind.ledger.ended]) == ((), [2])
        assert ledger.adopt(behind, opened.model_copy(update={"sequence": 3}))
        assert (len(behind.ledger.open), behind.ledger.open[0].sequence, behind.ledger.ended) == (1, 3, ())


def test_instants_are_in_utc() -> None:
    told = last_called("2024-05-01")
    alert = the(settle(told, datetime.fromisoformat("2024-06-13T12:00:00+01:00")))
    assert alert.detected_at.utcoffset() == timedelta(0)
