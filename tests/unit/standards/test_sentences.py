"""Every condition, need, despite, clock and reason has words, and they say what was stated."""
from __future__ import annotations

from enum import Enum
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepintouch.standards import sentences
from keepintouch.standards.clocks import State, Why
from keepintouch.standards.conditions import TESTS, Conditions
from keepintouch.standards.intervals import Interval
from keepintouch.standards.ladder import LOCATIONS, RUNGS, Rung
from keepintouch.standards.policy import Despite, Miss, Needs, Policy, Standard, Start, Who
from keepintouch.standards.policy_file import load_policy, policy_ids
from schemas.events import COUNCIL_ROLES, AccommodationCode, Category, InTouchCode, Need

VALUES: dict[str, list[Any]] = {
    "ages": [(16, 20), (21, 21)],
    "categories": [(c,) for c in get_args(Category)] + [("eligible", "relevant", "former_relevant")],
    "council_provided": [True, False], "accommodation": [(c,) for c in get_args(AccommodationCode)] + [("V", "W")],
    "hostel": [True, False], "suitable": [True, False], "need": [(n,) for n in get_args(Need)] + [("enhanced", "high")],
    "looked_after": [True, False], "no_face_to_face": [True, False],
    "moved_within": [Interval.parse(text) for text in ("7d", "10w", "12m", "20wd", "1200m")],
    "in_touch": [(c,) for c in get_args(InTouchCode)], "adviser": ["some", "none"], "opted_out": [True, False, "any"]}
"""Values of every condition that a policy may state."""

conditions = st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in VALUES.items()}).map(
    lambda stated: Conditions(tuple(stated.items())))
maybe = st.sampled_from([None, True, False])
intervals = st.builds(Interval, st.integers(0, 9999), st.sampled_from(Interval.parse("1d").unit.__class__))
needs = st.builds(
    Needs, st.sampled_from(Rung), st.sampled_from(Who),
    st.none() | st.frozensets(st.sampled_from(COUNCIL_ROLES), min_size=1), maybe, maybe,
    st.none() | st.frozensets(st.sampled_from(LOCATIONS), min_size=1), st.booleans())
despites = st.builds(
    Despite, st.none() | st.sampled_from(Rung), st.none() | st.sampled_from(Rung), st.booleans(),
    st.sampled_from([None, "in", "out"]), st.booleans(), st.integers(1, 50))
standards = st.builds(
    Standard, st.just("p/r/1"), st.just(0), st.just("r"), st.just("Text"), st.just("law: x"), st.just("low"), intervals,
    st.booleans(), conditions, st.none() | conditions.filter(lambda c: bool(c.stated)), st.none() | needs, st.sampled_from(Start),
    st.none() | despites, intervals)


def policy(policy_id: str) -> Policy:
    return load_policy(policy_id)


def the(policy_id: str, standard_id: str) -> Standard:
    return next(standard for standard in policy(policy_id).standards if standard.id == standard_id)


class TestNothingIsWithoutWords:
    def test_every_condition(self) -> None:
        assert sentences.CONDITION_WORDS.keys() == TESTS.keys() == VALUES.keys()
        for name, values in VALUES.items():
            words = [sentences.condition(name, value) for value in values]
            assert len(set(words)) == len(words), name
            assert all(word and word == word.strip() for word in words), name

    @pytest.mark.parametrize(("members", "words"), [
        (Rung, sentences.RUNG_WORDS), (Rung, sentences.RUNG_EXACTLY), (Who, sentences.BY_WORDS), (Start, sentences.START_WORDS),
        (Miss, sentences.MISS_WORDS), (State, sentences.STATE_WORDS), (Why, sentences.WHY_WORDS)],
        ids=["rung", "exact rung", "who", "start", "miss", "state", "why"])
    def test_every_member(self, members: type[Enum], words: dict[Any, str]) -> None:
        assert set(words) == set(members)
        assert len(set(words.values())) == len(words)

    def test_every_code_of_the_messages(self) -> None:
        assert sentences.HOMES.keys() == set(get_args(AccommodationCode))
        assert sentences.CATEGORIES.keys() == set(get_args(Category))
        assert sentences.CODES.keys() == set(get_args(InTouchCode))
        assert sentences.ROLES.keys() == set(COUNCIL_ROLES)
        assert sentences.PLACES.keys() == set(LOCATIONS)
        assert sentences.RUNG_WORDS.keys() == set(RUNGS.values())

    @given(standards)
    def test_every_standard(self, standard: Standard) -> None:
        for sentence in (sentences.asks(standard), sentences.waits(standard), sentences.only_for(standard),
                         sentences.not_for(standard)):
            assert sentence == "" or (sentence[0].isupper() and sentence.endswith(".") and "  " not in sentence)
        assert sentences.whom(standard).startswith("everyone")
        assert sentences.group(standard).startswith("everyone")
        assert str(standard.interval.count) in sentences.asks(standard) or standard.interval.count < 2

    @given(standards)
    def test_what_is_said_by_group_and_narrowed_down_is_what_is_said_at_once(self, standard: Standard) -> None:
        at_once, in_parts = sentences.whom(standard), sentences.group(standard) + sentences.only_for(standard)
        for name, value in standard.when.stated:
            if (name, value) not in (("opted_out", False), ("opted_out", "any")):
                assert sentences.condition(name, value) in at_once
                assert sentences.condition(name, value) in in_parts

    @pytest.mark.parametrize("policy_id", policy_ids())
    def test_standards_that_differ_are_said_differently(self, policy_id: str) -> None:
        said: dict[str, str] = {}
        for s in policy(policy_id).standards:
            words = " ".join((s.rule, s.severity, s.basis, sentences.whom(s), sentences.asks(s), sentences.waits(s)))
            assert words not in said, (s.id, said.get(words))
            said[words] = s.id


class TestHowTheyRead:
    def test_intervals(self) -> None:
        assert sentences.interval(Interval.parse("8w")) == "8 weeks"
        assert [sentences.every(Interval.parse(text)) for text in ("8w", "1m", "1d", "1wd", "20wd", "0d")] == [
            "every 8 weeks", "every month", "every day", "every working day", "every 20 working days", "at once"]

    def test_whom(self) -> None:
        assert sentences.whom(the("standard_8_week", "standard_8_week/contact_overdue/1")) == "everyone with a personal adviser"
        assert sentences.whom(the("standard_8_week", "standard_8_week/contact_overdue/2")) == (
            "everyone aged 16 to 20 without a personal adviser who is eligible, relevant or former relevant "
            "and who is not looked after any more")
        assert sentences.whom(the("statutory_minimum", "statutory_minimum/annual_offer_due/1")) == (
            "everyone aged 21 to 24 who is former relevant, whether or not they have opted out, "
            "but not anyone with a personal adviser who has not opted out")
        assert sentences.whom(the("statutory_minimum", "statutory_minimum/visit_overdue/2")).endswith(
            "but not anyone whose day of moving in is recorded")

    def test_in_parts(self) -> None:
        standard = the("letter_rules", "letter_rules/visit_overdue/4")
        assert sentences.group(standard) == "everyone with a personal adviser"
        assert sentences.only_for(standard) == "For anyone whose home is recorded as not suitable and who is willing to be seen."
        assert sentences.not_for(standard) == (
            "Not for anyone who lives abroad, where they were deported to or in custody (G, H, X).")
        assert sentences.only_for(the("letter_rules", "letter_rules/unanswered_call/1")) == "Even for someone who has opted out."

    @pytest.mark.parametrize(("standard_id", "said"), [
        ("letter_rules/text_only/2",
         "Asks for a conversation by phone or video, or a meeting, every 8 weeks, {since}; only where there has been since then "
         "at least 2 written messages to them, answered or not, by people they had not met."),
        ("letter_rules/never_met/1",
         "Asks for being seen, anywhere, by their personal adviser, within 20 working days of the day their personal adviser "
         "took over (or, without one, the last one left), or at any time before."),
        ("letter_rules/attempts_failing/1",
         "Asks for two-way contact of any kind, every 4 weeks, {since}; only where there has been since then at least 3 failed "
         "attempts to them."),
        ("letter_rules/unanswered_call/1",
         "Asks for two-way contact of any kind, at once; only where there has been since then at least 1 failed attempt from "
         "them."),
        ("letter_rules/strangers_only/1",
         "Asks for two-way contact of any kind, with someone they had met, every 8 weeks, {since}; only where there has been "
         "since then at least 2 contacts or attempts by people they had not met."),
        ("letter_rules/opt_out_review_due/1", "Due on the day on which the opt-out is to be looked at again."),
        ("statutory_minimum/plan_review_overdue/1", "Due every 6 months, from the latest review of the pathway plan."),
        ("letter_rules/unannounced_visit_due/1",
         "Asks for being seen at home, at the placement or in custody, by a social worker, unannounced, every 6 months, "
         "{since}."),
    ])
    def test_clocks(self, standard_id: str, said: str) -> None:
        since = "counted from the last time, or from the day their support began if that is later"
        assert sentences.asks(the("letter_rules", standard_id)) == said.format(since=since)

    def test_needs_and_other_contact(self) -> None:
        assert sentences.need(Needs(Rung.SEEN, Who.KNOWN, frozenset({"duty", "manager"}), at=frozenset({"custody"}))) == (
            "being seen, anywhere, in custody, by a manager or a duty worker, who is someone they had met")
        assert sentences.despite(Despite(rung=Rung.SPOKE, written=True, direction="in", by_stranger=True)) == (
            "at least 1 record in writing from them by someone they had not met, of a conversation by phone or video, "
            "or a meeting")

    def test_waiting(self) -> None:
        assert sentences.waits(the("statutory_minimum", "statutory_minimum/visit_overdue/1")) == (
            "The alert waits 2 working days more, so that what was done can be typed up.")
        assert sentences.waits(the("statutory_minimum", "statutory_minimum/no_adviser/1")) == ""

    def test_headlines(self) -> None:
        assert sentences.headlines(policy("standard_8_week")) == (
            "In touch: two-way contact of any kind within the last 3 months.",
            "In meaningful contact: seen, or spoken with by someone they had met, within the last 8 weeks.")

    def test_reasons(self) -> None:
        assert sentences.miss(Miss.THIRD_PARTY) == "it was not by the council"
        assert sentences.start(Start.ACCOMMODATION_SINCE) == "the day they moved in"
