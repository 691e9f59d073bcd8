"""`/`: my people, and those I cover: how each stands, what is due next, and the weeks ahead."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from fastapi import APIRouter, Response

from keepintouch.standards.clocks import State
from keepintouch.standards.history import History
from services.board import wording
from services.board.model.records import Alert
from services.board.model.standing import Last, Standing
from services.board.web import SignedIn, Viewer
from services.board.who import Who

router = APIRouter()
_FAR = 10**7


@dataclass(frozen=True, slots=True)
class Contact:
    """The newest contact of a kind: the day, and how long ago and by whom."""

    day: str
    more: str


@dataclass(frozen=True, slots=True)
class Row:
    """One person in a list."""

    standing: Standing
    who: Who
    covered_for: str | None
    """Whose person it is, where it is not one's own."""
    state: State
    """Under the rule that is filtered by, else the worst."""
    alerts: tuple[Alert, ...]
    seen: Contact
    spoke: Contact
    written: Contact
    visit_on: date | None
    """A visit that is planned."""
    met_by_me: bool | None


@dataclass(frozen=True, slots=True)
class Week:
    """What falls into a week."""

    title: str
    items: tuple[tuple[date, str, Row], ...]


@router.get("/")
def caseload(viewer: SignedIn, state: str = "", rule: str = "") -> Response:
    """Sorted by what is due next."""
    viewer.need("caseload")
    with viewer.model.lock:
        rows = rows_of(viewer, viewer.scope.caseload(viewer.model.people))
        names = sorted({name for row in rows for name, _ in row.standing.rules})
        shown = [row for row in rows if _matches(row, state, rule)]
        viewer.looked()
        return viewer.render(
            "caseload.html", rows=shown, total=len(rows), state=state, rule=rule, rules=names,
            weeks=weeks_of(shown, viewer.today),
            counts={each: sum(row.standing.state is each for row in rows) for each in State},
            covered=sum(row.covered_for is not None for row in rows), need=sum(row.standing.need != "standard" for row in rows),
            labels=viewer.board.who.has_labels(viewer.worker.council), key=viewer.board.who.has_key(viewer.worker.council))


def rows_of(viewer: Viewer, refs: Iterable[str], first: int = 0, most: int | None = None) -> list[Row]:
    """People as rows, sorted by what is due next: what is overdue for longest first. Those out of scope come last."""
    standings = sorted(viewer.model.standings(refs), key=due_order)[first:None if most is None else first + most]
    return [_row(viewer, standing, viewer.model.alerts_of(standing.ref)) for standing in standings]


def due_order(standing: Standing) -> tuple[bool, int, int, str]:
    """What is overdue for longest first, then what is due first."""
    due = standing.due
    overdue = due is not None and due.state is State.OVERDUE
    return (not standing.in_scope, 0 if overdue else 1, _FAR if due is None else due.opens_on if overdue else due.due_on,
            standing.ref)


def weeks_of(rows: Sequence[Row], today: date) -> list[Week]:
    """This week, the next, and the two after: what falls due and what is planned."""
    monday = today - timedelta(days=today.weekday())
    items: dict[int, list[tuple[date, str, Row]]] = defaultdict(list)
    for row in rows:
        if row.visit_on is not None:
            items[(row.visit_on - monday).days // 7].append((row.visit_on, "Visit planned", row))
        for due in row.standing.coming if row.standing.in_scope else ():
            on = date.fromordinal(due.due_on)
            items[(on - monday).days // 7].append((on, due.text, row))
    titles = ["This week", "Next week", *(f"Week of {wording.day(monday + timedelta(weeks=n), today)}" for n in (2, 3))]
    return [Week(title, tuple(sorted(items[n], key=lambda item: (item[0], item[2].who.name)))) for n, title in enumerate(titles)]


def planned_visit(viewer: Viewer, alerts: Iterable[Alert]) -> date | None:
    """The next visit that is planned about any of these alerts; of each, what was planned last."""
    days = [plans[-1] for alert in alerts if alert.is_open
            if (plans := [action.until for action in viewer.model.actions_about(alert.alert_id)
                          if action.action == "plan_visit" and action.until is not None])]
    return min((on for on in days if on >= viewer.today), default=None)


def _row(viewer: Viewer, standing: Standing, alerts: Sequence[Alert]) -> Row:
    adviser, today = standing.place.adviser_ref, viewer.today.toordinal()
    mine = adviser == viewer.worker.ref
    return Row(
        standing, viewer.who(standing.ref), None if mine else viewer.staff_name(adviser), standing.state,
        tuple(alert for alert in alerts if alert.is_open),
        _last(viewer, standing.last_seen, today), _last(viewer, standing.last_spoke, today),
        _last(viewer, standing.last_written, today), planned_visit(viewer, alerts),
        standing.met_adviser if mine else viewer_has_met(viewer, standing.ref))


def viewer_has_met(viewer: Viewer, ref: str) -> bool | None:
    """Whether the viewer has met a person whose adviser they are not."""
    person = viewer.model.people.person(ref)
    if person is None or viewer.worker.ref not in person.workers:
        return False
    return person.workers.index(viewer.worker.ref) in History(person, viewer.today.toordinal()).met


def _last(viewer: Viewer, last: Last | None, today: int) -> Contact:
    if last is None:
        return Contact("Never", "")
    if last.worker_ref is None:
        by = "not recorded who"
    else:
        by = "you" if last.worker_ref == viewer.worker.ref else viewer.staff_name(last.worker_ref)
    return Contact(wording.short_day(last.day), f"{wording.days_ago(last.day, today)}, {by}")


def _matches(row: Row, state: str, rule: str) -> bool:
    if rule:
        found = row.standing.state_of(rule)
        return found is not None and (not state or found == state)
    return not state or row.state == state

