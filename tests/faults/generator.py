"""What case systems send during a run: made up from a seed, and as disorderly as the promises allow.

Two councils' people, in whose lives much happens near a boundary (see `tests.reference.worlds`): rosters, contacts and visits,
corrections, voids (some before what they void), erasures, people who come back after one, and manifests of feeds for a council
that waits for one. Some of it is sent twice, some up to thirty days late, and it is all shuffled. A share is poison.

Whether a statement is accepted must not hang on the moment at which it is read. So whatever is good was recorded before the day
on which it is sent, and what is refused as `future` lies years ahead.
"""
from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from itertools import count
from random import Random
from typing import Any

from keepintouch.standards.policy_file import SHIPPED
from tests.reference.accepting import refusal
from tests.reference.days import LONDON, instant
from tests.reference.model import Policy, folder, load_policy
from tests.reference.random_policies import chance
from tests.reference.worlds import Teller, at

from .poison import poison

WAITING, PROMPT = "lancs-east", "lancs"
"""A council that waits for its feed of visits before anything opens, and one that does not."""
POLICY = "standard_8_week"
REQUIRED = "visits"
MOST_LATE = 30
_AGAIN, _LATE = 0.1, 0.15


@cache
def policies() -> dict[str, Policy]:
    """What each council is judged by, as the model reads it."""
    prompt, waiting = (load_policy(folder(SHIPPED), POLICY) for _ in range(2))
    waiting.stated["feeds"] = [*waiting["feeds"], REQUIRED]
    return {PROMPT: prompt, WAITING: waiting}


def councils_file() -> dict[str, Any]:
    """The same for the monitor."""
    ladder = {"calendar": "always", "steps": [{"after": "0d", "to": ["adviser"]}]}
    common = {"policy": POLICY, "ladder": "one", "sign_in": "https://contact.example", "channels": {"sms": ["console"]}}
    return {"ladders": {"one": ladder}, "councils": {
        slug: common | {"name": slug, "fallback": f"{slug}:duty", "feeds": feeds}
        for slug, feeds in ((PROMPT, []), (WAITING, [REQUIRED]))}}


@dataclass(frozen=True, slots=True)
class Sent:
    """One record to be written; without a partition, to that of its key."""

    key: bytes | None
    value: bytes | None
    partition: int | None = None


class Generator:
    """Everything that is sent, day by day; the same seed says the same things. To be asked for days in their order."""

    def __init__(self, seed: int, people: int, partitions: int, first_day: date, poisoned: float = 0.05) -> None:
        self.rng, self.partitions, self.first_day, self.poisoned = Random(seed), partitions, first_day, poisoned
        self._teller = Teller(self.rng, first_day, policies()[PROMPT])
        self._names = count(1)
        self._teller.people = [self._name() for _ in range(people)]
        self._teller.workers = [f"{PROMPT}:w{n}" for n in range(12)]
        self._held_back: dict[date, list[str]] = {}
        self._poisons = count()

    def roster(self) -> list[Sent]:
        """Everybody there is, and some of what was before the first day."""
        self._teller.today = self.first_day - timedelta(days=1)
        lines = [self._snapshot(ref) for ref in self._teller.people]
        lines += [self._past(ref) for ref in self._teller.people for _ in range(self.rng.randint(0, 6))]
        lines += self._manifests()
        return self._disorderly(self.first_day, lines)

    def day(self, today: date, about: int) -> list[Sent]:
        """What is sent on a day: about so many records."""
        self._teller.today = today - timedelta(days=1)
        lines = self._manifests()
        while len(lines) < about:
            lines += self._news()
        return self._disorderly(today, lines)

    def _name(self) -> str:
        return f"{self.rng.choice([PROMPT, PROMPT, WAITING])}:p{next(self._names)}"

    def _news(self) -> list[str]:
        teller, rng = self._teller, self.rng
        if chance(rng, 0.01):
            teller.people.append(self._name())
            return [self._snapshot(teller.people[-1])]
        ref = rng.choice(teller.people)
        if chance(rng, 0.12):
            return [self._retold(lambda: teller.snapshot(ref, teller.instant(teller.near())))]
        if chance(rng, 0.12):
            return [self._retold(lambda: teller.void(ref))]
        if chance(rng, 0.01):
            return [self._retold(lambda: teller.erasure(ref))]
        return [self._past(ref)]

    def _snapshot(self, ref: str) -> str:
        days_ago = self.rng.randint(100, 600)
        return self._teller.snapshot(ref, at(self.rng, self._teller.today - timedelta(days=days_ago)))

    def _past(self, ref: str) -> str:
        return self._retold(lambda: self._teller.record(ref))

    def _manifests(self) -> list[str]:
        return [self._retold(self._teller.manifest) for _ in range(3)]

    def _retold(self, tell: Any) -> str:
        """Told again until it speaks of nothing that is still to come."""
        midnight = at(Random(0), self._teller.today + timedelta(days=1))
        while True:
            line = str(tell())
            if _is_past(line, instant(midnight).astimezone(LONDON).date()):
                return line

    def _disorderly(self, today: date, lines: list[str]) -> list[Sent]:
        """Some later, some twice, all shuffled; with what was held back until today, and with poison."""
        rng, now = self.rng, self._held_back.pop(today, [])
        for line in lines:
            if chance(rng, _LATE):
                self._hold_back(today, line)
            else:
                now.append(line)
            if chance(rng, _AGAIN):
                self._hold_back(today, line)
        sent = [record for line in now for record in self._records(line)]
        about_people = [line for line in now if '"care.feed.v1"' not in line]
        sent += [self._poison(rng.choice(about_people)) for _ in range(round(len(sent) * self.poisoned / (1 - self.poisoned)))]
        rng.shuffle(sent)
        return sent

    def _hold_back(self, today: date, line: str) -> None:
        until = today + timedelta(days=self.rng.choice([1, 1, 1, 2, 3, self.rng.randint(1, MOST_LATE)]))
        self._held_back.setdefault(until, []).append(line)

    def _records(self, line: str) -> Iterable[Sent]:
        subject = json.loads(line)["subject"].encode()
        partitions = range(self.partitions) if subject.startswith(b"feed:") else [None]
        return [Sent(subject, line.encode(), partition) for partition in partitions]

    def _poison(self, line: str) -> Sent:
        key, value = poison(self.rng, next(self._poisons), json.loads(line))
        return Sent(key, value, self.rng.randrange(self.partitions))


def _is_past(line: str, today: date) -> bool:
    """Whether all that a line tells was before a day began; such a line is accepted on that day and on every later one."""
    data: Mapping[str, Any] = json.loads(line)["data"]
    if "complete_through" in data:
        return bool(date.fromisoformat(data["complete_through"]) < today)
    said = [instant(data[name]) for name in ("recorded_at", "occurred_at") if name in data]
    return all(moment.astimezone(LONDON).date() < today for moment in said) and refusal(line, max(said)) is None
