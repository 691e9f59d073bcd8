"""The words that go out. Pure.

A text names no one and fits one GSM-7 segment: counts of people, a Ref, the sign-in link, and reply codes where they fit.
Numbers over 999 are written `999+`, so that the longest text there can be is known.
"""
from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from keepintouch.calendar import LONDON
from services.notifier.ladder import Target

SEGMENT = 160
"""Septets of one GSM-7 text."""

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà")
_EXTENDED = frozenset("\f^{}\\[~]|€")


class Template(StrEnum):
    """What a message is; recorded with it."""

    LADDER = "ladder"               # a step of the ladder, to an adviser or to who stands in
    MANAGER = "manager"             # steps to managers
    MIXED = "mixed"                 # both, for somebody who is both
    BACKFILL = "backfill_summary"

    @property
    def answerable(self) -> bool:
        """Whether replies act on it."""
        return self is not Template.BACKFILL


@dataclass(frozen=True, slots=True)
class Counts:
    """What a text says, in people, each counted once.

    `own`: for whom the reader is the one to act; `team`: further ones, of the advisers the reader answers for. Of both
    together: `urgent` (critical) and `again` (the reader has had a text about them). `cleared`: ended since the last text.
    """

    own: int = 0
    team: int = 0
    urgent: int = 0
    again: int = 0
    cleared: int = 0


def septets(text: str) -> int:
    """Length in GSM-7 septets. Raises ValueError for a character that would turn the text into UCS-2."""
    if outside := set(text) - _BASIC - _EXTENDED:
        raise ValueError(f"not in GSM-7: {sorted(outside)}")
    return len(text) + sum(char in _EXTENDED for char in text)


def compose(template: Template, counts: Counts, ref: str, sign_in: str) -> str:
    """The text: always at most 160 septets, for a sign-in address of at most `councils.SIGN_IN_LENGTH` characters."""
    full, short = _heads(template, counts)
    single = template is Template.LADDER and counts.own == 1
    one = f" Reply 1 {ref}: on it" if template.answerable else ""
    every = f"{one} (or 2: seen, 3: not mine, 4: refused)" if single else one
    for link in (f"{sign_in}/a/{ref}", sign_in):
        for head, reply in ((full, every), (full, one), (short, one), (full, ""), (short, "")):
            text = f"{head} Ref {ref}. {link}{reply}"
            if septets(text) <= SEGMENT:
                return text
    raise ValueError("the sign-in address is too long for a text")


def _heads(template: Template, counts: Counts) -> tuple[str, str]:
    """What a text says, and the same more shortly."""
    if template is Template.BACKFILL:
        people = counts.own + counts.team
        return (f"First look at the records: {_people(people)} contact. Advisers were not texted.",
                f"First look at the records: {_number(people)} need contact.")
    cleared = f" {_number(counts.cleared)} cleared." if counts.cleared else ""
    return (f"{_who(counts)}{_more(counts, 'urgent', 'told before')}.{cleared}",
            f"{_who_shortly(counts)}{_more(counts, 'urgent', 'again')}.{cleared}")


def _who(counts: Counts) -> str:
    if not counts.own:
        return f"{_people(counts.team, ' in your team')} contact"
    if not counts.team:
        return f"{_people(counts.own)} contact"
    return f"{_people(counts.own)} contact, {_number(counts.team)} more in your team"


def _who_shortly(counts: Counts) -> str:
    team = f"{_number(counts.team)} in team" if counts.team else ""
    own = f"{_number(counts.own)} need contact" if counts.own else ""
    return ", ".join(filter(None, (own, team))) or "0 need contact"


def _people(count: int, where: str = "") -> str:
    return f"1 young person{where} needs" if count == 1 else f"{_number(count)} young people{where} need"


def _more(counts: Counts, urgent: str, again: str) -> str:
    named = ((counts.urgent, urgent), (counts.again, again))
    return "".join(f", {_number(count)} {word}" for count, word in named if count)


def _number(count: int) -> str:
    return str(count) if count <= 999 else "999+"


# Answers to replies. They say nothing about a person.

NOT_UNDERSTOOD = ("This number only takes the replies that a text offers, from the phone it was sent to. "
                  "Please use the link in the text, or ask your manager.")
"""The one answer to everything else."""

_DONE = {"acknowledge": "on it", "seen_already": "already seen", "not_mine": "not yours", "refused": "refused contact"}


@dataclass(frozen=True, slots=True)
class Upcoming:
    """The next step if nothing changes."""

    at: datetime
    to: tuple[Target, ...]


def answer(action: str, ref: str, upcoming: Upcoming | None) -> str:
    """What happens next, and when, after a reply that was accepted."""
    noted = f"Thank you. {ref}: {_DONE[action]}."
    if action == "not_mine":
        return f"{noted} The manager is told now."
    if upcoming is None:
        return f"{noted} No further text about it is due."
    local = upcoming.at.astimezone(LONDON)
    who = "you will be told again" if upcoming.to == (Target.ADVISER,) else "the manager will be told"
    return f"{noted} If contact is still needed on {local:%a} {local.day} {local:%b}, {who}."


def ended(ref: str) -> str:
    """The answer to a reply about alerts that have all ended."""
    return f"Thank you. {ref} has ended already: nothing more is needed."
