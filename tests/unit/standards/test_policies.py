"""The shipped policies: what they may say about themselves, and whom they flag over a life, and whom they must not."""
from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from keepintouch.standards.intervals import NONE, Interval
from keepintouch.standards.ladder import Rung
from keepintouch.standards.policy import Policy
from keepintouch.standards.policy_file import SHIPPED, load_policy, policy_ids
from keepintouch.standards.sentences import LABELS

from .lives import ADVISER, OTHER, SOCIAL_WORKER, Life, a_home, a_life_looked_after_well, every

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "policies.md"
POLICIES = {policy_id: load_policy(policy_id) for policy_id in policy_ids()}
REAL = sorted(POLICIES.keys() - {"letter_2017"})
SEEING = sorted(set(REAL) - {"snapshot"})
"""Those for councils whose case system shows more than the latest contact."""
STANDARD = POLICIES["standard_8_week"]
BORN, SINCE = date(2005, 6, 1), date(2023, 6, 1)


def a_life(**facts: Any) -> Life:
    """An 18-year-old in a home of their own, seen and spoken with by their adviser on 2 October 2023."""
    life = Life(BORN, SINCE, plan_reviewed_on=date(2023, 9, 1))
    life.home(SINCE, "U")
    life.visit(date(2023, 6, 3))
    life.visit(SEEN)
    if facts:
        life.now(SEEN, **facts)
    return life


SEEN = date(2023, 10, 2)


def after(**gone: float) -> date:
    """A day so long after they were last seen."""
    return SEEN + timedelta(**gone)


class TestWhatTheySay:
    @pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
    def test_every_basis_says_how_sure_it_is(self, policy: Policy) -> None:
        for standard in policy.standards:
            label, _, source = standard.basis.partition(": ")
            assert label in LABELS, standard.id
            assert len(source) > 10, standard.id
            if label == "law":
                assert re.search(r"SI \d{4}/\d+ reg|Children Act 1989 s\.", source), standard.id
            if label == "council page":
                assert re.search(r"[a-z-]+\.(gov\.uk|proceduresonline\.com)", source), standard.id

    def test_what_the_letter_policy_says_it_stands_on(self) -> None:
        for policy_id in REAL:
            inherited = POLICIES["statutory_minimum"].standards
            assert POLICIES[policy_id].standards[:len(inherited)] == inherited, policy_id
            if policy_id != "statutory_minimum":
                assert {"text_only", "never_met", "strangers_only"} <= POLICIES[policy_id].rules.keys(), policy_id
        assert not {"text_only", "never_met", "strangers_only"} & POLICIES["letter_2017"].rules.keys()

    def test_inheritance_only_adds(self) -> None:
        for child, parent in [("letter_rules", "statutory_minimum"), ("standard_8_week", "letter_rules"),
                              ("lancashire", "standard_8_week"), ("lambeth", "standard_8_week"), ("dorset", "standard_8_week"),
                              ("brighton", "standard_8_week"), ("hertfordshire", "letter_rules"), ("manchester", "letter_rules"),
                              ("bracknell", "letter_rules"), ("blackpool", "letter_rules"), ("west_sussex", "letter_rules")]:
            inherited = POLICIES[parent].standards
            assert POLICIES[child].standards[:len(inherited)] == inherited
            assert len(POLICIES[child].standards) > len(inherited)

    def test_only_the_one_for_snapshots_cannot_see_and_it_names_what_needs_a_channel_a_worker_or_a_place(self) -> None:
        assert [policy_id for policy_id in POLICIES if POLICIES[policy_id].cannot_see] == ["snapshot"]
        snapshot = POLICIES["snapshot"]
        assert snapshot.standards == STANDARD.standards
        assert snapshot.rules.keys() - snapshot.cannot_see == {"contact_overdue", "plan_review_overdue", "no_adviser"}

    @pytest.mark.parametrize("policy", [POLICIES[name] for name in REAL], ids=REAL)
    def test_where_a_record_counts_there_is_time_to_type_it_up(self, policy: Policy) -> None:
        for standard in policy.standards:
            if standard.needs is None:
                assert standard.grace == NONE, standard.id
            elif not standard.id.startswith("brighton/"):
                assert standard.grace == Interval.parse("2wd"), standard.id

    def test_every_rule_is_described_once_in_the_reference(self) -> None:
        described = re.findall(r"^### `([a-z_]+)`$", REFERENCE.read_text(encoding="utf-8"), re.MULTILINE)
        assert sorted(described) == sorted({rule for policy in POLICIES.values() for rule in policy.rules})

    def test_every_policy_is_in_the_reference(self) -> None:
        text = REFERENCE.read_text(encoding="utf-8")
        assert [policy_id for policy_id in POLICIES if f"| `{policy_id}` |" not in text] == []

    def test_every_file_says_at_its_head_where_it_comes_from(self) -> None:
        for policy_id in POLICIES:
            assert (SHIPPED / f"{policy_id}.yaml").read_text(encoding="utf-8").startswith("# "), policy_id

    def test_the_headlines(self) -> None:
        assert all(POLICIES[name].in_touch.rung is Rung.MESSAGED for name in REAL)
        assert POLICIES["letter_2017"].in_touch.rung is Rung.ATTEMPTED
        assert {str(policy.in_touch.within) for policy in POLICIES.values()} == {"3m"}


class TestALifeLookedAfter:
    @pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
    def test_nobody_is_flagged_who_gets_what_is_asked_for(self, policy: Policy) -> None:
        days = a_life_looked_after_well().days(policy, date(2017, 3, 12), date(2026, 4, 1), 7)
        flagged = {(finding.rule, day) for day, evaluation in days for finding in evaluation.findings}
        assert flagged == set()

    @pytest.mark.parametrize("policy", [POLICIES[name] for name in SEEING], ids=SEEING)
    def test_nobody_is_flagged_for_having_moved_on_but_the_yearly_offer_is_due(self, policy: Policy) -> None:
        life = a_life_looked_after_well()
        life.said = [said for said in life.said if not (isinstance(said[2], dict) and "offer_made_on" in said[2])]
        flagged = [{finding.rule for finding in evaluation.findings}
                   for _, evaluation in life.days(policy, date(2022, 3, 12), date(2026, 3, 11), 30)]
        assert flagged == [{"annual_offer_due"}] * len(flagged)
        (_, at_25), = life.days(policy, date(2026, 3, 12), date(2026, 3, 12))
        assert not at_25.in_scope
        assert not at_25.findings


class TestSnapshots:
    def test_the_latest_contact_is_judged_and_all_else_is_unknown(self) -> None:
        life = a_life()
        life.contact(after(days=10), "other", by=None)
        evaluation = life.on(after(weeks=24), POLICIES["snapshot"])
        assert {finding.rule for finding in evaluation.findings} == {"contact_overdue", "plan_review_overdue"}
        assert "visit_overdue" in evaluation.unknown
        assert life.on(after(weeks=5), POLICIES["snapshot"]).in_touch


class TestTextOnly:
    def test_does_not_open_where_nobody_wrote(self) -> None:
        found = a_life().open_on(after(weeks=12), STANDARD)
        assert "text_only" not in found
        assert {"contact_overdue", "visit_overdue"} <= found.keys()

    def test_opens_after_eight_weeks_of_texts_answered_or_not(self) -> None:
        for outcome in ("completed", "no_reply"):
            life = a_life()
            for day in every(14, after(days=14), after(weeks=20)):
                life.contact(day, "text", outcome)
            assert "text_only" not in life.open_on(date(2023, 11, 29), STANDARD)  # due 27 November, two working days more
            found = life.open_on(date(2023, 11, 30), STANDARD)
            assert found["text_only"].severity == "high"
            assert (outcome == "completed") == ("contact_overdue" not in life.open_on(after(weeks=12), STANDARD))

    def test_messages_between_visits_are_never_held_against_anyone(self) -> None:
        life = a_life()
        for day in every(3, after(days=3), after(weeks=30)):
            life.contact(day, "text", "completed" if day.day % 2 else "no_reply")
        for day in every(56, after(days=56), after(weeks=30)):
            life.visit(day)
        for policy_id in REAL:
            for _, evaluation in life.days(POLICIES[policy_id], SEEN, after(weeks=30), 2):
                assert "text_only" not in {finding.rule for finding in evaluation.findings}, policy_id

    def test_a_phone_call_ends_it(self) -> None:
        life = a_life()
        life.contact(after(days=20), "text", "no_reply")
        life.contact(after(weeks=10), "phone")
        assert "text_only" in life.open_on(after(days=69), STANDARD)
        assert "text_only" not in life.open_on(after(days=70), STANDARD)

    def test_is_critical_where_strangers_wrote_more_than_once(self) -> None:
        life = a_life()
        life.contact(after(days=20), "text", "no_reply", by=OTHER, worker_role="duty")
        assert life.open_on(after(weeks=9), STANDARD)["text_only"].severity == "high"
        life.contact(after(days=40), "email", "completed", by=OTHER, worker_role="duty")
        assert life.open_on(after(weeks=9), STANDARD)["text_only"].severity == "critical"

    def test_texts_by_an_adviser_who_never_met_them_are_the_worst_case(self) -> None:
        life = a_life()
        life.now(after(days=5), adviser_ref=OTHER, adviser_since=after(days=5))
        for day in every(21, after(days=10), after(weeks=10)):
            life.contact(day, "text", by=OTHER)
        found = life.open_on(after(weeks=9), STANDARD)
        assert {rule: found[rule].severity for rule in ("text_only", "never_met", "strangers_only")} == {
            "text_only": "critical", "never_met": "high", "strangers_only": "high"}
        assert "contact_overdue" not in found
        assert life.on(after(weeks=9), STANDARD).in_touch
        assert not life.on(after(weeks=9), STANDARD).meaningful

    def test_the_yearly_letter_does_not_open_it(self) -> None:
        life = a_life()
        life.now(date(2026, 6, 1), adviser_ref=None, adviser_since=date(2026, 6, 1), offer_made_on=date(2026, 6, 20))
        life.contact(date(2026, 6, 20), "letter", "no_reply", by=OTHER)
        assert life.open_on(date(2026, 9, 1), STANDARD) == {}


class TestNeverMet:
    def test_opens_twenty_working_days_after_a_new_adviser_and_two_to_type_it_up(self) -> None:
        life = a_life()
        life.now(date(2023, 11, 1), adviser_ref=OTHER, adviser_since=date(2023, 11, 1))
        life.contact(date(2023, 11, 6), "phone", by=OTHER)
        assert "never_met" not in life.open_on(date(2023, 12, 1), STANDARD)
        assert "never_met" in life.open_on(date(2023, 12, 2), STANDARD)
        life.visit(date(2023, 12, 4), "community", by=OTHER)
        assert "never_met" not in life.open_on(date(2023, 12, 4), STANDARD)

    def test_whoever_met_them_before_taking_over_has_met_them(self) -> None:
        life = a_life()
        life.visit(date(2023, 7, 1), "office", by=OTHER, worker_role="duty")
        life.now(date(2023, 11, 1), adviser_ref=OTHER, adviser_since=date(2023, 11, 1))
        assert "never_met" not in life.open_on(date(2024, 2, 1), STANDARD)

    def test_not_while_they_have_asked_not_to_be_seen(self) -> None:
        life = a_life(no_face_to_face_until=date(2024, 1, 31))
        life.now(date(2023, 11, 1), adviser_ref=OTHER, adviser_since=date(2023, 11, 1))
        assert not {"never_met", "visit_overdue"} & life.open_on(date(2024, 1, 31), STANDARD).keys()
        assert {"never_met", "visit_overdue"} <= life.open_on(date(2024, 2, 1), STANDARD).keys()


class TestStrangersOnly:
    def test_opens_where_the_one_they_know_has_fallen_silent(self) -> None:
        life = a_life()
        life.contact(after(days=10), "phone", by=OTHER, worker_role="duty")
        life.visit(after(days=12), by=None, worker_role="duty", outcome="no_access")
        found = life.open_on(after(weeks=9), STANDARD)
        assert "strangers_only" in found
        assert "text_only" not in found

    def test_not_where_the_adviser_keeps_up_by_text(self) -> None:
        life = a_life()
        for day in every(10, after(days=10), after(weeks=9)):
            life.contact(day, "phone", by=OTHER, worker_role="duty")
            life.contact(day, "text", by=ADVISER)
        assert "strangers_only" not in life.open_on(after(weeks=9), STANDARD)


class TestHomes:
    def test_a_move_to_bed_and_breakfast_makes_a_visit_overdue_at_once(self) -> None:
        life = a_life()
        life.contact(after(days=20), "phone")
        assert life.open_on(after(weeks=5), STANDARD) == {}
        life.home(after(weeks=5), "W")
        found = life.open_on(after(weeks=5), STANDARD)
        assert {rule: finding.severity for rule, finding in found.items()} == {"visit_overdue": "high"}

    @pytest.mark.parametrize(("code", "severity"), [("R", "critical"), ("S", "critical"), ("V", "high"), ("W", "high")])
    def test_seen_within_seven_days_of_a_step_for_the_worse(self, code: str, severity: str) -> None:
        life = a_life()
        life.visit(date(2023, 10, 30), "community")
        life.home(date(2023, 11, 1), code)
        assert "unsuitable_home" not in life.open_on(date(2023, 11, 10), STANDARD)
        assert life.open_on(date(2023, 11, 11), STANDARD)["unsuitable_home"].severity == severity
        life.visit(date(2023, 11, 11), "office")
        assert life.open_on(date(2023, 11, 11), STANDARD) == {}

    def test_a_hostel_and_an_unsuitable_home_ask_for_four_weeks(self) -> None:
        for more in ({"hostel": True}, {"suitable": False}):
            life = a_life()
            life.home(after(days=1), "D", **more)
            life.visit(after(days=3))
            assert "visit_overdue" not in life.open_on(after(days=35), STANDARD)
            assert "visit_overdue" in life.open_on(after(days=36), STANDARD)

    def test_a_visit_by_the_hostels_own_staff_satisfies_nothing(self) -> None:
        life = a_life()
        life.home(after(days=1), "D", hostel=True)
        for day in every(7, after(days=2), after(weeks=9)):
            life.visit(day, worker_role="accommodation_staff", by="testshire:staff")
        assert {"new_home_visit", "visit_overdue", "contact_overdue"} <= life.open_on(after(weeks=9), STANDARD).keys()

    def test_in_custody_only_the_visit_to_custody_is_asked_for(self) -> None:
        life = a_life()
        life.home(after(days=7), "X", suitable=False)
        life.contact(after(days=50), "video")
        found = life.open_on(after(weeks=9), STANDARD)
        assert found.keys() == {"custody_visit_overdue"}
        assert "custody_visit_overdue" in life.open_on(after(days=35), POLICIES["dorset"])
        assert "custody_visit_overdue" not in life.open_on(after(days=55), POLICIES["dorset"])

    def test_abroad_nobody_is_asked_to_visit(self) -> None:
        life = a_life()
        life.home(after(days=7), "G")
        for day in every(20, after(days=20), after(weeks=30)):
            life.contact(day, "video")
        assert life.open_on(after(weeks=20), STANDARD) == {}

    def test_staying_put_is_not_a_move(self) -> None:
        life = a_life()
        life.home(after(days=7), "Z")
        assert "new_home_visit" not in life.open_on(after(days=30), STANDARD)

    def test_daily_visits_in_bed_and_breakfast(self) -> None:
        life = a_life()
        life.home(date(2023, 11, 6), "W")
        life.visit(date(2023, 11, 6))
        assert "visit_overdue" not in life.open_on(date(2023, 11, 8), POLICIES["brighton"])
        assert life.open_on(date(2023, 11, 9), POLICIES["brighton"])["visit_overdue"].severity == "critical"


class TestTheLaw:
    LAW = POLICIES["statutory_minimum"]

    def test_where_the_council_provides_the_home_the_adviser_sees_them_there(self) -> None:
        life = a_life()
        life.home(date(2023, 11, 1), "D", council_provided=True)
        life.visit(date(2023, 11, 3), "office")
        life.visit(date(2023, 11, 4), "home", worker_role="duty")
        life.now(date(2023, 11, 5), no_face_to_face_until=date(2024, 12, 31))
        assert life.open_on(date(2023, 11, 10), self.LAW) == {}
        assert life.open_on(date(2023, 11, 11), self.LAW).keys() == {"new_home_visit"}
        life.visit(date(2023, 11, 20))
        assert life.open_on(date(2023, 11, 20), self.LAW) == {}
        assert life.open_on(date(2024, 1, 23), self.LAW) == {}
        assert life.open_on(date(2024, 1, 24), self.LAW).keys() == {"visit_overdue"}

    def test_a_home_of_their_own_is_not_the_laws_matter(self) -> None:
        assert a_life(plan_reviewed_on=date(2024, 8, 1)).open_on(date(2024, 10, 1), self.LAW) == {}

    def test_where_the_day_of_the_move_is_not_recorded_two_months_still_hold(self) -> None:
        life = a_life()
        life.home(SEEN, "D", council_provided=True, since=None)
        found = life.open_on(date(2023, 12, 6), self.LAW)
        assert {rule: finding.clock.standard.id for rule, finding in found.items()} == {
            "visit_overdue": "statutory_minimum/visit_overdue/2"}

    def test_an_unvisited_home_stays_flagged_whatever_the_day_of_the_move(self) -> None:
        for day in every(8, date(2023, 8, 1), date(2024, 8, 1)):
            life = a_life(plan_reviewed_on=date(2024, 8, 1))
            life.home(day, "D", council_provided=True)
            flagged = [bool({"new_home_visit", "visit_overdue"} & {finding.rule for finding in evaluation.findings})
                       for _, evaluation in life.days(self.LAW, day, day + timedelta(days=100))
                       if day > SEEN]
            assert flagged == sorted(flagged), day

    def test_no_adviser_is_flagged_under_21_and_never_from_21(self) -> None:
        life = a_life()
        life.now(date(2023, 11, 1), adviser_ref=None, adviser_since=date(2023, 11, 1))
        assert "no_adviser" not in life.open_on(date(2023, 11, 15), self.LAW)
        assert "no_adviser" in life.open_on(date(2023, 11, 16), self.LAW)
        assert "no_adviser" in life.open_on(date(2026, 5, 31), self.LAW)
        assert "no_adviser" not in life.open_on(date(2026, 6, 1), self.LAW)

    def test_the_yearly_offer_is_for_whoever_has_no_support(self) -> None:
        life = a_life(plan_reviewed_on=date(2026, 9, 1))
        assert "annual_offer_due" not in life.open_on(date(2026, 9, 1), self.LAW)
        life.now(date(2026, 9, 2), in_touch="NREQ", in_touch_since=date(2026, 9, 2))
        assert life.open_on(date(2026, 9, 2), self.LAW).keys() == {"annual_offer_due"}
        life.now(date(2026, 9, 3), offer_made_on=date(2026, 9, 3))
        assert life.open_on(date(2026, 9, 3), self.LAW) == {}


class TestStillLookedAfter:
    def looked_after(self, **facts: Any) -> Life:
        life = Life(date(2007, 6, 1), date(2023, 6, 1), **{
            "category": "eligible", "looked_after": True, "adviser_ref": None, "adviser_since": None,
            "plan_reviewed_on": date(2023, 6, 1),
            "accommodation": a_home(None, date(2023, 8, 1))} | facts)
        self.visit(life, date(2023, 8, 4), "placement", seen_alone=True, announced=False)
        return life

    def visit(self, life: Life, day: date, location: str = "placement", **more: Any) -> None:
        life.visit(day, location, by=SOCIAL_WORKER, worker_role="social_worker", **more)

    def test_only_a_visit_by_a_social_worker_at_the_placement_counts(self) -> None:
        life = self.looked_after()
        self.visit(life, date(2023, 9, 1), "education", seen_alone=True)
        life.visit(date(2023, 9, 4), "placement", by=ADVISER)
        assert life.open_on(date(2023, 9, 19), STANDARD) == {}
        assert life.open_on(date(2023, 9, 20), STANDARD).keys() == {"statutory_visit_overdue"}

    def test_the_first_visit_is_within_a_week(self) -> None:
        life = self.looked_after()
        life.home(date(2023, 9, 4), None)
        assert "statutory_visit_overdue" in life.open_on(date(2023, 9, 14), STANDARD)
        self.visit(life, date(2023, 9, 14))
        assert "statutory_visit_overdue" not in life.open_on(date(2023, 9, 14), STANDARD)

    def test_an_unvisited_placement_stays_flagged_whatever_the_day_it_began(self) -> None:
        for day in every(8, date(2023, 9, 1), date(2024, 9, 1)):
            life = self.looked_after()
            life.home(day, None)
            flagged = ["statutory_visit_overdue" in {finding.rule for finding in evaluation.findings}
                       for _, evaluation in life.days(POLICIES["statutory_minimum"], day, day + timedelta(days=70))]
            assert flagged[-1]
            assert flagged == sorted(flagged), day

    def test_never_alone_never_unannounced(self) -> None:
        life = self.looked_after()
        for day in every(30, date(2023, 9, 1), date(2024, 6, 1)):
            self.visit(life, day, announced=True, seen_alone=False)
        assert life.open_on(date(2023, 11, 8), STANDARD).keys() == {"seen_alone_due"}
        assert life.open_on(date(2024, 2, 8), STANDARD).keys() >= {"seen_alone_due", "unannounced_visit_due"}

    def test_a_child_cannot_opt_out_of_statutory_visits(self) -> None:
        life = self.looked_after(in_touch="REFU", in_touch_since=date(2023, 8, 1))
        assert life.on(date(2023, 10, 2), STANDARD).findings[0].rule == "statutory_visit_overdue"

    def test_a_social_worker_alone_does_not_make_the_advisers_clocks_run(self) -> None:
        life = self.looked_after(accommodation=a_home(None, date(2020, 8, 1)))
        self.visit(life, date(2023, 10, 30), seen_alone=True, announced=False)
        assert life.open_on(date(2024, 1, 25), POLICIES["lancashire"]).keys() == {"plan_review_overdue"}

    def test_placed_with_parents_six_weeks_hold_for_good(self) -> None:
        life = self.looked_after(accommodation=a_home("B", date(2020, 8, 1)))
        assert "statutory_visit_overdue" in life.open_on(date(2023, 9, 20), STANDARD)


class TestTheirOwnCalls:
    def test_a_call_that_reached_nobody_is_answered_within_two_working_days(self) -> None:
        life = a_life(in_touch="REFU", in_touch_since=SEEN)
        life.contact(date(2023, 10, 26), "phone", "left_message", by=OTHER, worker_role="duty", direction="in")
        assert "unanswered_call" not in life.open_on(date(2023, 10, 30), STANDARD)
        assert "unanswered_call" in life.open_on(date(2023, 10, 31), STANDARD)
        life.contact(date(2023, 10, 31), "text", by=OTHER, worker_role="duty")
        assert "unanswered_call" not in life.open_on(date(2023, 10, 31), STANDARD)

    def test_three_failed_attempts_and_four_weeks_without_a_reply(self) -> None:
        life = a_life()
        for gone in (5, 12, 19):
            assert "attempts_failing" not in life.open_on(after(days=gone), STANDARD)
            life.contact(after(days=gone), "phone", "no_reply")
        assert "attempts_failing" not in life.open_on(after(days=30), STANDARD)
        assert "attempts_failing" in life.open_on(after(days=31), STANDARD)
        life.contact(after(days=31), "text", direction="in")
        assert "attempts_failing" not in life.open_on(after(days=31), STANDARD)


class TestOptingOut:
    def test_holds_everything_back_until_its_review_day_and_then_says_why_it_all_came_back(self) -> None:
        life = a_life(in_touch="REFU", in_touch_since=SEEN, opt_out_review_on=date(2024, 3, 1))
        assert life.open_on(date(2024, 3, 1), STANDARD) == {}
        assert {"opt_out_review_due", "contact_overdue", "visit_overdue"} <= life.open_on(date(2024, 3, 2), STANDARD).keys()
        life.now(date(2024, 3, 4), opt_out_review_on=date(2024, 9, 1))
        assert life.open_on(date(2024, 3, 4), STANDARD) == {}

    def test_from_21_without_an_adviser_nobody_is_asked_to_look_again(self) -> None:
        life = a_life(in_touch="NREQ", in_touch_since=SEEN)
        life.now(date(2026, 6, 1), adviser_ref=None, adviser_since=date(2026, 6, 1), offer_made_on=date(2026, 6, 1))
        assert life.open_on(date(2027, 5, 1), STANDARD) == {}


class TestCouncils:
    def test_what_each_clock_says_where_only_texts_are_answered(self) -> None:
        """The last meeting was on 2 October; on the days below nothing but an exchange of texts on 30 October had followed."""
        first = {}
        for policy_id in REAL:
            life = a_life()
            life.contact(date(2023, 10, 30), "text")
            first[policy_id] = {
                rule: next((day for day, evaluation in life.days(POLICIES[policy_id], SEEN, date(2024, 1, 31))
                            if rule in {finding.rule for finding in evaluation.findings}), None)
                for rule in ("contact_overdue", "visit_overdue")}
        never = None
        eight_weeks = {"contact_overdue": date(2023, 12, 29), "visit_overdue": date(2023, 11, 30)}
        assert first == {
            "statutory_minimum": {"contact_overdue": never, "visit_overdue": never},
            "letter_rules": {"contact_overdue": never, "visit_overdue": never},
            "snapshot": {"contact_overdue": date(2023, 12, 29), "visit_overdue": never},
            "standard_8_week": eight_weeks, "west_sussex": eight_weeks, "dorset": eight_weeks, "brighton": eight_weeks,
            "lancashire": {"contact_overdue": date(2023, 12, 5), "visit_overdue": date(2023, 11, 30)},
            "hertfordshire": {"contact_overdue": date(2023, 11, 7), "visit_overdue": date(2023, 12, 6)},
            "manchester": {"contact_overdue": date(2023, 12, 29), "visit_overdue": date(2023, 12, 6)},
            "bracknell": {"contact_overdue": date(2023, 12, 29), "visit_overdue": never},
            "lambeth": {"contact_overdue": date(2023, 12, 14), "visit_overdue": date(2023, 11, 16)},
            "blackpool": {"contact_overdue": date(2023, 12, 29), "visit_overdue": date(2024, 1, 5)},
        }

    def test_hertfordshire_by_age(self) -> None:
        """Seen on the day, then no more: when is a visit overdue?"""
        days = {}
        for age in (17, 19, 20, 21):
            life = Life(date(2023 - age, 9, 1), date(2023, 6, 1), category="relevant" if age < 18 else "former_relevant")
            life.visit(SEEN, "office")
            days[age] = next((day for day, evaluation in life.days(POLICIES["hertfordshire"], SEEN, date(2024, 2, 15))
                              if "visit_overdue" in {finding.rule for finding in evaluation.findings}), None)
        assert days == {17: date(2023, 11, 30), 19: date(2023, 12, 6), 20: date(2024, 1, 5), 21: None}

    def test_west_sussex_asks_a_new_adviser_to_get_in_touch(self) -> None:
        life = a_life()
        life.visit(date(2023, 8, 1), by=OTHER)
        life.now(date(2023, 11, 1), adviser_ref=OTHER, adviser_since=date(2023, 11, 1))
        assert "introduction_overdue" in life.open_on(date(2023, 11, 18), POLICIES["west_sussex"])
        life.contact(date(2023, 11, 18), "text", by=OTHER)
        assert "introduction_overdue" not in life.open_on(date(2023, 11, 18), POLICIES["west_sussex"])

    def test_a_new_home_is_visited_sooner_in_west_sussex(self) -> None:
        life = a_life()
        life.home(date(2023, 11, 1), "U")
        assert "new_home_visit" in life.open_on(date(2023, 11, 11), POLICIES["west_sussex"])
        assert "new_home_visit" in life.open_on(date(2023, 11, 11), STANDARD)


def test_the_headline_of_2017_and_what_it_hides() -> None:
    """An unanswered text by a stranger every two months: in touch then, and by today's standards as bad as it gets."""
    life = a_life(adviser_ref=OTHER, adviser_since=SEEN, plan_reviewed_on=date(2024, 1, 10))
    for day in every(60, after(days=30), date(2024, 6, 1)):
        life.contact(day, "text", "no_reply", by=OTHER)
    then, now = (life.on(date(2024, 4, 15), POLICIES[name]) for name in ("letter_2017", "standard_8_week"))
    assert then.in_touch
    assert then.findings == ()
    assert not now.in_touch
    assert not now.meaningful
    assert {finding.rule: finding.severity for finding in now.findings}["text_only"] == "critical"
