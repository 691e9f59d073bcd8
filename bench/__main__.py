"""`python -m bench`: measure, compare, and write `build/bench.json`; see docs/explanation/speed.md."""
from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from keepintouch.runtime.errors import UserError

from . import machine
from .board import board
from .check import check
from .delays import alert_delay
from .events import Shape
from .files import files
from .intake import intake
from .notifier import notifier
from .peers import kit
from .profiling import Profile
from .rates import catch_up, live
from .restarts import failover, restart
from .soak import soak
from .sweep import sweep
from .worker import WrongRun

Row = dict[str, Any]
OUT = Path("build/bench.json")
BUDGETS = {
    "catch_up_per_cpu_s": (60_000, 120_000), "live_per_cpu_s": (20_000, 60_000), "alert_p99_ms": (250, 60),
    "restart_200k_s": (12, 4), "sweep_90k_s": (10, 3), "failover_s": (15, 8), "bytes_per_person": (4096, 2048),
    "intake_per_cpu_s": (5_000, 10_000), "intake_single_p99_ms": (100, 50),
    "release_10k_s": (60, 30), "year_ratio": (1.1, 1.0), "single_p99_ms": (3_000, 2_500),
    "board_p99_ms": (150, 75), "board_change_p99_ms": (1_000, 400), "board_ready_s": (10, 5), "board_mib": (1_024, 600),
    "check_1k_s": (5, 2.5), "csv_rows_per_s": (20_000, 40_000), "xlsx_rows_per_s": (4_000, 20_000),
    "import_new_per_s": (20_000, 25_000), "import_known_per_s": (20_000, 40_000), "import_xlsx_new_per_s": (4_000, 15_000),
    "import_xlsx_known_per_s": (4_000, 20_000)}
"""What must be, and what is aimed at; rates at least, all else at most."""
_FROM = {
    "catch_up_per_cpu_s": ("catch_up", "per_cpu_s"), "live_per_cpu_s": ("live", "per_cpu_s"),
    "alert_p99_ms": ("alert_p99", "seen_p99_ms"), "restart_200k_s": ("restart", "seconds"), "sweep_90k_s": ("sweep", "seconds"),
    "failover_s": ("failover", "seconds"), "bytes_per_person": ("restart", "bytes_per_person"),
    "intake_per_cpu_s": ("intake", "per_cpu_s"), "intake_single_p99_ms": ("intake", "single_p99_ms"),
    "release_10k_s": ("notifier", "seconds"), "year_ratio": ("notifier", "year_ratio"),
    "single_p99_ms": ("notifier", "single_p99_ms"), "board_p99_ms": ("board", "view_p99_ms"),
    "board_change_p99_ms": ("board", "change_p99_ms"), "board_ready_s": ("board", "ready_s"), "board_mib": ("board", "mib"),
    "check_1k_s": ("check", "seconds"),
    "csv_rows_per_s": ("files", "csv_rows_per_s"), "xlsx_rows_per_s": ("files", "xlsx_rows_per_s"),
    **{name: ("files", name) for name in (
        "import_new_per_s", "import_known_per_s", "import_xlsx_new_per_s", "import_xlsx_known_per_s")}}
"""For each figure: which runs, and what of them."""
_PEERS = {"confluent_loop_catch_up": ("catch_up", "loop_catch_up"), "confluent_loop_live": ("live", "loop_live")}
_KIT = "kit"
_SOAK_PER_SECOND = 5_000.0
"""Where no rate of live events is known of which to take half."""


def main() -> None:
    """Measure what is asked for, in rounds, so that a slow spell of the machine hits all alike; exit 1 if a run was wrong."""
    options = _options()
    machine.pin(0, machine.FIRST)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))   # so that what was started is ended too
    logging.disable(logging.WARNING)   # clients say much while a broker starts and ends
    described, rows = machine.described(), list[Row]()
    steps = _steps(options)
    names = options.only.split(",") if options.only else (["catch_up", "live"] if options.profile else [*steps][:-1])
    if unknown := set(names) - {*steps, _KIT}:
        raise UserError(f"there is no {', '.join(sorted(unknown))}; there are {', '.join([*steps, _KIT])}")
    for rep in range(1, options.reps + 1):
        for name in names:
            if name != _KIT:
                rows.append({"what": name, "rep": rep, **_run(steps[name])})
                print(json.dumps(rows[-1]), flush=True)
    if _KIT in names or not options.only:
        rows += _kit(options)
    if not options.profile:
        _write(described, rows)
    if wrong := [row for row in rows if row.get("wrong")]:
        print(f"{len(wrong)} runs were wrong and do not count", file=sys.stderr)
        sys.exit(1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", help="what to measure, with commas between; default: all but soak")
    parser.add_argument("--reps", type=int, default=3, help="rounds; figures are medians")
    parser.add_argument("--events", type=int, default=1_000_000, help="of which half are history and half come live")
    parser.add_argument("--share", type=float, default=1.0, help="a smaller number of people everywhere: for a trial")
    parser.add_argument("--profile", action="store_true", help="print the dearest functions of catch_up and live; no figures")
    parser.add_argument("--minutes", type=float, default=30.0, help="of soak")
    parser.add_argument("--per-second", type=float, help="events of soak; default: half the live rate measured last")
    parser.add_argument("--lead", type=float, default=90.0, help="seconds before midnight at which the sweep's worker starts")
    return parser.parse_args()


def _steps(options: argparse.Namespace) -> dict[str, Callable[[], Row]]:
    def people(number: int) -> int:
        return max(1_000, int(number * options.share))

    def profile(title: str) -> Profile | None:
        return Profile(title) if options.profile else None

    shape = Shape(options.events, people(20_000))
    return {
        "catch_up": lambda: catch_up(shape, profile=profile("catch_up")),
        "loop_catch_up": lambda: catch_up(shape, loop=True, profile=profile("loop_catch_up")),
        "live": lambda: live(shape, profile=profile("live")),
        "loop_live": lambda: live(shape, loop=True, profile=profile("loop_live")),
        "alert_p99": lambda: alert_delay(20_000, per_second=1_000, seconds=30),
        "restart": lambda: restart(people(200_000)),
        "sweep": lambda: sweep(people(90_000), per_second=200, lead=options.lead),
        "files": lambda: files(csv_rows=int(1_000_000 * options.share), xlsx_rows=int(100_000 * options.share)),
        "failover": lambda: failover(people(20_000)),
        "failover_6s": lambda: failover(people(20_000), session="6s"),
        "check": lambda: check(people(1_000)),
        "board": lambda: board(people(1_000), users=200, per_second=20, seconds=30, restart_people=people(20_000),
                               records=200_000, large=people(90_000)),
        "intake": lambda: intake(batches=200, per_second=200, seconds=20),
        "notifier": lambda: notifier(people(10_000), advisers=200),
        "soak": lambda: soak(shape, options.minutes, options.per_second or _half_of_the_last())}


def _run(step: Callable[[], Row]) -> Row:
    try:
        return step()
    except (WrongRun, UserError) as error:
        return {"wrong": [str(error)]}


def _kit(options: argparse.Namespace) -> list[Row]:
    folder = os.environ.get("BENCH_PEERS")
    if not folder:
        return [{"what": _KIT, "not_run": "BENCH_PEERS names no folder with a kit of peers", "wrong": []}]
    machine.unpin()   # it deals out the cores itself
    return kit.run(Path(folder), options.reps, options.events)


def _write(described: Row, rows: list[Row]) -> None:
    figures = {name: _median(rows, *where) for name, where in _FROM.items()}
    ratios: dict[str, float] = {}
    for name, (ours, theirs) in _PEERS.items():
        mine, other = (_median(rows, what, "per_cpu_s") for what in (ours, theirs))
        if mine and other:
            ratios[name] = round(mine / other, 2)
    ratios |= kit.ratios([row for row in rows if row["what"] == _KIT and "engine" in row])
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps({"figures": figures, "ratios": ratios, "machine": described, "rows": rows}, indent=1) + "\n")
    print(f"\n{'figure':20}{'median':>12}{'must':>12}{'aim':>12}")
    for name, value in figures.items():
        must, aim = BUDGETS[name]
        shown = "not run" if value is None else f"{value:,g}"
        print(f"{name:20}{shown:>12}{must:>12,}{aim:>12,}  {_verdict(name, value)}")
    print(f"\n{'ratio, ours to theirs':30}" + "".join(f"\n{name:30}{value:8.2f}" for name, value in ratios.items()))
    print(f"\n{OUT} has all of it")


def _verdict(name: str, value: float | None) -> str:
    if value is None:
        return ""
    must, aim = BUDGETS[name]
    sign = 1 if must < aim else -1
    return "aim met" if sign * value >= sign * aim else "as it must be" if sign * value >= sign * must else "MISSED"


def _median(rows: list[Row], what: str, field: str) -> float | None:
    found = [row[field] for row in rows if row["what"] == what and not row.get("wrong")]
    return median(found) if found else None


def _half_of_the_last() -> float:
    rate = json.loads(OUT.read_text())["figures"]["live_per_cpu_s"] if OUT.exists() else None
    return rate / 2 if rate else _SOAK_PER_SECOND


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(2)
