"""What is published of any life: ids, sequences, modes and endings, also after a crash; and that it is what `evaluate` tells."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hypothesis import given

from keepintouch.acceptance import Accepted
from keepintouch.standards import ledger, stored
from keepintouch.standards.evaluation import Evaluation, evaluate
from keepintouch.standards.ledger import Publication
from keepintouch.standards.person import Person
from keepintouch.standards.world import Feeds
from schemas.alerts import Alert
from schemas.common import council_of
from schemas.events import Feed, PersonErased
from tests.reference import model, worlds
from tests.reference.days import day_of

from .worlds import ENGINES, MODELS, WORLDS, accepted, now_of, thorough, today_of


@dataclass
class Monitor:
    """A worker without Kafka: folds, evaluates everybody, settles; keeps stored forms only, as a real one does."""

    forms: dict[str, bytes] = field(default_factory=dict)
    feeds: Feeds = field(default_factory=Feeds)
    topic: list[Publication] = field(default_factory=list)

    def read(self, events: list[Accepted]) -> list[Publication]:
        """Fold in events; returns the tombstones of who is erased."""
        people = {ref: stored.load(form) for ref, form in self.forms.items()}
        published: list[Publication] = []
        for event in events:
            if isinstance(event.data, Feed):
                self.feeds.fold(event.data)
                continue
            person = people.setdefault(event.data.person_ref, Person())
            if person.fold(event.event_id, event.data) and isinstance(event.data, PersonErased):
                published += ledger.erase(event.data.person_ref, person)
        self.forms = {ref: stored.dump(person) for ref, person in people.items()}
        self.topic += published
        return published

    def evaluate(self, policy_name: str, now: datetime, today: int) -> tuple[list[Publication], dict[str, Evaluation]]:
        """Evaluate everybody; returns what is published, and the evaluations."""
        policy, found, published = ENGINES[policy_name], dict[str, Evaluation](), list[Publication]()
        for ref, form in sorted(self.forms.items()):
            person = stored.load(form)
            evaluation = evaluate(person, policy, today, self.feeds.of(council_of(ref)), ledger.open_keys(person))
            if evaluation is not None:
                found[ref] = evaluation
                published += ledger.settle(ref, person, evaluation, policy, ledger.policy_mark(policy), now)
                self.forms[ref] = stored.dump(person, evaluation.next_change_on)
        self.topic += published
        return published, found

    def copy(self) -> "Monitor":
        """As it would be restored from its changelog."""
        again = Monitor(dict(self.forms), Feeds(), [])
        for council in worlds.COUNCILS:
            for feed, through in self.feeds.of(council).items():
                again.feeds.restore(council, feed, through)
        return again


def news(world: worlds.World) -> list[list[Accepted]]:
    """The events of each step that the steps before it had not got. Lines are told apart, not ids: two events may share one."""
    found, told = [], set[str]()
    for step in world.steps:
        now = now_of(step)
        new = [line for line in step.lines if line not in told and accepted([line], now)]
        found.append(accepted(new, now))
        told.update(new)
    return found


def alert_of(publication: Publication) -> Alert:
    assert publication.alert is not None
    return publication.alert


@thorough
@given(world=WORLDS)
def test_what_is_published_is_what_evaluate_tells(world: worlds.World) -> None:
    monitor, previous = Monitor(), list[model.Facts]()
    for step, events in zip(world.steps, news(world), strict=True):
        told, _ = model.evaluate(step.lines, MODELS[step.policy], step.as_of, previous)
        tombstones = {str(publication.alert_id) for publication in monitor.read(events)}
        monitor.evaluate(step.policy, now_of(step), today_of(step))
        lines = [line for line in told if line["kind"] == "alert"
                 and (line["status"] == "open" or line["alert_id"] not in tombstones)]  # erased, and back at once
        last = {str(publication.alert_id): publication.alert for publication in monitor.topic}
        fields = ["alert_id", "person_ref", "rule", "standard", "status", "severity", "anchor_on", "due_on", "opens_on"]
        assert [_dumped(last[line["alert_id"]], fields) for line in lines] == [{f: line[f] for f in fields} for line in lines]
        endings = ["end_reason", "recording_lag_days"]
        assert [_dumped(last[line["alert_id"]], endings) for line in lines if line["status"] != "open"] == [
            {f: line[f] for f in endings} for line in lines if line["status"] != "open"]
        held_open = {name for name, alert in last.items() if alert is not None and alert.status == "open"}
        assert held_open == {line["alert_id"] for line in lines if line["status"] == "open"}
        previous = told


def _dumped(alert: Alert | None, fields: list[str]) -> dict[str, Any]:
    assert alert is not None
    whole = alert.model_dump(mode="json")
    return {name: whole[name] for name in fields}


@thorough
@given(world=WORLDS)
def test_sequences_count_one_by_one_and_nothing_is_said_twice(world: worlds.World) -> None:
    monitor = Monitor()
    for step, events in zip(world.steps, news(world), strict=True):
        monitor.read(events)
        for _ in range(2):   # what has just opened keeps open, from the next look on, its like whose feeds are behind
            monitor.evaluate(step.policy, now_of(step), today_of(step))
        again, _ = monitor.evaluate(step.policy, now_of(step), today_of(step))
        assert again == []
    last: dict[str, Alert | None] = {}
    for publication in monitor.topic:
        name, alert = str(publication.alert_id), publication.alert
        before = last.get(name)
        if alert is None:
            assert before is not None, "a tombstone for what was published"
        elif before is None:
            assert (alert.sequence, alert.status) == (1, "open")
        else:
            assert alert.sequence == before.sequence + 1
            assert (alert.detected_at, alert.mode) == (before.detected_at, before.mode)
            assert before.status == "open" or alert.status == "open", "what has ended does not end again"
            assert _changes(alert) != _changes(before)
            if alert.status != "open":
                assert (alert.detail, alert.evidence) == (before.detail, before.evidence)
        last[name] = alert


def _changes(alert: Alert) -> dict[str, Any]:
    return alert.model_dump(exclude={"sequence", "detail", "evidence", "detected_at"})


@thorough
@given(world=WORLDS)
def test_a_batch_read_again_after_a_crash_repeats_what_is_there(world: worlds.World) -> None:
    """The state was lost after the alerts had been acknowledged: ids, numbers and contents are the same again."""
    monitor = Monitor()
    for step, events in zip(world.steps, news(world), strict=True):
        crashed = monitor.copy()
        how = step.policy, now_of(step), today_of(step)
        published = monitor.read(events), monitor.evaluate(*how)[0]
        assert (crashed.read(events), crashed.evaluate(*how)[0]) == published
        assert crashed.forms == monitor.forms


@thorough
@given(world=WORLDS)
def test_mode_is_backfill_only_where_something_is_read_for_the_first_time(world: worlds.World) -> None:
    monitor = Monitor()
    under: dict[str, str] = {}  # person to the policy of their last evaluation
    known: set[tuple[str, str]] = set()  # person and rule, once it was not unknown
    modes: dict[str, str] = {}
    for step, events in zip(world.steps, news(world), strict=True):
        for publication in monitor.read(events):
            modes.pop(str(publication.alert_id), None)
        for ref in {event.data.person_ref for event in events if isinstance(event.data, PersonErased)}:
            if stored.load(monitor.forms[ref]).ledger is None:
                under.pop(ref, None)
                known = {(person, rule) for person, rule in known if person != ref}
        published, found = monitor.evaluate(step.policy, now_of(step), today_of(step))
        for alert in map(alert_of, published):
            ref = alert.person_ref
            first = under.get(ref) != step.policy or (ref, alert.rule) not in known
            assert alert.mode == modes.setdefault(str(alert.alert_id), "backfill" if first else "live")
        for ref, evaluation in found.items():
            under[ref] = step.policy
            known |= {(ref, rule) for rule in ENGINES[step.policy].rules if rule not in evaluation.unknown}


@thorough
@given(world=WORLDS)
def test_detail_and_evidence_are_what_a_plain_count_makes_of_them(world: worlds.World) -> None:
    step = world.steps[0]
    monitor = Monitor()
    monitor.read(accepted(step.lines, now_of(step)))
    published, _ = monitor.evaluate(step.policy, now_of(step), today_of(step))
    standards = {standard["id"]: standard for standard in MODELS[step.policy].standards}
    for alert in map(alert_of, published):
        person = model.person_in(step.lines, step.as_of, alert.person_ref)
        assert person is not None
        newest: dict[str, Any] = defaultdict(lambda: None)
        for record in filter(model.by_council, person.records):
            for least, name in enumerate(["messaged", "spoke", "seen", "seen_at_home"], 2):
                if model.rung(record) >= least:
                    newest[f"last_{name}_on"] = day_of(record["occurred_at"])
            if model.rung(record) == 1:
                newest["last_attempted_on"] = day_of(record["occurred_at"])
        for name in ("attempted", "messaged", "spoke", "seen", "seen_at_home"):
            assert getattr(alert.detail, f"last_{name}_on") == newest[f"last_{name}_on"]
        verdict = model.judge(person, standards[alert.standard])
        assert verdict is not None
        later = model.records_since(person, verdict.anchor_on, verdict.anchoring)
        since = [record for record in later if model.by_council(record) and model.rung(record) >= 1]
        written = [r for r in since if r.get("channel") in model.WRITTEN and r["direction"] == "out"]
        assert alert.detail.written_since_anchor == len(written)
        assert alert.detail.attempts_since_anchor == sum(model.rung(record) == 1 for record in since)
        assert alert.detail.strangers_only == (bool(since) and not any(person.known(record) for record in since))
        anchoring = [] if verdict.anchoring is None else [verdict.anchoring["record_id"]]
        assert alert.evidence == (anchoring + [record["record_id"] for record in reversed(since)])[:5]
        adviser = person.get("adviser_ref")
        met = any(record.get("worker_ref") == adviser and model.rung(record) >= 4 for record in person.records)
        assert alert.detail.met_adviser == (None if adviser is None else met)
