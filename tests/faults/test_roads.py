"""The broker dies, roads are cut, workers come and go: all while events come in."""
from __future__ import annotations

from collections import Counter

from schemas.dead_letters import REASONS
from tests.faults.scenes import MARKS
from tests.faults.stage import NAMES, Run
from tests.processes import until

pytestmark = MARKS

SOON = 40.0


def test_the_broker_is_killed_and_the_roads_are_cut(run: Run) -> None:
    """One fault after the other, each in the middle of writing; poison all the time, of every kind."""
    for name in ("a", "b"):
        run.crew.start(name)
    run.crew.wait_ready()
    run.send(run.generator.roster())
    faults = [lambda: run.stage.roads["a"].reset(), lambda: run.stage.roads["b"].black_hole(True), run.stage.broker.kill]
    for fault in faults:
        written = run.watch.written()
        run.send(run.generator.day(run.today, 100), within=1.5)
        until(lambda before=written: run.watch.written() > before, SOON)   # type: ignore[misc]
        fault()
    run.stage.mend_broker()
    verdict = run.end()
    assert verdict.good, verdict
    letters = Counter(dict(letter.headers)["reason"] for letter in run.watch.read().dead_letters)
    assert letters.keys() == {reason.encode() for reason in REASONS}
    assert 0.04 < sum(letters.values()) / verdict.looked_at["events"] < 0.06


def test_one_worker_then_three_then_two_by_starting_and_stopping_processes(run: Run) -> None:
    run.send(run.generator.roster())
    run.crew.start("a")
    run.crew.wait_ready("a")
    run.send(run.generator.day(run.today, 600), within=8)
    assert run.crew.partitions("a") == {0, 1, 2, 3}
    run.crew.start("b")
    run.crew.start("c")
    until(lambda: all(run.crew.partitions(name) for name in NAMES) and in_all(run, *NAMES) == [0, 1, 2, 3], SOON)
    run.crew.stop("a")
    assert run.crew.status("a") == 0, "it stopped in order"
    until(lambda: in_all(run, "b", "c") == [0, 1, 2, 3], SOON)
    verdict = run.end()
    assert verdict.good, verdict
    assert not run.crew.ended, "nobody fell"


def in_all(run: Run, *names: str) -> list[int]:
    """The partitions that workers look after; one twice if two think so."""
    return sorted(partition for name in names for partition in run.crew.partitions(name))
