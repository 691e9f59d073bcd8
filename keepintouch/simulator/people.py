"""Who a made-up council looks after: patterns shared out exactly, and given to the caseloads where they would be found."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from keepintouch.simulator.cast import PARTS, Part
from keepintouch.simulator.draw import between, pick, shared_out, stream
from keepintouch.simulator.patterns import PATTERNS, By, Kind, Pattern
from keepintouch.simulator.scenario import Scenario
from keepintouch.simulator.setting import Setting
from keepintouch.simulator.workforce import Workforce

FIRST_CASE = 100_101
"""The case id of the first person; the others follow."""
_SMALLEST_WITH_CAST = 100
_THREE_MONTHS = 98
_OVERDUE_NEEDS = 200
"""Days of support after which a plan can have been overdue for a while."""


@dataclass(slots=True)
class Sketch:
    """One person in outline: what the council as a whole decides about them. Days are ordinals."""

    index: int
    pattern: Pattern
    part: Part | None
    adviser: int                      # of the workforce
    predecessor: str | None           # who had the case before
    changed_on: int | None            # when the adviser took over
    turned_on: int | None             # when the pattern turned
    born_on: int
    supported_since: int
    qualifying: bool
    plan_overdue: bool = False

    @property
    def eighteen_on(self) -> int:
        """The eighteenth birthday."""
        return _birthday(self.born_on, 18).toordinal()

    def looked_after_on(self, day: int) -> bool:
        """Whether they were still looked after; whose pattern turned before 18 had left care by then."""
        return day < self.eighteen_on and not self.qualifying and (self.turned_on is None or self.turned_on >= self.eighteen_on)


def sketches(scenario: Scenario, people: int, setting: Setting) -> list[Sketch]:
    """Everybody of the council in outline, in the order of their case ids; the same for the same arguments."""
    rng, workers = stream(setting.seed, setting.refs.council, "people"), setting.workers
    cast = PARTS if scenario.has_cast and people >= _SMALLEST_WITH_CAST else ()
    slots = _slots(rng, workers, len(cast))
    patterns = _patterns(rng, scenario, people, cast, slots, workers)
    found = [_sketch(rng, index, pattern, cast[index] if index < len(cast) else None, adviser, setting)
             for index, (adviser, pattern) in enumerate(zip(slots, patterns, strict=True))]
    _choose_overdue(rng, found, scenario.plans_in_date.value, setting.days.last)
    return found


def _slots(rng: Random, workers: Workforce, cast: int) -> list[int]:
    """The adviser of each person; those of the cast are the first two's."""
    left = dict(enumerate(workers.caseloads))
    first = []
    for n in range(cast):
        first.append(n % 2)
        left[n % 2] -= 1
    rest = [adviser for adviser, count in left.items() for _ in range(count)]
    rng.shuffle(rest)
    return first + rest


def _patterns(rng: Random, scenario: Scenario, people: int, cast: tuple[Part, ...], slots: list[int],
              workers: Workforce) -> list[Pattern]:
    """Patterns in exact shares: first what would be found with some advisers rather than others, then the rest."""
    counts = _counts(people, scenario)
    for part in cast:
        counts[part.stands_for] -= 1
    given: dict[int, Pattern] = {n: PATTERNS[part.stands_for] for n, part in enumerate(cast)}

    def give(names: list[str], weight: dict[int, float]) -> None:
        free = sorted((n for n in range(people) if n not in given), key=lambda n: -weight.get(slots[n], 0.0) - rng.random())
        for name in names:
            taken, free = free[:max(0, counts[name])], free[max(0, counts[name]):]
            given.update((n, PATTERNS[name]) for n in taken)

    advisers = range(len(workers.advisers))
    new = {n: 0.7 for n in advisers if workers.advisers[n].since is not None}
    texting = {n: 0.5 * workers.advisers[n].relies_on_texts + 0.3 * workers.advisers[n].heavy for n in advisers}
    strange = [name for name, pattern in PATTERNS.items() if pattern.now.by is By.STRANGERS]
    written = ["text_only", "hostel_left_to_staff", "stale", "attempts_only", "drifting"]
    give(strange, new)
    give(written, texting)
    give([name for name in PATTERNS if name not in strange and name not in written], {})
    return [given[n] for n in range(people)]


def _counts(people: int, scenario: Scenario) -> dict[str, int]:
    """How many have which pattern: exact by kind first, so that no headline moves by rounding, then within the kind."""
    shares = scenario.shares.value
    kinds = {kind: {name: share for name, share in shares.items() if PATTERNS[name].kind is kind} for kind in Kind}
    by_kind = shared_out(people, {kind: sum(members.values()) for kind, members in kinds.items()})
    return {name: count for kind, members in kinds.items() if members
            for name, count in shared_out(by_kind[kind], members).items()}


def _sketch(rng: Random, index: int, pattern: Pattern, part: Part | None, adviser: int, setting: Setting) -> Sketch:
    last, figures = setting.days.last, setting.figures
    born = _born(rng, part.age if part else pick(rng, pattern.ages), last)
    supported = last - 900 if part else min(_birthday(born, 16).toordinal() + between(rng, (0, 150)), last - 80)
    turned = last - between(rng, pattern.turned) if pattern.turned else None
    predecessor, changed = (None, None) if part else _taken_over(rng, adviser, setting)
    if pattern.now.by is By.STRANGERS:
        # It turned when the case went to somebody who has not met them, with the adviser's whole caseload or by itself.
        if changed is None or changed > last - _THREE_MONTHS:
            predecessor, changed = _somebody_else(rng, setting.workers, adviser), turned
        turned = changed
    if predecessor is None or changed is None or changed <= max(setting.days.first, supported):
        predecessor, changed = None, None
    return Sketch(index, pattern, part, adviser, predecessor, changed, turned, born, supported,
                  pattern.now.by is not By.SOCIAL_WORKER and part is None and rng.random() < figures.qualifying.value)


def _taken_over(rng: Random, adviser: int, setting: Setting) -> tuple[str | None, int | None]:
    """From whom and when the adviser has the case, if not from before."""
    who, figures = setting.workers.advisers[adviser], setting.figures
    if who.predecessor is None and rng.random() < figures.reallocated_in_a_year.value:
        return _somebody_else(rng, setting.workers, adviser), setting.days.last - between(rng, (_THREE_MONTHS, 330))
    return who.predecessor, who.since


def _somebody_else(rng: Random, workers: Workforce, adviser: int) -> str | None:
    if len(workers.advisers) == 1:
        return None
    other = (adviser + 1 + int(rng.random() * (len(workers.advisers) - 1))) % len(workers.advisers)
    return workers.advisers[other].ref


def _born(rng: Random, age: int, last_day: int) -> int:
    """A day of birth that makes them this age on the last day and, at 16, supported for 80 days at least."""
    spare = 90 if age == 16 else 0
    return _birthday(last_day, -age).toordinal() - between(rng, (spare, 364))


def _birthday(day: int, years: int) -> date:
    born = date.fromordinal(day)
    try:
        return born.replace(year=born.year + years)
    except ValueError:
        return (born + timedelta(days=1)).replace(year=born.year + years)


def birthdays(born: int, first_day: int, end: int) -> Iterator[tuple[int, int]]:
    """The days in between on which somebody turns an age, with that age."""
    year = date.fromordinal(born).year
    for age in range(date.fromordinal(first_day).year - year, date.fromordinal(end).year - year + 1):
        day = _birthday(born, age).toordinal()
        if first_day <= day <= end:
            yield day, age


def age_on(born: int, day: int) -> int:
    """Whole years."""
    age = date.fromordinal(day).year - date.fromordinal(born).year
    return age if _birthday(born, age).toordinal() <= day else age - 1


def _choose_overdue(rng: Random, found: list[Sketch], in_date: float, last_day: int) -> None:
    """Exactly the right number of those with a plan duty have an overdue plan, more of them where contact is poor."""
    duty = [s for s in found if s.pattern.kind is not Kind.OUT_OF_SCOPE and not s.qualifying]
    could = [s for s in duty if s.part is None and s.supported_since <= last_day - _OVERDUE_NEEDS]
    weight = {Kind.MEANINGFUL: 1.0, Kind.IN_TOUCH: 2.0, Kind.OUT_OF_TOUCH: 4.0}
    could.sort(key=lambda s: -rng.random() ** (1 / weight[s.pattern.kind]))
    for sketch in could[:round(len(duty) * (1 - in_date))]:
        sketch.plan_overdue = True
