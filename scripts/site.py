"""What MkDocs is told besides mkdocs.yml: which pages there are, and what to make of links to files of the project."""
from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"

SECTIONS = (("tutorial", "Tutorial"), ("how-to", "How to"), ("reference", "Reference"), ("explanation", "Explanation"),
            ("runbooks", "Runbooks"), ("adr", "Decisions"))
"""Folders of docs/, in the order in which they are shown."""

_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s#]+)(#[^)\s]*)?\)")
_ITEM = re.compile(r"(?:\d+\.|[-*]) +")
_FENCE = re.compile(r"(^ *```.*?^ *```)", re.MULTILINE | re.DOTALL)


def on_config(config: Any) -> Any:
    """Every page is in the navigation under its own heading: whoever adds one need not say so here."""
    nav: list[dict[str, Any]] = [{"Keep in Touch": "index.md"}]
    for folder, title in SECTIONS:
        pages = sorted((DOCS / folder).glob("*.md"))
        pages.sort(key=lambda page: (page.name != "index.md", page.name))
        nav.append({title: [{_heading(page): f"{folder}/{page.name}"} for page in pages]})
    nav += [{_heading(page): page.name} for page in sorted(DOCS.glob("*.md")) if page.name != "index.md"]
    config.nav = nav
    return config


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """A link that leaves docs/ leads to a file that readers of the site do not have: its path is shown instead.

    Raises PluginError if there is no such file.
    """
    def shown(match: re.Match[str]) -> str:
        text, target = match[1], match[2]
        path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page.file.src_uri), target))
        if "://" in target or target.startswith(("mailto:", "/")) or path.startswith("docs/"):
            return match[0]
        if not (ROOT / path).exists():
            raise PluginError(f"{page.file.src_uri}: there is no {path}")
        return f"`{path}`" if text.strip("`").rstrip("/") in path else f"{text} (`{path}`)"

    parts = _FENCE.split("\n".join(_in_list(markdown.split("\n"))))   # blocks of code stay as they are
    return "".join(part if number % 2 else _LINK.sub(shown, part) for number, part in enumerate(parts))


def _in_list(lines: list[str]) -> Iterator[str]:
    """What belongs to an item of a list, indented by four: less is no part of it for MkDocs, and a list begins anew behind it.

    And a free line before an item that follows a paragraph, to which MkDocs would add it.
    """
    item, fenced, parted, before = 0, False, False, ""
    for line in lines:
        if line.startswith("```"):
            fenced, item = not fenced, 0
        elif not fenced and (marked := _ITEM.match(line)):
            if item and parted and before:
                yield ""
            item, parted = len(marked[0]), False
        elif item and line.startswith(" " * min(item, 4)):
            line = " " * 4 + line[min(item, 4):]
        elif line.strip():
            item = 0
        parted, before = parted or not line, line
        yield line


def _heading(page: Path) -> str:
    """The first heading, without marks of code."""
    found = re.search(r"^# (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise PluginError(f"docs/{page.relative_to(DOCS)}: has no heading")
    return found[1].replace("`", "")
