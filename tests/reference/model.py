"""What `keepintouch evaluate` prints, worked out the slow and plain way.

This is a second implementation of the rules, written before looking at the first and sharing no code with it: no state, no
stored form, no clocks that run on; everything is reckoned again, for each day and standard, from the multiset of raw lines. It
has no use but to disagree with the engine. When they disagree, the text decides.

Days are London's. Instants are `datetime`s with an offset. Everything read stays the dict it was.
"""

import json
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from .accepting import COUNCIL_ROLES, refusal
from .days import LONDON, add, day, day_of, instant

Facts = dict[str, Any]

RUNGS = ["none", "attempted", "messaged", "spoke", "seen", "seen_at_home"]
SEVERITIES = ["low", "medium", "high", "critical"]
WRITTEN = ["text", "email", "letter", "social_media"]
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:keep-in-touch:alert")


# Policies


@dataclass
class Policy:
    """What is in force: the parent's standards, then the child's."""

    standards: list[Facts]
    cannot_see: set[str]
    stated: Facts  # what the nearest policy of the chain says that says it

    def __getitem__(self, name: str) -> Any:
        return self.stated[name]


def load_policy(documents: Callable[[str], Facts], name: str) -> Policy:
    """The policy in force; `documents` reads a policy's YAML by id."""
    document = documents(name)
    if document.get("extends"):
        above = load_policy(documents, document["extends"])
    else:
        above = Policy([], set(), {"in_touch.rung": "messaged", "in_touch.within": "3m", "meaningful.within": "8w", "feeds": []})
    stated = dict(above.stated)
    for key in ("in_touch", "meaningful"):
        for inner, value in document.get(key, {}).items():
            stated[f"{key}.{inner}"] = value
    if "feeds" in document:
        stated["feeds"] = document["feeds"]
    own: list[Facts] = []
    for standard in document["standards"]:
        k = 1 + sum(other["rule"] == standard["rule"] for other in own)
        own.append({**standard, "id": f"{document['id']}/{standard['rule']}/{k}"})
    return Policy(above.standards + own, above.cannot_see | set(document.get("cannot_see", [])), stated)


def folder(path: Path) -> Callable[[str], Facts]:
    """Policies read from the YAML files of a folder."""
    return lambda name: dict(yaml.safe_load((path / f"{name}.yaml").read_text(encoding="utf-8")))


# What is known about one person


def rung(record: Facts) -> int:
    if record["outcome"] == "cancelled":
        return 0
    if record["outcome"] in ("no_reply", "left_message", "refused", "no_access"):
        return 1
    if "location" in record:
        return 5 if record["location"] in ("home", "placement", "custody") else 4
    if record["channel"] == "face_to_face":
        return 4
    return 3 if record["channel"] in ("phone", "video") else 2


def by_council(record: Facts) -> bool:
    return record["worker_role"] in COUNCIL_ROLES


@dataclass
class Person:
    """The snapshot that holds, and the records that count today, oldest first."""

    facts: Facts
    records: list[Facts]
    today: date

    def known(self, record: Facts) -> bool:
        """Whether its worker had met them by then, in whatever role."""
        worker, then = record.get("worker_ref"), instant(record["occurred_at"])
        meetings = [other for other in self.records if rung(other) >= 4 and instant(other["occurred_at"]) <= then]
        return worker is not None and any(other.get("worker_ref") == worker for other in meetings)

    def get(self, name: str) -> Any:
        return self.facts.get(name)

    def on(self, name: str) -> date | None:
        return day(self.facts.get(name))

    def supported_since(self) -> date:
        return date.fromisoformat(self.facts["supported_since"])

    def home(self, name: str) -> Any:
        return (self.facts.get("accommodation") or {}).get(name)

    def age(self) -> int:
        born = date.fromisoformat(self.facts["born_on"])
        return self.today.year - born.year - ((self.today.month, self.today.day) < (born.month, born.day))

    def in_scope(self) -> bool:
        return bool(self.facts["category"] != "none" and self.get("in_touch") != "DIED" and 16 <= self.age() <= 24)

    def opt_out_ends(self) -> date:
        return self.on("opt_out_review_on") or add(self.on("in_touch_since") or self.supported_since(), "6m")

    def opted_out(self) -> bool:
        return self.get("in_touch") in ("REFU", "NREQ", "RHOM") and self.today <= self.opt_out_ends()

    def within(self, record: Facts, interval: str) -> bool:
        return add(day_of(record["occurred_at"]), interval) >= self.today

    def in_touch(self, policy: Policy) -> bool:
        enough = RUNGS.index(policy["in_touch.rung"])
        return any(by_council(r) and rung(r) >= enough and self.within(r, policy["in_touch.within"]) for r in self.records)

    def meaningful(self, policy: Policy) -> bool:
        return any(
            by_council(r) and (rung(r) >= 4 or (rung(r) == 3 and self.known(r))) and self.within(r, policy["meaningful.within"])
            for r in self.records
        )

    def holds(self, condition: str, wanted: Any) -> bool:
        if condition == "ages":
            return bool(wanted[0] <= self.age() <= wanted[1])
        if condition == "categories":
            return bool(self.get("category") in wanted)
        if condition == "accommodation":
            return bool(self.home("code") in wanted)
        if condition in ("hostel", "council_provided"):
            return bool(wanted) == bool(self.home(condition))
        if condition == "suitable":
            return bool(self.home("suitable") == wanted)
        if condition in ("need", "in_touch"):
            return bool(self.get(condition) in wanted)
        if condition == "looked_after":
            return bool(self.get("looked_after") == wanted)
        if condition == "no_face_to_face":
            until = self.on("no_face_to_face_until")
            return bool(wanted) == (until is not None and self.today <= until)
        if condition == "moved_within":
            since = day(self.home("since"))
            return since is not None and self.today <= add(since, wanted)
        if condition == "adviser":
            return bool(wanted == "none") == (self.get("adviser_ref") is None)
        assert condition == "opted_out", condition
        return bool(wanted == "any" or self.opted_out() == wanted)


# One standard


def from_day(person: Person, standard: Facts) -> date | None:
    """Where its clock starts, or None where the standard does not apply for want of such a day."""
    name = standard.get("from", "supported_since")
    if name == "accommodation_since":
        start = day(person.home("since"))
        if start is None:
            return None
    elif name == "opt_out_review_on":
        start = person.opt_out_ends()
    else:
        start = person.on(name) or person.supported_since()
    return max(start, person.supported_since())


def covers(person: Person, standard: Facts) -> bool:
    when = {"opted_out": False} | standard.get("when", {})
    unless = standard.get("unless", {})
    return (
        person.in_scope()
        and from_day(person, standard) is not None
        and all(person.holds(*condition) for condition in when.items())
        and not (unless and all(person.holds(*condition) for condition in unless.items()))
    )


def satisfies(person: Person, needs: Facts, record: Facts) -> bool:
    return (
        record["worker_role"] in needs.get("roles", COUNCIL_ROLES)
        and rung(record) >= RUNGS.index(needs["rung"])
        and {"any": True, "known": person.known(record),
             "adviser": person.get("adviser_ref") is not None and record.get("worker_ref") == person.get("adviser_ref"),
             }[needs.get("by", "any")]
        and all(record.get(name) is needs[name] for name in ("announced", "seen_alone") if name in needs)
        and ("at" not in needs or record.get("location") in needs["at"])
    )


def is_despite(person: Person, despite: Facts, record: Facts) -> bool:
    wanted = despite if "rung_is" in despite else {"rung": "attempted"} | despite
    return (
        by_council(record)
        and ("rung" not in wanted or rung(record) >= RUNGS.index(wanted["rung"]))
        and ("rung_is" not in wanted or rung(record) == RUNGS.index(wanted["rung_is"]))
        and ("channel" not in wanted or record.get("channel") in WRITTEN)
        and ("direction" not in wanted or record.get("direction", "out") == wanted["direction"])
        and ("by" not in wanted or not person.known(record))
    )


@dataclass
class Verdict:
    """A standard that covers someone and is not ok: its days."""

    standard: Facts
    anchor_on: date
    anchoring: Facts | None
    due_on: date
    opens_on: date


def satisfying(person: Person, standard: Facts) -> list[Facts]:
    return [record for record in person.records if satisfies(person, standard["needs"], record)] if "needs" in standard else []


def records_since(person: Person, anchor: date, anchoring: Facts | None) -> list[Facts]:
    """After the anchoring record's instant, or on or after the anchor day where no record is the anchor."""
    if anchoring is None:
        return [record for record in person.records if day_of(record["occurred_at"]) >= anchor]
    return [record for record in person.records if instant(record["occurred_at"]) > instant(anchoring["occurred_at"])]


def judge(person: Person, standard: Facts) -> Verdict | None:
    """Its days, or None where it is ok whatever the day."""
    start = from_day(person, standard)
    assert start is not None
    met = satisfying(person, standard)
    anchor, anchoring = start, None
    if "within" in standard:
        if any(standard["needs"].get("ever") or day_of(record["occurred_at"]) >= start for record in met):
            return None
    elif met and day_of(met[-1]["occurred_at"]) >= start:
        anchoring = met[-1]
        anchor = day_of(anchoring["occurred_at"])
    due = add(anchor, standard.get("every") or standard["within"])
    if "despite" in standard:
        meanwhile = [r for r in records_since(person, anchor, anchoring) if is_despite(person, standard["despite"], r)]
        count = standard["despite"].get("count", 1)
        if len(meanwhile) < count:
            return None
        due = max(due, day_of(meanwhile[count - 1]["occurred_at"]))
    return Verdict(standard, anchor, anchoring, due, add(due, standard.get("grace", "0d")) + timedelta(days=1))


# One person, one policy, one day


def alert_id(person_ref: str, rule: str, anchor_on: date) -> str:
    return str(uuid.uuid5(NAMESPACE, f"{person_ref}|{rule}|{anchor_on.isoformat()}"))


def end(person: Person, policy: Policy, alert: Facts) -> Facts:
    """The line of an alert that evaluation no longer produces."""

    def ended(status: str, reason: str, lag: int | None = None) -> Facts:
        return {**alert, "status": status, "end_reason": reason, "recording_lag_days": lag}

    of_rule = [s for s in policy.standards if s["rule"] == alert["rule"] and covers(person, s)]
    of_rule.sort(key=lambda standard: standard["id"] != alert["standard"])  # stable: the named one, else the first
    if not of_rule or alert["rule"] in policy.cannot_see:
        return ended("cleared", "no_longer_applies")
    standard = of_rule[0]
    start, anchor_on = from_day(person, standard), date.fromisoformat(alert["anchor_on"])
    assert start is not None
    if "needs" not in standard:
        return ended("cleared", "done") if start > anchor_on else ended("withdrawn", "corrected")
    for record in satisfying(person, standard):
        occurred_on = day_of(record["occurred_at"])
        once = "within" in standard
        if standard["needs"].get("ever") or (once and occurred_on >= start) or (not once and occurred_on > anchor_on):
            if occurred_on <= add(date.fromisoformat(alert["due_on"]), standard.get("grace", "0d")):
                return ended("withdrawn", "recorded_late", (day_of(record["recorded_at"]) - occurred_on).days)
            return ended("cleared", "done")
    return ended("withdrawn", "corrected")


def evaluate_person(
    person: Person, policy: Policy, feeds: dict[str, date], open_before: dict[str, Facts]
) -> tuple[list[Facts], list[str]]:
    """Alert lines, and the rules that are unknown."""
    ref = person.facts["person_ref"]
    opened: dict[str, list[Verdict]] = {}
    unknown: set[str] = set()
    for standard in policy.standards:
        verdict = judge(person, standard) if covers(person, standard) else None
        if verdict is None or person.today < verdict.opens_on:
            continue
        rule = standard["rule"]
        waits = "needs" in standard and not all(
            name in feeds and feeds[name] >= verdict.opens_on - timedelta(days=1) for name in policy["feeds"]
        )
        already = alert_id(ref, rule, verdict.anchor_on) in open_before
        if rule in policy.cannot_see or (waits and not already):
            unknown.add(rule)
        else:
            opened.setdefault(rule, []).append(verdict)
    lines: list[Facts] = []
    for rule, verdicts in opened.items():
        first = min(verdicts, key=lambda verdict: verdict.opens_on)  # the earlier in the list where equal
        lines.append({
            "kind": "alert", "alert_id": alert_id(ref, rule, first.anchor_on), "person_ref": ref, "rule": rule,
            "standard": first.standard["id"], "status": "open",
            "severity": max((v.standard["severity"] for v in verdicts), key=SEVERITIES.index),
            "anchor_on": first.anchor_on.isoformat(), "due_on": first.due_on.isoformat(), "opens_on": first.opens_on.isoformat()})
    produced = {line["alert_id"] for line in lines}
    lines += [end(person, policy, alert) for name, alert in open_before.items() if name not in produced]
    return lines, sorted(unknown - set(opened))


# Everyone


def evaluate(lines: Iterable[str], policy: Policy, as_of: str, previous: Iterable[Facts] = ()) -> tuple[list[Facts], list[str]]:
    """The lines printed, and the reasons of the lines that are not accepted, in their order."""
    now = instant(as_of)
    today = now.astimezone(LONDON).date()
    written = [line for line in lines if line.strip()]
    refused = [reason for line in written if (reason := refusal(line, now))]
    events = [json.loads(line) for line in written if not refusal(line, now)]
    feeds: dict[str, dict[str, date]] = {}
    about: dict[str, list[Facts]] = {}
    for event in events:
        data = event["data"]
        if event["type"] == "care.feed.v1":
            of_council = feeds.setdefault(data["council"], {})
            through = date.fromisoformat(data["complete_through"])
            of_council[data["feed"]] = max(of_council.get(data["feed"], through), through)
        else:
            about.setdefault(data["person_ref"], []).append(event)
    alerts: list[Facts] = []
    people: list[Facts] = []
    for ref in sorted(about):
        person = known_about(about[ref], today)
        if person is None:
            continue
        open_before = {
            line["alert_id"]: line for line in previous
            if line.get("kind") == "alert" and line["status"] == "open" and line["person_ref"] == ref
        }
        of_person, unknown = evaluate_person(person, policy, feeds.get(ref.split(":")[0], {}), open_before)
        alerts += of_person
        people.append({"kind": "person", "person_ref": ref, "in_scope": person.in_scope(), "in_touch": person.in_touch(policy),
                       "meaningful": person.meaningful(policy), "unknown": unknown})
    alerts.sort(key=lambda line: (line["person_ref"], line["rule"], line["anchor_on"]))
    return alerts + people, refused


def person_in(lines: Iterable[str], as_of: str, ref: str) -> Person | None:
    """One person as known from some lines."""
    now = instant(as_of)
    events = [json.loads(line) for line in lines if line.strip() and not refusal(line, now)]
    about = [event for event in events if event["data"].get("person_ref") == ref]
    return known_about(about, now.astimezone(LONDON).date())


def known_about(events: list[Facts], today: date) -> Person | None:
    """What holds of all that was said of one person; None without a snapshot, or erased since."""
    def rank(event: Facts) -> tuple[datetime, str]:
        return instant(event["data"]["recorded_at"]), event["id"]

    erasures = [rank(event)[0] for event in events if event["type"] == "care.person-erased.v1"]
    kept = [event for event in events if not erasures or rank(event)[0] > max(erasures)]
    snapshots = [event for event in kept if event["type"] == "care.person.v1"]
    if not snapshots:
        return None
    statements = [event for event in kept if "record_id" in event["data"]]
    records = []
    for record_id in {event["data"]["record_id"] for event in statements}:
        holding = max((event for event in statements if event["data"]["record_id"] == record_id), key=rank)
        if holding["type"] != "care.record-voided.v1" and day_of(holding["data"]["occurred_at"]) <= today:
            records.append(holding["data"])
    records.sort(key=lambda record: (instant(record["occurred_at"]), record["record_id"]))
    return Person(max(snapshots, key=rank)["data"], records, today)
