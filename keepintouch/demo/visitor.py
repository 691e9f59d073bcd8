"""An adviser who follows the link of a text: what her browser shows, and what becomes of the button she presses."""
from __future__ import annotations

import html
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import httpx

_LINK = re.compile(r"(https?://\S+)/a/([A-Z2-9]{4,8})\b")
_TAGS = re.compile(r"<[^>]+>")
_HIDDEN = re.compile(r'<input type="hidden" name="([a-z]+)" value="([^"]*)">')
_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Card:
    """One alert as the page shows it."""

    title: str
    why: str


class Visitor:
    """One browser. Raises httpx.HTTPError where a page does not come."""

    def __init__(self, board: str, worker_ref: str, text: str) -> None:
        """`text`: as it was received."""
        found = _LINK.search(text)
        if found is None:
            raise ValueError("the text has no link")
        self.worker_ref = worker_ref
        self.link = f"{board}/sign-in/as/{worker_ref}/{found[2]}"
        self._client = httpx.Client(base_url=board, follow_redirects=True, timeout=_PATIENCE)
        self._page = ""

    def open(self) -> list[Card]:
        """Follow the link, be signed in, and see the alerts of the text."""
        self._show(self._client.get(self.link))
        return list(self._cards())

    def take_on(self) -> str:
        """Press the first "I'm on it", which is about all of the text; what the next page says of it."""
        form = self._page[self._page.index('action="/actions"'):].partition("</form>")[0]
        fields: dict[str, list[str]] = defaultdict(list)
        for name, value in _HIDDEN.findall(form):
            fields[name].append(html.unescape(value))
        self._show(self._client.post("/actions", data={**fields, "action": "acknowledge"}))
        said = re.search(r'govuk-notification-banner__content">(.*?)</div>', self._page, re.DOTALL)
        return "" if said is None else _words(said[1])

    def close(self) -> None:
        """Be done with it."""
        self._client.close()

    def _show(self, answer: httpx.Response) -> None:
        answer.raise_for_status()
        self._page = answer.text

    def _cards(self) -> Iterator[Card]:
        for card in self._page.split('class="govuk-summary-card"')[1:]:
            title = re.search(r"<h2[^>]*>(.*?)</h2>", card, re.DOTALL)
            why = re.search(r'board-sentence">(.*?)</p>', card, re.DOTALL)
            if title is not None and why is not None:
                yield Card(_words(title[1]), _words(why[1]))


def _words(marked_up: str) -> str:
    return " ".join(html.unescape(_TAGS.sub("", marked_up)).split())
