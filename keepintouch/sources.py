"""What the sender of events is called where people look (a metric's label, a table): short, plain, and never a person's ref.

The `source` of a CloudEvent is for the sender to choose and may contain anything. Here it is made harmless.
"""
from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote

LONGEST = 64
"""Characters of a label at most."""
HIDDEN = "hidden"
"""Stands where a ref, or what may be one, stood."""

_MOST_KNOWN = 2_000
_OUTSIDE = re.compile(r"[^A-Za-z0-9:/._-]")
_LONG_RUN = re.compile(r"[A-Za-z0-9_-]{23,}")
"""A ref made by `keepintouch.refs` has 23 or more of these after its council."""
_NOTHING = "(?!)"


class Labels:
    """Labels of sources, where these are the councils there are."""

    def __init__(self, councils: Iterable[str]) -> None:
        slugs = "|".join(map(re.escape, sorted(councils))) or _NOTHING
        self._after_council = re.compile(rf"({slugs}):[A-Za-z0-9_:-]+", re.IGNORECASE)
        self._known: dict[str, str] = {}

    def of(self, source: str | None) -> str:
        """The label of a source: at most 64 of `A-Z a-z 0-9 : / . _ -`; empty for one that is not known.

        After a council's slug and a colon comes the part of a ref that says who it is, so what stands there, up to the next
        slash or so, is replaced by `hidden`, also where it is percent-encoded; and so is, anywhere, a long run with letters of
        both cases, as the refs made here are. Any other character becomes `_`. So a source that names each record's person
        has one label for all. Two sources may share a label. A name that a sender writes in plain letters cannot be told from
        its own.
        """
        if not source:
            return ""
        if (known := self._known.get(source)) is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            known = self._known[source] = self._made(source)
        return known

    def _made(self, source: str) -> str:
        text = self._after_council.sub(rf"\1:{HIDDEN}", _decoded(source))
        return _OUTSIDE.sub("_", _LONG_RUN.sub(_hide_mixed, text))[:LONGEST]


def _decoded(source: str) -> str:
    for _ in range(3):   # what is encoded more often than that nobody reads as a ref
        if (text := unquote(source)) == source:
            break
        source = text
    return source


def _hide_mixed(run: re.Match[str]) -> str:
    text = run[0]
    return text if text in (text.lower(), text.upper()) else HIDDEN
