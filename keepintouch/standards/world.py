"""People and feeds in memory, folded from accepted events: for files, and wherever a partition's store is not needed."""
from __future__ import annotations

from schemas.common import council_of
from schemas.events import EventData, Feed

from .clocks import FeedMarks
from .person import Person


class Feeds:
    """How far the feeds of each council are complete: the greatest `complete_through` of each, as a day number."""

    __slots__ = ("_marks",)

    def __init__(self) -> None:
        self._marks: dict[str, dict[str, int]] = {}

    def fold(self, manifest: Feed) -> bool:
        """Take note of a manifest; says whether the feed is further than before."""
        marks = self._marks.setdefault(manifest.council, {})
        through = manifest.complete_through.toordinal()
        if marks.get(manifest.feed, 0) >= through:
            return False
        marks[manifest.feed] = through
        return True

    def restore(self, council: str, feed: str, complete_through: int) -> None:
        """Take back a mark (a day number) from its stored form."""
        self._marks.setdefault(council, {})[feed] = complete_through

    def of(self, council: str) -> FeedMarks:
        """The marks of one council."""
        return self._marks.get(council, {})


class World:
    """Everybody that events have spoken of."""

    __slots__ = ("feeds", "people")

    def __init__(self) -> None:
        self.people: dict[str, Person] = {}
        self.feeds = Feeds()

    def fold(self, event_id: str, data: EventData) -> bool:
        """Fold in one accepted event, whatever it is about; says whether anything changed."""
        if isinstance(data, Feed):
            return self.feeds.fold(data)
        person = self.people.get(data.person_ref)
        if person is None:
            person = self.people[data.person_ref] = Person()
        return person.fold(event_id, data)

    def marks_for(self, person_ref: str) -> FeedMarks:
        """How far the feeds of a person's council are complete."""
        return self.feeds.of(council_of(person_ref))
