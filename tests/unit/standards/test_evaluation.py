"""Evaluation beyond what the command prints: what is due soon, why it stands so, whose feeds, and the next day of change."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from keepintouch.standards.clocks import Clock, State, Why
from keepintouch.standards.evaluation import Evaluation, evaluate
from keepintouch.standards.intervals import LAST_DAY
from keepintouch.standards.person import Person
from keepintouch.standards.policy_file import load_policy
from keepintouch.standards.world import Feeds, World
from schemas.events import Feed

from .told import ADVISER, OTHER, REF, contact, home, person, snapshot, visit

POLICIES = Path(__file__).parents[2] / "conformance/policies"
CALL = "test-plain/contact_overdue/1"


def number(day: str) -> int:
    return date.fromisoformat(day).toordinal()


def on(day: str, told: Person, policy: str = "plain", **more: Any) -> Evaluation:
    evaluation = evaluate(told, load_policy(str(POLICIES / f"test-{policy}.yaml")), number(day), more.pop("marks", {}), **more)
    assert evaluation is not None
    return evaluation


def clock(evaluation: Evaluation, name: str = CALL) -> Clock:
    return next(clock for clock in evaluation.clocks if clock.standard.id == name)


def manifest(council: str, feed: str, through: str) -> Feed:
    return Feed.model_validate({"council": council, "feed": feed, "complete_through": through, "records": 0,
                                "recorded_at": f"{through}T23:00:00Z"})


@pytest.mark.parametrize(("day", "state", "why"), [
    ("2024-06-04", State.OK, Why.NOT_YET), ("2024-06-05", State.DUE_SOON, Why.NOT_YET),
    ("2024-06-12", State.DUE_SOON, Why.NOT_YET), ("2024-06-13", State.OVERDUE, Why.PAST_ITS_DAY)])
def test_due_soon_from_a_week_before_the_due_day(day: str, state: State, why: Why) -> None:
    stands = clock(on(day, person(contact("2024-05-15"))))
    assert (stands.state, stands.why, stands.due_on, stands.opens_on) == (state, why, number("2024-06-12"), number("2024-06-13"))


def test_how_long_before_is_the_policy_s() -> None:
    told = person(contact("2024-05-15"))
    assert clock(on("2024-05-28", told, "strict")).state is State.OK
    assert clock(on("2024-05-29", told, "strict")).state is State.DUE_SOON


def test_what_cannot_be_seen_is_never_due_soon() -> None:
    told = person(visit("2024-05-15"), need="high")
    for day, state, why in [("2024-06-12", State.OK, Why.NOT_YET), ("2024-06-13", State.UNKNOWN, Why.CANNOT_SEE)]:
        stands = clock(on(day, told, "blind"), "test-homes/visit_overdue/2")
        assert (stands.state, stands.why) == (state, why)


def test_why_a_standard_is_ok() -> None:
    told = person(visit("2024-05-15"))
    once, silence = (clock(on("2024-07-15", told, "texts"), f"test-texts/{name}/1") for name in ("never_met", "text_only"))
    assert (once.state, once.why, once.anchor_on) == (State.OK, Why.SATISFIED_ONCE, number("2023-03-10"))
    assert (silence.state, silence.why, silence.anchor_on) == (State.OK, Why.NOT_ENOUGH_MEANWHILE, number("2024-05-15"))
    assert once.anchor is silence.anchor is told.in_order()[0]
    assert (once.due_on, once.opens_on, silence.due_on, silence.opens_on) == (None, None, None, None)


def test_a_record_on_the_day_the_clock_starts_is_the_anchor() -> None:
    """So that what came before it that day does not count."""
    texts = [contact(f"2024-05-15T0{hour}:00:00Z", "text") for hour in (7, 8, 9)]
    stands = clock(on("2024-06-30", person(*texts, contact("2024-05-15"), supported_since="2024-05-15"), "texts"),
                   "test-texts/text_only/1")
    assert (stands.why, stands.anchor is not None) == (Why.NOT_ENOUGH_MEANWHILE, True)
    stands = clock(on("2024-06-30", person(*texts, contact("2024-05-14"), supported_since="2024-05-15"), "texts"),
                   "test-texts/text_only/1")
    assert (stands.state, stands.anchor, stands.anchor_on) == (State.OVERDUE, None, number("2024-05-15"))


def test_a_council_may_require_more_feeds_than_its_policy() -> None:
    told = person(contact("2024-05-15"))
    waiting = on("2024-06-13", told, more_feeds=frozenset({"visits"}))
    assert (waiting.findings, waiting.unknown) == ((), ("contact_overdue",))
    assert clock(waiting).why is Why.FEEDS_BEHIND
    in_ = on("2024-06-13", told, more_feeds=frozenset({"visits"}), marks={"visits": number("2024-06-12")})
    assert [finding.key for finding in in_.findings] == [("contact_overdue", number("2024-05-15"))]
    both = on("2024-06-13", told, "strict", more_feeds=frozenset({"plans"}),
              marks=dict.fromkeys(("visits", "contacts"), number("2024-06-13")))
    assert "contact_overdue" in both.unknown


def test_only_the_very_alert_that_is_open_stays_open() -> None:
    told = person(contact("2024-05-15"))
    for key, found in [(("contact_overdue", number("2024-05-15")), True), (("contact_overdue", number("2024-05-14")), False),
                       (("no_adviser", number("2024-05-15")), False)]:
        evaluation = on("2024-06-13", told, open_alerts=[key], more_feeds=frozenset({"visits"}))
        assert bool(evaluation.findings) is found
        assert clock(evaluation).why is (Why.STAYS_OPEN if found else Why.FEEDS_BEHIND)


@pytest.mark.parametrize(("day", "policy", "told", "next_day"), [
    ("2024-05-20", "plain", person(contact("2024-05-15")), "2024-06-05"),              # due soon
    ("2024-06-05", "plain", person(contact("2024-05-15")), "2024-06-13"),              # overdue
    ("2024-06-13", "plain", person(contact("2024-05-15"), plan_reviewed_on="2024-06-12"), "2024-08-16"),  # out of touch
    ("2024-08-16", "plain", person(contact("2024-05-15"), plan_reviewed_on="2024-08-12"), "2025-02-05"),  # plan due soon
    ("2024-05-20", "plain", person(contact("2024-05-15"), contact("2024-05-21")), "2024-05-21"),  # a record to come
    ("2024-05-20", "plain", person(in_touch="REFU", opt_out_review_on="2024-05-22"), "2024-05-23"),
    ("2024-05-20", "plain", person(in_touch="REFU", in_touch_since="2023-11-22"), "2024-05-23"),
    ("2024-05-23", "letter-2017", person(visit("2024-05-22"), in_touch="REFU", opt_out_review_on="2024-05-22"), "2024-07-18"),
    ("2024-05-20", "letter-2017", person(contact("2024-05-19"), no_face_to_face_until="2024-05-22"), "2024-05-23"),
    ("2024-05-20", "letter-2017", person(contact("2024-05-19"), born_on="2004-05-24"), "2024-05-24"),
    ("2024-05-20", "homes", person(contact("2024-05-19"), accommodation=home(since="2024-04-25")), "2024-05-24"),  # moved_within
    ("2024-05-20", "letter-2017", person(contact("2024-05-19", "text")), "2024-08-12")])
def test_the_next_day_on_which_anything_may_change(day: str, policy: str, told: Person, next_day: str) -> None:
    assert on(day, told, policy).next_change_on == number(next_day)


def test_the_next_change_of_someone_out_of_scope() -> None:
    evaluation = on("2024-05-20", person(category="none", born_on="2005-03-10"))
    assert (evaluation.in_scope, evaluation.clocks, evaluation.next_change_on) == (False, (), number("2025-03-10"))


def test_what_never_comes() -> None:
    told = person(supported_since="9999-12-31", plan_reviewed_on=None, born_on="9980-01-01")
    evaluation = on("9999-12-31", told)
    assert (evaluation.findings, evaluation.next_change_on) == ((), LAST_DAY)


def test_meaningful_is_being_seen_by_anyone_or_a_talk_with_someone_known() -> None:
    def meaningful(*said: Any) -> bool:
        return on("2024-05-20", person(*said)).meaningful

    assert meaningful(visit("2024-05-01", worker_ref=OTHER))
    assert meaningful(contact("2024-05-01", "face_to_face", worker_ref=None))
    assert meaningful(visit("2023-05-01"), contact("2024-05-01"))
    assert not meaningful(contact("2024-05-01"))
    assert not meaningful(visit("2024-05-02", worker_ref=ADVISER, worker_role="family"), contact("2024-05-01"))
    assert meaningful(visit("2024-05-01T11:00:00Z", worker_role="family"), contact("2024-05-01T11:00:00Z"))


def test_met_is_at_or_before_to_the_instant() -> None:
    for moment, known in [("10:59:59Z", False), ("11:00:00Z", True), ("11:00:00.000001Z", True)]:
        told = person(visit("2024-05-01T11:00:00Z", worker_role="family"), contact(f"2024-05-01T{moment}", record_id="a"))
        assert on("2024-05-20", told).meaningful is known


class TestWorld:
    """People and feeds in memory."""

    def test_manifests_count_by_how_far_they_go(self) -> None:
        feeds = Feeds()
        assert feeds.fold(manifest("lancashire", "visits", "2024-05-02"))
        assert not feeds.fold(manifest("lancashire", "visits", "2024-05-02"))
        assert not feeds.fold(manifest("lancashire", "visits", "2024-05-01"))
        assert feeds.fold(manifest("kent", "visits", "2024-05-01"))
        assert dict(feeds.of("lancashire")) == {"visits": number("2024-05-02")}
        assert dict(feeds.of("dorset")) == {}

    def test_marks_taken_back(self) -> None:
        feeds = Feeds()
        feeds.restore("lancashire", "visits", number("2024-05-02"))
        assert not feeds.fold(manifest("lancashire", "visits", "2024-05-02"))
        assert dict(feeds.of("lancashire")) == {"visits": number("2024-05-02")}

    def test_a_manifest_is_for_the_people_of_its_council(self) -> None:
        world = World()
        assert world.fold("e1", manifest("lancashire", "visits", "2024-05-02"))
        assert world.fold("e2", snapshot())
        assert not world.fold("e2", snapshot())
        assert dict(world.marks_for(REF)) == {"visits": number("2024-05-02")}
        assert dict(world.marks_for("kent:p1")) == {}
        assert set(world.people) == {REF}
