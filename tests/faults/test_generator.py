"""What is sent in a run: repeatable, disorderly, and poisoned as it says; and the plan of faults, repeatable too."""
from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from random import Random

from keepintouch.runtime.kafka import Record
from schemas.dead_letters import REASONS
from tests.faults.faults import KINDS, plan
from tests.faults.generator import PROMPT, WAITING, Generator, Sent
from tests.faults.stage import FIRST_DAY
from tests.faults.told import reason_of
from tests.reference.days import LONDON, instant

COUNCILS = {PROMPT, WAITING}


def days(seed: int, count: int = 35) -> list[list[Sent]]:
    """So many days of thirty people, the roster on the first of them."""
    generator = Generator(seed, 30, 4, FIRST_DAY)
    roster = generator.roster()
    found = [generator.day(FIRST_DAY + timedelta(days=number), 40) for number in range(count)]
    return [roster + found[0], *found[1:]]


def test_a_seed_says_the_same_again_and_another_one_something_else() -> None:
    assert days(1, 5) == days(1, 5)
    assert days(1, 5) != days(2, 5)


def test_everything_is_accepted_or_refused_whenever_it_is_read_and_a_twentieth_is_poison() -> None:
    reasons = Counter[str | None]()
    for number, sent in enumerate(days(1)):
        first = instant((FIRST_DAY + timedelta(days=number)).isoformat() + "T00:00:00+00:00").astimezone(LONDON)
        for each in sent:
            record = Record("events", 0, 0, 0, each.key, each.value, ())
            reason = reason_of(record, first, COUNCILS)
            assert reason == reason_of(record, first + timedelta(days=400), COUNCILS)
            reasons[reason] += 1
    assert set(reasons) == {None, *REASONS}
    assert 0.045 < 1 - reasons[None] / reasons.total() < 0.055


def test_it_is_as_disorderly_as_promised() -> None:
    first_seen: dict[bytes, int] = {}
    latest, again, kinds, councils = 0, 0, Counter[str](), Counter[str]()
    for number, sent in enumerate(days(1)):
        for each in sent:
            if reason_of(Record("events", 0, 0, 0, each.key, each.value, ()), instant("2090-01-01T00:00:00Z"), COUNCILS):
                continue
            assert each.value is not None
            event = json.loads(each.value)
            kinds[event["type"]] += 1
            councils[event["subject"].removeprefix("feed:").partition(":")[0].partition("/")[0]] += 1
            if "feed" in event["data"]:
                continue
            if each.value in first_seen:
                again += 1
                latest = max(latest, number - first_seen[each.value])
            first_seen.setdefault(each.value, number)
    assert len(kinds) == 6
    assert set(councils) == {PROMPT, WAITING}
    assert again > len(first_seen) / 20
    assert 20 < latest <= 30, "days between something and its repetition"


def test_the_plan_is_the_seeds() -> None:
    first, again, other = (plan(Random(seed), 600, 5.0) for seed in (1, 1, 2))
    assert [(each.at, each.what) for each in first] == [(each.at, each.what) for each in again]
    assert [each.what for each in first] != [each.what for each in other]
    assert [each.at for each in first] == sorted(each.at for each in first)
    assert all(0 < each.at < 600 for each in first)
    assert len(first) > 60
    assert {kind.__name__ for kind in KINDS} >= {"killed", "paused", "broker_killed", "black_hole", "connections_reset"}
