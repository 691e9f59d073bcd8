"""Whatever the batches, restarts and crashes, what is on the topics is what recomputing everything from the events gives."""
from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from hypothesis import given

from keepintouch.runtime.clock import ManualClock
from keepintouch.standards import stored
from keepintouch.standards.person import Person
from tests.property.worlds import ENGINES, MODELS, RNGS, WORLDS, accepted, folded, now_of, quick, thorough
from tests.reference import worlds
from tests.reference.days import instant
from tests.reference.model import Facts, evaluate
from tests.unit.contact_monitor.memory_kafka import Fenced, Killed, MemoryKafka, Step, Worker, rulebook

SAID = ("alert_id", "person_ref", "rule", "standard", "status", "severity", "anchor_on", "due_on", "opens_on")


def steps(world: worlds.World) -> list[worlds.Step]:
    """Those whose instant is not before that of the one before: a clock does not go back."""
    found = list[worlds.Step]()
    for step in world.steps:
        if not found or instant(step.as_of) >= instant(found[-1].as_of):
            found.append(step)
    return found


def said(kafka: MemoryKafka, status: str | None = None) -> dict[str, Facts]:
    """What the alerts topic says, in the words of the model."""
    return {key: {name: value for name, value in alert.model_dump(mode="json").items() if name in SAID}
            for key, alert in kafka.newest_alerts().items() if status in (None, alert.status)}


def recomputed(step: worlds.Step, previous: list[Facts]) -> tuple[dict[str, Facts], list[Facts]]:
    """The open alerts of the model, in the same words; and all that it prints."""
    printed, _ = evaluate(step.lines, MODELS[step.policy], step.as_of, previous)
    return {line["alert_id"]: {name: line[name] for name in SAID} for line in printed if line.get("status") == "open"}, printed


def worker_for(kafka: MemoryKafka, step: worlds.Step) -> Worker:
    return Worker(kafka, rulebook(ENGINES[step.policy], *worlds.COUNCILS), ManualClock(now_of(step)))


def check_state(kafka: MemoryKafka, step: worlds.Step, now: datetime) -> None:
    """The people in the changelog are those that folding all events in one go gives; so are the dead letters."""
    everybody = folded(accepted(step.lines, now)).people
    held = kafka.people()
    assert {ref: bare(person) for ref, person in held.items()} == {ref: bare(person) for ref, person in everybody.items()}


def bare(person: Person) -> bytes:
    """A person without what was published about them."""
    person.ledger = None
    return stored.dump(person)


def check_dead_letters(kafka: MemoryKafka) -> None:
    buried = {(letter.record.partition, letter.record.offset) for letter in kafka.dead_letters}
    assert all(letter.refused.reason for letter in kafka.dead_letters)
    assert buried <= {(r.partition, r.offset) for log in kafka.events for r in log}


@thorough
@given(world=WORLDS)
def test_one_evaluation_a_step_says_what_the_model_says(world: worlds.World) -> None:
    """With the ends too: an alert of the step before that is over now ends as the model has it."""
    async def live() -> None:
        kafka, previous = MemoryKafka(), list[Facts]()
        for step in steps(world):
            for line in step.lines:
                kafka.send(line)
            worker = worker_for(kafka, step)
            await worker.own_all()
            await worker.run_dry()
            # Who was erased and came back is another person for the monitor: nothing stays open because it was.
            known = [line for line in previous if line["kind"] != "alert" or None not in kafka.history(line["alert_id"])]
            expected, printed = recomputed(step, known)
            assert said(kafka, "open") == expected
            newest = kafka.newest_alerts()
            for ended in (line for line in printed if line.get("end_reason")):
                if kafka.history(ended["alert_id"])[-1] is None:
                    continue  # erased in the meantime, and known anew: for the monitor that is another person
                alert = newest[ended["alert_id"]]
                assert (alert.status, alert.end_reason, alert.recording_lag_days) == (
                    ended["status"], ended["end_reason"], ended["recording_lag_days"])
            previous = printed
            kafka.check_sequences()
            check_state(kafka, step, now_of(step))
        check_dead_letters(kafka)

    asyncio.run(live())


class Fate:
    """What happens to workers, drawn: batches of any size, restarts, rebalances, and death at any step of a write."""

    def __init__(self, rng: Random, kafka: MemoryKafka, step: worlds.Step) -> None:
        self.rng, self.kafka, self.step = rng, kafka, step
        self.worker = worker_for(kafka, step)

    async def live(self) -> None:
        """Send everything that the step says, bit by bit, while workers come and go; end at rest."""
        await self.worker.own_all()
        lines = list(self.step.lines)
        while lines:
            sent = self.rng.randint(1, 6)
            for line in lines[:sent]:
                self.kafka.send(line)
            del lines[:sent]
            for _ in range(self.rng.randint(0, 4)):
                await self._something()
        self.worker.kill_at = None
        await self._come_to_rest()

    async def _something(self) -> None:
        rng, worker = self.rng, self.worker
        match rng.randint(0, 10):
            case 0 | 1 | 2:
                await worker.poll(rng.randrange(self.kafka.partitions), rng.randint(1, 9))
            case 3 | 4 | 5:
                await self._write()
            case 6:
                worker.commit_offsets()
            case 7:
                worker.kill_at = rng.choice(list(Step))
                await worker.poll_all()
                await self._write()
            case 8:
                worker.commit_offsets()
                await worker.own_all()
            case 9:
                with suppress(Killed):
                    await worker.monitor.stop()
                worker.commit_offsets()
                await self._replace()
            case 10:   # paused; others take over; it wakes up and goes on where it was
                await worker.poll_all()
                await self._replace()
                await self.worker.run_dry()
                with suppress(Fenced, Killed):
                    await worker.rest()

    async def _write(self) -> None:
        try:
            await self.worker.monitor.round()
        except Killed:
            await self._replace()

    async def _replace(self) -> None:
        self.worker = worker_for(self.kafka, self.step)
        await self.worker.own_all()

    async def _come_to_rest(self) -> None:
        await self.worker.run_dry()


@thorough
@given(world=WORLDS, rng=RNGS)
def test_no_crash_loses_or_invents_anything(world: worlds.World, rng: Random) -> None:
    async def live() -> None:
        kafka = MemoryKafka()
        for step in steps(world):
            await Fate(rng, kafka, step).live()
            kafka.check_sequences()
            check_state(kafka, step, now_of(step))
            # Some stay open only because they were: so the model is told what is open, and must leave it as it is.
            printed = [line | {"kind": "alert"} for line in said(kafka, "open").values()]
            assert recomputed(step, printed)[0] == said(kafka, "open")
            assert recomputed(step, [])[0].keys() <= said(kafka, "open").keys()
        check_dead_letters(kafka)

    asyncio.run(live())


@thorough
@given(world=WORLDS)
def test_modes(world: worlds.World) -> None:
    """Backfill at the first evaluation of a person, under a policy, and of a rule that was unknown till then; else live."""
    async def live() -> None:
        kafka, known = MemoryKafka(), dict[str, Known]()
        for step in steps(world):
            for line in step.lines:
                kafka.send(line)
            before = set(kafka.newest_alerts())
            worker = worker_for(kafka, step)
            await worker.own_all()
            await worker.run_dry()
            unknown = {line["person_ref"]: line["unknown"] for line in recomputed(step, [])[1] if line["kind"] == "person"}
            newest, people = kafka.newest_alerts(), kafka.people()
            for ref in unknown:
                if ref not in known or known[ref].erased_at != people[ref].erased_at:
                    known[ref] = Known(people[ref].erased_at)   # whoever was erased and comes back is new
                about = known[ref]
                for key, alert in newest.items():
                    if alert.person_ref == ref and key not in before and None not in kafka.history(key):
                        first = about.policy != step.policy or alert.rule not in about.rules
                        assert alert.mode == ("backfill" if first else "live")
                about.policy = step.policy
                about.rules |= set(ENGINES[step.policy].rules) - set(unknown[ref])

    asyncio.run(live())


@dataclass
class Known:
    """What a person has been evaluated under, and which rules were not unknown at some time."""

    erased_at: int | None
    policy: str = ""
    rules: set[str] = field(default_factory=set)


@quick
@given(world=WORLDS, rng=RNGS)
def test_without_its_state_a_worker_goes_on_from_the_alerts_there_are(world: worlds.World, rng: Random) -> None:
    async def live() -> None:
        kafka = MemoryKafka()
        for step in steps(world):
            await Fate(rng, kafka, step).live()
            said_before = {key: (a.sequence, a.mode, a.status) for key, a in kafka.newest_alerts().items()}
            kafka.changelog = [[] for _ in range(kafka.partitions)]
            worker = worker_for(kafka, step)
            await worker.own_all()
            await worker.run_dry()
            assert {key: (a.sequence, a.mode, a.status) for key, a in kafka.newest_alerts().items()} == said_before
            check_state(kafka, step, now_of(step))

    asyncio.run(live())
