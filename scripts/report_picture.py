"""Makes docs/images/report.png anew: the top of the report on the made-up county of 2017, as Chromium shows it.

`make pictures`. The same Chromium and fonts make the same picture.
"""
from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

from keepintouch.check.analysis import analyse
from keepintouch.check.material import Material, Source
from keepintouch.check.page import page
from keepintouch.simulator import LANCASHIRE_2017, simulate
from keepintouch.standards.policy_file import load_policy
from keepintouch.standards.world import World

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "report.png"
START, LAST_DAY = date(2014, 10, 1), date(2017, 2, 28)
"""Long enough for all 24 months."""
SIZE = "1080,1010"
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--hide-scrollbars",
         "--force-device-scale-factor=1", f"--window-size={SIZE}")


def main() -> None:
    """Write the picture."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("report_picture: Chromium is missing; on Debian: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder:
        shown = Path(folder, "report.html")
        shown.write_text(made_up_report(), encoding="utf-8")
        command = [chromium, *FLAGS, f"--user-data-dir={folder}/profile", f"--screenshot={PICTURE}", shown.as_uri()]
        subprocess.run(command, check=True, timeout=120, capture_output=True)  # noqa: S603 -- nothing of it comes from outside
    print(f"{PICTURE.name}: {PICTURE.stat().st_size / 1024:.0f} KB")


def made_up_report() -> str:
    """The report on the county, held against the usual standard beside its own way of counting."""
    council = simulate(LANCASHIRE_2017, start=START, days=(LAST_DAY - START).days + 1)
    world, events = World(), 0
    for arrival in council.history():
        world.fold(arrival.event.id, arrival.event.data)
        events += 1
    material = Material(world, (Source("county.jsonl", "events", events),))
    return page(analyse(material, load_policy("standard_8_week"), LAST_DAY, load_policy("letter_2017")))


if __name__ == "__main__":
    main()
