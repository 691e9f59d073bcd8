"""Random worlds as Hypothesis draws them, and the engine's view of them."""

import os
from collections.abc import Iterable
from datetime import datetime
from random import Random

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from keepintouch.acceptance import Accepted, accept_event
from keepintouch.calendar import london_day
from keepintouch.standards.policy import Policy
from keepintouch.standards.policy_file import load_policy
from keepintouch.standards.world import World
from tests.reference import worlds
from tests.reference.compare import POLICIES, models

MODELS = models(POLICIES)
ENGINES: dict[str, Policy] = {name: load_policy(str(POLICIES / f"{name}.yaml")) for name in MODELS}

RNGS = st.integers(0, 2**63).map(Random)
"""Seeded: Hypothesis shrinks a failing world for minutes and in vain, for all of it hangs together; a seed is as good."""
WORLDS = RNGS.map(lambda rng: worlds.make_world(rng, MODELS))
"""Some steps of a few people's lives, under the policies of the conformance cases."""
MOMENTS = RNGS.map(lambda rng: worlds.make_world(rng, MODELS, most_steps=1))
"""Only one of them."""

_settings = settings(deadline=None, suppress_health_check=list(HealthCheck), phases=(Phase.explicit, Phase.reuse, Phase.generate))
_SHARE = 10 if os.environ.get("HYPOTHESIS_PROFILE") == "fast" else 1
"""`make test-fast` is for the inner loop: it tries a tenth of the worlds."""


def worlds_tried(number: int) -> settings:
    """How many worlds a test tries; fewer in the inner loop."""
    return settings(_settings, max_examples=number // _SHARE)


thorough, quick = worlds_tried(150), worlds_tried(50)


def accepted(lines: Iterable[str], now: datetime) -> list[Accepted]:
    """The events among some lines, in their order."""
    results = [accept_event(line.strip().encode(), None, (), now, None) for line in lines]
    return [result for result in results if isinstance(result, Accepted)]


def folded(events: Iterable[Accepted]) -> World:
    """Everybody of whom some events speak."""
    world = World()
    for event in events:
        world.fold(event.event_id, event.data)
    return world


def now_of(step: worlds.Step) -> datetime:
    return datetime.fromisoformat(step.as_of)


def today_of(step: worlds.Step) -> int:
    """The London day number of a step."""
    return london_day(now_of(step)).toordinal()


def world_of(step: worlds.Step) -> World:
    """Everybody as known at a step."""
    return folded(accepted(step.lines, now_of(step)))
