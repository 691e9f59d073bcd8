"""Playing a part: the script of a member of the cast as statements, and which of them tells the story."""
from __future__ import annotations

from collections.abc import Iterator

from keepintouch.simulator.cast import Met, Part, Said
from keepintouch.simulator.draw import HOUR, at, midnight
from keepintouch.simulator.records import Draft
from keepintouch.simulator.typing_up import Statement

FIRST_RECORD = 20_000
"""Scripted records are numbered from here, so that a change in what goes before leaves their ids alone."""


def play(part: Part, adviser: str, last_day: int) -> Iterator[Statement]:
    """The statements of a part; `adviser` writes them all."""
    for number, action in enumerate(part.script, FIRST_RECORD):
        if isinstance(action, Met):
            occurred = at(last_day + action.day, action.hour)
            draft = Draft(last_day + action.day, occurred, adviser, "personal_adviser", "seen", location=action.location,
                          announced=True)
            yield Statement(_typed_up(action, last_day), number, 1, draft)
            if action.voided:
                yield Statement(at(last_day + action.voided[0], action.voided[1]), number, 2, None)
        elif isinstance(action, Said):
            occurred = at(last_day + action.day, action.hour)
            draft = Draft(last_day + action.day, occurred, adviser, "personal_adviser", action.outcome, action.channel)
            yield Statement(occurred + HOUR // 4, number, 1, draft)


def telling_record(part: Part) -> int | None:
    """The number of the record that tells the story; None where a move or time itself does."""
    return next((number for number, action in enumerate(part.script, FIRST_RECORD) if isinstance(action, Met) and action.tells),
                None)


def telling_moment(part: Part, last_day: int) -> int:
    """When the part's moment comes: the instant of the event that tells, or the midnight at which an alert opens."""
    if part.opens is not None:
        return midnight(last_day + part.opens)
    if part.moves:
        return at(last_day + part.moves[0].day, part.moves[0].hour)
    met = next(action for action in part.script if isinstance(action, Met) and action.tells)
    return at(last_day + met.voided[0], met.voided[1]) if met.voided else _typed_up(met, last_day)


def _typed_up(met: Met, last_day: int) -> int:
    if met.recorded:
        return at(last_day + met.recorded[0], met.recorded[1])
    return at(last_day + met.day, met.hour) + 2 * HOUR // 3
