"""Journey 1: an adviser, Tuesday 08:31, on a bus; from a text to what ended it, on real parts."""
from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta

import pytest
from playwright.sync_api import Page, sync_playwright

from keepintouch.runtime.ports import free_port
from keepintouch.runtime.supervisor import Child
from keepintouch.runtime.topics import ALERT_ACTIONS
from tests.browser.conftest import CHROMIUM, FLAGS, PATIENCE_MS
from tests.integration.test_board import OIDC
from tests.journeys.town import (
    ADA,
    BEN,
    BOARD,
    EMAILS,
    KIM,
    LABELS,
    MIA,
    MONITOR,
    NAMES,
    NOTIFIER,
    ROB,
    SAM,
    SERVICES,
    Town,
    link_of,
    moment,
)
from tests.processes import until

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("node") is None or shutil.which("chromium") is None,
                                                   reason="needs Node and Chromium")]
TUESDAY, THURSDAY = date(2026, 5, 12), date(2026, 5, 14)
SEEN = date(2026, 3, 12)
"""Eight weeks and two working days before Tuesday."""


@contextmanager
def phone() -> Iterator[Page]:
    """A telephone's browser, without JavaScript."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=PATIENCE_MS)
        try:
            context = browser.new_context(viewport={"width": 320, "height": 700}, java_script_enabled=False, locale="en-GB",
                                          timezone_id="Europe/London")
            context.set_default_timeout(PATIENCE_MS)
            yield context.new_page()
        finally:
            browser.close()


def open_as(page: Page, link: str, worker: str) -> None:
    """Tap a link, and go through the council's own sign-in."""
    page.goto(link)
    page.locator('input[name="login"]').fill(EMAILS[worker])
    page.locator('input[name="password"]').fill("any")
    while "/interaction/" in page.url:
        with page.expect_navigation():
            page.locator('button[type="submit"]').click()


def with_a_sign_in(town: Town) -> None:
    """The council has a sign-in of its own."""
    port = free_port()
    town.children.start(Child("oidc", ["node", str(OIDC), str(port), town.url(BOARD)], town.folder / "oidc.log", {},
                              f"http://127.0.0.1:{port}/.well-known/openid-configuration"))
    town.children.wait_ready("oidc", within=120)
    town.more |= {"OIDC_ISSUER": f"http://127.0.0.1:{port}", "OIDC_CLIENT_ID": "board",
                  "OIDC_CLIENT_SECRET": "a-secret-for-tests-only"}


def monday_evening(town: Town) -> None:
    """Three young people of whom everything is known and nothing is overdue yet; Sam has answered no text since March."""
    town.everybody()
    town.at(moment(TUESDAY - timedelta(days=1), "18:30"))
    town.start(MONITOR)
    written = [town.contact(SAM, ADA, moment(TUESDAY - timedelta(days=back)), channel="text", outcome="no_reply")
               for back in (1, 3, 5, 8, 11)]
    town.write(*written, *(town.visit(case, worker, moment(SEEN)) for case, worker in ((SAM, ADA), (KIM, ADA), (ROB, BEN))))
    long_ago = moment(SEEN - timedelta(days=30))
    town.people(*(town.person(case, worker, long_ago, plan_reviewed_on=SEEN) for case, worker in
                  ((SAM, ADA), (KIM, ADA), (ROB, BEN))))
    assert not any(alert for case in LABELS for alert in town.alerts(case).values())
    town.children.stop(MONITOR)


def test_from_a_text_to_what_ended_it(lancashire: Town) -> None:
    town = lancashire
    monday_evening(town)
    with_a_sign_in(town)
    town.at(moment(TUESDAY, "08:31"))
    town.more["NOTIFIER_GATHER"] = "10s"   # both are found within that, and are one text
    town.start(MONITOR, NOTIFIER, BOARD)
    until(lambda: town.texts(ADA) and town.texts(BEN))
    [text] = town.texts(ADA)
    texted = time.monotonic()
    assert text.body.startswith("2 young people need contact")

    with phone() as page:
        open_as(page, link_of(text), ADA)
        assert page.url == link_of(text)
        shown = page.locator("main").inner_text()
        assert page.locator("h1").inner_text() == "2 young people need contact"
        assert [LABELS[case] in shown for case in (SAM, KIM, ROB)] == [True, True, False]
        assert "Nobody has seen them since Thu 12 March" in shown
        assert "Thu 12 March; 5 written messages since, none answered." in shown
        assert "What would put it right." in shown
        assert "Overdue since" in shown
        sam, kim = (page.locator(".govuk-summary-card", has_text=LABELS[case]).first for case in (SAM, KIM))
        # With Sam a visit is planned: a day, and the second tap.
        day = sam.get_by_label("Visit on").locator("option", has_text="Thu 14 May").first.get_attribute("value")
        assert day == THURSDAY.isoformat()
        sam.get_by_label("Visit on").select_option(day)
        sam.get_by_role("button", name="Visit planned").click()
        page.locator("main", has_text="Saved: a visit is planned").wait_for()
        # Kim she saw yesterday, and has not typed it up yet.
        kim.locator("summary", has_text="Something else").click()
        with page.expect_navigation():
            kim.get_by_role("button", name="Contact made, not typed up yet").click()
        assert page.locator("h1").count() == 1
    said = {(action["action"], action["actor_ref"], action["via"]) for action in town.on(ALERT_ACTIONS)}
    assert said == {(action, town.refs.worker(ADA), "board") for action in ("plan_visit", "seen_already")}
    assert {each["alert_id"] for each in town.on(ALERT_ACTIONS) if each["action"] == "plan_visit"} == {
        str(alert.alert_id) for alert in town.alerts(SAM).values()}   # all that contact would put right, by one tap
    town.children.stop(MONITOR, NOTIFIER, BOARD)

    # Thursday: who said nothing has heard again by now, and so has his manager. She has not.
    del town.more["NOTIFIER_GATHER"]
    town.at(moment(THURSDAY, "17:30"))
    town.start(MONITOR, NOTIFIER)
    until(lambda: len(town.texts(BEN)) == 2 and town.texts(MIA))
    assert len(town.texts(ADA)) == 1
    # In the evening she types up both, into the case system as always, and nothing else.
    typed, seconds = town.clock.now(), time.monotonic()
    town.write(town.visit(SAM, ADA, moment(THURSDAY, "14:00"), typed),
               town.visit(KIM, ADA, moment(TUESDAY - timedelta(days=1), "16:00"), typed))
    until(lambda: not any(alert.status == "open" for case in (SAM, KIM) for alert in town.alerts(case).values()))
    cleared = time.monotonic() - seconds
    assert {alert.end_reason for alert in town.alerts(SAM).values()} == {"done"}
    assert {(alert.end_reason, alert.recording_lag_days) for alert in town.alerts(KIM).values()} == {("recorded_late", 3)}
    town.children.stop(MONITOR, NOTIFIER)

    # Friday: those with something open get their weekly message; she has nothing open and hears nothing.
    town.at(moment(THURSDAY + timedelta(days=1), "08:31"))
    town.start(NOTIFIER)
    until(lambda: len(town.texts(BEN)) == 3)
    assert town.texts(BEN)[-1].body.startswith("This week: 1 young person needs contact")
    assert [sent.body for sent in town.texts(ADA)] == [text.body]
    print(f"\n2 taps and a date; {cleared * 1000:.0f} ms from typing it up to cleared; {time.monotonic() - texted:.0f} s in all "
          f"from the text on, two and a half days of the story; texts to her: {len(town.texts(ADA))}")
    assert NAMES[ADA] not in "".join(sent.body for sent in town.twilio.ledger)
    assert all(town.log(service).exists() for service in SERVICES if service != "intake")
