"""What `keepintouch check` takes: a council's exports in, the report and its tables out, in a process of its own."""
from __future__ import annotations

import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from keepintouch.calendar import LONDON
from keepintouch.simulator import LANCASHIRE_2017, Simulation, simulate
from schemas.events import Contact, Person, Visit

from .worker import WrongRun

Row = dict[str, Any]
DAYS = 430
"""In which the made-up county has some forty records a person."""
_PEOPLE = ("person_ref", "born_on", "category", "supported_since", "in_touch", "adviser_ref", "adviser_since", "team_ref",
           "plan_reviewed_on", "need", "looked_after", "accommodation_code", "accommodation_suitable",
           "accommodation_council_provided", "accommodation_hostel", "accommodation_since", "recorded_at")
_RECORD = ("record_id", "person_ref", "occurred_at", "recorded_at", "worker_ref", "worker_role", "outcome")
_CONTACTS, _VISITS = (*_RECORD, "channel", "direction"), (*_RECORD, "location", "announced", "seen_alone")


def check(people: int) -> Row:
    """Seconds from the command to its end, with 24 months, page and tables."""
    with tempfile.TemporaryDirectory() as folder:
        council = simulate(LANCASHIRE_2017, people=people, days=DAYS)
        records = write_exports(Path(folder), council)
        command = [sys.executable, "-m", "keepintouch", "check", "--policy", "standard_8_week", "--as-of", str(council.last_day),
                   "--html", f"{folder}/report.html", "--csv", f"{folder}/tables",
                   *(part for kind in ("people", "contacts", "visits") for part in (f"--{kind}", f"{folder}/{kind}.csv"))]
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        ran = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"COLUMNS": "110"})
        seconds = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if ran.returncode or "not taken in" in ran.stdout or "Overdue, by rule" not in ran.stdout:
            raise WrongRun(f"exit status {ran.returncode}: {json.dumps((ran.stderr or ran.stdout)[-300:])}")
        return {"people": people, "records": records, "seconds": round(seconds, 2),
                "cpu_s": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2),
                "peak_mb": round(after.ru_maxrss / 1024), "page_mb": round(Path(folder, "report.html").stat().st_size / 1e6, 1)}


def write_exports(folder: Path, council: Simulation) -> int:
    """Write people.csv, contacts.csv and visits.csv as they stand in the end; returns how many records there are."""
    people, records = council.as_it_stands()
    _write(folder / "people.csv", _PEOPLE, people.values(), council)
    _write(folder / "contacts.csv", _CONTACTS, (each for each in records if isinstance(each, Contact)), council)
    _write(folder / "visits.csv", _VISITS, (each for each in records if isinstance(each, Visit)), council)
    return len(records)


def _write(path: Path, head: tuple[str, ...], rows: Iterable[Person | Contact | Visit], council: Simulation) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        to = csv.writer(file)
        to.writerow(head)
        to.writerows([_cell(name, row, council) for name in head] for row in rows)


def _cell(name: str, row: Any, council: Simulation) -> str:
    if name.startswith("accommodation_"):
        home = row.accommodation
        value = None if home is None else getattr(home, name.removeprefix("accommodation_"))
    else:
        value = getattr(row, name)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name.endswith("_at"):
        return f"{value.astimezone(LONDON):%Y-%m-%d %H:%M}"
    return council.refs.who(value)[1] if name in ("person_ref", "worker_ref", "adviser_ref") else str(value)
