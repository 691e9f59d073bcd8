"""What an alert shows beside itself: the contact there has been, and the records it rests on."""
from __future__ import annotations

import msgspec

from .clocks import Clock
from .history import History
from .identifiers import unpack
from .ladder import BY_COUNCIL, KINDS, RUNG_OF, Rung

RECORDS_SHOWN = 5


class Evidence(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """As of the evaluation that published the alert; days are day numbers."""

    newest_days: tuple[int | None, int | None, int | None, int | None, int | None]
    """Newest day of a council-role attempt (exactly), then at rung messaged, spoke, seen, seen at home or higher."""
    met_adviser: bool | None
    written_since_anchor: int
    attempts_since_anchor: int
    strangers_only: bool
    record_ids: tuple[str, ...]
    """The anchoring record, if any, then the newest since the anchor, newest first."""


def evidence_for(clock: Clock, history: History) -> Evidence:
    """Gather it for the clock that an alert names."""
    since = [r for r in history.since(clock.anchor, clock.anchor_on)
             if r.kind in BY_COUNCIL and RUNG_OF[r.kind] >= Rung.ATTEMPTED and r is not clock.anchor]
    shown = ([] if clock.anchor is None else [clock.anchor]) + since[::-1]
    kinds = [KINDS[r.kind] for r in since]
    return Evidence(
        (_newest_attempt(history), history.newest(Rung.MESSAGED), history.newest(Rung.SPOKE), history.newest(Rung.SEEN),
         history.newest(Rung.SEEN_AT_HOME)),
        history.met_adviser,
        sum(kind.written and kind.direction == "out" for kind in kinds),
        sum(kind.rung is Rung.ATTEMPTED for kind in kinds),
        bool(since) and not any(history.known(r) for r in since),
        tuple(unpack(r.record_id) for r in shown[:RECORDS_SHOWN]))


def _newest_attempt(history: History) -> int | None:
    return next((r.day for r in reversed(history.records)
                 if r.kind in BY_COUNCIL and RUNG_OF[r.kind] is Rung.ATTEMPTED), None)
