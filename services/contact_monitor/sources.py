"""Who sends bad records: for each source of events, the share of its last 1,000 that was not accepted. Pure.

A source with a large share bad is a feed that has broken while its council believes it is sent; somebody must be told.
"""
from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from keepintouch.sources import Labels

PAGE_ABOVE = 0.05
"""A source of which a larger share than this is bad must page somebody."""
WINDOW = 1_000
"""Records of a source that count: its newest."""
LEAST = 100
"""A source that has sent less is judged as if it had sent so many, the rest good: one bad record alone pages nobody."""
MOST_SOURCES = 200
"""Sources that are told apart; all that come after these are one, `OTHERS`."""
UNKNOWN = ""
"""Label of records that do not say, or not legibly, who sent them."""
OTHERS = "others"
"""Label of the sources that came when there were too many already."""

_MOST_PLACES = 2_000


class BadRatios:
    """The share of bad records by source, since the process started.

    Costs two dictionary look-ups and two additions for each source of a batch, however many records it has.
    """

    def __init__(self, councils: Iterable[str]) -> None:
        """`councils`: the slugs there are, so that no label holds a ref of theirs."""
        self._labels = Labels(councils)
        self._windows = {UNKNOWN: _Window()}
        self._unknown = self._windows[UNKNOWN]
        self._places: dict[str | None, _Window] = {}

    def note_good(self, source: str, count: int = 1) -> None:
        """So many records of a source were accepted; of a batch, to be said before its bad ones."""
        self._window(source).seen += count
        self._unknown.seen += count

    def note_bad(self, source: str | None) -> None:
        """A record was not accepted; None: who sent it is not known.

        Nothing good ever comes from a sender that is not known. So the share of those is told of all records of all senders.
        """
        window = self._window(source)
        window.note_bad()
        if window is not self._unknown:
            self._unknown.seen += 1

    def ratios(self) -> dict[str, float]:
        """The share of bad ones, 0 to 1, among the last 1,000 records by label; of each source noted so far."""
        return {label: window.ratio for label, window in self._windows.items() if window.seen}

    def _window(self, source: str | None) -> _Window:
        window = self._places.get(source)
        if window is None:
            if len(self._places) >= _MOST_PLACES:   # a sender that names itself anew with each record
                self._places.clear()
            window = self._places[source] = self._find(self._labels.of(source))
        return window

    def _find(self, label: str) -> _Window:
        if label not in self._windows and len(self._windows) > MOST_SOURCES:
            label = OTHERS
        return self._windows.setdefault(label, _Window())


class _Window:
    """One source's records, counted from 1, and which of the newest were bad."""

    __slots__ = ("_bad", "seen")

    def __init__(self) -> None:
        self.seen = 0
        self._bad: deque[int] = deque(maxlen=WINDOW)

    def note_bad(self) -> None:
        self.seen += 1
        self._bad.append(self.seen)

    @property
    def ratio(self) -> float:
        while self._bad and self._bad[0] <= self.seen - WINDOW:
            self._bad.popleft()
        return len(self._bad) / min(max(self.seen, LEAST), WINDOW)
