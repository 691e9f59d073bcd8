"""The pages in a real browser: nothing that axe finds wrong, nothing fetched, and paper that nothing runs off."""
from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from keepintouch.check.comparing import compare
from keepintouch.check.page import page
from keepintouch.check.worklist import worklist
from keepintouch.standards.policy_file import load_policy

from .town import TODAY, a_few

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("pages")]   # together: while a browser is open no event loop can run

AXE = Path(__file__).parents[3] / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
PATIENCE_MS = 120_000
A4_WIDTH = 688
"""CSS pixels between the margins of A4."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    assert chromium is not None, "make setup installs chromium for the tests"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=QUIET, timeout=PATIENCE_MS)
        yield started
        started.close()


def pages() -> dict[str, str]:
    town = a_few(30)
    report = town.report()
    return {"report": page(report, comparison=compare(report, load_policy("letter_2017"))),
            "worklist": worklist("W17", report.subjects, TODAY, "https://lcs.example/case/{id}")}


@pytest.mark.parametrize("kind", ["report", "worklist"])
def test_a_page_is_accessible_loads_nothing_and_fits_on_paper(kind: str, browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(pages()[kind], encoding="utf-8")
    asked: list[str] = []
    with browser.new_context(viewport={"width": 900, "height": 1200}) as context:
        context.set_default_timeout(PATIENCE_MS)
        shown = context.new_page()
        shown.on("request", lambda request: asked.append(request.url))
        shown.goto((tmp_path / "page.html").as_uri())
        shown.evaluate(AXE.read_text(encoding="utf-8"))
        wrong = shown.evaluate(
            "async rules => (await axe.run(document, {runOnly: rules})).violations.map(v => [v.id, v.nodes[0].html])", RULES)
        assert wrong == []
        assert len(asked) == 1
        shown.emulate_media(media="print")
        shown.set_viewport_size({"width": A4_WIDTH, "height": 1000})
        assert shown.evaluate("document.documentElement.scrollWidth") <= A4_WIDTH
