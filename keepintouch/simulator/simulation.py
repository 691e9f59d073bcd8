"""A made-up council: its staff, its cast, and its events in the order in which they are typed up."""
from __future__ import annotations

import hashlib
import heapq
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

from keepintouch.calendar import london_midnight
from keepintouch.refs import Refs
from keepintouch.simulator.cast import CastMember
from keepintouch.simulator.draw import at, instant, midnight
from keepintouch.simulator.figures import FIGURES
from keepintouch.simulator.people import Sketch, sketches
from keepintouch.simulator.person import MOST_PEOPLE, Said, case_id, event, said_about, short_id
from keepintouch.simulator.play import telling_moment, telling_record
from keepintouch.simulator.scenario import Scenario
from keepintouch.simulator.setting import HORIZON, Days, Setting
from keepintouch.simulator.workforce import made_up_names, workforce
from schemas.events import CloudEvent, Contact, Feed, Person, RecordVoided, Visit, envelope
from schemas.staff import Staff

MOST_AFTERWARDS = HORIZON
"""The most days that can follow the history."""
_EXTRACT_HOUR = 2.0
_FIRST_YEAR, _LAST_YEAR = 1950, 2100


class Arrival(NamedTuple):
    """An event, and the instant (UTC) at which it is typed up and so arrives."""

    at: datetime
    event: CloudEvent


@dataclass(frozen=True, slots=True)
class Simulation:
    """One made-up council. Iterating it again gives the same events, byte for byte."""

    scenario: Scenario
    people: int
    afterwards: int
    """Days that follow the history, which is the same however many."""
    feeds: tuple[str, ...]
    setting: Setting

    @property
    def council(self) -> str:
        """Slug of the council."""
        return self.refs.council

    @property
    def refs(self) -> Refs:
        """With the key of the made-up council: turns its refs back into case ids."""
        return self.setting.refs

    @property
    def start(self) -> date:
        """First day of history."""
        return date.fromordinal(self.setting.days.first)

    @property
    def last_day(self) -> date:
        """Last day of history."""
        return date.fromordinal(self.setting.days.last)

    @property
    def boundary(self) -> datetime:
        """The instant the history ends and the afterwards begin: midnight in London after the last day."""
        return london_midnight(self.last_day + timedelta(days=1))

    @property
    def staff(self) -> tuple[Staff, ...]:
        """Everybody who gets messages, as they are on the last day; who left is not active."""
        return self.setting.workers.staff

    @property
    def cast(self) -> Mapping[str, CastMember]:
        """The people in whom the story can be told, by role; empty where the scenario has none."""
        found = (self._cast_member(sketch) for sketch in self._sketches() if sketch.part is not None)
        return {member.role: member for member in found}

    @property
    def labels(self) -> Mapping[str, str]:
        """What the council calls each person, by case id: a name that nobody has."""
        return dict(zip(map(case_id, self._sketches()), made_up_names(), strict=False))

    @property
    def patterns(self) -> Mapping[str, str]:
        """The hidden pattern of each person_ref, which no event shows."""
        return {self._ref(sketch): sketch.pattern.name for sketch in self._sketches()}

    def __iter__(self) -> Iterator[Arrival]:
        """The events of history and afterwards, ordered by the instant they are typed up.

        Memory grows with the people (some 20 KB each for a year); each event is built when its turn comes.
        """
        return self._arrivals(self._sketches(), self.feeds)

    def about(self, person_refs: Collection[str]) -> Iterator[Arrival]:
        """The events about these people alone, as they are among all the others; no manifests."""
        return self._arrivals([sketch for sketch in self._sketches() if self._ref(sketch) in person_refs], ())

    def _arrivals(self, chosen: list[Sketch], feeds: tuple[str, ...]) -> Iterator[Arrival]:
        end = midnight(self.setting.days.last + 1 + self.afterwards)
        nights = self._nights(end) if feeds else []
        counted = 0
        for said in heapq.merge(*(said_about(self.setting, sketch) for sketch in chosen), key=_recorded):
            while nights and min(said.recorded, end) >= nights[-1][1]:
                yield from self._manifests(*nights.pop(), counted)
                counted = 0
            if said.recorded >= end:
                return
            counted += 1
            yield Arrival(instant(said.recorded), event(self.setting, said))

    def history(self) -> Iterator[Arrival]:
        """The events before the boundary."""
        boundary = self.boundary
        return (arrival for arrival in self if arrival.at < boundary)

    def as_it_stands(self) -> tuple[dict[str, Person], list[Contact | Visit]]:
        """What the case system says at the boundary: the facts about everybody by person_ref, and every record, oldest first."""
        people: dict[str, Person] = {}
        records: dict[str, Contact | Visit] = {}
        for arrival in self.history():
            match arrival.event.data:
                case Person() as person:
                    people[person.person_ref] = person
                case Contact() | Visit() as record:
                    records[record.record_id] = record
                case RecordVoided(record_id=gone):
                    records.pop(gone, None)
        return people, sorted(records.values(), key=lambda record: (record.occurred_at, record.record_id))

    def _sketches(self) -> list[Sketch]:
        return sketches(self.scenario, self.people, self.setting)

    def _ref(self, sketch: Sketch) -> str:
        return self.refs.person(case_id(sketch))

    def _nights(self, end: int) -> list[tuple[int, int]]:
        """Each day that an extract covers and the instant it is made, the first one last."""
        days = range(self.setting.days.first, self.setting.days.last + self.afterwards + 1)
        return [(day, night) for day in reversed(days) if (night := at(day + 1, _EXTRACT_HOUR)) < end]

    def _manifests(self, day: int, night: int, counted: int) -> Iterator[Arrival]:
        """After a night's extract, each feed says up to which day everything is in."""
        through, made = date.fromordinal(day), instant(night)
        for feed in self.feeds:
            manifest = Feed(council=self.council, feed=feed, complete_through=through, records=counted, recorded_at=made)
            yield Arrival(made, envelope(manifest, id=f"{feed}-{through}", source=self.setting.source))

    def _cast_member(self, sketch: Sketch) -> CastMember:
        part = sketch.part
        assert part is not None
        moment, number = telling_moment(part, self.setting.days.last), telling_record(part)
        said = (said for said in said_about(self.setting, sketch) if part.opens is None and said.recorded == moment)
        event_id = next((event(self.setting, one).id for one in said), None)
        return CastMember(
            role=part.role, what=part.what, case_id=case_id(sketch), person_ref=self._ref(sketch),
            adviser_ref=self.setting.workers.advisers[sketch.adviser].ref, at=instant(moment), event_id=event_id,
            record_id=None if number is None else short_id(sketch, number))


def simulate(scenario: Scenario, *, seed: int = 1, people: int | None = None, start: date | None = None, days: int | None = None,
             afterwards: int = 0, council: str | None = None, feeds: tuple[str, ...] = ()) -> Simulation:
    """Make up a council: `people` looked after over `days` days of history from `start`, then `afterwards` more (28 at most).

    What is left out is the scenario's. The same arguments give the same bytes on every machine. The scenario's shares hold from
    120 days of history on. `feeds` adds a manifest for each of them at two each night. ValueError for numbers that cannot be.
    """
    people = scenario.people.value if people is None else people
    days, first = scenario.days if days is None else days, (start or scenario.start).toordinal()
    if not 1 <= people <= MOST_PEOPLE or days < 1 or not 0 <= afterwards <= MOST_AFTERWARDS:
        raise ValueError(f"people are 1 to {MOST_PEOPLE}, days 1 or more, afterwards 0 to {MOST_AFTERWARDS}")
    if not _FIRST_YEAR <= date.fromordinal(first).year <= _LAST_YEAR - days // 365:
        raise ValueError(f"the days must lie in the years {_FIRST_YEAR} to {_LAST_YEAR}")
    slug = council or scenario.council
    refs = Refs(slug, demo_key(slug, seed))
    span = Days(first, first + days - 1)
    setting = Setting(seed, refs, span, workforce(refs, seed, people, span.last, FIGURES), FIGURES, scenario.closes_cases)
    return Simulation(scenario, people, afterwards, feeds, setting)


def demo_key(council: str, seed: int) -> bytes:
    """The key of a made-up council. Anybody can work it out: it is good for demos and tests only."""
    return hashlib.sha512(f"keep in touch, a made-up council/{council}/{seed}".encode()).digest()


def _recorded(said: Said) -> int:
    return said.recorded
