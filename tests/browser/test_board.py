"""The board's pages in a real browser: accessible at both widths, by keyboard alone, without JavaScript, from nowhere else."""
from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page

from services.board.access import PAGES
from services.board.app import make_app
from services.board.settings import BoardSettings
from tests.browser.conftest import REF, Served, violations

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]   # together: while one is open no other event loop can run

WIDTHS = (320, 1280)
WIDEST = """[...document.querySelectorAll('main *')].filter(
    each => each.getBoundingClientRect().right > document.documentElement.clientWidth).slice(-1)[0]?.outerHTML.slice(0, 200)"""
ADDRESSES = {
    "/": ("/", "/?state=ok", "/?state=overdue&rule=visit_overdue"),
    "/a/{ref}": (f"/a/{REF}",),
    "/people/{ref}": ("/people/{person}", "/people/{person}?all=true"),
    "/people/{ref}/why/{number}": ("/people/{person}/why/{why}",),
    "/team": ("/team", "/team?team=north", "/team?team=north&show=gap", "/team?team=north&show=not_looked_at",
              "/team?team=north&rule=text_only"),
    "/council": ("/council", "/council?show=never_met", "/council?show=opt_out"),
    "/held": ("/held",),
    "/leave": ("/leave", "/leave?worker={adviser}"),
    "/audit": ("/audit", "/audit?actor={adviser}"),
}
"""Every page, by its route: as it is first seen, and its lists."""
NOT_PAGES = {"/static/board.css", "/static/icon.svg", "/healthz", "/readyz", "/metrics", "/team.csv", "/council.csv",
             "/sign-in/back", "/sign-in/as/{worker_ref}/{ref}"}
"""Files, answers to machines, and addresses that lead on."""
SIGN_IN = "/sign-in"
ROLES = ("adviser", "manager", "service_manager", "duty")


def addresses(served: Served, role: str) -> list[str]:
    """Where a role gets to: its pages, and one that does not exist."""
    explanation = served.made.model.explanation(served.person)
    assert explanation is not None
    why = next(each.standard.place for each in explanation.standards if each.clock is not None)
    found = [path.format(person=served.person, adviser=served.adviser, why=why) for route, paths in ADDRESSES.items()
             if role in PAGES.get(route.strip("/") or "caseload", ROLES) for path in paths]
    return [path for path in found if role != "duty" or "worker=" not in path] + ["/nowhere"]


def test_every_page_is_walked() -> None:
    """A new one must be added to `ADDRESSES`."""
    app = make_app(None, BoardSettings(keepintouch_demo="1"), b"", b"", None)  # type: ignore[arg-type]
    pages = {path for path, methods in app.openapi()["paths"].items() if "get" in methods}
    assert pages == set(ADDRESSES) | NOT_PAGES | {SIGN_IN}
    assert set(PAGES) == {route.strip("/") or "caseload" for route in ADDRESSES} - {"a/{ref}", "people/{ref}",
                                                                                 "people/{ref}/why/{number}"}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("role", ROLES)
def test_every_page_of_every_role_is_accessible_and_fits(served: Served, role: str, width: int) -> None:
    worker = served.adviser if role == "adviser" else served.made.staff(role)
    wrong = []
    with served.context(worker, width) as context:
        page = context.new_page()
        for path in addresses(served, role):
            answer = page.goto(served.url + path)
            assert answer is not None
            assert answer.status == (404 if path == "/nowhere" else 200), path
            assert re.fullmatch(r"\S.* – Keep in Touch", page.title()), path
            assert page.locator("h1").count() == 1
            assert page.locator("h1").inner_text().strip()
            page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
            wrong += [f"{path}: {each}" for each in violations(page)]
            too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            if too_wide > 0:
                wrong.append(f"{path}: {too_wide} pixels too wide: {page.evaluate(WIDEST)}")
            if path == "/nowhere":
                assert page.get_by_role("link", name="Go to my people").count() == 1
            elif not path.startswith("/?") and path != "/":
                assert page.locator(".govuk-back-link").count() == 1, path
    assert wrong == []


@pytest.mark.parametrize("width", WIDTHS)
def test_what_went_wrong_is_said_accessibly(served: Served, width: int) -> None:
    with served.context(served.adviser, width) as context:
        page = context.new_page()
        page.goto(f"{served.url}/leave")
        with page.expect_navigation():
            page.get_by_role("button", name="Save").click()
        assert page.title() == "Error: Leave and cover – Keep in Touch"
        page.get_by_role("link", name="Give the first and the last day away as dates.").click()
        page.wait_for_function("document.activeElement.id === 'from'")
        assert violations(page) == []
        page.goto(f"{served.url}/a/{REF}")
        served.made.ledger.away = True
        try:
            with page.expect_navigation():
                page.get_by_role("button", name="I’m on it").first.click()
        finally:
            served.made.ledger.away = False
        assert page.title() == "Not saved – Keep in Touch"
        assert violations(page) == []
        context.clear_cookies()
        with page.expect_navigation():
            page.get_by_role("button", name="Try again").click()
        assert "you come back to the page you were on" in page.locator("main").inner_text()
        assert violations(page) == []


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_to_sign_in_on_is_accessible(served: Served, width: int) -> None:
    with served.context(None, width) as context:
        page = context.new_page()
        page.goto(served.url + "/")
        assert page.url.endswith("/sign-in")
        assert violations(page) == []


def test_by_keyboard_alone_from_a_text_to_on_it(served: Served) -> None:
    made = served.made
    alert = made.model.open_alerts(made.model.people.of_advisers([served.adviser]))[4]
    made.text("KEYB", served.adviser, [alert.alert_id])
    with served.context(served.adviser, 320) as context:
        page = context.new_page()
        page.goto(f"{served.url}/a/KEYB")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent").strip() == "Skip to main content"
        page.keyboard.press("Enter")
        page.wait_for_url("**/a/KEYB#*")
        for _ in range(10):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.value") == "acknowledge":
                break
        outline = page.evaluate("getComputedStyle(document.activeElement).boxShadow")
        assert outline != "none"   # one sees where one is
        page.keyboard.press("Enter")
        page.wait_for_selector("text=Saved: you are on it.")
    assert [each.action for each in made.model.log.actions(alert.alert_id)] == ["acknowledge"]


def test_two_taps_and_a_date_without_javascript(served: Served) -> None:
    made = served.made
    alert = made.model.open_alerts(made.model.people.of_advisers([served.adviser]))[5]
    made.text("TAPS", served.adviser, [alert.alert_id])
    with served.context(served.adviser, 320, scripts=False) as context:
        page = context.new_page()
        page.goto(f"{served.url}/a/TAPS")
        thursday = page.get_by_label("Visit on").locator("option", has_text="Thu").first.get_attribute("value")
        page.get_by_label("Visit on").select_option(thursday)
        page.get_by_role("button", name="Visit planned").click()
        page.wait_for_selector("text=Saved: a visit is planned")
    [action] = made.model.log.actions(alert.alert_id)
    assert action.action == "plan_visit"
    assert action.until is not None
    assert action.until.isoformat() == thursday


def test_everything_comes_from_the_board_itself_and_nothing_of_gov_uk(served: Served) -> None:
    asked: list[str] = []
    with served.context(served.adviser, 1280) as context:
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{served.url}/a/{REF}")
        fonts = page.evaluate("[...document.querySelectorAll('*')].map(each => getComputedStyle(each).fontFamily).join()")
        assert all(each.startswith(served.url) for each in asked), asked
        assert "GDS Transport" not in fonts
        assert "crown" not in page.content().lower()
        assert page.locator("script").count() == 0


@pytest.mark.parametrize("media", [{"forced_colors": "active"}, {"media": "print"}])
def test_with_colours_of_ones_own_and_on_paper_everything_is_still_said(served: Served, media: dict[str, str]) -> None:
    with served.context(served.adviser, 1280) as context:
        page = context.new_page()
        page.emulate_media(**media)  # type: ignore[arg-type]
        page.goto(served.url + "/")
        overdue = page.locator("strong.govuk-tag", has_text="Overdue").first
        assert overdue.is_visible()   # a state is a word, never a colour alone
        assert violations(page) == []
        if "media" in media:
            assert not page.locator(".govuk-service-navigation").is_visible()


A4_INSIDE = 718
"""Width of A4 paper in CSS pixels, less a centimetre on each side."""


@pytest.mark.parametrize("path", ["/", f"/a/{REF}", "/people/{person}"])
def test_on_a4_nothing_is_cut_off(served: Served, path: str) -> None:
    with served.context(served.adviser, A4_INSIDE) as context:
        page = context.new_page()
        page.goto(served.url + path.format(person=served.person))
        page.emulate_media(media="print")
        assert page.evaluate(CUT_OFF) == []
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
        beside = page.evaluate("[...document.links].map(each => getComputedStyle(each, '::after').content)")
        assert beside
        assert set(beside) <= {"none", "normal", '""'}   # no address, which would say who by ref
        if path == "/":
            people = page.locator("#everyone tbody tr").count()
            assert sheets(page) <= 2 + people // 10
            assert page.locator("#everyone tbody tr").first.evaluate("each => getComputedStyle(each).breakInside") == "avoid"


CUT_OFF = """[...document.querySelectorAll('main *, header *')].filter(each => {
    const box = each.getBoundingClientRect(), style = getComputedStyle(each);
    return style.clipPath === 'none' && box.width && !each.closest('.govuk-visually-hidden, details:not([open]) > *')
        && (box.right > document.documentElement.clientWidth + 0.5 || box.left < -0.5);
}).map(each => each.outerHTML.slice(0, 150))"""


def sheets(page: Page) -> int:
    """How many sheets of A4 a page takes."""
    margin = {"top": "1cm", "bottom": "1cm", "left": "1cm", "right": "1cm"}
    return page.pdf(format="A4", margin=margin).count(b"/Type /Page\n")  # type: ignore[arg-type]
