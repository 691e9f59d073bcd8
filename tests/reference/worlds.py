"""Random worlds and random policies in which much happens near a boundary.

Everything is drawn from a `random.Random`, be it a seeded one (the campaign) or Hypothesis's own, which can shrink what it drew.
"""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from itertools import count
from random import Random
from typing import Any

from .accepting import COUNCIL_ROLES, THIRD_PARTIES
from .days import LONDON, add
from .model import Facts, Policy, evaluate
from .random_policies import FEEDS, LOCATIONS, chance

COUNCILS = ["lancs", "lancs-east"]  # '-' sorts before ':', so the order of refs is not that of councils
ID_PREFIXES = ["e", "E", "e1", "é", "\U0001f4de", "\uff5e", "1"]  # UTF-16 would sort the last but two after the last but one
UUID_LIKE = "0f8fad5b-d9cb-469f-a165-70867728950"
BASE_DAYS = [date(2024, 3, 31), date(2024, 10, 27), date(2024, 2, 29), date(2024, 3, 1), date(2025, 3, 1), date(2024, 12, 27),
             date(2022, 1, 4), date(2024, 4, 2), date(2023, 5, 9), date(2024, 6, 13), date(2023, 8, 31), date(2024, 5, 28)]
TIMES = [time(0, 0), time(0, 0, 1), time(0, 30), time(1, 30), time(9, 0), time(12, 0, 0, 250_000), time(18, 0), time(22, 59, 59),
         time(23, 0), time(23, 30), time(23, 59, 59, 999_999)]
CHANNELS = ["face_to_face", "video", "phone", "text", "email", "letter", "social_media", "other"]


@dataclass
class Step:
    """One run of the command: the lines of its file of events, under a policy, at an instant."""

    policy: str
    as_of: str
    lines: list[str]


class World:
    """Several runs, each with what the one before it printed as its `--open`."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def __repr__(self) -> str:
        return f"<World of {len(self.steps)} steps>"

    def __str__(self) -> str:
        return "\n".join(f"-- {step.policy} as of {step.as_of}\n" + "\n".join(step.lines) for step in self.steps)


def maybe(rng: Random, value: Any, share: float = 0.7) -> Any:
    return value if chance(rng, share) else None


def at(rng: Random, day: date, moment: time | None = None) -> str:
    """An instant of a London day, written with one of several offsets; where clocks change, one of the two it may be."""
    local = datetime.combine(day, moment or rng.choice(TIMES), LONDON).replace(fold=rng.choice([0, 1]))
    utc = local.astimezone(UTC)
    zone = rng.choice([LONDON, UTC, timezone(timedelta(hours=-5)), timezone(timedelta(hours=5, minutes=30))])
    return utc.astimezone(zone).isoformat().replace("+00:00", "Z")


def before(day: date, interval: str) -> date:
    """About the day from which an interval leads to `day`."""
    back = day - timedelta(days=_days(interval))
    for nudge in (0, -1, 1, -2, 2, -3, 3, -4, 4, -5, 5):
        if add(back + timedelta(days=nudge), interval) == day:
            return back + timedelta(days=nudge)
    return back


def _days(interval: str) -> int:
    number = int(interval.rstrip("dwm"))
    unit = interval.lstrip("0123456789")
    return {"d": number, "w": number * 7, "m": number * 61 // 2, "wd": number * 7 // 5}[unit]


class Teller:
    """Tells of people: holds what has been used so far, so that later statements correct, void and repeat earlier ones."""

    def __init__(self, rng: Random, today: date, policy: Policy) -> None:
        self.rng, self.today, self.policy = rng, today, policy
        self.numbers = count(1)
        people = [f"{council}:{name}" for council in COUNCILS for name in ("p1", "P-2", "p_10")]
        self.people = rng.sample(people, rng.choice([1, 1, 2, 3]))
        self.workers = [f"lancs:w{n}" for n in range(rng.choice([1, 2, 3]))]
        self.instants: list[str] = []
        self.alert_days: list[date] = []
        """Days of the alerts that the last run left open."""
        self.born: dict[str, str] = {}
        self.supported: dict[str, str] = {}
        self.intervals = [s.get("every") or s["within"] for s in policy.standards] + ["0d"]
        self.graces = [s.get("grace", "0d") for s in policy.standards] + ["0d"]
        self.headlines = [policy["in_touch.within"], policy["meaningful.within"], "6m", "12m"]

    def near(self) -> date:
        """A day an interval (and a grace) before today, give or take."""
        rng = self.rng
        if self.alert_days and chance(rng, 0.5):
            return rng.choice(self.alert_days) + timedelta(days=rng.choice([-1, 0, 0, 1, 1]))
        if chance(rng, 0.2):
            return self.today + timedelta(days=rng.choice([-2, -1, -1, -1, 0, 0, 0, 0, 0, 1, 2]))
        if chance(rng, 0.1):
            return self.today - timedelta(days=rng.randint(0, 500))
        day = before(self.today, rng.choice(self.graces)) if chance(rng, 0.5) else self.today
        day = before(day, rng.choice(self.intervals + self.headlines))
        return day + timedelta(days=rng.choice([-2, -1, -1, 0, 0, 0, 1, 1, 2]))

    def later_than(self, day: date) -> date:
        rng = self.rng
        day += timedelta(days=rng.choice([0, 0, 0, 1, 2, 5, 9, 30, -1]))
        return min(day, self.today + timedelta(days=rng.choice([0, 0, 0, 1])))

    def instant(self, day: date) -> str:
        """Now and then one that was told before: ties."""
        if self.instants and chance(self.rng, 0.15):
            return self.rng.choice(self.instants)
        self.instants.append(at(self.rng, day))
        return self.instants[-1]

    def event(self, kind: str, subject: str, data: Facts) -> str:
        rng = self.rng
        number = next(self.numbers)
        event_id = f"{UUID_LIKE}{number % 10}{number}"[-36:] if chance(rng, 0.2) else f"{rng.choice(ID_PREFIXES)}{number}"
        told = {name: value for name, value in data.items() if value is not None or chance(rng, 0.5)}
        return json.dumps({"specversion": "1.0", "id": event_id, "source": "urn:case-system", "type": kind, "subject": subject,
                           "data": told}, ensure_ascii=chance(rng, 0.5))

    def day(self, share: float = 0.7) -> str | None:
        return self.near().isoformat() if chance(self.rng, share) else None

    def birthday(self) -> str:
        rng = self.rng
        if chance(rng, 0.15):
            return f"{self.today.year - rng.choice([16, 17, 18, 20, 21, 24, 25]) // 4 * 4 - self.today.year % 4}-02-29"
        years, days = rng.choice([16, 17, 18, 19, 20, 21, 22, 24, 25]), rng.choice([0, 0, 0, 1, -1, 2, 30, 200, -200])
        born = add(self.today, f"{(100 - years) * 12}m")
        return (born.replace(year=born.year - 100, day=min(born.day, 28)) + timedelta(days=days)).isoformat()

    def snapshot(self, ref: str, recorded: str) -> str:
        rng = self.rng
        if ref not in self.born or chance(rng, 0.05):
            self.born[ref] = self.birthday()
        if ref not in self.supported or chance(rng, 0.1):
            self.supported[ref] = self.near().isoformat()
        home = None if chance(rng, 0.15) else {
            "code": maybe(rng, rng.choice(["U", "W", "X", "B", "Z"]), 0.85), "suitable": rng.choice([True, False, None]),
            "council_provided": chance(rng, 0.5), "hostel": chance(rng, 0.4), "since": self.day()}
        adviser = maybe(rng, rng.choice(self.workers), 0.75)
        return self.event("care.person.v1", ref, {
            "person_ref": ref, "recorded_at": recorded, "born_on": self.born[ref], "supported_since": self.supported[ref],
            "category": rng.choice(["eligible", "relevant", "former_relevant", "former_relevant", "qualifying", "qualifying"])
            if chance(rng, 0.95) else "none",
            "in_touch": rng.choice(["YES", "YES", "NO", None]) if chance(rng, 0.65)
            else rng.choice(["REFU", "NREQ", "RHOM", "REFU", "RHOM", "DIED"]),
            "in_touch_since": self.day(), "opt_out_review_on": self.day(0.5), "adviser_ref": adviser, "adviser_since": self.day(),
            "team_ref": maybe(rng, "north"), "accommodation": home, "need": rng.choice(["standard", "enhanced", "high"]),
            "plan_reviewed_on": self.day(), "offer_made_on": self.day(), "no_face_to_face_until": self.day(0.3),
            "looked_after": chance(rng, 0.3), "cohorts": rng.choice([[], ["uasc"]])})

    def record(self, ref: str) -> str:
        rng = self.rng
        occurred = self.near()
        data: Facts = {
            "record_id": self.record_id(), "person_ref": ref, "occurred_at": self.instant(occurred),
            "recorded_at": self.instant(self.later_than(occurred)), "worker_ref": maybe(rng, rng.choice(self.workers), 0.85),
            "worker_role": rng.choice([*COUNCIL_ROLES, *["personal_adviser"] * 4] if chance(rng, 0.85) else THIRD_PARTIES)}
        if chance(rng, 0.4):
            return self.event("care.visit.v1", ref, data | {
                "location": rng.choice([*LOCATIONS, "home", "office", "custody"]),
                "outcome": rng.choice(["seen"] * 5 + ["no_access", "refused", "cancelled"]),
                "announced": rng.choice([True, False, None]), "seen_alone": rng.choice([True, True, False, None])})
        return self.event("care.contact.v1", ref, data | {
            "channel": rng.choice([*CHANNELS, "text", "text", "phone"]), "direction": rng.choice(["out", "out", "out", "in"]),
            "outcome": rng.choice(["completed"] * 5 + ["no_reply", "no_reply", "left_message", "refused", "cancelled"])})

    def record_id(self) -> str:
        number = self.rng.randint(1, 9)
        return f"{UUID_LIKE}{number}" if number > 6 else f"r{number}"

    def void(self, ref: str) -> str:
        return self.event("care.record-voided.v1", ref, {
            "record_id": self.record_id(), "person_ref": ref, "recorded_at": self.instant(self.later_than(self.near()))})

    def erasure(self, ref: str) -> str:
        return self.event("care.person-erased.v1", ref, {"person_ref": ref, "recorded_at": self.instant(self.near())})

    def manifest(self) -> str:
        rng = self.rng
        council, feed = rng.choice(COUNCILS), rng.choice(FEEDS[:2] * 3 + FEEDS)
        through = self.today + timedelta(days=rng.choice([1, 0, -1, -1, -1, -2, -3, -5])) if chance(rng, 0.8) else self.near()
        return self.event("care.feed.v1", f"feed:{council}/{feed}", {
            "council": council, "feed": feed, "complete_through": through.isoformat(), "records": rng.randint(0, 9),
            "recorded_at": at(rng, through)})


def nonsense(rng: Random, today: date, line: str) -> str:
    """Something that is not accepted, or is though it looks odd."""
    texts = [line[:-1], "null", "[]", "17", '"x"', "", " ", "\t", "  \r", f"  {line}  "]
    if chance(rng, 0.3):
        return rng.choice(texts)
    event = json.loads(line)
    data = event["data"]
    match rng.randint(0, 7):
        case 0:
            del event[rng.choice(["specversion", "id", "source", "type", "subject", "data"])]
        case 1:
            event["type"] = "care.person.v2"
        case 2:
            event["subject"] = "lancs:somebody"
        case 3:
            data[rng.choice([name for name in data if data[name] is not None])] = rng.choice([{}, 3.5, "", "\n", "2024-02-30"])
        case 4:
            required = {"recorded_at", "record_id", "born_on", "worker_role", "complete_through", "outcome"} & set(data)
            del data[rng.choice(sorted(required))]
        case 5:
            data["recorded_at"] = rng.choice([at(rng, today + timedelta(days=rng.choice([1, 2]))), "2024-05-05T10:00:00"])
        case 6:
            event["padding"] = "x" * 65_536
        case _:
            event["unknown"] = data["unknown"] = {"of": "no harm"}
    return json.dumps(event)


def make_world(rng: Random, policies: dict[str, Policy], most_steps: int = 4) -> World:
    """A world run under one of the policies, now and then under another from one step to the next."""
    name = rng.choice(sorted(policies))
    today = rng.choice(BASE_DAYS) if chance(rng, 0.6) else date(2021, 6, 1) + timedelta(days=rng.randint(0, 1500))
    teller = Teller(rng, today, policies[name])
    lines: list[str] = []
    world = World()
    printed: list[Facts] = []
    steps = min(most_steps, rng.choice([1, 2, 2, 3, 4]))
    for number in range(steps):
        if number:
            teller.today += timedelta(days=rng.choice([0, 0, 1, 1, 1, 2, 3, 7, 14, 28, 40]))
            if chance(rng, 0.15):
                name = rng.choice(sorted(policies))
        lines += _news(teller, first=not number)
        told = list(lines)
        told += rng.sample(lines, min(len(lines), rng.choice([0, 0, 1, 3])))
        rng.shuffle(told)
        as_of = at(rng, teller.today)   # never before the step before it: no run knows less than an earlier one
        if world.steps and datetime.fromisoformat(as_of) < datetime.fromisoformat(world.steps[-1].as_of):
            as_of = world.steps[-1].as_of
        world.steps.append(Step(name, as_of, told))
        if number + 1 < steps:
            printed, _ = evaluate(told, policies[name], world.steps[-1].as_of, printed)
            teller.alert_days = [date.fromisoformat(line[day]) for line in printed if line.get("status") == "open"
                                 for day in ("anchor_on", "due_on", "opens_on") if line[day] <= teller.today.isoformat()]
    return world


def _news(teller: Teller, first: bool) -> list[str]:
    rng, lines = teller.rng, []
    for ref in teller.people:
        if first and chance(rng, 0.95):
            lines.append(teller.snapshot(ref, at(rng, teller.today - timedelta(days=600))))
        if chance(rng, 0.4 if first else 0.35):
            lines.append(teller.snapshot(ref, teller.instant(teller.near())))
        most = rng.choice([0, 3, 6, 12]) if first else rng.choice([0, 1, 1, 2, 3])
        lines += [teller.record(ref) for _ in range(rng.randint(0, most))]
        lines += [teller.void(ref) for _ in range(rng.choice([0, 0, 0, 1, 2]))]
        if chance(rng, 0.07):
            lines.append(teller.erasure(ref))
    lines += [teller.manifest() for _ in range(rng.choice([0, 1, 2, 4, 6]))]
    if lines and chance(rng, 0.15):
        lines += [nonsense(rng, teller.today, rng.choice(lines)) for _ in range(rng.randint(1, 3))]
    return lines
