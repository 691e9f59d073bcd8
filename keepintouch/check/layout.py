"""What every page is made of: the document around it, tables, sections."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from .disclosure import Disclosure
from .markup import Child, Html, tag
from .style import CSS

Row = Sequence[Child]


def document(title: str, header: Child, main: Child, contents: Sequence[tuple[str, str]] = (), footer: str = "") -> str:
    """A whole page, complete in itself: nothing is loaded, and no script runs. `contents`: id and title of each section."""
    nav = None if not contents else tag(
        "nav", tag("ul", [tag("li", tag("a", name, href=f"#{key}")) for key, name in contents]), aria_label="Contents")
    return "<!doctype html>\n" + tag(
        "html",
        tag("head", tag("meta", charset="utf-8"), tag("title", title),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", http_equiv="Content-Security-Policy", content="default-src 'none'; style-src 'unsafe-inline'"),
            tag("meta", name="referrer", content="no-referrer"), tag("style", Html(CSS))),
        tag("body", tag("a", "Skip to the report", href="#main", class_="skip"), tag("header", header), nav,
            tag("main", main, id="main"), tag("footer", tag("p", footer)) if footer else None),
        lang="en-GB") + "\n"


def section(key: str, title: str, *children: Child) -> Html:
    """One section with its heading."""
    return tag("section", tag("h2", title, id=key), children, aria_labelledby=key)


def table(caption: str, head: Sequence[str], rows: Iterable[Row], numbers: Iterable[int] = ()) -> Html:
    """A table whose first cell of a row is its heading; `numbers`: the columns that hold numbers."""
    right = frozenset(numbers)
    body = [tag("tr", [_cell(place, child, place in right) for place, child in enumerate(row)]) for row in rows]
    return tag("div", tag(
        "table", tag("caption", caption),
        tag("thead", tag("tr", [tag("th", name, scope="col", class_="n" if place in right else None)
                                for place, name in enumerate(head)])),
        tag("tbody", body)), class_="wide", tabindex="0", role="group", aria_label=caption)


def when(day: date, disclosure: Disclosure) -> Html:
    """A day, in one piece."""
    return tag("span", disclosure.day_in_words(day), class_="day")


def _cell(place: int, child: Child, is_number: bool) -> Html:
    kind = "n" if is_number else None
    return tag("td", child, class_=kind) if place else tag("th", child, scope="row", class_=kind)
