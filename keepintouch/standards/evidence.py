"""What an alert shows beside itself: the contact there has been, and the records it rests on."""
from __future__ import annotations

from .clocks import Clock
from .history import History
from .identifiers import unpack
from .ladder import BY_COUNCIL, KINDS, RUNG_OF, Rung
from .published import Evidence, NewestDays

RECORDS_SHOWN = 5


_ATTEMPTS = frozenset(number for number in BY_COUNCIL if RUNG_OF[number] is Rung.ATTEMPTED)
_TRIED = frozenset(number for number in BY_COUNCIL if RUNG_OF[number] >= Rung.ATTEMPTED)
_WRITTEN_OUT = frozenset(number for number in _TRIED if KINDS[number].written and KINDS[number].direction == "out")
_COLUMNS = {number: (0,) if RUNG_OF[number] is Rung.ATTEMPTED else tuple(range(1, RUNG_OF[number])) for number in _TRIED}
"""Of which of the newest days a record of this kind may be one: the attempt, or that of each rung up to its own."""


def evidence_for(clock: Clock, history: History) -> Evidence:
    """Gather it for the clock that an alert names."""
    since = [r for r in history.since(clock.anchor, clock.anchor_on) if r.kind in _TRIED and r is not clock.anchor]
    shown = ([] if clock.anchor is None else [clock.anchor]) + since[:-RECORDS_SHOWN - 1:-1]
    return Evidence(
        newest_days(history), history.met_adviser,
        sum([r.kind in _WRITTEN_OUT for r in since]),
        sum([r.kind in _ATTEMPTS for r in since]),
        bool(since) and not any(history.known(r) for r in since),
        tuple([unpack(r.record_id) for r in shown[:RECORDS_SHOWN]]))


def newest_days(history: History) -> NewestDays:
    """The newest day of a council-role attempt, and of a record at each rung from messaged on, or higher."""
    days: list[int | None] = [None] * 5
    left = 5
    for register in reversed(history.records):
        for column in _COLUMNS.get(register.kind, ()):
            if days[column] is None:
                days[column] = register.day
                left -= 1
        if not left:
            break
    attempted, messaged, spoke, seen, at_home = days
    return attempted, messaged, spoke, seen, at_home
