"""What the changelog holds of one partition, in memory: people and feeds' marks in their stored form."""
from __future__ import annotations

from keepintouch.runtime.errors import UserError
from keepintouch.standards import stored
from keepintouch.standards.world import Feeds

StateRecord = tuple[bytes, bytes | None]
"""Key and value for the changelog; without a value, a tombstone."""


class PartitionState:
    """The newest record of each key. Whoever changes it writes the change to the changelog, or ends the process."""

    __slots__ = ("_feed_marks", "end", "not_looked_at", "people", "position")

    def __init__(self) -> None:
        self.people: dict[bytes, bytes] = {}
        self.position: int | None = None
        """Offset before which every event of the partition is contained; None: never written to its end, or lost."""
        self.end = 0
        """Offset in the changelog up to which it is contained here."""
        self.not_looked_at: dict[bytes, None] | None = None
        """Who has not been evaluated since the partition was taken over; None while it is being restored for the first time."""
        self._feed_marks: dict[bytes, bytes] = {}

    def put(self, key: bytes, value: bytes | None) -> None:
        """Take one record; the last one of a key holds. Raises UserError for one that only a newer version can read."""
        if value is not None and stored.is_newer(value):
            raise UserError("the people changelog was written by a newer version of Keep in Touch: run that one, or a later one")
        if key == stored.POSITION_KEY:
            self.position = None if value is None else stored.load_position(value)
        elif stored.is_of_state(key):
            pass  # of another version; what it says there is said otherwise here
        elif stored.feed_of(key) is not None:
            if value is not None:
                self._feed_marks[key] = value
        elif value is None:
            self.people.pop(key, None)
        else:
            self.people[key] = value

    def feeds(self) -> Feeds:
        """How far the feeds are."""
        feeds = Feeds()
        for key, mark in self._feed_marks.items():
            found = stored.feed_of(key)
            assert found is not None
            feeds.restore(*found, stored.load_feed(mark))
        return feeds
