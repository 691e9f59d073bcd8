"""Figures for publication: no group so small, or so nearly everybody, that it says something about one young person. Pure."""
from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

SMALLEST = 5
"""A count under this, or one that leaves fewer than this, is not published (and none from which it could be worked out)."""
HIDDEN = "c"
"""What stands instead: `c` for confidential, as in official statistics."""
Row = tuple[str, str, list[int | str]]
"""Cut, group, and its people and counts."""


@dataclass(frozen=True, slots=True)
class Group:
    """One row: how many people, and how many of them the figures hold for."""

    cut: str
    name: str
    people: int
    counts: tuple[int, ...]


def publishable(groups: Sequence[Group]) -> list[Row]:
    """The rows with what must not be published replaced.

    Groups of the same `cut` add up to the total, so what is hidden of them is known in sum. Where only one would be hidden, or
    so few people are in all that are that it says who is where, the smallest of the others is hidden with them.
    """
    rows: list[Row] = [(each.cut, each.name, [each.people, *each.counts]) for each in groups]
    for row, group in zip(rows, groups, strict=True):
        if _small(group.people):
            row[2][:] = [HIDDEN] * len(row[2])
            continue
        for n, count in enumerate(group.counts, 1):
            if _small(count) or _small(group.people - count):
                row[2][n] = HIDDEN
    _hide_second(rows, groups)
    return rows


def as_csv(head: Sequence[str], groups: Sequence[Group]) -> str:
    """A file with a line of names first."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(head)
    for cut, name, values in publishable(groups):
        writer.writerow([cut, _plain(name), *values])
    return out.getvalue()


def _small(count: int) -> bool:
    return 0 < count < SMALLEST


def _hide_second(rows: list[Row], groups: Sequence[Group]) -> None:
    for cut in {group.cut for group in groups}:
        mine = [(row, group) for row, group in zip(rows, groups, strict=True) if row[0] == cut]
        if len(mine) < 2:
            continue
        for n in range(len(mine[0][0][2])):
            while shown := _to_hide(n, mine):
                shown[2][n] = HIDDEN


def _to_hide(n: int, cut: Sequence[tuple[Row, Group]]) -> Row | None:
    """The next row of a cut to hide in a column; None where what is hidden says nothing."""
    found = [(_value(group, n), _rest(group, n), row) for row, group in cut]
    hidden = [each for each in found if each[2][2][n] == HIDDEN]
    if not hidden or (len(hidden) > 1 and not _small(sum(value for value, _, _ in hidden))
                      and not _small(sum(rest for _, rest, _ in hidden))):
        return None
    others = [each for each in found if each[2][2][n] != HIDDEN]
    with_people = [each for each in others if each[0]] or others
    return min(with_people, key=lambda each: each[0])[2] if with_people else None


def _value(group: Group, n: int) -> int:
    return (group.people, *group.counts)[n]


def _rest(group: Group, n: int) -> int:
    """Those of the group for whom a figure does not hold; of the groups themselves, nobody."""
    return group.people - _value(group, n)


def _plain(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in "=+-@\t\r" else text
