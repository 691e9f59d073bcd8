"""A board without Kafka, served on a port, and Debian's Chromium to look at it with."""
from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from keepintouch.runtime.serving import serving
from tests.unit.board.world import Stage, arranged, stage

CHROMIUM = "/usr/bin/chromium"
AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
PATIENCE_MS = 120_000
"""How long a browser may take for anything."""
REF = "K7QX"


@dataclass
class Served:
    """A board that answers, and what to see on it."""

    made: Stage
    url: str
    browser: Browser
    adviser: str
    person: str

    def context(self, worker_ref: str | None, width: int, *, scripts: bool = True) -> BrowserContext:
        """A browser of its own in which somebody is signed in."""
        context = self.browser.new_context(viewport={"width": width, "height": 800}, java_script_enabled=scripts, bypass_csp=True,
                                           locale="en-GB", timezone_id="Europe/London")
        context.set_default_timeout(PATIENCE_MS)
        if worker_ref is not None:
            session = self.made.board.sessions.sign_in(worker_ref)
            context.add_cookies([{"name": "board", "value": session.id, "url": self.url}])
        return context


def violations(page: Page) -> list[str]:
    """What axe finds against WCAG 2.2 A and AA: rule, and the first element."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("tags => axe.run(document, {runOnly: {type: 'tag', values: tags}})", WCAG)
    return [f"{each['id']}: {each['nodes'][0]['html'][:200]} ({len(each['nodes'])})" for each in found["violations"]]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One council for all pages; a test that acts does so about an alert of its own."""
    if shutil.which("chromium") is None:
        pytest.skip("needs Chromium")
    made = stage(tmp_path_factory.mktemp("board"), arranged(24), case_link="https://cases.example/{id}")
    adviser = made.staff("adviser")
    alerts = made.model.open_alerts(made.model.people.of_advisers([adviser]))
    made.text(REF, adviser, [alert.alert_id for alert in alerts[:3]])
    made.text("", made.staff("manager"), [alerts[-1].alert_id], state="held", step="1", reason="storm")
    with serving(made.app, "127.0.0.1", 0, setting="BOARD_HTTP_PORT") as port, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=PATIENCE_MS)
        try:
            yield Served(made, f"http://127.0.0.1:{port}", browser, adviser, alerts[0].person_ref)
        finally:
            browser.close()
