"""Who sees whom: the rule itself, and that every route keeps it."""
from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, get_args

import orjson
import pytest

from keepintouch.runtime.topics import STAFF
from schemas.actions import Action
from services.board.access import PAGES, Scope, may_set_leave, scope_of
from services.board.model.people import Place
from services.board.model.staff import Staff, Worker

from .world import NEIGHBOUR, Browser, Stage, abroad, arranged, stage

MONDAY = date(2026, 3, 2)


def worker(ref: str, role: str = "adviser", **more: object) -> dict[str, object]:
    return {"worker_ref": f"north:{ref}", "council": "north", "role": role, "name": f"Name of {ref}", "channels": ["sms"],
            "active": True} | more


def staff_of(*records: dict[str, object]) -> Staff:
    staff = Staff()
    for record in records:
        staff.put(orjson.dumps(record))
    return staff


def scope(staff: Staff, ref: str, day: date = MONDAY) -> Scope:
    who = staff.get(f"north:{ref}")
    assert who is not None
    return scope_of(who, staff, day)


def place(adviser: str | None = None, team: str | None = None, council: str = "north") -> Place:
    return Place(f"{council}:p", None if adviser is None else f"{council}:{adviser}", team)


def test_an_adviser_sees_their_own_people_and_nobody_elses() -> None:
    mine = scope(staff_of(worker("a", team_ref="t"), worker("b", team_ref="t")), "a")
    assert mine.holds(place("a"))
    assert not mine.holds(place("b", "t"))
    assert not mine.holds(place(None, "t"))
    assert not mine.holds(place("a", council="south"))


def test_a_cover_sees_them_on_the_days_of_the_leave_and_no_other() -> None:
    away = {"from": "2026-03-02", "until": "2026-03-03", "cover_ref": "north:b"}
    staff = staff_of(worker("a", absence=away, cover_ref="north:c"), worker("b"), worker("c"))
    for n, sees in ((-3, False), (0, True), (1, True), (2, False)):
        assert scope(staff, "b", MONDAY + timedelta(days=n)).holds(place("a")) is sees
    assert not scope(staff, "c").holds(place("a"))   # the leave names another one


def test_usual_cover_sees_them_on_days_not_worked_in_a_leave_that_names_nobody_and_when_they_have_left() -> None:
    staff = staff_of(worker("a", works=["mon"], cover_ref="north:c"), worker("c"),
                     worker("b", absence={"from": "2026-03-02", "until": "2026-03-02"}, cover_ref="north:c"),
                     worker("d", active=False, cover_ref="north:c"))
    assert not scope(staff, "c").holds(place("a"))
    assert scope(staff, "c", MONDAY + timedelta(days=1)).holds(place("a"))
    assert scope(staff, "c").holds(place("b"))
    assert scope(staff, "c").holds(place("d"))


def test_a_manager_sees_their_team_and_the_people_of_the_advisers_they_manage_those_who_left_too() -> None:
    staff = staff_of(worker("m", "manager", team_ref="t"), worker("a", manager_ref="north:m"), worker("b"))
    staff.remove("north:a")
    mine = scope(staff, "m")
    assert mine.holds(place("b", "t"))
    assert mine.holds(place(None, "t"))
    assert mine.holds(place("a", "u"))
    assert not mine.holds(place("b", "u"))
    assert not mine.holds(place(None, None))


@pytest.mark.parametrize("role", ["service_manager", "duty"])
def test_service_manager_and_duty_see_their_council_and_no_other(role: str) -> None:
    mine = scope(staff_of(worker("s", role)), "s")
    assert mine.holds(place("a", "t"))
    assert mine.holds(place())
    assert not mine.holds(place("a", "t", council="south"))


def test_who_may_set_whose_leave() -> None:
    staff = staff_of(worker("a", manager_ref="north:m"), worker("b", team_ref="t"), worker("m", "manager", team_ref="t"),
                     worker("n", "manager", team_ref="u"), worker("s", "service_manager"), worker("x", active=False))
    who: dict[str, Worker] = {ref: found for ref in "abmnsx" if (found := staff.get(f"north:{ref}")) is not None}
    allowed = {(one, other) for one in who for other in who if may_set_leave(who[one], who[other])}
    assert allowed == {("a", "a"), ("b", "b"), ("m", "m"), ("n", "n"), ("m", "a"), ("m", "b"),
                       *(("s", other) for other in "abmns")}


ROLES = ("adviser", "manager", "service_manager", "duty")
PERSON = ("/people/{ref}", "/people/{ref}/why/{number}")
ROLE_PAGES = {"/": "caseload", "/team": "team", "/team.csv": "team", "/council": "council", "/council.csv": "council",
              "/held": "held", "/leave": "leave", "/audit": "audit"}
OPEN = ("/static/board.css", "/static/icon.svg", "/healthz", "/readyz", "/metrics")
SIGNING_IN = {("GET", "/sign-in"), ("GET", "/sign-in/back"), ("GET", "/sign-in/as/{worker_ref}/{ref}"), ("POST", "/sign-in/as"),
              ("POST", "/sign-out")}
ACTIONS = get_args(Action)


def routes(made: Stage) -> set[tuple[str, str]]:
    """Every method and path the application answers."""
    return {(method.upper(), path) for path, methods in made.app.openapi()["paths"].items() for method in methods}


@dataclass(frozen=True)
class Outside:
    """What a role must not see or change, whatever it is asked by."""

    people: tuple[str, ...]
    workers: tuple[str, ...]
    alerts: tuple[str, ...]
    texts: tuple[str, ...]


def outside(made: Stage, role: str) -> Outside:
    """All of a neighbouring council, and what is nobody's; of an adviser or manager a colleague's people besides."""
    theirs, colleague = abroad(made), made.staff("adviser")
    of_colleague = made.model.open_alerts(made.model.people.of_advisers([colleague]))[:2]
    made.text("K7QX", colleague, [alert.alert_id for alert in of_colleague])
    near = role in ("adviser", "manager")
    return Outside(
        (theirs.person, "lancashire:nobody-at-all", "elsewhere:p1", *(alert.person_ref for alert in of_colleague if near)),
        (theirs.worker, "lancashire:nobody-at-all", *([colleague] if near else [])),
        (theirs.alert, "no-such-alert", *(alert.alert_id for alert in of_colleague if near)),
        (theirs.text, "ZZZZ", *(["K7QX"] if near else [])))


def asks(not_theirs: Outside, number: int) -> dict[tuple[str, str], list[tuple[str, dict[str, Any]]]]:
    """By route, every way of asking for what is outside: an address, and the fields of a form."""
    people, workers = not_theirs.people, not_theirs.workers
    days = {"from": "2017-03-02", "until": "2017-03-03"}
    lists = [f"?show=everyone&adviser={ref}" for ref in workers]
    return {
        ("GET", "/people/{ref}"): [(f"/people/{ref}", {}) for ref in people],
        ("GET", "/people/{ref}/why/{number}"): [(f"/people/{ref}/why/{number}", {}) for ref in people],
        ("GET", "/a/{ref}"): [(f"/a/{ref}", {}) for ref in not_theirs.texts],
        ("GET", "/team"): [("/team?team=nowhere", {}), *((f"/team{each}&team=north", {}) for each in lists)],
        ("GET", "/team.csv"): [("/team.csv?team=nowhere", {})],
        ("GET", "/council"): [(f"/council{each}", {}) for each in lists],
        ("GET", "/leave"): [(f"/leave?worker={ref}", {}) for ref in workers],
        ("GET", "/audit"): [(f"/audit?actor={ref}", {}) for ref in workers[:2]],   # who works in the council is no secret in it
        ("POST", "/actions"): [("/actions", {"alert": [alert], "action": action, "until": "2017-03-05", "back": "/",
                                             "note_code": "supervision"})
                               for alert in not_theirs.alerts for action in ACTIONS],
        ("POST", "/leave"): [*(("/leave", days | {"worker": ref}) for ref in workers),
                             ("/leave", days | {"cover": workers[0]})],
    }


LISTS = {("GET", path) for path in ("/", "/team", "/team.csv", "/council", "/council.csv", "/held", "/leave", "/audit")}
"""Pages of whoever may be seen."""


@pytest.fixture
def beside(tmp_path: Path) -> Stage:
    """A council beside another one."""
    return stage(tmp_path, arranged(40), neighbour=True)


def test_every_route_is_walked(made: Stage) -> None:
    """A new route must be added to the walk of what is outside, and to the pages of roles, or be open to everybody."""
    walked = set(asks(Outside(("p",), ("w",), ("a",), ("t",)), 1)) | LISTS
    assert routes(made) == walked | {("GET", path) for path in OPEN} | SIGNING_IN
    assert {path for method, path in walked if method == "GET"} == {*PERSON, *ROLE_PAGES, "/a/{ref}"}


@pytest.mark.parametrize("role", ROLES)
def test_no_route_shows_or_changes_anything_of_someone_outside(beside: Stage, role: str) -> None:
    not_theirs, browser = outside(beside, role), Browser(beside)
    inside = next(iter(beside.model.people.of_council("lancashire")))
    explanation = beside.model.explanation(inside)
    assert explanation is not None
    number = next(each.standard.place for each in explanation.standards if each.clock is not None)
    if role in ("adviser", "manager"):   # of another team, and with nobody
        beside.model.fold(STAFF, b"lancashire:idle", orjson.dumps(worker("idle", role) | {
            "worker_ref": "lancashire:idle", "council": "lancashire", "team_ref": "elsewhere"}))
        browser.sign_in("lancashire:idle")
    else:
        browser.sign_in(beside.staff(role))
        assert browser.get(f"/people/{inside}").status_code == 200
        assert browser.get("/a/K7QX").status_code == 200
    for (method, _), ways in asks(not_theirs, number).items():
        for address, fields in ways:
            answer = browser.get(address) if method == "GET" else browser.post(address, **fields)
            assert answer.status_code == 404, (address, fields)
    for _, path in LISTS:
        page = browser.get(path).text
        assert not [ref for ref in (*not_theirs.people, *not_theirs.alerts) if ref in page], path
        assert NEIGHBOUR not in page, path
    assert beside.ledger.written == []


@pytest.mark.parametrize("role", ROLES)
def test_somebody_of_another_council_is_in_no_list_and_no_figure(beside: Stage, role: str) -> None:
    """Though a mistake there names an adviser and a team of ours."""
    browser = Browser(beside)
    browser.sign_in(beside.staff(role))
    paths = ["/", *(f"{path}{query}" for path in ("/team", "/council", "/team.csv", "/council.csv", "/held", "/leave")
                    for query in ("", "?show=everyone", "?team=north", "?team=north&show=everyone", "?rule=visit_overdue"))]
    alone = {path: browser.get(path) for path in paths}
    theirs = abroad(beside)
    for path, before in alone.items():
        answer = browser.get(path)
        assert answer.status_code == before.status_code
        assert theirs.person not in answer.text, path
        assert figures_on(answer.text) == figures_on(before.text), path


def figures_on(page: str) -> list[str]:
    """Its numbers, of which none is a token or an address."""
    return re.findall(r"(?<![\w:.#])\d+(?![\w:.])", re.sub(r"<[^>]*>", " ", page))


@pytest.mark.parametrize("role", ROLES)
def test_pages_exist_for_the_roles_that_have_them(made: Stage, browser: Browser, role: str) -> None:
    browser.sign_in(made.staff(role))
    for path, page in ROLE_PAGES.items():
        if path == "/team.csv" and role in ("service_manager", "duty"):
            path = "/team.csv?team=north"
        assert browser.get(path).status_code == (200 if role in PAGES[page] else 404), path


def test_a_manager_of_another_team_sees_none_of_this(made: Stage, browser: Browser) -> None:
    made.model.fold(STAFF, b"lancashire:m2", orjson.dumps(worker("m2", "manager") | {
        "worker_ref": "lancashire:m2", "council": "lancashire", "team_ref": "elsewhere"}))
    seen = next(iter(made.model.people.of_council("lancashire")))
    browser.sign_in("lancashire:m2")
    assert browser.get(f"/people/{seen}").status_code == 404
    assert browser.get("/team?team=north").status_code == 404
    assert browser.get("/team.csv?team=north").status_code == 404
    assert "No young people are in scope here" in browser.get("/team").text


def test_without_a_sign_in_every_page_leads_to_it_and_no_form_does_anything(made: Stage, browser: Browser) -> None:
    for path in ("/", "/a/K7QX", "/people/lancashire:x", "/team", "/council", "/held", "/leave", "/audit", "/team.csv"):
        answer = browser.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in"), path
    lost = Browser(made)
    answer = lost._send("POST", "/actions", data={"action": "acknowledge"})
    assert answer.status_code == 403
    assert "nothing was saved" in answer.text
    assert made.ledger.written == []


def test_whose_record_ends_is_signed_out(made: Stage, browser: Browser) -> None:
    adviser = made.staff("adviser")
    browser.sign_in(adviser)
    assert browser.get("/").status_code == 200
    made.model.fold(STAFF, adviser.encode(), None)
    assert browser.get("/").headers["location"] == "/sign-in"
