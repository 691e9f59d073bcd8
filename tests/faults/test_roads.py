"""The broker dies, roads are cut, workers come and go: all while events come in."""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from schemas.dead_letters import REASONS
from tests.faults.scenes import MARKS
from tests.faults.stage import NAMES, Run
from tests.processes import until

pytestmark = MARKS

SOON = 120.0


def test_the_broker_is_killed_and_a_worker_is_cut_off(run: Run) -> None:
    """One in the middle of the other, and both in the middle of writing; poison all the time, of every kind."""
    for name in ("a", "b"):
        run.crew.start(name)
    run.crew.wait_ready()
    run.send(run.generator.roster())
    for fault in (lambda: run.stage.roads["b"].black_hole(True), run.stage.broker.kill):
        in_the_middle_of_writing(run, fault)
    run.stage.mend_broker()
    verdict = run.end()
    assert verdict.good, verdict
    letters = Counter(dict(letter.headers)["reason"] for letter in run.watch.read().dead_letters)
    assert letters.keys() == {reason.encode() for reason in REASONS}
    assert 0.04 < sum(letters.values()) / verdict.looked_at["events"] < 0.06


def test_connections_are_reset(run: Run) -> None:
    """Again and again: a worker goes on, or ends and is started again; it never stands there as if all were well."""
    run.crew.start("a")
    run.crew.wait_ready("a")
    run.send(run.generator.roster())
    for _ in range(8):
        in_the_middle_of_writing(run, run.stage.roads["a"].reset)
    verdict = run.end()
    assert verdict.good, verdict


def in_the_middle_of_writing(run: Run, fault: Callable[[], object]) -> None:
    """Something happens when workers have begun to write what is being sent."""
    written = run.watch.written()
    run.send(run.generator.day(run.today, 60), within=1)
    until(lambda: run.crew.tend() or run.watch.written() > written, SOON)
    fault()


@pytest.mark.parametrize("run", [{"partitions": 3, "session": "30s"}], indirect=True)
def test_one_worker_then_three_then_two_by_starting_and_stopping_processes(run: Run) -> None:
    run.send(run.generator.roster())
    run.crew.start("a")
    run.crew.wait_ready("a")
    run.send(run.generator.day(run.today, 600), within=8)
    until(lambda: run.crew.partitions("a") == {0, 1, 2}, SOON)
    run.crew.start("b")
    run.crew.start("c")
    until(lambda: all(run.crew.partitions(name) for name in NAMES) and in_all(run, *NAMES) == [0, 1, 2], SOON)
    run.crew.stop("a")
    assert run.crew.status("a") == 0, "it stopped in order"
    until(lambda: in_all(run, "b", "c") == [0, 1, 2], SOON)
    verdict = run.end()
    assert verdict.good, verdict
    assert not run.crew.ended, "nobody fell"


def in_all(run: Run, *names: str) -> list[int]:
    """The partitions that workers look after; one twice if two think so."""
    return sorted(partition for name in names for partition in run.crew.partitions(name))
