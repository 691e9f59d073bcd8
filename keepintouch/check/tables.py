"""The report as CSV files, for a spreadsheet. No cell can be a formula, whatever the files had in it."""
from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

from keepintouch.files.report import HEADINGS, harmless
from keepintouch.runtime.errors import UserError
from keepintouch.standards import sentences

from .analysis import Report
from .disclosure import INSIDE, SMALLEST, Disclosure
from .measures import Measure
from .quality import DOUBT_WORDS
from .subject import Last, Subject

NAMES = ("people.csv", "alerts.csv", "months.csv", "quality.csv", "rejected.csv")
"""The files that are written."""

Cell = str | int | date | None


def write_tables(folder: Path, report: Report, disclosure: Disclosure = INSIDE) -> list[Path]:
    """Write `NAMES` into a folder; returns where they are. UserError if it cannot."""
    tables = [table(report, disclosure) for table in (_people, _alerts, _months, _quality, _rejected)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, rows in zip(NAMES, tables, strict=True):
            with (folder / name).open("w", encoding="utf-8-sig", errors="replace", newline="") as file:   # the mark is for Excel
                csv.writer(file).writerows([_written(cell) for cell in row] for row in rows)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror or type(error).__name__})") from None
    return [folder / name for name in NAMES]


def _written(cell: Cell) -> str:
    return "" if cell is None else harmless(cell.isoformat() if isinstance(cell, date) else str(cell).replace("\0", ""))


def _people(report: Report, disclosure: Disclosure) -> Iterable[Sequence[Cell]]:
    shown = [measure for measure in Measure if measure not in report.untold]
    if disclosure.published:
        shown = _telling(report, disclosure)
        yield ["person", *shown]
        yield from sorted([disclosure.name(one), *(_yes(one.holds[m]) for m in shown)] for one in report.subjects)
        return
    yield ["person", "adviser", "team", "age", "cohorts", *shown, "in_touch_not_meaningful", "last_seen_on", "last_seen_by",
           "last_spoke_on", "last_spoke_by", "last_written_to_on", "last_written_to_by", "rules_overdue", "rules_not_known"]
    for one in report.subjects:
        lasts = [cell for last in (one.last_seen, one.last_spoke, one.last_written) for cell in _last(last)]
        yield [one.name, one.adviser, one.facts.team_ref, one.age, " ".join(one.facts.cohorts),
               *(_yes(one.holds[m]) for m in shown), "" if report.untold else _yes(one.in_gap), *lasts,
               " ".join(alert.rule for alert in one.alerts), " ".join(one.unknown)]


def _alerts(report: Report, disclosure: Disclosure) -> Iterable[Sequence[Cell]]:
    who = ["person"] if disclosure.published else ["person", "adviser", "team"]
    yield [*who, "rule", "what", "severity", "standard", "standard_in_words", "anchor_on", "due_on", "opens_on", "last_seen_on",
           "last_spoke_on", "last_written_to_on"]
    for rule in report.rules:
        if disclosure.count(len(rule.listed), report.people) is None:
            continue
        for each in rule.listed:
            one, alert = each.subject, each.alert
            lasts = [last.day if last else None for last in (one.last_seen, one.last_spoke, one.last_written)]
            yield [*_who(one, disclosure), alert.rule, rule.words, alert.severity, alert.standard_id, alert.text,
                   *map(disclosure.day, (alert.anchor_on, alert.due_on, alert.opens_on, *lasts))]


def _months(report: Report, disclosure: Disclosure) -> Iterable[Sequence[Cell]]:
    yield ["day", "people", *Measure]
    for month in report.months:
        yield [month.day, month.people, *(disclosure.count(month.counts[measure], month.people) for measure in Measure)]


def _quality(report: Report, disclosure: Disclosure) -> Iterable[Sequence[Cell]]:
    yield ["what", "person", "record_id", "count", "of"]
    for filled in report.quality.filled:
        yield [filled.what, None, None, disclosure.count(filled.have, filled.of), filled.of]
    for blind in report.blind:
        yield [f"not told: {blind.text} ({blind.why})", None, None, None, None]
    for rule, count in report.unknown.items():
        yield [f"not known: {sentences.rule(rule)}", None, None, disclosure.count(count, report.people), report.people]
    for sentence in report.never_told:
        yield [sentence, None, None, None, None]
    for doubt, count in report.quality.by_doubt.items():
        yield [DOUBT_WORDS[doubt], None, None, count if not disclosure.published or count >= SMALLEST else None, None]
    if not disclosure.published:
        for found in report.quality.doubts:
            yield [DOUBT_WORDS[found.doubt], report.material.name(found.ref), found.record_id, None, None]


def _rejected(report: Report, disclosure: Disclosure) -> Iterable[Sequence[Cell]]:
    yield HEADINGS
    for each in report.material.rejected:
        yield [each.file, each.row, each.column, None if disclosure.published else each.value, each.reason]


def _telling(report: Report, disclosure: Disclosure) -> list[Measure]:
    """The measures that may stand side by side: no combination of yes and no is that of a small group."""
    shown: list[Measure] = []
    for measure in (measure for measure in Measure if measure not in report.untold):
        groups = Counter(tuple(one.holds[m] for m in (*shown, measure)) for one in report.subjects)
        if all(disclosure.tells(count, report.people) for count in groups.values()):
            shown.append(measure)
    return shown


def _who(one: Subject, disclosure: Disclosure) -> list[Cell]:
    return [disclosure.name(one)] if disclosure.published else [one.name, one.adviser, one.facts.team_ref]


def _last(last: Last | None) -> tuple[Cell, Cell]:
    return (None, None) if last is None else (last.day, "known" if last.known else "stranger")


def _yes(flag: bool) -> str:
    return "yes" if flag else "no"
