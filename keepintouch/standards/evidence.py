"""What an alert shows beside itself: the contact there has been, and the records it rests on."""
from __future__ import annotations

from .clocks import Clock
from .history import History
from .identifiers import unpack
from .ladder import BY_COUNCIL, KINDS, RUNG_OF, Rung
from .published import Evidence

RECORDS_SHOWN = 5


_ATTEMPTS = frozenset(number for number in BY_COUNCIL if RUNG_OF[number] is Rung.ATTEMPTED)
_TRIED = frozenset(number for number in BY_COUNCIL if RUNG_OF[number] >= Rung.ATTEMPTED)
_WRITTEN_OUT = frozenset(number for number in _TRIED if KINDS[number].written and KINDS[number].direction == "out")


def evidence_for(clock: Clock, history: History) -> Evidence:
    """Gather it for the clock that an alert names."""
    since = [r for r in history.since(clock.anchor, clock.anchor_on) if r.kind in _TRIED and r is not clock.anchor]
    shown = ([] if clock.anchor is None else [clock.anchor]) + since[::-1]
    return Evidence(
        (_newest_attempt(history), history.newest(Rung.MESSAGED), history.newest(Rung.SPOKE), history.newest(Rung.SEEN),
         history.newest(Rung.SEEN_AT_HOME)),
        history.met_adviser,
        sum(r.kind in _WRITTEN_OUT for r in since),
        sum(r.kind in _ATTEMPTS for r in since),
        bool(since) and not any(history.known(r) for r in since),
        tuple(unpack(r.record_id) for r in shown[:RECORDS_SHOWN]))


def _newest_attempt(history: History) -> int | None:
    return next((r.day for r in reversed(history.records) if r.kind in _ATTEMPTS), None)
