"""The words that go out, and those that come in."""
import re
import string
from dataclasses import fields
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepintouch.councils import SIGN_IN_LENGTH
from keepintouch.ladders.ladder import Target
from services.notifier.replies import REF_LENGTHS, Command, NoCommand, new_ref, read_reply
from services.notifier.samples import Sample, all_texts, answers, letter
from services.notifier.texts import NOT_UNDERSTOOD, SEGMENT, Counts, Template, Upcoming, answer, compose, ended, septets

SIGN_IN = "https://contact.lancashire.gov.uk"
NUMBERS = st.one_of(st.integers(0, 12), st.integers(0, 10**6))
COUNTS = st.builds(Counts, **{each.name: NUMBERS for each in fields(Counts)})
REFS = st.text(string.ascii_uppercase + "23456789", min_size=4, max_size=8)
LINKS = st.text(string.ascii_lowercase + string.digits + ".-/", min_size=4,
                max_size=SIGN_IN_LENGTH - len("https://")).map("https://".__add__)


@pytest.mark.parametrize(("template", "counts", "text"), [
    (Template.LADDER, Counts(own=2, urgent=1), "2 young people need contact, 1 urgent. Ref K7QX. "
     "https://contact.lancashire.gov.uk/a/K7QX Reply 1 K7QX: on it"),
    (Template.LADDER, Counts(own=1, again=1), "1 young person needs contact, 1 told before. Ref K7QX. "
     "https://contact.lancashire.gov.uk/a/K7QX Reply 1 K7QX: on it (or 2: seen, 3: not mine, 4: refused)"),
    (Template.MANAGER, Counts(team=3, again=2, cleared=1), "3 young people in your team need contact, 2 told before. 1 cleared. "
     "Ref K7QX. https://contact.lancashire.gov.uk/a/K7QX Reply 1 K7QX: on it"),
    (Template.MIXED, Counts(own=1, team=3), "1 young person needs contact, 3 more in your team. Ref K7QX. "
     "https://contact.lancashire.gov.uk/a/K7QX Reply 1 K7QX: on it"),
    (Template.BACKFILL, Counts(team=118), "First look at the records: 118 young people need contact. Advisers were not "
     "texted. Ref K7QX. https://contact.lancashire.gov.uk/a/K7QX"),
    (Template.WEEKLY, Counts(own=4, team=8, new=3, cleared=2, planned=1), "This week: 12 young people need contact, 3 new, "
     "2 ended, visits planned for 1. Ref K7QX. https://contact.lancashire.gov.uk/a/K7QX"),
    (Template.STORM, Counts(team=55, alerts=70), "Held, as they came at once: 70 alerts about 55 young people. Ref K7QX. "
     "https://contact.lancashire.gov.uk/a/K7QX Reply 9 K7QX: send them"),
    (Template.AUDIT, Counts(team=2, alerts=2, messages=1), "Please have this program looked at. Alerts without a next step: 2, "
     "messages astray: 1. Ref K7QX. https://contact.lancashire.gov.uk/a/K7QX"),
])
def test_what_texts_look_like(template: Template, counts: Counts, text: str) -> None:
    assert compose(template, counts, "K7QX", SIGN_IN) == text


@given(st.sampled_from(list(Template)), COUNTS, REFS, LINKS)
def test_a_text_always_fits_one_segment_and_says_all_it_must(template: Template, counts: Counts, ref: str, link: str) -> None:
    text = compose(template, counts, ref, link)
    assert septets(text) <= SEGMENT
    assert f"Ref {ref}. {link}" in text
    shown = {int(number.rstrip("+")) for number in re.findall(r"\b\d+\+?", text.split(" Ref ")[0])}
    wanted = {
        Template.BACKFILL: {counts.people}, Template.WEEKLY: {counts.people, counts.new, counts.cleared, counts.planned},
        Template.STORM: {counts.people, counts.alerts}, Template.AUDIT: {counts.alerts, counts.messages},
    }.get(template, {counts.own, counts.team, counts.urgent, counts.again, counts.cleared}) - {0}
    assert {min(number, 999) for number in wanted} <= shown | {0}
    assert (f"Reply 9 {ref}" in text) == (template is Template.STORM)
    if SIGN_IN_LENGTH - len(link) > 30:
        assert f"{link}/a/{ref}" in text


@pytest.mark.parametrize("sample", [*all_texts(), *answers()], ids=lambda sample: sample.what)
def test_the_longest_of_every_message_there_is_fits_one_segment(sample: Sample) -> None:
    assert septets(sample.example) <= sample.longest <= SEGMENT


def test_an_email_has_counts_by_adviser_and_rule_and_no_one_elses_ref() -> None:
    assert "- wa17, visit overdue: 2 people, since 27 February 2026" in letter()
    assert "- without adviser, no adviser: 1 person" in letter()


def test_a_character_outside_gsm7_is_not_let_through() -> None:
    assert septets("€ 5 {x}") == 10   # the euro sign and braces count double
    with pytest.raises(ValueError, match="not in GSM-7"):
        septets("it’s")


@given(st.sampled_from(["acknowledge", "seen_already", "not_mine", "refused"]), REFS,
       st.none() | st.builds(Upcoming, st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),
                             st.sampled_from([(Target.ADVISER,), (Target.MANAGER,), (Target.ADVISER, Target.MANAGER)])))
def test_answers_fit_one_segment(action: str, ref: str, upcoming: Upcoming | None) -> None:
    assert septets(answer(action, ref, upcoming)) <= SEGMENT
    assert septets(ended(ref)) <= SEGMENT
    assert septets(NOT_UNDERSTOOD) <= SEGMENT


@pytest.mark.parametrize(("body", "read"), [
    ("1 K7QX", Command("acknowledge", "K7QX")), ("  1k7qx\n", Command("acknowledge", "K7QX")),
    ("1 K7 QX", Command("acknowledge", "K7QX")), ("2 K7QX", Command("seen_already", "K7QX")),
    ("3 k7qx", Command("not_mine", "K7QX")), ("4 K7QX", Command("refused", "K7QX")), ("9 K7QX", Command("release", "K7QX")),
    ("STOP", NoCommand.PROVIDERS_OWN), ("stop please", NoCommand.PROVIDERS_OWN), ("Help!", NoCommand.PROVIDERS_OWN),
    ("", NoCommand.NOT_UNDERSTOOD), ("ok", NoCommand.NOT_UNDERSTOOD), ("5 K7QX", NoCommand.NOT_UNDERSTOOD),
    ("1", NoCommand.NOT_UNDERSTOOD), ("1 K7QX thanks", NoCommand.NOT_UNDERSTOOD), ("1 K7Q1", NoCommand.NOT_UNDERSTOOD),
    ("1 K7QX 👍", NoCommand.NOT_UNDERSTOOD), ("１ K7QX", NoCommand.NOT_UNDERSTOOD), ("1 K7QXK7QXK", NoCommand.NOT_UNDERSTOOD),
])
def test_reading_replies(body: str, read: object) -> None:
    assert read_reply(body) == read


@given(st.text(max_size=60))
def test_whatever_comes_in_is_read_without_an_error(body: str) -> None:
    read = read_reply(body)
    if isinstance(read, Command):
        assert re.fullmatch(r"[A-Z2-9]{4,8}", read.ref)


@given(st.sampled_from(list(REF_LENGTHS)))
def test_a_new_ref_can_be_texted_back(length: int) -> None:
    ref = new_ref(length)
    assert read_reply(f"1 {ref}") == Command("acknowledge", ref)
    assert len(ref) == length
    assert not set("AEIOU01") & set(ref)
