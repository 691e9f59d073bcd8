"""What the case system holds about a person, from one snapshot to the next."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from random import Random
from typing import Any

from keepintouch.simulator.draw import at, between, pick
from keepintouch.simulator.homes import Home
from keepintouch.simulator.life import Life, out_of_scope
from keepintouch.simulator.patterns import Kind
from keepintouch.simulator.people import Sketch, age_on, birthdays
from keepintouch.simulator.setting import Days, Setting
from schemas.events import Accommodation

Facts = dict[str, Any]
_ROSTER_HOUR = 6.0


@dataclass(frozen=True, slots=True)
class Change:
    """Facts that became true on a day and are typed up at an instant."""

    day: int
    recorded: int
    facts: Facts


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is newly held from an instant on (of the first one: everything); without ref and instant."""

    recorded: int
    facts: Facts


@dataclass(frozen=True, slots=True)
class Holding:
    """All that one person's snapshots are drawn from."""

    rng: Random
    sketch: Sketch
    life: Life
    setting: Setting

    @property
    def days(self) -> Days:
        """Of the simulation."""
        return self.setting.days


def snapshots(rng: Random, sketch: Sketch, life: Life, setting: Setting) -> list[Snapshot]:
    """What is held when support begins (or history does), then each change, in the order they are typed up."""
    holding = Holding(rng, sketch, life, setting)
    changes = [*_advisers(holding), *_homes(holding), *_plans(holding), *_offers(holding), *_birthdays(holding), *_turn(holding)]
    changes.sort(key=lambda change: change.day)
    facts = _constant(holding)
    for change in changes:
        if change.day <= life.begins:
            facts |= change.facts
    found = [Snapshot(at(life.begins, _ROSTER_HOUR) + sketch.index % 600, facts)]
    moved = life.begins
    for change in sorted((c for c in changes if c.day > life.begins), key=lambda c: c.recorded):
        if "accommodation" in change.facts:
            if change.day < moved:
                continue   # typed up only after the next move
            moved = change.day
        found.append(Snapshot(change.recorded, change.facts))
    return found


def _constant(holding: Holding) -> Facts:
    sketch, life = holding.sketch, holding.life
    adult = life.begins >= sketch.eighteen_on
    looked_after = sketch.looked_after_on(life.begins)
    return {
        "born_on": date.fromordinal(sketch.born_on), "category": _category(sketch, adult, looked_after),
        "supported_since": date.fromordinal(sketch.supported_since), "in_touch": "YES" if adult else None,
        "in_touch_since": None, "opt_out_review_on": None, "need": life.need, "plan_reviewed_on": None, "offer_made_on": None,
        "no_face_to_face_until": _day(life.no_face_to_face_until), "looked_after": looked_after, "cohorts": list(life.cohorts)}


def _category(sketch: Sketch, adult: bool, looked_after: bool) -> str:
    if sketch.qualifying:
        return "qualifying"
    if adult:
        return "former_relevant"
    return "eligible" if looked_after else "relevant"


def _day(ordinal: int | None) -> date | None:
    return None if ordinal is None else date.fromordinal(ordinal)


def _change(holding: Holding, day: int, facts: Facts) -> Change:
    """A change as it is mostly typed up: on the day, or some days later."""
    rng, figures = holding.rng, holding.setting.figures
    chance, later = rng.random() - figures.snapshot_same_day.value, 0
    if chance >= 0:
        later = between(rng, (1, 3) if chance < figures.snapshot_few_days.value else (4, 9))
    return Change(day, at(day + later, 9 + 8 * rng.random()), facts)


def _advisers(holding: Holding) -> Iterator[Change]:
    sketch, rng, workers = holding.sketch, holding.rng, holding.setting.workers
    adviser = workers.advisers[sketch.adviser]
    team = workers.teams[adviser.team]
    start = sketch.supported_since
    since = between(rng, (start, max(start, holding.life.begins - 1)))
    if sketch.changed_on is None or sketch.predecessor is None:
        yield Change(start, 0, _adviser(adviser.ref, since, team))
        return
    changed = sketch.changed_on
    yield Change(start, 0, _adviser(sketch.predecessor, since, team))
    gone = changed - between(rng, (4, 18))
    if rng.random() < holding.setting.figures.adviser_gap.value and gone > holding.life.begins:
        yield Change(gone, at(gone, 9), _adviser(None, gone, team))
    yield Change(changed, at(changed, 8.5 + rng.random()), _adviser(adviser.ref, changed, team))


def _adviser(ref: str | None, since: int, team: str) -> Facts:
    return {"adviser_ref": ref, "adviser_since": date.fromordinal(since), "team_ref": team}


def _homes(holding: Holding) -> Iterator[Change]:
    part = holding.sketch.part
    for n, home in enumerate(holding.life.homes):
        change = _change(holding, home.since, {"accommodation": accommodation(home)})
        yield change if part is None or n == 0 else Change(home.since, at(home.since, part.moves[n - 1].hour), change.facts)


def accommodation(home: Home) -> Accommodation:
    """A home as it is said in a snapshot."""
    said: Facts = {"code": home.code, "suitable": home.suitable, "council_provided": home.provided, "hostel": home.hostel,
                   "since": date.fromordinal(home.since)}
    return Accommodation(**said)


def _plans(holding: Holding) -> Iterator[Change]:
    """Reviews about every five and a half months, or one that is long ago; never within days of the last day."""
    rng, sketch, last = holding.rng, holding.sketch, holding.days.last
    if sketch.qualifying or out_of_scope(sketch):
        return
    first_possible = sketch.supported_since + 10
    if sketch.plan_overdue:
        if rng.random() < holding.setting.figures.never_reviewed.value:
            return
        newest = last - between(rng, (192, 330))
    else:
        newest = last - between(rng, (12, 40 if sketch.part else min(160, last - first_possible)))
    reviews = [newest] if newest >= first_possible else []
    while reviews and reviews[0] > holding.life.begins and (before := reviews[0] - between(rng, (150, 181))) >= first_possible:
        reviews.insert(0, before)
    if reviews and not sketch.plan_overdue:
        reviews.append(newest + between(rng, (165, 178)))
    yield from (_change(holding, day, {"plan_reviewed_on": date.fromordinal(day)}) for day in reviews if day < holding.days.end)


def _offers(holding: Holding) -> Iterator[Change]:
    """From 21: told each year what support is on offer, mostly near the birthday; out of touch, often not."""
    rng, sketch = holding.rng, holding.sketch
    figures = holding.setting.figures
    kept = (figures.offered if sketch.pattern.kind is Kind.MEANINGFUL else figures.offered_else).value
    for day, age in birthdays(sketch.born_on, max(sketch.supported_since, holding.life.begins - 420), holding.days.end):
        if age >= 21 and rng.random() < kept:
            offered = day + between(rng, (0, 40))
            if offered < holding.days.end:
                yield _change(holding, offered, {"offer_made_on": date.fromordinal(offered)})


def _birthdays(holding: Holding) -> Iterator[Change]:
    """Care ends at 18; the national return asks each year around the birthday who is in touch."""
    sketch = holding.sketch
    for day, age in birthdays(sketch.born_on, holding.life.begins + 1, holding.days.end):
        if out_of_scope(sketch):
            return
        if age == 18:
            yield Change(day, at(day, 9), {"category": _category(sketch, True, False), "looked_after": False})
        if age >= 18 and not (sketch.turned_on is not None and sketch.pattern.code != "YES" and day > sketch.turned_on):
            yield _change(holding, day, {"in_touch": "YES", "in_touch_since": date.fromordinal(day)})


def _turn(holding: Holding) -> Iterator[Change]:
    """What is written down when touch is lost, refused or not wanted, or when nothing applies any more."""
    rng, sketch, pattern, figures = holding.rng, holding.sketch, holding.sketch.pattern, holding.setting.figures
    if sketch.turned_on is None:
        return
    day = max(sketch.turned_on, holding.life.begins + 1)
    facts: Facts = {}
    if out_of_scope(sketch):
        facts = {"in_touch": "DIED"} if rng.random() < figures.died.value else {"category": "none", "looked_after": False}
    elif pattern.code == "NO":
        facts = {"in_touch": "NO"}
    elif pattern.code == "REFU":
        code = pick(rng, figures.opt_outs.value)
        reviewed = rng.random() < figures.opt_out_review.value
        facts = {"in_touch": code, "opt_out_review_on": _day(day + between(rng, (120, 365)) if reviewed else None)}
    if facts:
        yield _change(holding, day, facts | {"in_touch_since": date.fromordinal(day)})
    if holding.setting.closes_cases and pattern.kind is Kind.OUT_OF_TOUCH and age_on(sketch.born_on, day) >= 21:
        yield Change(day, at(day, 12), {"adviser_ref": None, "adviser_since": date.fromordinal(day)})
