"""What each adviser has to do: one page for each, to be printed or kept open."""
from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from urllib.parse import quote

from keepintouch.runtime.errors import UserError
from schemas.alerts import SEVERITIES

from .analysis import Report
from .disclosure import INSIDE
from .layout import document, section, table
from .markup import Child, tag
from .subject import Subject
from .words import contact, people

NOBODY = "no adviser"
_NAMED = "worklist-"
"""What the name of every page begins with: some names alone no file may have everywhere."""
_PLACE = "{id}"


def write_worklists(folder: Path, report: Report, case_link: str | None = None) -> list[Path]:
    """Write a page for each adviser who has anything overdue or due in two weeks; returns where they are.

    Pages of an earlier run in that folder go first, so that nobody works on an old one. `case_link` is an address with `{id}`
    where the case system's id goes. UserError if nothing can be written there.
    """
    by_adviser: dict[str, list[Subject]] = {}
    for one in report.subjects:
        if one.alerts or one.due:
            by_adviser.setdefault(one.adviser or NOBODY, []).append(one)
    written: dict[str, Path] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for earlier in folder.glob(f"{_NAMED}*.html"):
            earlier.unlink()
        for adviser, caseload in sorted(by_adviser.items()):
            name = _file_name(adviser, written)
            written[name] = folder / f"{name}.html"
            written[name].write_text(worklist(adviser, caseload, report.today, case_link), encoding="utf-8")
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror or type(error).__name__})") from None
    return list(written.values())


def check_case_link(text: str) -> str:
    """An address into the case system as given; UserError unless it is one with `{id}` in it."""
    if not text.startswith(("https://", "http://")) or _PLACE not in text:
        raise UserError(f"--case-link should be an address with {_PLACE} in it: https://lcs.example.gov.uk/case/{_PLACE}")
    return text


def worklist(adviser: str, caseload: Sequence[Subject], today: date, case_link: str | None = None) -> str:
    """One adviser's page: the worst and longest overdue first, then what falls due."""
    overdue = sorted(((one, alert) for one in caseload for alert in one.alerts),
                     key=lambda pair: (-SEVERITIES.index(pair[1].severity), pair[1].due_on, pair[0].name))
    due = sorted(((one, each) for one in caseload for each in one.due), key=lambda pair: (pair[1].due_on, pair[0].name))
    head = ("Young person", "What is asked", "Due", "Last seen", "Done")
    late = [(_who(one, case_link), f"{alert.text}.", f"{_day(alert.due_on)} ({alert.severity})",
             contact(one.last_seen, INSIDE), _box()) for one, alert in overdue]
    soon = [(_who(one, case_link), f"{each.text}.", _day(each.due_on), contact(one.last_seen, INSIDE), _box())
            for one, each in due]
    title = f"Worklist of {adviser}, {_day(today)}"
    header = [tag("h1", title), tag("p", f"{people(len(caseload))}: {len(late)} overdue, {len(soon)} due in the next two weeks. "
                                    "Type it into the case system as always; nothing needs to be entered here.", class_="meta")]
    parts: list[Child] = []
    if late:
        parts.append(section("overdue", "Overdue", table("Overdue, the most serious first", head, late)))
    if soon:
        parts.append(section("due", "Due soon", table("Due in the next two weeks", head, soon)))
    return document(title, header, parts, footer="Personal data: keep it accordingly.")


def _who(one: Subject, case_link: str | None) -> Child:
    return one.name if case_link is None else tag("a", one.name, href=case_link.replace(_PLACE, quote(one.name, safe="")))


def _day(day: date) -> str:
    return f"{day.day} {day:%b %Y}"


def _box() -> Child:
    return tag("span", class_="box", role="img", aria_label="to tick")


def _file_name(adviser: str, taken: dict[str, Path]) -> str:
    """A name that any file system takes, and no two advisers share, whatever letter case it does not tell apart."""
    plain = _NAMED + (re.sub(r"[^A-Za-z0-9_-]+", "-", adviser).strip("-")[:80] or "adviser")
    name, count = plain, 1
    while name.casefold() in {each.casefold() for each in taken}:
        count += 1
        name = f"{plain}-{count}"
    return name
