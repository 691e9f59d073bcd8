"""What every answer carries, what a form must prove, how a sign-in ends, and what the board refuses to start with."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from keepintouch.councils import load_councils
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.serving import serving
from keepintouch.runtime.settings import load_settings
from services.board.sessions import IDLE_SECONDS, LONGEST_SECONDS, SIGNING_IN_SECONDS, Sessions
from services.board.settings import BoardSettings, assets_dir, check_safe, public_url
from services.board.web import local

from .world import Browser, Stage, councils_file


@pytest.mark.parametrize("path", ["/", "/sign-in", "/nowhere", "/healthz", "/a/K7QX"])
def test_every_answer_is_fenced(browser: Browser, path: str) -> None:
    headers = browser.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert "script-src" not in policy   # there is none, so default-src forbids it
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"


def test_with_https_the_cookie_is_the_hosts_alone_and_the_browser_stays_with_https(made: Stage) -> None:
    made.board.own_url = "https://board.example"
    answer = Browser(made).get("/")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-board=")
    for word in ("HttpOnly", "SameSite=lax", "Secure", "Path=/"):
        assert word in cookie
    assert "max-age=31536000" in answer.headers["strict-transport-security"]


def test_no_form_without_the_sessions_token_does_anything(made: Stage, browser: Browser) -> None:
    adviser = made.staff("adviser")
    alert = made.model.open_alerts(made.model.people.of_advisers([adviser]))[0]
    browser.sign_in(adviser)
    days: dict[str, Any] = {"from": "2017-03-02", "until": "2017-03-03"}
    for path in (path for path, methods in made.app.openapi()["paths"].items() if "post" in methods):
        for token in ("", "forged"):
            answer = browser.post(path, csrf=token, alert=[alert.alert_id], action="acknowledge", back="/",
                                  worker=made.staff("manager") if path == "/sign-in/as" else adviser, **days)
            assert answer.status_code == 403, path
            assert "nothing was saved" in answer.text
    assert made.ledger.written == []
    assert adviser.encode() in browser.get("/leave").content   # and is signed in as before


@pytest.mark.parametrize("headers", [
    {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}])
def test_a_form_from_another_site_does_nothing(made: Stage, browser: Browser, headers: dict[str, str]) -> None:
    adviser = made.staff("adviser")
    alert = made.model.open_alerts(made.model.people.of_advisers([adviser]))[0]
    browser.sign_in(adviser)
    answer = browser.post("/actions", headers, alert=[alert.alert_id], action="acknowledge", back="/")
    assert answer.status_code == 403
    assert made.ledger.written == []


@pytest.mark.parametrize("headers", [
    {"Origin": "http://127.0.0.1:8104", "Sec-Fetch-Site": "same-origin"}, {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
    {}])
def test_our_own_forms_work_in_every_browser(made: Stage, browser: Browser, headers: dict[str, str]) -> None:
    adviser = made.staff("adviser")
    alert = made.model.open_alerts(made.model.people.of_advisers([adviser]))[0]
    browser.sign_in(adviser)
    assert browser.post("/actions", headers, alert=[alert.alert_id], action="acknowledge", back="/").status_code == 303


def test_a_page_that_goes_on_sending_is_told_to_wait(made: Stage, browser: Browser) -> None:
    now = [0.0]
    made.board.posts.monotonic = lambda: now[0]
    adviser = made.staff("adviser")
    alert = made.model.open_alerts(made.model.people.of_advisers([adviser]))[0]
    browser.sign_in(adviser)
    made.board.posts.most = 2
    answers = [browser.post("/actions", alert=[alert.alert_id], action="acknowledge", back="/") for _ in range(3)]
    assert [each.status_code for each in answers] == [303, 303, 429]
    assert "this one was not saved" in answers[2].text
    assert answers[2].headers["retry-after"] == "60"
    other = Browser(made)
    other.sign_in(adviser)
    assert other.post("/actions", alert=[alert.alert_id], action="acknowledge", back="/").status_code == 303
    now[0] = 60
    assert browser.post("/actions", alert=[alert.alert_id], action="acknowledge", back="/").status_code == 303


def test_sign_ins_are_counted_by_the_address_that_a_proxy_of_ours_gives(made: Stage) -> None:
    made.board.sign_ins.most = 1

    def sign_ins(trusted: str, *addresses: str) -> list[int]:
        made.board.sign_ins = replace(made.board.sign_ins, _seen={})
        with serving(made.app, "127.0.0.1", 0, setting="BOARD_HTTP_PORT", forwarded_allow_ips=trusted) as port:
            return [httpx.get(f"http://127.0.0.1:{port}/sign-in", headers={"X-Forwarded-For": each}, timeout=60).status_code
                    for each in addresses]

    assert sign_ins("127.0.0.0/8", "192.0.2.1", "192.0.2.2", "192.0.2.1") == [200, 200, 429]
    assert sign_ins("10.0.0.0/8", "192.0.2.1", "192.0.2.2") == [200, 429]   # not one of ours: it may say what it likes


@pytest.mark.parametrize("value", ["*", "10.0.0.5/24", "proxy.internal", "10.0.0.1,nonsense"])
def test_a_proxy_that_is_no_address_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", value)
    with pytest.raises(UserError, match=r"FORWARDED_ALLOW_IPS.*no address and no network"):
        load_settings(BoardSettings)


def test_whose_sign_in_ended_meanwhile_comes_back_to_the_page(made: Stage, browser: Browser) -> None:
    adviser = made.staff("adviser")
    alert = made.model.open_alerts(made.model.people.of_advisers([adviser]))[0]
    for path, fields, page in (("/actions", {"alert": [alert.alert_id], "action": "acknowledge", "back": "/a/K7QX"}, "/a/K7QX"),
                               ("/actions", {"back": "//elsewhere.example"}, "/"), ("/actions", {"back": "/" * 40_000}, "/"),
                               ("/leave", {"from": "2017-03-02"}, "/leave")):
        lost = Browser(made)
        lost.sign_in(adviser)
        csrf = lost.csrf
        lost.cookies.clear()
        answer = lost.post(path, csrf=csrf, **fields)
        assert answer.status_code == 403
        assert "Sign in: you come back to the page" in answer.text
        assert made.ledger.written == []
        assert lost.post("/sign-in/as", worker=adviser).headers["location"] == page


def test_who_has_no_people_of_their_own_begins_with_those_they_lead(made: Stage) -> None:
    for role, page in (("adviser", "/"), ("manager", "/team"), ("service_manager", "/council"), ("duty", "/council")):
        browser = Browser(made)
        browser.get("/")
        assert browser.post("/sign-in/as", worker=made.staff(role)).headers["location"] == page
        assert browser.get(page).status_code == 200


@pytest.mark.parametrize("path", [
    "//evil.example", "/\\evil.example", "/\t/evil.example", "//[", "http://[", "", "x", "/\r\nX: y"])
def test_no_form_leads_elsewhere(path: str) -> None:
    assert local(path) == "/"
    assert local("/a/K7QX?x=[") == "/a/K7QX?x=["


def test_a_network_that_goes_on_signing_in_is_told_to_wait(made: Stage, browser: Browser) -> None:
    made.board.sign_ins.most = 2
    answers = [browser.get("/sign-in") for _ in range(3)]
    assert [each.status_code for each in answers] == [200, 200, 429]
    assert "Wait a minute" in answers[2].text
    browser.sign_in(made.staff("adviser"))
    assert browser.get("/").status_code == 200


def test_what_nobody_expected_is_a_page_too_and_fenced(made: Stage, browser: Browser) -> None:
    def broken() -> None:
        raise RuntimeError("lancashire:somebody")

    made.board.unwell = broken  # type: ignore[assignment]
    answer = browser.get("/healthz", raise_app_exceptions=False)
    assert answer.status_code == 500
    assert "Something is wrong here" in answer.text
    assert "somebody" not in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def test_a_large_form_is_refused(made: Stage, browser: Browser) -> None:
    browser.sign_in(made.staff("adviser"))
    assert browser.post("/actions", note="x" * 40_000).status_code == 413


def test_in_a_demo_one_signs_in_as_somebody_and_comes_to_the_page_asked_for(made: Stage, browser: Browser) -> None:
    adviser = made.staff("adviser")
    assert browser.get("/leave").status_code == 303
    page = browser.get("/sign-in")
    assert "nobody here exists" in page.text
    before = browser.cookies.get("board")
    answer = browser.post("/sign-in/as", worker=adviser)
    assert answer.headers["location"] == "/leave"
    assert browser.cookies.get("board") != before   # a new id for who is signed in
    assert browser.get("/leave").status_code == 200
    assert browser.post("/sign-out").status_code == 200
    assert browser.get("/leave").status_code == 303


def test_nobody_signs_in_as_someone_who_is_not_there(browser: Browser) -> None:
    browser.get("/")
    assert browser.post("/sign-in/as", worker="lancashire:nobody").status_code == 404


def test_a_session_ends_when_it_is_not_used_and_never_lasts_longer_than_a_day() -> None:
    now = [0.0]
    sessions = Sessions(lambda: now[0])
    session = sessions.sign_in("lancashire:w")
    while now[0] < LONGEST_SECONDS:
        assert sessions.get(session.id) is session
        now[0] += IDLE_SECONDS - 1
    assert sessions.get(session.id) is None
    other = sessions.sign_in("lancashire:w")
    now[0] += IDLE_SECONDS + 1
    assert sessions.get(other.id) is None
    waiting = sessions.begin("/a/K7QX")
    now[0] += SIGNING_IN_SECONDS + 1
    assert sessions.get(waiting.id) is None
    assert sessions.get(None) is None


OIDC = {"oidc_issuer": "https://login.example", "oidc_client_id": "board", "oidc_client_secret": "secret"}


@pytest.mark.parametrize(("settings", "council", "said"), [
    ({}, {"sign_in": "https://contact.example"}, "set OIDC_ISSUER, OIDC_CLIENT_ID, OIDC_CLIENT_SECRET"),
    (OIDC | {"oidc_issuer": "http://login.example"}, {"sign_in": "https://contact.example"}, "OIDC_ISSUER is plain http"),
    (OIDC, {"sign_in": "http://contact.example"}, "plain http"),
    (OIDC | {"oidc_client_secret": ""}, {"sign_in": "https://contact.example"}, "set OIDC_CLIENT_SECRET")])
def test_it_does_not_start_on_what_is_unsafe(tmp_path: Path, settings: dict[str, str], council: dict[str, Any],
                                             said: str) -> None:
    councils = load_councils(councils_file(tmp_path, **council))
    with pytest.raises(UserError, match=said):
        check_safe(BoardSettings.model_validate(settings), councils)


def test_what_is_safe_starts_and_a_demo_needs_no_sign_in(tmp_path: Path) -> None:
    councils = load_councils(councils_file(tmp_path, sign_in="https://contact.example"))
    check_safe(BoardSettings.model_validate(OIDC), councils)
    assert public_url(BoardSettings.model_validate(OIDC), councils) == "https://contact.example"
    check_safe(BoardSettings(keepintouch_demo="1"), load_councils(councils_file(tmp_path)))


def test_without_its_style_it_says_where_that_comes_from(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="make setup, or set BOARD_ASSETS_DIR"):
        assets_dir(BoardSettings(board_assets_dir=tmp_path))


def test_the_style_has_nothing_of_gov_uk_and_loads_nothing(browser: Browser) -> None:
    style = browser.get("/static/board.css").text
    assert "GDS Transport" not in style
    assert "url(" not in style
    assert "@font-face" not in style
    assert ".govuk-button" in style
