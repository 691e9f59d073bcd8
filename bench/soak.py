"""Minutes of ordinary load, for what it does to memory: corrections of records there are, so that nobody's state grows."""
from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from statistics import linear_regression
from tempfile import TemporaryDirectory

from . import machine
from .events import NOW, KeyValue, Shape, halves
from .kafka import Group, broker, fill
from .rates import Row
from .steady import Steady
from .worker import workers

_RECORDED_AT = re.compile(rb'"recorded_at":"([^"]+)"')
_EVENT_ID = slice(27, 35)
"""The first eight digits of the id, in an event as written: `{"specversion":"1.0","id":"`."""
_EVERY = 5.0


def corrections(events: list[KeyValue]) -> Iterator[KeyValue]:
    """The same statements again and again, each time recorded a second later under other event ids."""
    cut = [(key, value, found.span(1)) for key, value in events if (found := _RECORDED_AT.search(value)) is not None]
    for again in count(1):
        at = (NOW + timedelta(seconds=again)).isoformat().replace("+00:00", "Z").encode()
        for key, value, (begin, end) in cut:
            yield key, b"%b%08x%b%b%b" % (value[:_EVENT_ID.start], again, value[_EVENT_ID.stop:begin], at, value[end:])


def soak(shape: Shape, minutes: float, per_second: float) -> Row:
    """Half of the shape's events as history, then corrections at that rate; the slope is of the last four fifths of the time."""
    history, _ = halves(shape)
    short = {"cleanup_policy": "delete", "retention_bytes": str(64 << 20), "segment_bytes": str(16 << 20)}
    with TemporaryDirectory(prefix="bench-") as folder, broker(**short) as settings, workers(settings, Path(folder)) as at:
        fill(settings, "care.events.v1", history.all())
        worker = at.start()
        at.wait_ready(worker)
        at.wait_idle(worker)
        samples, usage, began = list[tuple[float, int]](), machine.Usage(worker.pid), time.monotonic()
        events = corrections([event for _, event in history.all()])
        with Steady(settings, events, per_second) as load, Group(settings) as group:
            while (elapsed := time.monotonic() - began) < minutes * 60:
                samples.append((elapsed, machine.resident_bytes(worker.pid)))
                at.wait("next sample", lambda: time.monotonic() > began + len(samples) * _EVERY, every=0.2)
            cpu, _ = usage.so_far()
            behind = shape.events // 2 + load.sent - group.read()
        late = [each for each in samples if each[0] > minutes * 12]
        slope, _ = linear_regression([each[0] for each in late], [each[1] for each in late])
        return {"minutes": minutes, "per_second": round(load.sent / (minutes * 60)), "core_share": round(cpu / elapsed, 2),
                "start_mib": round(samples[0][1] / 2**20, 1), "end_mib": round(samples[-1][1] / 2**20, 1),
                "most_mib": round(max(each[1] for each in samples) / 2**20, 1), "slope_kib_per_min": round(slope * 60 / 1024, 1),
                "behind_at_end": behind,
                "wrong": ([f"{load.failed} events were not taken by Kafka"] if load.failed else [])
                + ([f"{behind} events behind at the end"] if behind > 10 * per_second else [])}
