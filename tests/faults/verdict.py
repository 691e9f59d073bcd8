"""The verdict: what is on the topics, held against a model that recomputes everything from the events alone.

It looks at nothing but the topics, committed records only, and owes nothing to the monitor but the decoding of a stored person.

**Lost and invented at the end** are plain: the model's open alerts that are not open on the topic, and the reverse. Some stay
open only because they were open before (their feed is behind), so what is open on the topic is told to the model as such; what
the model opens by itself must be there all the same.

**Invented on the way** is less plain, because events come late: an alert that was right on what was known then may never have
been right on all that came in the end. But a worker has always folded a prefix of its partition, nothing is evaluated on less
than was there when it took over, and the record itself says when it was found (`detected_at`). So an alert on the topic, whether
it ended since or not, is invented if no prefix of its partition that was there before the alert was makes the model open it on
that day. What the prefix is cannot be told from outside; that there is one can.

**A number left out** (2 after nothing, 3 after 1) is a change that nobody was told of: lost too, though the alert be right later.
**A regression** is a lower number after a higher one along the topic, or the same number again with other content (other than
`detected_at`, `detail` and `evidence`). A tombstone begins a new count.

**Dead letters** are one for each record that the model refuses, with its reason, key and value. A second one for the same record
is extra: what a transaction publishes, it publishes once.
"""
from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from keepintouch.runtime.clock import LinearClock
from keepintouch.runtime.kafka import Record
from keepintouch.standards import stored
from keepintouch.standards.identifiers import unpack
from tests.reference.accepting import is_ref
from tests.reference.days import LONDON, instant
from tests.reference.model import Facts, Person, Policy, alert_id, evaluate_person, known_about

from .told import Held, Said, Told, council_of, events_of, feeds, held, listen, up_to
from .topics import Topics

SAID = ("alert_id", "person_ref", "rule", "standard", "status", "severity", "anchor_on", "due_on", "opens_on")
"""What the model says of an open alert."""
_MAY_DIFFER = {"detected_at", "detail", "evidence"}
_MOST_SHOWN = 5


class Fault(StrEnum):
    """What can be wrong."""

    LOST = "lost"
    INVENTED = "invented"
    ALERT_DIFFERS = "alert differs"
    REGRESSION = "regressions"
    DEAD_LETTER_MISSING = "dead letters missing"
    DEAD_LETTER_EXTRA = "dead letters extra"
    STATE_DIFFERS = "state differs"
    NOT_COMMITTED = "not committed"
    ERASED_REMAINS = "erased, and remains"


@dataclass(slots=True)
class Verdict:
    """What was found to be wrong, by ids alone; and how much was looked at."""

    looked_at: dict[str, int] = field(default_factory=dict)
    found: dict[Fault, list[str]] = field(default_factory=lambda: {fault: [] for fault in Fault})

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return not any(self.found.values())

    def count(self, fault: Fault) -> int:
        """How often something is wrong in this way."""
        return len(self.found[fault])

    def table(self) -> str:
        """Counts, and examples of what is wrong."""
        lines = ["looked at: " + ", ".join(f"{count:,} {what}" for what, count in self.looked_at.items())]
        for fault, where in self.found.items():
            shown = ", ".join(where[:_MOST_SHOWN]) + (" …" if len(where) > _MOST_SHOWN else "")
            lines.append(f"  {fault:<22}{len(where):>7}  {shown}".rstrip())
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.table()


def judge(topics: Topics, rules: Mapping[str, Policy], clock: LinearClock, now: datetime) -> Verdict:
    """Hold the topics against the model. `rules`: each council's policy; `clock`: the workers'; `now`: of the last evaluation.

    Everything must have come to rest. Raises ValueError if the input itself is ambiguous (see `told.listen`).
    """
    told = listen(topics.events, rules, clock, now)
    published = _publications(topics.alerts)
    verdict = Verdict({"events": len(topics.events), "refused": len(told.refused), "people": len(told.people),
                       "alert records": len(topics.alerts), "alerts": len({p.alert_id for p in published})})
    found = verdict.found
    _judge_numbers(published, found)
    _judge_open(told, published, rules, now, found)
    found[Fault.INVENTED] += [each.alert_id for each in _first_found(published) if not _explained(each, told, rules)]
    _judge_dead_letters(told, topics.dead_letters, found)
    _judge_state(told, topics.changelog, published, found)
    found[Fault.NOT_COMMITTED] += [
        f"{partition}: {0 if topics.committed is None else topics.committed.get(partition, 0)} of {end}"
        for partition, end in told.ends.items() if topics.committed is not None and topics.committed.get(partition, 0) != end]
    return verdict


# Alerts


@dataclass(frozen=True, slots=True)
class Publication:
    """One record of the alerts topic; without an alert, a tombstone."""

    alert_id: str
    timestamp_ms: int
    alert: Facts | None


def _publications(records: Iterable[Record]) -> list[Publication]:
    return [Publication((r.key or b"").decode(), r.timestamp_ms, None if r.value is None else json.loads(r.value))
            for r in records]


def _judge_numbers(published: Iterable[Publication], found: dict[Fault, list[str]]) -> None:
    """Along the topic: none goes back, none is left out, none says two things."""
    last: dict[str, Facts | None] = {}
    for each in published:
        before, alert = last.get(each.alert_id), each.alert
        last[each.alert_id] = alert
        if alert is None:
            continue
        number, number_before = alert["sequence"], 0 if before is None else before["sequence"]
        where = f"{each.alert_id}#{number}"
        if number < number_before or (before is not None and number == number_before and _content(alert) != _content(before)):
            found[Fault.REGRESSION].append(where)
        elif number > number_before + 1:
            found[Fault.LOST].append(where)


def _content(alert: Facts) -> Facts:
    return {name: value for name, value in alert.items() if name not in _MAY_DIFFER}


def _judge_open(told: Told, published: Iterable[Publication], rules: Mapping[str, Policy], now: datetime,
                found: dict[Fault, list[str]]) -> None:
    newest = {each.alert_id: each.alert for each in published}
    is_open: dict[str, dict[str, Facts]] = defaultdict(dict)
    for key, alert in newest.items():
        if alert is not None and alert["status"] == "open":
            is_open[alert["person_ref"]][key] = alert
    for ref in told.people.keys() | is_open.keys():
        person = _person(told, ref, now)
        there = is_open.get(ref, {})
        alone, knowing = (_model_opens(told, ref, person, rules, before) for before in ({}, there))
        found[Fault.LOST] += sorted(alone.keys() - there.keys())
        found[Fault.INVENTED] += sorted(there.keys() - knowing.keys())
        found[Fault.ALERT_DIFFERS] += [key for key in there.keys() & knowing.keys()
                                       if _said(there[key], person) != knowing[key] | _belongs(person)]


def _person(told: Told, ref: str, now: datetime) -> Person | None:
    return known_about(events_of(told.people.get(ref, ())), now.astimezone(LONDON).date())


def _model_opens(told: Told, ref: str, person: Person | None, rules: Mapping[str, Policy],
                 before: dict[str, Facts]) -> dict[str, Facts]:
    if person is None:
        return {}
    lines, _ = evaluate_person(person, rules[council_of(ref)], feeds(told.manifests_for(ref)), before)
    return {line["alert_id"]: {name: line[name] for name in SAID} for line in lines if line["status"] == "open"}


def _said(alert: Facts, person: Person | None) -> Facts:
    return {name: alert[name] for name in SAID} | {name: alert[name] for name in _belongs(person)}


def _belongs(person: Person | None) -> dict[str, Any]:
    return {name: None if person is None else person.get(name) for name in ("adviser_ref", "team_ref")}


def _first_found(published: Iterable[Publication]) -> Iterator[Publication]:
    """The first record of each alert; of one that was found anew after a tombstone, that one too."""
    seen = set[tuple[str, str]]()
    for each in published:
        if each.alert is not None and (mark := (each.alert_id, each.alert["detected_at"])) not in seen:
            seen.add(mark)
            yield each


def _explained(each: Publication, told: Told, rules: Mapping[str, Policy]) -> bool:
    """Whether some prefix of the partition, as it was before the alert was, makes the model open it on the day it was found."""
    alert = each.alert
    assert alert is not None
    ref, today = alert["person_ref"], instant(alert["detected_at"]).astimezone(LONDON).date()
    said = [one for one in told.people.get(ref, ()) if one.timestamp_ms <= each.timestamp_ms]
    if not said:
        return False
    manifests = [one for one in told.manifests_for(ref) if one.timestamp_ms <= each.timestamp_ms]
    policy = _of_rule(rules[council_of(ref)], alert["rule"])
    return any(each.alert_id in _opened(said, manifests, offset, policy, today)
               for offset in sorted({one.offset for one in (*said, *manifests)}, reverse=True))


def _of_rule(policy: Policy, rule: str) -> Policy:
    """Only the standards of one rule: no other has a part in its alerts."""
    return Policy([standard for standard in policy.standards if standard["rule"] == rule], policy.cannot_see, policy.stated)


def _opened(said: list[Said], manifests: list[Said], offset: int, policy: Policy, today: date) -> set[str]:
    person = known_about(events_of(up_to(said, offset)), today)
    if person is None:
        return set()
    lines, _ = evaluate_person(person, policy, feeds(up_to(manifests, offset)), {})
    return {line["alert_id"] for line in lines}


# Dead letters


def _judge_dead_letters(told: Told, letters: Iterable[Record], found: dict[Fault, list[str]]) -> None:
    buried = set[tuple[int, int]]()
    for letter in letters:
        headers = {name: (value or b"").decode() for name, value in letter.headers}   # the last of a name is the one meant
        where = int(headers["partition"]), int(headers["offset"])
        reason, record = told.refused.get(where, ("", None))
        as_it_was = record is not None and (letter.key, letter.value) == (record.key, record.value)
        if where in buried or headers["reason"] != reason or not as_it_was:
            found[Fault.DEAD_LETTER_EXTRA].append(f"{where[0]}:{where[1]} {headers['reason']}")
        else:
            buried.add(where)
    found[Fault.DEAD_LETTER_MISSING] += [f"{p}:{offset} {told.refused[p, offset][0]}"
                                         for p, offset in sorted(told.refused.keys() - buried)]


# State


def _judge_state(told: Told, changelog: Iterable[Record], published: Iterable[Publication],
                 found: dict[Fault, list[str]]) -> None:
    """The last record of each person says what holds of all that was said, and what was published; so does that of a feed."""
    newest = {(r.partition, (r.key or b"").decode()): r.value for r in changelog}
    people = {key: value for (_, key), value in newest.items() if value is not None and is_ref(key) and not _is_feed(key)}
    numbers, ever = _numbers(published)
    for ref in sorted(told.people.keys() | people.keys()):
        expected, value = held(told.people.get(ref, ())), people.get(ref)
        person = None if value is None else stored.load(value)
        if person is None or _held_in(person) != expected:
            found[Fault.STATE_DIFFERS].append(ref)
        elif _numbers_in(ref, person) != numbers[ref]:
            found[Fault.STATE_DIFFERS].append(f"{ref} (what was published)")
        if expected.nothing and ((person is not None and person.ledger) or any(last for last in ever[ref].values())):
            found[Fault.ERASED_REMAINS].append(ref)
    marks = {(partition, key): stored.load_feed(value) for (partition, key), value in newest.items()
             if value is not None and _is_feed(key)}
    expected_marks = {(partition, f"feed:{council}/{feed}"): through.toordinal()
                      for (partition, council), said in told.manifests.items() for feed, through in feeds(said).items()}
    found[Fault.STATE_DIFFERS] += [f"{p}: {key}" for p, key in sorted(marks.keys() | expected_marks.keys())
                                   if marks.get((p, key)) != expected_marks.get((p, key))]


def _is_feed(key: str) -> bool:
    return key.startswith("feed:")


def _held_in(person: Any) -> Held:
    facts = person.facts
    return Held({unpack(r.record_id): (unpack(r.event_id), r.recorded_at) for r in person.registers.values()},
                None if facts is None else (unpack(facts.event_id), facts.recorded_at), person.erased_at)


def _numbers(published: Iterable[Publication]) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, bool]]]:
    """For each person: the last number of each alert there is, and whether anything is left of each that ever was."""
    numbers: dict[str, dict[str, int]] = defaultdict(dict)
    ever: dict[str, dict[str, bool]] = defaultdict(dict)
    about: dict[str, str] = {}
    for each in published:
        if each.alert is not None:
            about[each.alert_id] = each.alert["person_ref"]
            numbers[about[each.alert_id]][each.alert_id] = each.alert["sequence"]
        elif each.alert_id in about:
            numbers[about[each.alert_id]].pop(each.alert_id, None)
        if each.alert_id in about:
            ever[about[each.alert_id]][each.alert_id] = each.alert is not None
    return numbers, ever


def _numbers_in(ref: str, person: Any) -> dict[str, int]:
    """The number of each alert that a person's state says was published."""
    entries = () if person.ledger is None else (*person.ledger.open, *person.ledger.ended)
    return {alert_id(ref, entry.rule, date.fromordinal(entry.anchor_on)): entry.sequence for entry in entries}
