"""The words that go out by e-mail: those of the text, and for whom there is room, the counts by adviser and rule. Pure.

An e-mail names no young person and has no ref of one either: who they are is behind the link, after signing in. Advisers are
named by the local part of their ref, as on the board.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from services.notifier.texts import Counts, Template, heads

_SUBJECTS = {
    Template.LADDER: "contact needed", Template.MANAGER: "contact needed in your team",
    Template.MIXED: "contact needed, yours and your team's", Template.BACKFILL: "first look at the records",
    Template.WEEKLY: "this week", Template.STORM: "alerts are held and wait for you",
    Template.AUDIT: "the program needs looking at"}

_FOOT = "This address takes no replies. To say that you are on it, or what else is so, use the link."


@dataclass(frozen=True, slots=True)
class Tally:
    """So many people of one adviser under one rule; the oldest since a day. `adviser`: None for nobody."""

    adviser: str | None
    rule: str
    people: int
    oldest: date


def subject(template: Template, ref: str) -> str:
    """What stands above it: no counts, for it may be seen on a locked screen, and the Ref."""
    return f"Keep in Touch: {_SUBJECTS[template]} (Ref {ref})"


def body(template: Template, counts: Counts, tallies: Sequence[Tally], ref: str, sign_in: str) -> str:
    """The plain text. `tallies` are shown in the order given."""
    lines = [heads(template, counts)[0], "", f"{sign_in}/a/{ref}", ""]
    if tallies:
        lines += ["The oldest first:" if template is Template.LADDER else "By adviser and rule, the oldest first:", ""]
        lines += [f"- {_tally(each, with_adviser=template is not Template.LADDER)}" for each in tallies]
        lines.append("")
    lines += [f"Ref {ref}", _FOOT]
    return "\n".join(lines) + "\n"


def _tally(tally: Tally, *, with_adviser: bool) -> str:
    who = f"{_local(tally.adviser)}, " if with_adviser else ""
    people = "1 person" if tally.people == 1 else f"{tally.people} people"
    return f"{who}{tally.rule.replace('_', ' ')}: {people}, since {tally.oldest.day} {tally.oldest:%B %Y}"


def _local(adviser: str | None) -> str:
    return "without adviser" if adviser is None else adviser.partition(":")[2]
