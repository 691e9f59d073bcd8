"""What can go wrong in a run, and a plan of it drawn from a seed: the same seed, the same faults at the same seconds."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from .stage import NAMES, Run
from .worker import CrashPoint, Step


@dataclass(frozen=True, slots=True)
class Planned:
    """Something that is done to a run, so many seconds after its beginning."""

    at: float
    what: str
    do: Callable[[Run], object]


Drawn = Iterator[tuple[float, str, Callable[[Run], object]]]
"""Seconds after the fault's beginning, words, and the deed."""


def plan(rng: Random, seconds: float, session: float, gap: tuple[float, float] = (2.0, 9.0)) -> list[Planned]:
    """Faults from the first seconds to the last, some of which are not over when the next begins. `session`: seconds."""
    planned, at = list[Planned](), rng.uniform(*gap)
    while at < seconds:
        draw = rng.choice(KINDS)
        planned += [Planned(at + after, what, do) for after, what, do in draw(rng, session) if at + after < seconds]
        at += rng.uniform(*gap)
    return sorted(planned, key=lambda each: each.at)


def killed(rng: Random, session: float) -> Drawn:
    """SIGKILL at any moment."""
    name = rng.choice(NAMES)
    yield 0, f"kill {name}", lambda run: run.crew.kill(name)


def killed_at_a_step(rng: Random, session: float) -> Drawn:
    """SIGKILL at a step of a write: the worker is replaced by one that will die there."""
    name, point = rng.choice(NAMES), CrashPoint(rng.choice(list(Step)), rng.randint(1, 8))
    yield 0, f"{name} will be killed at {point}", lambda run: run.crew.replace(name, point)


def paused(rng: Random, session: float) -> Drawn:
    """SIGSTOP for longer than the session, at any moment."""
    name, long = rng.choice(NAMES), session * rng.uniform(1.2, 3)
    yield 0, f"pause {name}", lambda run: run.crew.pause(name)
    yield long, f"wake {name} after {long:.1f} s", lambda run: run.crew.wake(name)


def paused_at_a_step(rng: Random, session: float) -> Drawn:
    """SIGSTOP at a step of a write: the worker is replaced by one that will stand still there. Everyone still is woken later."""
    name, point = rng.choice(NAMES), CrashPoint(rng.choice(list(Step)), rng.randint(1, 8), pause=True)
    yield 0, f"{name} will be paused at {point}", lambda run: run.crew.replace(name, point)
    yield session * 3 + 10, f"wake {name}", lambda run: run.crew.wake(name)


def leaving_and_coming_back(rng: Random, session: float) -> Drawn:
    """SIGTERM, and a worker less for a while."""
    name, long = rng.choice(NAMES), rng.uniform(2, 20)
    yield 0, f"stop {name}", lambda run: run.crew.leave(name)
    yield long, f"start {name}", lambda run: run.crew.join(name)


def broker_killed(rng: Random, session: float) -> Drawn:
    """SIGKILL for the broker, which comes back with its data."""
    long = rng.uniform(0.5, 8)
    yield 0, "kill the broker", lambda run: run.stage.broker.kill()
    yield long, "start the broker", lambda run: run.stage.mend_broker()


def connections_reset(rng: Random, session: float) -> Drawn:
    """Every connection of a worker is cut."""
    name = rng.choice(NAMES)
    yield 0, f"reset the connections of {name}", lambda run: run.stage.roads[name].reset()


def black_hole(rng: Random, session: float) -> Drawn:
    """Nothing gets through between a worker and the broker, and neither is told."""
    name, long = rng.choice(NAMES), session * rng.uniform(0.2, 3)
    yield 0, f"black hole before {name}", lambda run: run.stage.roads[name].black_hole(True)
    yield long, f"no black hole before {name} after {long:.1f} s", lambda run: run.stage.roads[name].black_hole(False)


def slow_road(rng: Random, session: float) -> Drawn:
    """Everything between a worker and the broker is held up."""
    name, long, delay = rng.choice(NAMES), rng.uniform(2, 10), rng.uniform(0.02, 0.4)
    yield 0, f"{delay * 1000:.0f} ms on the road of {name}", lambda run: run.stage.roads[name].delay(delay)
    yield long, f"no delay for {name}", lambda run: run.stage.roads[name].delay(0)


KINDS = (killed, killed, killed_at_a_step, killed_at_a_step, paused, paused_at_a_step, leaving_and_coming_back, broker_killed,
         connections_reset, black_hole, slow_road)
"""Each as likely as the next; a kind twice, twice as likely."""
