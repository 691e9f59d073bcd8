"""A small council for tests, and the made-up county of 2017."""
from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

from keepintouch.check.analysis import Report, analyse
from keepintouch.check.material import Material, Source
from keepintouch.simulator import LANCASHIRE_2017, simulate
from keepintouch.standards.policy import Policy
from keepintouch.standards.policy_file import load_policy
from keepintouch.standards.world import World
from schemas.events import Contact, Person, Visit

TODAY = date(2026, 3, 2)


class Town:
    """People and what was recorded of them, as of `TODAY`."""

    def __init__(self) -> None:
        self.world = World()
        self.names: dict[str, str] = {}
        self._count = 0

    def person(self, local: str = "a", name: str | None = None, **facts: Any) -> str:
        """Somebody of 19, with an adviser; returns their ref."""
        ref = f"town:{local}"
        if name is not None:
            self.names[ref] = name
        stated: dict[str, Any] = {
            "person_ref": ref, "recorded_at": _at(TODAY, 8), "born_on": date(2006, 5, 4), "category": "former_relevant",
            "supported_since": date(2022, 5, 4), "in_touch": "YES", "adviser_ref": "town:w1", "adviser_since": date(2024, 1, 8),
            "team_ref": "north", "need": "standard", "plan_reviewed_on": TODAY - timedelta(days=60), "looked_after": False,
            "cohorts": []}
        self._fold(Person(**stated | facts))
        return ref

    def contact(self, ref: str, days_ago: int, channel: str = "phone", outcome: str = "completed", **more: Any) -> None:
        """A contact or attempt by their adviser."""
        self._fold(Contact(**self._record(ref, days_ago) | {"channel": channel, "direction": "out", "outcome": outcome} | more))

    def visit(self, ref: str, days_ago: int, location: str = "home", outcome: str = "seen", **more: Any) -> None:
        """A visit by their adviser."""
        self._fold(Visit(**self._record(ref, days_ago) | {"location": location, "outcome": outcome} | more))

    def material(self, **more: Any) -> Material:
        """What was read."""
        stated: dict[str, Any] = {"sources": (Source("town.jsonl", "events", self._count),), "names": self.names}
        return Material(self.world, **stated | more)

    def report(self, policy: str = "standard_8_week", headline: Policy | None = None, **more: Any) -> Report:
        """What there is to say."""
        return analyse(self.material(**more), load_policy(policy), TODAY, headline)

    def _record(self, ref: str, days_ago: int) -> dict[str, Any]:
        day = TODAY - timedelta(days=days_ago)
        return {"record_id": f"r{self._count}", "person_ref": ref, "recorded_at": _at(day, 16), "occurred_at": _at(day, 11),
                "worker_ref": "town:w1", "worker_role": "personal_adviser"}

    def _fold(self, data: Any) -> None:
        self._count += 1
        self.world.fold(f"e{self._count:06d}", data)


def a_few(count: int = 12) -> Town:
    """A town of a few people: some seen lately, some only written to, one not in touch."""
    town = Town()
    for number in range(count):
        ref = town.person(f"p{number}", f"{number:06d}", cohorts=["uasc"] if number % 3 == 0 else [],
                          team_ref="north" if number % 2 else "south")
        town.visit(ref, 400, announced=False)
        if number % 3:
            town.visit(ref, 20)
        elif number:
            town.contact(ref, 33, "text")
    return town


@cache
def county() -> tuple[Material, date]:
    """The made-up county of 2017, read once, and the day of its figures."""
    simulation = simulate(LANCASHIRE_2017)
    world = World()
    for arrival in simulation.history():
        world.fold(arrival.event.id, arrival.event.data)
    return Material(world), simulation.last_day


def _at(day: date, hour: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
