"""Young lives for tests: what a case system would say about one person day by day, held against a policy on any day."""
from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from keepintouch.standards.evaluation import Evaluation, Finding, evaluate
from keepintouch.standards.person import Person
from keepintouch.standards.policy import Policy
from schemas.events import Contact, Visit
from schemas.events import Person as Snapshot

REF = "testshire:a-person"
ADVISER, OTHER, SOCIAL_WORKER = "testshire:adviser", "testshire:other", "testshire:social-worker"


class Life:
    """One person. Facts and records are said with the day on which they hold; each is typed in that day unless told otherwise."""

    def __init__(self, born: date, since: date, **facts: Any) -> None:
        self.said: list[tuple[date, int, Contact | Visit | dict[str, Any]]] = []
        self.now(since, **{
            "born_on": born, "category": "former_relevant", "supported_since": since, "adviser_ref": ADVISER,
            "adviser_since": since, "need": "standard", "looked_after": False, "cohorts": []} | facts)

    def now(self, day: date, **facts: Any) -> None:
        """From this day on these facts hold."""
        self._say(day, facts)

    def home(self, day: date, code: str | None, **more: Any) -> None:
        """A move on this day."""
        self.now(day, accommodation=a_home(code, **{"since": day} | more))

    def contact(self, day: date, channel: str, outcome: str = "completed", by: str | None = ADVISER, **more: Any) -> None:
        """A contact or attempt on this day."""
        stated: dict[str, Any] = {
            "record_id": f"c{len(self.said)}", "person_ref": REF, "recorded_at": _at(day, 17), "occurred_at": _at(day, 11),
            "worker_ref": by, "worker_role": "personal_adviser", "channel": channel, "direction": "out", "outcome": outcome}
        self._say(day, Contact(**stated | more))

    def visit(self, day: date, location: str = "home", outcome: str = "seen", by: str | None = ADVISER, **more: Any) -> None:
        """A visit on this day."""
        stated: dict[str, Any] = {
            "record_id": f"v{len(self.said)}", "person_ref": REF, "recorded_at": _at(day, 17), "occurred_at": _at(day, 14),
            "worker_ref": by, "worker_role": "personal_adviser", "location": location, "outcome": outcome}
        self._say(day, Visit(**stated | more))

    def on(self, day: date, policy: Policy) -> Evaluation:
        """How they stand on a day, by what was said up to then."""
        return next(self.days(policy, day, day))[1]

    def open_on(self, day: date, policy: Policy) -> dict[str, Finding]:
        """What is open on a day, by rule."""
        return {finding.rule: finding for finding in self.on(day, policy).findings}

    def days(self, policy: Policy, first: date, last: date, step: int = 1) -> Iterator[tuple[date, Evaluation]]:
        """How they stand on each day, by what was said up to then."""
        person, facts, day = Person(), dict[str, Any](), first
        waiting = sorted(self.said, key=lambda said: said[:2])
        while day <= last:
            while waiting and waiting[0][0] <= day:
                said_on, number, said = waiting.pop(0)
                if isinstance(said, dict):
                    facts |= said
                    person.fold(f"e{number:05}", Snapshot(person_ref=REF, recorded_at=_at(said_on, 6), **facts))
                else:
                    person.fold(f"e{number:05}", said)
            evaluation = evaluate(person, policy, day.toordinal(), {})
            assert evaluation is not None
            yield day, evaluation
            day += timedelta(days=step)

    def _say(self, day: date, data: Contact | Visit | dict[str, Any]) -> None:
        self.said.append((day, len(self.said), data))


def a_home(code: str | None, since: date | None, **more: Any) -> dict[str, Any]:
    """A suitable home that the council does not provide, unless told otherwise."""
    return {"code": code, "suitable": True, "council_provided": False, "hostel": False, "since": since} | more


def _at(day: date, hour: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def every(days: int, first: date, last: date) -> Iterator[date]:
    """Days at that distance, the last one excluded."""
    while first < last:
        yield first
        first += timedelta(days=days)


def a_life_looked_after_well() -> Life:
    """A young person who gets what the standards ask for, from 16 to 25, and moves on at 21."""
    born = date(2001, 3, 12)
    at_18, at_21, at_25 = (date(born.year + age, 3, 12) for age in (18, 21, 25))
    life = Life(born, date(2017, 3, 12), category="eligible", looked_after=True, adviser_ref=None, adviser_since=None,
                accommodation=a_home(None, date(2016, 9, 1)))
    for number, day in enumerate(every(35, date(2017, 3, 20), at_18)):
        life.visit(day, "placement", by=SOCIAL_WORKER, worker_role="social_worker", seen_alone=True, announced=number % 4 != 0)
    life.now(date(2018, 2, 1), adviser_ref=ADVISER, adviser_since=date(2018, 2, 1))
    for day in every(34, date(2018, 2, 12), at_18):
        life.visit(day, "community", announced=True)
    life.now(at_18, category="former_relevant", looked_after=False)
    life.home(at_18, "D", council_provided=True)
    _look_after(life, at_18 + timedelta(days=3), date(2020, 6, 1), ADVISER)
    life.home(date(2020, 6, 1), "U")
    life.now(date(2020, 9, 7), adviser_ref=OTHER, adviser_since=date(2020, 9, 7))
    _look_after(life, date(2020, 6, 3), date(2020, 9, 8), ADVISER)
    _look_after(life, date(2020, 9, 9), at_21, OTHER)
    for day in every(150, date(2017, 6, 1), at_21):
        life.now(day, plan_reviewed_on=day)
    life.now(at_21, adviser_ref=None, adviser_since=at_21)
    for day in every(340, at_21, at_25):
        life.now(day, offer_made_on=day)
        life.contact(day, "letter", "no_reply", by=OTHER)
    return life


def _look_after(life: Life, first: date, last: date, adviser: str) -> None:
    for day in every(34, first, last):
        life.visit(day, "home", by=adviser)
    for day in every(20, first + timedelta(days=10), last):
        life.contact(day, "phone", by=adviser)
    for day in every(9, first + timedelta(days=4), last):
        life.contact(day, "text", "completed" if day.day % 3 else "no_reply", by=adviser)
