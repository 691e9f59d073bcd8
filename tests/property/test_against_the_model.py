"""`keepintouch evaluate` prints what the second, naive implementation prints, line by line, in any world and policy."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from tests.reference.compare import POLICIES, difference, policies_read_once, write_policies
from tests.reference.random_policies import make_policies
from tests.reference.worlds import World, make_world

from .worlds import MODELS, RNGS, WORLDS, thorough, worlds_tried


@pytest.fixture(scope="module", autouse=True)
def _policies_read_once() -> Iterator[None]:
    with policies_read_once():
        yield


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@worlds_tried(250)
@given(world=WORLDS)
def test_under_the_policies_of_the_cases(world: World, work: Path) -> None:
    found = difference(world, POLICIES, MODELS, work)
    note(found or "")
    assert found is None


@thorough
@given(seed=st.integers(0, 15), rng=RNGS)
def test_under_random_policies(seed: int, rng: Random, work: Path) -> None:
    policies = work / f"policies-{seed}"
    policies.mkdir(exist_ok=True)
    known = write_policies(make_policies(Random(seed)), policies)
    found = difference(make_world(rng, known), policies, known, work)
    note(found or "")
    assert found is None


@pytest.mark.parametrize("fault", [
    ("keepintouch.standards.history.History.known", lambda self, register: False),
    ("keepintouch.standards.evaluation._opening", lambda clock: clock.standard.place),
    ("keepintouch.standards.ending._lag", lambda register: 0),
    ("keepintouch.standards.clocks.Sight.complete_through", lambda self, day: True),
    ("keepintouch.standards.circumstances.Circumstances.in_scope", property(lambda self: True)),
])
def test_a_fault_is_noticed(fault: tuple[str, Any], work: Path) -> None:
    """Or the two could agree because nothing ever happens in these worlds."""
    with patch(*fault):
        assert any(difference(make_world(Random(seed), MODELS), POLICIES, MODELS, work) for seed in range(150))
