"""Every message there is, as an example and at its longest: for docs/reference/texts.md and for the test that all of them fit."""
from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import combinations
from typing import NamedTuple

from keepintouch.councils import SIGN_IN_LENGTH
from keepintouch.ladders.ladder import Target
from services.notifier import emails, texts
from services.notifier.emails import Tally
from services.notifier.replies import REF_LENGTHS
from services.notifier.texts import Counts, Template, Upcoming, compose, septets

_REF, _LONGEST_REF = "K7QX", "W" * REF_LENGTHS[-1]
_SIGN_IN, _LONGEST_SIGN_IN = "https://contact.example.gov.uk", "https://".ljust(SIGN_IN_LENGTH, "w")
_SOON, _LONGEST_DAY = datetime(2026, 3, 17, 15, tzinfo=UTC), datetime(2026, 9, 30, 15, tzinfo=UTC)


class Sample(NamedTuple):
    """What it is, how it looks, and how many septets the longest one of its kind has."""

    what: str
    example: str
    longest: int


_EXAMPLES: tuple[tuple[str, Template, Counts], ...] = (
    ("to an adviser, about one person", Template.LADDER, Counts(own=1)),
    ("to an adviser, about several, some told before", Template.LADDER, Counts(own=3, again=1, cleared=2)),
    ("critical, to an adviser", Template.LADDER, Counts(own=2, urgent=1)),
    ("critical, to a manager", Template.MANAGER, Counts(team=1, urgent=1)),
    ("to a manager", Template.MANAGER, Counts(team=4, again=2)),
    ("to a manager who is an adviser, too", Template.MIXED, Counts(own=1, team=3)),
    ("weekly", Template.WEEKLY, Counts(own=4, team=8, new=3, cleared=2, planned=1)),
    ("storm: asks for a release", Template.STORM, Counts(team=55, alerts=70)),
    ("summary of the first look, to a manager", Template.BACKFILL, Counts(team=118)),
    ("audit: something does not balance", Template.AUDIT, Counts(alerts=2, messages=1)))

_TARGETS = tuple(each for n in range(1, len(Target) + 1) for each in combinations(Target, n))


def all_texts() -> Iterator[Sample]:
    """The texts that go out by themselves."""
    for what, template, counts in _EXAMPLES:
        yield Sample(what, compose(template, counts, _REF, _SIGN_IN), longest(template))


def answers() -> Iterator[Sample]:
    """The answers to replies."""
    again = Upcoming(_SOON, (Target.ADVISER,), again=True)
    known = [Upcoming(_LONGEST_DAY, targets) for targets in _TARGETS] + [None]
    for word, action in (("1", "acknowledge"), ("2", "seen_already"), ("3", "not_mine"), ("4", "refused")):
        shown = again if action != "refused" else Upcoming(_SOON, (Target.MANAGER,))
        yield Sample(f"to {word} {_REF}", texts.answer(action, _REF, shown), max(
            septets(texts.answer(action, _LONGEST_REF, each, weekly=True)) for each in known))
    yield Sample(f"to 1 {_REF}, after the last step", texts.answer("acknowledge", _REF, None, weekly=True),
                 septets(texts.answer("acknowledge", _LONGEST_REF, None, weekly=True)))
    yield Sample(f"to 9 {_REF}", texts.released(_REF, None), septets(texts.released(_LONGEST_REF, _LONGEST_DAY)))
    yield Sample(f"to 9 {_REF}, in the evening", texts.released(_REF, _SOON),
                 septets(texts.released(_LONGEST_REF, _LONGEST_DAY)))
    yield Sample(f"to 9 {_REF}, once it has been released", texts.released_already(_REF),
                 septets(texts.released_already(_LONGEST_REF)))
    yield Sample("to a reply about what has ended", texts.ended(_REF), septets(texts.ended(_LONGEST_REF)))
    yield Sample("to everything else, at most once a minute", texts.NOT_UNDERSTOOD, septets(texts.NOT_UNDERSTOOD))


def longest(template: Template) -> int:
    """Septets of the longest text of a template, with the longest numbers, Ref and sign-in address that there can be.

    The more there is to say the shorter it is said, so every combination of short and long numbers is tried.
    """
    sizes = (0, 1, 9, 99, 999, 1000)
    some = (Counts(own=own, team=team, urgent=rest, again=rest, cleared=rest, new=rest, planned=rest, alerts=rest, messages=rest)
            for own in sizes for team in sizes for rest in sizes)
    addresses = [_SIGN_IN, *("https://".ljust(length, "w") for length in range(len(_SIGN_IN), len(_LONGEST_SIGN_IN) + 1, 3)),
                 _LONGEST_SIGN_IN]
    return max(septets(compose(template, counts, ref, address))
               for counts in some for address in addresses for ref in (_REF, _LONGEST_REF))


def letter() -> str:
    """An e-mail to a manager."""
    tallies = (Tally("demo:wa17", "visit_overdue", 2, date(2026, 2, 27)), Tally(None, "no_adviser", 1, date(2026, 3, 2)),
               Tally("demo:wa04", "only_texts", 1, date(2026, 3, 9)))
    words = emails.body(Template.MANAGER, Counts(team=4, again=2), tallies, _REF, _SIGN_IN)
    return f"Subject: {emails.subject(Template.MANAGER, _REF)}\n\n{words}"
