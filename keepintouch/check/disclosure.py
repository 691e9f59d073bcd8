"""What may be shown to whom: everything inside the council; for publishing, pseudonyms, months instead of days, no small groups.

A count under 5, and one that leaves fewer than 5 of its group over, could point at somebody, so neither is shown. Where one of
several groups that add up to a known total is left out, the next smallest is left out too, or the total would tell it.
"""
from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from random import SystemRandom

from .subject import Subject

SMALLEST = 5
"""The smallest group that is published."""


@dataclass(frozen=True, slots=True)
class Disclosure:
    """How names, days and counts are shown."""

    published: bool = False
    pseudonyms: Mapping[str, str] = field(default_factory=dict)
    """By ref; new ones each time, in no order, so that two reports cannot be laid side by side."""

    def name(self, subject: Subject) -> str:
        """What somebody is called."""
        return self.pseudonyms[subject.ref] if self.published else subject.name

    def day(self, day: date | None) -> str:
        """A day as the CSV files have it; only its month where published."""
        return "" if day is None else day.isoformat()[:7] if self.published else day.isoformat()

    def day_in_words(self, day: date | None) -> str:
        """`3 Mar 2026`; only `Mar 2026` where published."""
        return "never" if day is None else f"{day:%b %Y}" if self.published else f"{day.day} {day:%b %Y}"

    def count(self, have: int | None, of: int) -> int | None:
        """How many of a group; None where that is not known or not to be shown."""
        return have if have is None or self.tells(have, of) else None

    def column(self, cells: Sequence[tuple[int | None, int]]) -> list[int | None]:
        """The counts of groups that add up to something known: how many have it, of how many."""
        shown = [self.count(have, of) if self.tells(of, of) else None for have, of in cells]
        hidden = [place for place, count in enumerate(shown) if count is None]
        if self.published and len(hidden) == 1 and len(cells) > 1:
            others = [(count, place) for place, count in enumerate(shown) if count is not None]
            shown[min(others)[1]] = None
        return shown

    def tells(self, have: int, of: int) -> bool:
        """Whether neither a count nor what it leaves over is a small group. Nobody at all is not a small group."""
        return not self.published or not (0 < have < SMALLEST or 0 < of - have < SMALLEST)


INSIDE = Disclosure()
"""For who may see the files themselves: everything, under the files' own ids."""


def published(refs: Collection[str]) -> Disclosure:
    """For everybody: pseudonyms drawn anew."""
    shuffled = sorted(refs)
    SystemRandom().shuffle(shuffled)
    width = len(str(len(shuffled)))
    return Disclosure(True, {ref: f"P{number:0{width}d}" for number, ref in enumerate(shuffled, 1)})
