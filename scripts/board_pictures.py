"""Takes the pictures of the board in docs/images: `python scripts/board_pictures.py`, of a made-up council, with Chromium."""
from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Browser, ViewportSize, sync_playwright  # noqa: E402

from keepintouch.runtime.serving import serving  # noqa: E402
from tests.browser.conftest import CHROMIUM, FLAGS  # noqa: E402
from tests.unit.board.world import Stage, arranged, stage  # noqa: E402

IMAGES = ROOT / "docs" / "images"
PHONE, DESK = ViewportSize(width=390, height=844), ViewportSize(width=1200, height=900)


def main() -> None:
    """Take them all."""
    with tempfile.TemporaryDirectory() as folder:
        made = stage(Path(folder), arranged(120), case_link="https://cases.example/{id}")
        adviser, manager = made.staff("adviser"), made.staff("manager")
        live = made.model.open_alerts(made.model.people.of_advisers([adviser]))
        live.sort(key=lambda alert: (alert.mode != "live", alert.rule != "text_only", alert.alert_id))
        people: dict[str, str] = {}
        for alert in live:
            people.setdefault(alert.person_ref, alert.alert_id)
        made.text("K7QX", adviser, list(people.values())[:2])
        person = next(iter(people))
        with serving(made.app, "127.0.0.1", 0, setting="BOARD_HTTP_PORT") as port, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            for name, path, who, view in (
                    ("board-landing", "/a/K7QX", adviser, PHONE), ("board-caseload", "/", adviser, DESK),
                    ("board-person", f"/people/{person}", adviser, DESK), ("board-team", "/team", manager, DESK)):
                _take(browser, made, f"http://127.0.0.1:{port}", path, who, view, IMAGES / f"{name}.png")
            browser.close()


def _take(browser: Browser, made: Stage, url: str, path: str, who: str, view: ViewportSize, file: Path) -> None:
    session = made.board.sessions.sign_in(who)
    with browser.new_context(viewport=view) as context:
        context.add_cookies([{"name": "board", "value": session.id, "url": url}])
        page = context.new_page()
        page.goto(url + path)
        height = min(1800, page.evaluate("document.documentElement.scrollHeight"))
        page.set_viewport_size({"width": view["width"], "height": height})
        page.screenshot(path=file)


if __name__ == "__main__":
    main()
