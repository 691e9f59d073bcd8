"""`/team` and `/council`: figures that open into people, alerts with who hears next, and what nobody is looking after."""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Query, Response

from keepintouch.calendar import london_day
from keepintouch.standards import sentences
from services.board import wording
from services.board.model import figures
from services.board.model.figures import Headlines
from services.board.model.records import Alert
from services.board.model.staff import Worker
from services.board.model.standing import Standing
from services.board.pages.caseload import rows_of
from services.board.pages.common import next_words, upcoming_step
from services.board.publication import Group, as_csv
from services.board.web import SignedIn, Viewer
from services.board.who import Who

router = APIRouter()
OLDEST_SHOWN = 10
LOOKS_SHOWN = 30
LIST_SHOWN = 200
"""People on one page of a list."""
Page = Annotated[int, Query(ge=1, le=10_000)]
_ENDED = {"late": "Contact in time, typed up late, in the last 90 days", "put_right": "Put right in the last seven days"}
_HEAD = ("cut", "group", "people", "in_touch", "meaningful_contact", "seen_face_to_face")


@dataclass(frozen=True, slots=True)
class AdviserRow:
    """One adviser: what they carry, beside what is open."""

    name: str
    ref: str
    people: int
    higher_need: int
    alerts: int
    overdue: int
    away: bool


@dataclass(frozen=True, slots=True)
class TeamRow:
    """One team's headlines."""

    name: str
    ref: str | None
    headlines: Headlines


@dataclass(frozen=True, slots=True)
class Line:
    """One alert in a list."""

    alert: Alert
    who: Who
    owner: str
    next: str


@dataclass(frozen=True, slots=True)
class Looked:
    """A manager has looked at an alert."""

    on: str
    by: str
    decided: str
    what: str
    who: Who
    ref: str
    ended: bool


@dataclass(frozen=True, slots=True)
class Feed:
    """How far a feed is."""

    name: str
    through: date | None
    behind: int | None
    """Days; None: it has never said."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """Which list is asked for, if any."""

    show: str
    rule: str
    age: str
    adviser: str
    """Whose people alone."""
    page: int

    @property
    def query(self) -> str:
        return urlencode({name: value for name, value in (("show", self.show), ("rule", self.rule), ("age", self.age),
                                                          ("adviser", self.adviser)) if value})

    @property
    def list(self) -> bool:
        return bool(self.show or self.rule or self.adviser)


@router.get("/team")
def team(viewer: SignedIn, team: str = "", show: str = "", rule: str = "", age: str = "", adviser: str = "",
         page: Page = 1) -> Response:
    """A manager's own people, or one team of the council."""
    viewer.need("team")
    with viewer.model.lock:
        if viewer.scope.everybody and not team:
            return viewer.render("teams.html", teams=_teams(viewer, _standings(viewer)))
        refs = _of_team(viewer, team)
        named = team or viewer.worker.team_ref
        title = f"Team {named}" if named else "Your people"
        return _page(viewer, refs, title, "/team", team, _Asked(show, rule, age, adviser, page))


@router.get("/council")
def council(viewer: SignedIn, show: str = "", rule: str = "", age: str = "", adviser: str = "",
            page: Page = 1) -> Response:
    """All of the council."""
    viewer.need("council")
    with viewer.model.lock:
        name = viewer.model.councils.councils[viewer.worker.council].name
        return _page(viewer, viewer.scope.refs(viewer.model.people), name, "/council", "", _Asked(show, rule, age, adviser, page))


@router.get("/team.csv")
def team_csv(viewer: SignedIn, team: str = "") -> Response:
    """The team's figures for publication."""
    viewer.need("team")
    with viewer.model.lock:
        return _csv(viewer, _of_team(viewer, team), "team.csv")


@router.get("/council.csv")
def council_csv(viewer: SignedIn) -> Response:
    """The council's figures for publication."""
    viewer.need("council")
    with viewer.model.lock:
        return _csv(viewer, viewer.scope.refs(viewer.model.people), "council.csv")


def _of_team(viewer: Viewer, team: str) -> frozenset[str]:
    """The people of a team of the council, or a manager's own; 404 for a team that is not theirs, or is none."""
    if not viewer.scope.everybody:
        if team and team not in viewer.scope.teams:
            raise HTTPException(404)
        return viewer.scope.refs(viewer.model.people)
    refs = viewer.model.people.of_teams(viewer.worker.council, [team])
    if not refs and team not in {worker.team_ref for worker in viewer.model.staff.of_council(viewer.worker.council)}:
        raise HTTPException(404)
    return refs


def _page(viewer: Viewer, refs: Iterable[str], title: str, path: str, team: str, asked: _Asked) -> Response:
    model, today = viewer.model, viewer.today
    viewer.looked()
    standings = model.standings(refs)
    in_scope = [each for each in standings if each.in_scope]
    alerts = model.open_alerts(each.ref for each in standings)
    lists = figures.lists(today.toordinal())
    query = f"&{urlencode({'team': team})}" if team else ""
    everything = [alert for each in standings for alert in model.alerts_of(each.ref)]
    late = figures.typed_up_late(everything, today)
    done = figures.put_right(everything, today)
    if asked.list:
        if asked.adviser:
            in_scope = [each for each in in_scope if each.place.adviser_ref == asked.adviser]
            if not in_scope:
                raise HTTPException(404)
        heading, shown = _asked_for(viewer, in_scope, alerts, {"late": late, "put_right": done}, asked)
        if asked.adviser:
            heading, shown = f"{heading}: {viewer.staff_name(asked.adviser)}", shown & {each.ref for each in in_scope}
        first = (asked.page - 1) * LIST_SHOWN
        if first and first >= len(shown):
            raise HTTPException(404)
        return viewer.render("people.html", title=title, heading=heading, rows=rows_of(viewer, shown, first, LIST_SHOWN),
                             total=len(shown), first=first, of_pages=-(-len(shown) // LIST_SHOWN), page=asked.page,
                             here=f"{path}?{asked.query}{query}", up=f"{path}?{query[1:]}".rstrip("?"))
    unseen = figures.not_looked_at(alerts, model.actions_about, _is_manager(viewer), today)
    council_rules = model.rules.get(viewer.worker.council)
    return viewer.render(
        "team.html", definitions=() if council_rules is None else sentences.headlines(council_rules.policy),
        put_right=done, gap_by_rule=figures.gap_by_rule(in_scope, alerts),
        cannot_see=() if council_rules is None else sorted(council_rules.policy.cannot_see),
        title=title, path=path, team=team, query=query, figures=figures.headlines(standings),
        months=[date.fromordinal(each) for each in model.month_ends(today.toordinal())],
        counts={name: sum(map(on, in_scope)) for name, on in lists.items()},
        by_rule=figures.by_rule_and_age(alerts, today), ages=figures.AGE_WORDS, alerts=len(alerts),
        alert_people=len({alert.person_ref for alert in alerts}), oldest=_lines(viewer, sorted(alerts, key=_age)[:OLDEST_SHOWN]),
        looked_at=_looks(viewer, everything), most_looks=LOOKS_SHOWN,
        not_looked_at=_lines(viewer, unseen[:OLDEST_SHOWN]), not_looked_at_count=len(unseen),
        advisers=_advisers(viewer, standings, alerts), lag=figures.recording_lag(standings),
        late=late, feeds=_feeds(viewer), leavers=_leavers(viewer, in_scope),
        no_cover=model.staff.without_cover(_workers(viewer, standings), today),
        teams=_teams(viewer, standings) if path == "/council" else [], cohorts=_cohorts(in_scope),
        unreadable=model.unreadable)


def _asked_for(viewer: Viewer, in_scope: Sequence[Standing], alerts: Sequence[Alert],
               ended: Mapping[str, Sequence[Alert]], asked: _Asked) -> tuple[str, set[str]]:
    """A list's heading and its people. 404 for one that does not exist."""
    today = viewer.today
    if asked.show == "gap" and asked.rule:
        gap = {each.ref for each in in_scope if each.in_gap}
        return (f"{figures.LIST_WORDS['gap']}: {wording.rule(asked.rule).lower()}",
                gap & _people(alert for alert in alerts if alert.rule == asked.rule))
    if asked.rule:
        found = [alert for alert in alerts if alert.rule == asked.rule and asked.age in ("", figures.age_of(alert, today))]
        heading = f"Open alert: {asked.rule.replace('_', ' ')}"
        return f"{heading}, {figures.AGE_WORDS[asked.age].lower()}" if asked.age in figures.AGES else heading, _people(found)
    if asked.show == "not_looked_at":
        unseen = figures.not_looked_at(alerts, viewer.model.actions_about, _is_manager(viewer), today)
        return "Not looked at by a manager for 20 working days", _people(unseen)
    if asked.show == "open_alerts":
        return "With an open alert", _people(alerts)
    if asked.show in ended:
        return _ENDED[asked.show], _people(ended[asked.show])
    if asked.show == "leavers":
        return "Their personal adviser has left", set(_leavers(viewer, in_scope))
    if asked.show.startswith(("cohort:", "gap:")):
        kind, _, name = asked.show.partition(":")
        heading = f"Cohort {name}" if kind == "cohort" else f"{figures.LIST_WORDS['gap']}: cohort {name}"
        return heading, {each.ref for each in in_scope if name in each.cohorts and (kind == "cohort" or each.in_gap)}
    if asked.show not in figures.LIST_WORDS:
        raise HTTPException(404)
    on = figures.lists(today.toordinal())[asked.show]
    return figures.LIST_WORDS[asked.show], {each.ref for each in in_scope if on(each)}


def _looks(viewer: Viewer, alerts: Iterable[Alert]) -> list[Looked]:
    """What managers have looked at lately, the newest first."""
    is_manager = _is_manager(viewer)
    found = figures.looked_at(alerts, viewer.model.actions_about, is_manager, viewer.today)
    return [Looked(wording.day(london_day(action.at), viewer.today), viewer.staff_name(action.actor_ref),
                   wording.NOTES.get(action.note_code or "", "not said"), wording.rule(alert.rule), viewer.who(alert.person_ref),
                   alert.person_ref, not alert.is_open) for alert, action in found]


def _people(alerts: Iterable[Alert]) -> set[str]:
    return {alert.person_ref for alert in alerts}


def _csv(viewer: Viewer, refs: Iterable[str], name: str) -> Response:
    viewer.looked()
    in_scope = [each for each in viewer.model.standings(refs) if each.in_scope]
    groups = [_group("total", "all", in_scope)]
    groups += [_group("need", need, [s for s in in_scope if s.need == need]) for need in ("standard", "enhanced", "high")]
    teams = sorted({s.place.team_ref or "" for s in in_scope})
    if len(teams) > 1:
        groups += [_group("team", team or "none", [s for s in in_scope if (s.place.team_ref or "") == team]) for team in teams]
    for cohort in sorted({cohort for s in in_scope for cohort in s.cohorts}):
        groups += [_group(f"cohort {cohort}", "yes", [s for s in in_scope if cohort in s.cohorts]),
                   _group(f"cohort {cohort}", "no", [s for s in in_scope if cohort not in s.cohorts])]
    return Response(as_csv(_HEAD, groups), media_type="text/csv; charset=utf-8",
                    headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _group(cut: str, name: str, of: Sequence[Standing]) -> Group:
    return Group(cut, name, len(of), (sum(s.in_touch for s in of), sum(s.meaningful for s in of), sum(s.seen for s in of)))


def _standings(viewer: Viewer) -> list[Standing]:
    return viewer.model.standings(viewer.scope.refs(viewer.model.people))


def _is_manager(viewer: Viewer) -> Callable[[str], bool]:
    return lambda ref: (worker := viewer.model.staff.get(ref)) is not None and worker.manages


def _age(alert: Alert) -> tuple[date, str]:
    return alert.opens_on, alert.alert_id


def _lines(viewer: Viewer, alerts: Iterable[Alert]) -> list[Line]:
    return [Line(alert, viewer.who(alert.person_ref), viewer.staff_name(viewer.model.place_of(alert).adviser_ref),
                 next_words(viewer, alert, upcoming_step(viewer.model, alert))) for alert in alerts]


def _advisers(viewer: Viewer, standings: Sequence[Standing], alerts: Sequence[Alert]) -> list[AdviserRow]:
    """By name, never by count: what someone carries stands beside what is open."""
    mine: dict[str, list[Standing]] = {}
    for each in standings:
        if each.in_scope and each.place.adviser_ref is not None:
            mine.setdefault(each.place.adviser_ref, []).append(each)
    places = {each.ref: each.place.adviser_ref for each in standings}
    open_alerts = Counter(places.get(alert.person_ref) for alert in alerts)
    rows = []
    for ref, people in mine.items():
        worker = viewer.model.staff.get(ref)
        rows.append(AdviserRow(
            viewer.staff_name(ref), ref, len(people), sum(each.need != "standard" for each in people),
            open_alerts[ref], sum(any(state == "overdue" for _, state in each.rules) for each in people),
            worker is None or worker.needs_cover(viewer.today)))
    return sorted(rows, key=lambda row: (row.name.casefold(), row.ref))


def _teams(viewer: Viewer, standings: Sequence[Standing]) -> list[TeamRow]:
    by_team: dict[str, list[Standing]] = {}
    for each in standings:
        by_team.setdefault(each.place.team_ref or "", []).append(each)
    for worker in viewer.model.staff.of_council(viewer.worker.council):
        if worker.role == "manager" and worker.team_ref:
            by_team.setdefault(worker.team_ref, [])
    return [TeamRow(name or "No team", name or None, figures.headlines(of)) for name, of in sorted(by_team.items())]


def _cohorts(in_scope: Sequence[Standing]) -> list[tuple[str, Headlines]]:
    names = sorted({cohort for each in in_scope for cohort in each.cohorts})
    return [(name, figures.headlines([each for each in in_scope if name in each.cohorts])) for name in names]


def _workers(viewer: Viewer, standings: Sequence[Standing]) -> list[Worker]:
    refs = {each.place.adviser_ref for each in standings if each.place.adviser_ref is not None}
    return sorted((worker for ref in refs if (worker := viewer.model.staff.get(ref)) is not None),
                  key=lambda worker: (worker.name.casefold(), worker.ref))


def _leavers(viewer: Viewer, in_scope: Sequence[Standing]) -> list[str]:
    """People whose adviser works here no more."""
    return [each.ref for each in in_scope if each.place.adviser_ref is not None
            and ((worker := viewer.model.staff.get(each.place.adviser_ref)) is None or not worker.active)]


def _feeds(viewer: Viewer) -> list[Feed]:
    council = viewer.worker.council
    marks, rules = viewer.model.feeds.of(council), viewer.model.rules.get(council)
    names = sorted(set(marks) | (rules.feeds if rules else frozenset()))
    today = viewer.today.toordinal()
    return [Feed(name, date.fromordinal(marks[name]), today - 1 - marks[name]) if name in marks else Feed(name, None, None)
            for name in names]
