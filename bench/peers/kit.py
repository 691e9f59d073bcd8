"""A kit of stream engines on one smaller job, if there is one: run as it stands, with our path beside them, and read."""
from __future__ import annotations

import json
import subprocess
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

ENGINES = {"faust-stock": "faust_stock", "quix": "quix", "streams-nocache": "streams_nocache", "streams-cache": "streams_cache"}
"""Names in the kit, and what their ratios are called here."""
_OURS = "ours"

Row = dict[str, Any]


def run(folder: Path, reps: int, events: int) -> list[Row]:
    """A row for each run of each engine: events, `per_cpu_s`, `per_s`, and what was wrong."""
    with TemporaryDirectory(prefix="bench-peers-") as temporary:
        out = Path(temporary) / "rows.jsonl"
        done = subprocess.run(
            [str(folder / "run.sh"), "--engines", str(Path(__file__).with_name("engines.toml")), "--subject", _OURS, "--only",
             ",".join([_OURS, *ENGINES]), "--reps", str(reps), "--events", str(events), "--out", str(out)], check=False)
        found = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    rows = [_row(each) for each in found]
    if done.returncode and not any(row["wrong"] for row in rows):
        rows.append({"what": "kit", "wrong": [f"the kit ended with exit status {done.returncode}"]})
    return rows


def ratios(rows: list[Row]) -> Mapping[str, float]:
    """How many times as many events ours gets through as each peer for each second of CPU time: in the whole run, which for
    the peers on Java includes warming up, and in the second half of the events."""
    found = dict[str, float]()
    for field, ending in (("per_cpu_s", ""), ("steady_per_cpu_s", "_steady")):
        rates = defaultdict[str, list[float]](list)
        for row in rows:
            if not row["wrong"]:
                rates[row["engine"]].append(row[field])
        if _OURS in rates:
            found |= {name + ending: round(median(rates[_OURS]) / median(rates[engine]), 2)
                      for engine, name in ENGINES.items() if engine in rates}
    return found


def _row(found: Row) -> Row:
    wrong = [found["error"]] if found.get("error") else list(found.get("wrong", ()))
    return {"what": "kit", "engine": found["engine"], "rep": found["rep"], "events": found["events"],
            "per_cpu_s": found.get("rate_per_cpu_s"), "steady_per_cpu_s": found.get("steady_rate_per_cpu_s"),
            "per_s": found.get("rate"), "cpu_s": found.get("cpu_s"), "others_on_core_s": found.get("others_on_cores_s"),
            "wrong": wrong}
