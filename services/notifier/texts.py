"""The words that go out by text message: all of them are here. Pure. E-mails: `emails`.

A text names no one and fits one GSM-7 segment: counts of people, a Ref, the sign-in link, and reply codes where they fit.
Numbers over 999 are written `999+`, so that the longest text there can be is known.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from keepintouch.calendar import LONDON
from keepintouch.ladders.ladder import Target

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
    WEEKLY = "weekly"
    STORM = "storm"                 # asks the service manager to release what is held
    AUDIT = "audit"                 # tells the service manager what does not balance

    @property
    def answerable(self) -> bool:
        """Whether replies act on its alerts."""
        return self in (Template.LADDER, Template.MANAGER, Template.MIXED)

    @property
    def of_steps(self) -> bool:
        """Whether it is made of steps, which go back to be looked at anew if it cannot go out."""
        return self.answerable or self is Template.BACKFILL


@dataclass(frozen=True, slots=True)
class Counts:
    """What a text says, in people, each counted once.

    `own`: for whom the reader is the one to act; `team`: further ones, of the advisers the reader answers for. Of both
    together: `urgent` (critical), `again` (the reader has had a text about them), `new` (not in the last weekly message) and
    `planned` (a visit is planned this week). `cleared`: ended since the last text. `alerts`, `messages`: not people.
    """

    own: int = 0
    team: int = 0
    urgent: int = 0
    again: int = 0
    cleared: int = 0
    new: int = 0
    planned: int = 0
    alerts: int = 0
    messages: int = 0

    @property
    def people(self) -> int:
        """All of them."""
        return self.own + self.team


def septets(text: str) -> int:
    """Length in GSM-7 septets. Raises ValueError for a character that would turn the text into UCS-2."""
    if outside := set(text) - _BASIC - _EXTENDED:
        raise ValueError(f"not in GSM-7: {sorted(outside)}")
    return len(text) + sum(char in _EXTENDED for char in text)


def compose(template: Template, counts: Counts, ref: str, sign_in: str) -> str:
    """The text: always at most 160 septets, for a sign-in address of at most `councils.SIGN_IN_LENGTH` characters."""
    full, short = heads(template, counts)
    replies = _replies(template, counts, ref)
    for link in (f"{sign_in}/a/{ref}", sign_in):
        for head, reply in ((full, replies[0]), (full, replies[1]), (short, replies[1]), (full, replies[2]), (short, replies[2])):
            text = f"{head} Ref {ref}. {link}{reply}"
            if septets(text) <= SEGMENT:
                return text
    raise ValueError("the sign-in address is too long for a text")


def _replies(template: Template, counts: Counts, ref: str) -> tuple[str, str, str]:
    """The reply codes, at length, shortly, and where they do not fit at all."""
    if template is Template.STORM:   # always there: it is what the text is for
        return f" Reply 9 {ref}: send them", f" Reply 9 {ref}: send", f" Reply 9 {ref}"
    if not template.answerable:
        return "", "", ""
    one = f" Reply 1 {ref}: on it"
    single = template is Template.LADDER and counts.own == 1
    return f"{one} (or 2: seen, 3: not mine, 4: refused)" if single else one, one, ""


def heads(template: Template, counts: Counts) -> tuple[str, str]:
    """What a message says, and the same more shortly."""
    match template:
        case Template.BACKFILL:
            return (f"First look at the records: {_people(counts.people)} contact. Advisers were not texted.",
                    f"First look at the records: {_number(counts.people)} need contact.")
        case Template.WEEKLY:
            rest = f"{_number(counts.new)} new, {_number(counts.cleared)} ended"
            return (f"This week: {_people(counts.people)} contact, {rest}, visits planned for {_number(counts.planned)}.",
                    f"This week: {_number(counts.people)} need contact, {rest}, {_number(counts.planned)} planned.")
        case Template.STORM:
            return (f"Held, as they came at once: {_number(counts.alerts)} alerts about {_number(counts.people)} young people.",
                    f"Held: {_number(counts.alerts)} alerts, {_number(counts.people)} young people.")
        case Template.AUDIT:
            return (f"Please have this program looked at. Alerts without a next step: {_number(counts.alerts)}, "
                    f"messages astray: {_number(counts.messages)}.",
                    f"Stuck: alerts {_number(counts.alerts)}, messages {_number(counts.messages)}.")
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
_NAMES = {Target.ADVISER: "the adviser", Target.MANAGER: "the manager", Target.SERVICE_MANAGER: "the service manager"}


@dataclass(frozen=True, slots=True)
class Upcoming:
    """The next step if nothing changes, and when it goes out. `again`: to whoever is answered now."""

    at: datetime
    to: tuple[Target, ...]
    again: bool = False


def answer(action: str, ref: str, upcoming: Upcoming | None, *, weekly: bool = False) -> str:
    """What happens next, and when, after a reply that was accepted. `weekly`: whether there is a weekly message."""
    noted = f"Thank you. {ref}: {_DONE[action]}."
    if action == "not_mine":
        return f"{noted} The manager is told now."
    if upcoming is None:
        return f"{noted} No further text about it is due" + ("; it stays in the weekly message." if weekly else ".")
    who = "you will be told again" if upcoming.again else f"{_named(upcoming.to)} will be told"
    return f"{noted} If contact is still needed on {_when(upcoming.at)}, {who}."


def released(ref: str, at: datetime | None) -> str:
    """The answer to `9`: what was held goes out now, or from an instant on."""
    return f"Thank you. {ref}: what was held goes out {'now' if at is None else f'from {_when(at)}'}."


def released_already(ref: str) -> str:
    """The answer to `9` where nothing is held any more."""
    return f"Thank you. {ref}: nothing is held any more."


def ended(ref: str) -> str:
    """The answer to a reply about alerts that have all ended."""
    return f"Thank you. {ref} has ended already: nothing more is needed."


def _named(targets: Sequence[Target]) -> str:
    return " and ".join(_NAMES[target] for target in targets)


def _when(at: datetime) -> str:
    local = at.astimezone(LONDON)
    return f"{local:%a} {local.day} {local:%b} at {local:%H:%M}"
