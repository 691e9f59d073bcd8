"""What the changelog holds of one partition, in memory: people and feeds' marks in their stored form."""
from __future__ import annotations

from collections.abc import Mapping

from keepintouch.standards import stored
from keepintouch.standards.world import Feeds

StateRecord = tuple[bytes, bytes | None]
"""Key and value for the changelog; without a value, a tombstone."""


class PartitionState:
    """The newest record of each key. Whoever changes it writes the change to the changelog, or ends the process."""

    __slots__ = ("_alerts_reach", "_feed_marks", "end", "not_looked_at", "people")

    def __init__(self) -> None:
        self.people: dict[bytes, bytes] = {}
        self.end = 0
        """Offset in the changelog up to which it is contained here."""
        self.not_looked_at: dict[bytes, None] | None = None
        """Who has not been evaluated since the partition was taken over; None while it is being restored for the first time."""
        self._feed_marks: dict[bytes, bytes] = {}
        self._alerts_reach: Mapping[int, int] | None = None

    def put(self, key: bytes, value: bytes | None) -> None:
        """Take one record; the last one of a key holds."""
        if key == stored.ALERTS_REACH_KEY:
            self._alerts_reach = None if value is None else stored.load_alerts_reach(value)
        elif stored.feed_of(key) is not None:
            if value is not None:
                self._feed_marks[key] = value
        elif value is None:
            self.people.pop(key, None)
        else:
            self.people[key] = value

    @property
    def whole(self) -> bool:
        """Whether everything up to the committed offset is in it. Not so of one that was never written to its end, or is lost."""
        return self._alerts_reach is not None

    @property
    def alerts_reach(self) -> Mapping[int, int]:
        """For partitions of the alerts topic, the offset up to which alerts about these people are surely in their states."""
        return self._alerts_reach or {}

    def reach_alerts(self, ends: Mapping[int, int]) -> StateRecord | None:
        """Say that alerts up to `ends` are in the states written before the record returned; None if that is not news.

        The first one says besides that the state is whole.
        """
        further = {p: end for p, end in ends.items() if end > self.alerts_reach.get(p, -1)}
        if not further:
            return None
        self._alerts_reach = {**self.alerts_reach, **further}
        return stored.ALERTS_REACH_KEY, stored.dump_alerts_reach(self._alerts_reach)

    def feeds(self) -> Feeds:
        """How far the feeds are."""
        feeds = Feeds()
        for key, mark in self._feed_marks.items():
            found = stored.feed_of(key)
            assert found is not None
            feeds.restore(*found, stored.load_feed(mark))
        return feeds
