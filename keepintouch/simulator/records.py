"""Contacts and visits as they took place, each walked from one to the next in the style of the time."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

from keepintouch.simulator.draw import at, between, pick, working_from
from keepintouch.simulator.figures import Figures
from keepintouch.simulator.life import Life, Phase
from keepintouch.simulator.patterns import By, Gap
from keepintouch.simulator.people import Sketch
from keepintouch.simulator.setting import Setting
from keepintouch.simulator.workforce import Workforce


@dataclass(slots=True)
class Draft:
    """A contact (`channel`) or a visit (`location`) that took place; `occurred` is an instant."""

    day: int
    occurred: int
    worker: str | None
    role: str
    outcome: str
    channel: str | None = None
    direction: str = "out"
    location: str | None = None
    announced: bool | None = None
    alone: bool | None = None


@dataclass(frozen=True, slots=True)
class Telling:
    """All that one person's records are drawn from."""

    rng: Random
    sketch: Sketch
    life: Life
    setting: Setting

    @property
    def workers(self) -> Workforce:
        """Who may write a record."""
        return self.setting.workers

    @property
    def figures(self) -> Figures:
        """What is drawn from."""
        return self.setting.figures

    def adviser_on(self, day: int) -> str:
        """Whose case it was."""
        sketch = self.sketch
        if sketch.changed_on is not None and day < sketch.changed_on and sketch.predecessor is not None:
            return sketch.predecessor
        return self.workers.advisers[sketch.adviser].ref


def tell(telling: Telling) -> list[Draft]:
    """Everything that took place with one person, in no order."""
    found: list[Draft] = []
    for phase in telling.life.phases:
        found += _met(telling, phase)
        found += _spoken(telling, phase)
        found += _written(telling, phase)
        found += _tried(telling, phase)
        found += _inbound(telling, phase)
        found += _accommodation_staff(telling, phase)
    found += _third_parties(telling)
    return found


def _walk(telling: Telling, start: int, end: int, gap: Gap | None, first: Gap | None = None) -> Iterator[int]:
    """Days from start to end with this gap between them, mostly moved on to a working day."""
    if gap is None:
        return
    rng = telling.rng
    day = start + between(rng, first or (1, gap[1]))
    while day < end:
        worked = working_from(day) if rng.random() < telling.figures.working_day.value else day
        if worked < end:
            yield worked
        day += between(rng, gap)


def _instant(telling: Telling, day: int, hours: tuple[float, float] = (9.0, 18.0)) -> int:
    return at(day, hours[0] + telling.rng.random() * (hours[1] - hours[0])) // 60 * 60


def _met(telling: Telling, phase: Phase) -> Iterator[Draft]:
    """Meetings; some take two attempts. A new adviser comes to meet them within weeks, a new home is soon visited."""
    gap, rng, figures = phase.style.seen, telling.rng, telling.figures
    if gap is None:
        return
    for start, end in _stretches(telling, phase):
        first = (3, 28) if start != phase.start or start == telling.life.begins else (4, gap[1])
        for day in _walk(telling, start, end, gap, first):
            if rng.random() < figures.failed_visit.value:
                yield _visit(telling, day, phase, pick(rng, figures.failures.value))
                day = working_from(day + between(rng, (2, 7)))
            if day < end:
                yield _visit(telling, day, phase, "seen")
    for home in telling.life.homes:
        if phase.start < home.since < phase.end - 12 and rng.random() < figures.new_home_visited.value:
            yield replace(_visit(telling, working_from(home.since + between(rng, (1, 8))), phase, "seen"), location="home")


def _stretches(telling: Telling, phase: Phase) -> list[tuple[int, int]]:
    changed = telling.sketch.changed_on
    if changed is None or not phase.start < changed < phase.end:
        return [(phase.start, phase.end)]
    return [(phase.start, changed), (changed, phase.end)]


def _visit(telling: Telling, day: int, phase: Phase, outcome: str) -> Draft:
    rng, figures = telling.rng, telling.figures
    social = phase.style.by is By.SOCIAL_WORKER and rng.random() < figures.by_social_worker.value
    worker, role = (_social_worker(telling), "social_worker") if social else (telling.adviser_on(day), "personal_adviser")
    location = _location(telling, day)
    visit = Draft(day, _instant(telling, day), worker, role, outcome, location=location,
                  announced=None if location == "office" else rng.random() >= figures.unannounced.value)
    if outcome != "seen":
        return visit
    if telling.sketch.looked_after_on(day):
        return replace(visit, alone=rng.random() < figures.seen_alone.value)
    if location in ("community", "office", "other") and rng.random() < 2 * figures.face_to_face_contact.value:
        return replace(visit, channel="face_to_face", outcome="completed", location=None, announced=None)
    return visit


def _location(telling: Telling, day: int) -> str:
    rng, figures, home = telling.rng, telling.figures, telling.life.home_on(day)
    if home.code == "X":
        return "custody"
    if telling.sketch.looked_after_on(day) and rng.random() < figures.at_placement.value:
        return "placement"
    location = pick(rng, figures.places.value)
    return "community" if location == "home" and home.code in ("S", "R") else location


def _social_worker(telling: Telling) -> str:
    pool = telling.workers.social_workers
    return pool[telling.sketch.index % len(pool)]


def _who(telling: Telling, day: int, phase: Phase) -> tuple[str | None, str]:
    """Who writes or calls."""
    rng, workers, figures = telling.rng, telling.workers, telling.figures
    strange = phase.style.by is By.STRANGERS
    if rng.random() < (figures.strangers_duty if strange else figures.cover).value:
        if not strange and rng.random() < figures.manager_covers.value:
            return workers.managers[workers.advisers[telling.sketch.adviser].team], "manager"
        unnamed = rng.random() < figures.duty_unnamed.value
        return None if unnamed else workers.duty[int(rng.random() * len(workers.duty))], "duty"
    if phase.style.by is By.SOCIAL_WORKER and rng.random() < figures.social_worker_writes.value:
        return _social_worker(telling), "social_worker"
    return telling.adviser_on(day), "personal_adviser"


def _spoken(telling: Telling, phase: Phase) -> Iterator[Draft]:
    """Calls; before some of them one that was not answered."""
    rng = telling.rng
    for day in _walk(telling, phase.start, phase.end, phase.style.spoke):
        worker, role = _who(telling, day, phase)
        channel = pick(rng, telling.figures.spoken.value)
        if rng.random() < telling.figures.missed_before.value:
            missed = pick(rng, telling.figures.missed.value)
            yield Draft(day, _instant(telling, day, (9, 12)), worker, role, missed, channel)
        yield Draft(day, _instant(telling, day, (12, 18)), worker, role, "completed", channel)


def _written(telling: Telling, phase: Phase) -> Iterator[Draft]:
    rng = telling.rng
    for day in _walk(telling, phase.start, phase.end, phase.style.written):
        worker, role = _who(telling, day, phase)
        channel = "letter" if telling.life.home_on(day).code == "X" else pick(rng, telling.figures.written.value)
        answered = phase.style.answered * (telling.figures.letters_answered.value if channel == "letter" else 1.0)
        yield Draft(day, _instant(telling, day), worker, role, "completed" if rng.random() < answered else "no_reply", channel)


def _tried(telling: Telling, phase: Phase) -> Iterator[Draft]:
    """Calls that ring out, doors that stay shut."""
    rng, figures = telling.rng, telling.figures
    for day in _walk(telling, phase.start, phase.end, phase.style.tried):
        if rng.random() < figures.visits_tried.value:
            yield _visit(telling, day, phase, pick(rng, figures.doors.value))
        else:
            worker, role = _who(telling, day, phase)
            yield Draft(day, _instant(telling, day), worker, role, pick(rng, figures.calls_tried.value), "phone")


def _inbound(telling: Telling, phase: Phase) -> Iterator[Draft]:
    """The young person writes or calls; a call that was missed is returned, mostly in two days."""
    rng, figures = telling.rng, telling.figures
    for day in _walk(telling, phase.start, phase.end, phase.style.inbound):
        adviser = telling.adviser_on(day)
        moment = _instant(telling, day, (9, 21))
        if phase.style.spoke is None or rng.random() < figures.inbound_written.value:
            yield Draft(day, moment, adviser, "personal_adviser", "completed", "text", "in")
        elif rng.random() < figures.inbound_answered.value:
            yield Draft(day, moment, adviser, "personal_adviser", "completed", "phone", "in")
        else:
            yield Draft(day, moment, adviser, "personal_adviser", pick(rng, {"no_reply": 1, "left_message": 1}), "phone", "in")
            later = working_from(day + between(rng, (1, 2) if rng.random() < figures.called_back_soon.value else (4, 9)))
            if later < phase.end:
                yield Draft(later, _instant(telling, later), telling.adviser_on(later), "personal_adviser", "completed", "phone")


def _accommodation_staff(telling: Telling, phase: Phase) -> Iterator[Draft]:
    """Those who run a hostel see people often; the council may lean on that, but it is not the council's contact."""
    rng, pool = telling.rng, telling.workers.accommodation_staff
    for day in _walk(telling, phase.start, phase.end, phase.style.staff):
        here = pool[(telling.sketch.index + telling.life.home_on(day).since) % len(pool)]
        worker = here if rng.random() < telling.figures.staff_named.value else None
        yield Draft(day, _instant(telling, day, (8, 21)), worker, "accommodation_staff", "completed",
                    pick(rng, telling.figures.staff_channels.value))


def _third_parties(telling: Telling) -> Iterator[Draft]:
    rng, pool = telling.rng, telling.workers.others
    if telling.sketch.part:
        return
    for day in _walk(telling, telling.life.begins, telling.setting.days.end, telling.figures.third_party.value):
        role = pick(rng, telling.figures.third_party_roles.value)
        worker = pool[telling.sketch.index % len(pool)] if role == "other_professional" else None
        channel = pick(rng, telling.figures.third_party_channels.value)
        yield Draft(day, _instant(telling, day), worker, role, "completed", channel, "in")
