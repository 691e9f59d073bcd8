"""The documentation builds, every link and anchor in it leads somewhere, and a reader's browser asks nobody else for anything."""
from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from scripts.site import SECTIONS
from tests.unit.deploy.told import ROOT, not_in_the_command_line

DOCS = ROOT / "docs"

_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
PAGING = {
    "HeartbeatStalled", "FeedSilent", "FallbackUnresolvable", "MessageUncertain", "AuditUnbalanced", "ChannelFailing",
    "SourceBad", "DeadLettersGrowing", "LagGrowing", "OutboxStuck", "BoardStale", "StormHeld",
    "TargetDown"}


@pytest.mark.slow
def test_it_builds_and_is_whole_in_itself(tmp_path: Path) -> None:
    site = tmp_path / "site"
    done = subprocess.run([sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", site], cwd=ROOT, text=True,
                          capture_output=True, check=False, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})
    assert done.returncode == 0, "\n".join(line for line in done.stderr.splitlines() if not line.startswith("INFO"))
    pages = list(site.rglob("*.html"))
    assert len(pages) > 40
    fetched = re.compile(r"""<(?:script|img|link|iframe)[^>]+(?:src|href)=["']?(?:https?:)?//(?!127\.0\.0\.1)[^"' >]+""")
    for page in sorted(DOCS.rglob("*.md")):
        if (numbered := re.findall(r"^1\. ", _FENCED.sub("", page.read_text()), re.MULTILINE)):
            shown = site / page.relative_to(DOCS).with_suffix(".html")
            assert shown.read_text(encoding="utf-8").count("<ol>") == len(numbered), f"{page.name}: a list begins anew"
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert fetched.findall(text) == [], page.name
        assert not re.search(r"(?:[.:;)]|>)\s\d{1,2}\. <strong>", text), f"{page.name}: an item is part of a paragraph"


_COMMAND = re.compile(r"(?:\bkeepintouch|`kit|run --rm operator) ([a-z][a-z-]+(?: [^`\n#>|;&]*)?)")
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md",
         *(page for page in sorted(DOCS.rglob("*.md")) if page.name != "command-line.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_that_pages_name_are_there_with_their_options(page: Path) -> None:
    said = [found.split() for found in _COMMAND.findall(re.sub(r"\\\n\s*", " ", page.read_text()))]
    assert [(words, wrong) for words in said if (wrong := not_in_the_command_line([word.rstrip("):,.") for word in words]))] == []


def test_every_page_is_of_one_of_the_kinds() -> None:
    folders = {folder for folder, _ in SECTIONS}
    assert {path.parent.relative_to(DOCS).parts[0] for path in DOCS.glob("*/**/*.md")} == folders


def test_each_alert_that_pages_has_a_runbook_and_each_runbook_says_what_to_do() -> None:
    found = {path.stem for path in (DOCS / "runbooks").glob("*.md")} - {"index"}
    assert found == PAGING | _alerts_with_rules()
    listed = (DOCS / "runbooks" / "index.md").read_text()
    for name in found:
        text = (DOCS / "runbooks" / f"{name}.md").read_text()
        headings = [line for line in _FENCED.sub("", text).splitlines() if line.startswith("#")]
        assert headings == [f"# {name}", "## What it means", "## What to look at", "## What to do"]
        assert f"[{name}]({name}.md)" in listed


def _alerts_with_rules() -> set[str]:
    rules = [rule for path in (ROOT / "deploy" / "prometheus" / "rules").glob("*.yml")
             for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]
    return {rule["alert"] for rule in rules if rule.get("labels", {}).get("severity") == "page"}
