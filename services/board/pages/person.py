"""`/people/REF`: why a person stands as they do, record by record, and everything that has happened."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter, HTTPException, Response

from keepintouch.standards import sentences
from keepintouch.standards.clocks import State
from keepintouch.standards.explanation import Explanation, RecordReason, StandardReason, Verdict
from keepintouch.standards.identifiers import unpack
from keepintouch.standards.instants import instant
from keepintouch.standards.ladder import KINDS, VOID
from keepintouch.standards.person import Facts, Person
from services.board import wording
from services.board.model.standing import WORST, recording_lag
from services.board.pages.audit import looks_at
from services.board.pages.caseload import planned_visit
from services.board.pages.common import alert_views, coming_days, said_of
from services.board.web import SignedIn, Viewer

router = APIRouter()
SHOWN_RECORDS = 8
SHOWN_EVENTS = 60
_COUNTS = (Verdict.ANCHORS, Verdict.SATISFIES)


@dataclass(frozen=True, slots=True)
class RecordLine:
    """A record under a standard: what it is, and whether it counts, and why."""

    day: int | None
    what: str
    by: str
    counts: bool
    why: str


@dataclass(frozen=True, slots=True)
class Trail:
    """One standard that covers the person."""

    place: int
    title: str
    text: str
    asks: str
    waits: str
    basis: str
    severity: str
    state: State
    why: str
    anchor: str
    due: int | None
    opens: int | None
    records: tuple[RecordLine, ...]
    more: int
    """Records that are not shown."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened."""

    at: float
    when: str
    what: str
    more: str
    kind: str


@router.get("/people/{ref}")
def person(ref: str, viewer: SignedIn, all: bool = False) -> Response:
    """The why-trail and the timeline."""
    with viewer.model.lock:
        place = viewer.place(ref)
        model = viewer.model
        someone, explanation, standing = model.people.person(ref), model.explanation(ref), model.standing(ref)
        if someone is None or someone.facts is None or explanation is None or standing is None:
            raise HTTPException(404)
        viewer.looked(ref)
        alerts = model.alerts_of(ref)
        open_alerts = [alert for alert in alerts if alert.is_open]
        events = timeline(viewer, someone, ref)
        trails = [trail(viewer, reason, explanation, SHOWN_RECORDS) for reason in explanation.standards
                  if reason.clock is not None]
        return viewer.render(
            "person.html", ref=ref, who=viewer.who(ref), place=place, came_from=viewer.list_of(place), standing=standing,
            facts=known_facts(viewer, someone.facts),
            views=alert_views(viewer, open_alerts), visit_on=planned_visit(viewer, alerts),
            trails=sorted(trails, key=lambda each: (-WORST.index(each.state), each.due or 10**7, each.place)),
            others=[(reason.standard, not_covering(reason)) for reason in explanation.standards if reason.clock is None],
            out_of_scope=explanation.out_of_scope, headlines=sentences.headlines(model.rules[place.council].policy),
            events=events if all else events[:SHOWN_EVENTS], events_left=0 if all else max(0, len(events) - SHOWN_EVENTS),
            days=coming_days(viewer.today), later=coming_days(viewer.today, 1), back_to=f"/people/{ref}",
            looks=looks_at(viewer, ref) if viewer.has("audit") else [],
            key=viewer.board.who.has_key(place.council), labels=viewer.board.who.has_labels(place.council))


@router.get("/people/{ref}/why/{number}")
def why(ref: str, number: int, viewer: SignedIn) -> Response:
    """One standard with every record."""
    with viewer.model.lock:
        viewer.place(ref)
        explanation = viewer.model.explanation(ref)
        reason = next((each for each in (() if explanation is None else explanation.standards)
                       if each.standard.place == number and each.clock is not None), None)
        if explanation is None or reason is None:
            raise HTTPException(404)
        viewer.looked(ref)
        return viewer.render("why.html", ref=ref, who=viewer.who(ref), trail=trail(viewer, reason, explanation, None))


def trail(viewer: Viewer, reason: StandardReason, explanation: Explanation, most: int | None) -> Trail:
    """One standard with its records: those that count first among the newest."""
    clock, standard = reason.clock, reason.standard
    assert clock is not None
    newest = list(reversed(reason.records))
    needed = [each for each in newest if each.verdict in _COUNTS or each.counts_meanwhile]
    shown = newest if most is None else _newest_of(newest, needed, most)
    anchor = next((each for each in reason.records if each.verdict is Verdict.ANCHORS), None)
    return Trail(
        standard.place, wording.rule(standard.rule), standard.text, sentences.asks(standard), sentences.waits(standard),
        standard.basis, standard.severity, clock.state, sentences.WHY_WORDS[clock.why].capitalize(),
        _anchor(viewer, reason, anchor, clock.anchor_on), clock.due_on, clock.opens_on,
        tuple(record_line(viewer, each) for each in shown), len(newest) - len(shown))


def _newest_of(newest: Sequence[RecordReason], needed: Sequence[RecordReason], most: int) -> list[RecordReason]:
    keep = {id(each) for each in needed[:most // 2 + 1]} | {id(each) for each in newest[:most // 2]}
    return [each for each in newest if id(each) in keep]


def _anchor(viewer: Viewer, reason: StandardReason, anchor: RecordReason | None, anchor_on: int) -> str:
    if anchor is not None and anchor.kind is not None and anchor.day is not None:
        return f"{wording.day(anchor.day)}: {wording.record(anchor.kind)}, {viewer.staff_name(anchor.worker_ref)}"
    return f"{wording.day(anchor_on)}: {sentences.start(reason.standard.start)}"


def record_line(viewer: Viewer, reason: RecordReason) -> RecordLine:
    """A record, and what it does for the standard."""
    counts = reason.verdict in _COUNTS or reason.counts_meanwhile
    if reason.kind is None:
        return RecordLine(None, "A record entered in error", "", False, "It has been taken back")
    by = f"{viewer.staff_name(reason.worker_ref) if reason.worker_ref else 'not recorded who'} ({wording.role(reason.kind)})"
    return RecordLine(reason.day, wording.record(reason.kind), by, counts, _why(reason))


def _why(reason: RecordReason) -> str:
    said = {
        Verdict.ANCHORS: "Counts: the clock starts from it", Verdict.SATISFIES: "Counts, but another one is the one that matters",
        Verdict.TOO_EARLY: "Does not count: it was before the clock's start",
        Verdict.TO_COME: "Does not count yet: its day is to come",
        Verdict.VOIDED: "Does not count: it has been taken back", Verdict.NOTHING_NEEDED: "No record counts for this standard",
        Verdict.MISSES: f"Does not count: {sentences.miss(reason.miss)}" if reason.miss else "Does not count"}[reason.verdict]
    if reason.counts_meanwhile:
        return f"{said}. It is among the other contact that this is about"
    return said


def not_covering(reason: StandardReason) -> str:
    """Why a standard does not cover the person."""
    failing, standard = reason.not_covered, reason.standard
    if failing is None:
        return "Nothing applies to them at all"
    if failing == "unless":
        return sentences.not_for(standard)
    if failing == "accommodation_since":
        return "The day they moved in is not recorded"
    stated = dict(standard.when.stated)
    return f"Only for everyone {sentences.condition(failing, stated[failing])}" if failing in stated else f"Not: {failing}"


def known_facts(viewer: Viewer, facts: Facts) -> list[tuple[str, str]]:
    """What the case system says of them, as far as standards look at it."""
    home = facts.home
    living = sentences.HOMES.get(home.code or "", "not recorded") if home else "not recorded"
    found = [
        ("Personal adviser", viewer.staff_name(facts.adviser_ref) + (f", since {wording.day(facts.adviser_since)}"
                                                                    if facts.adviser_since else "")),
        ("Team", facts.team_ref or "none"), ("Category", sentences.CATEGORIES.get(facts.category, facts.category)),
        ("Need", facts.need), ("Lives", living + (f", since {wording.day(home.since)}" if home and home.since else "")),
        ("Support since", wording.day(facts.supported_since)),
        ("Pathway plan reviewed", wording.day(facts.plan_reviewed_on) if facts.plan_reviewed_on else "not recorded")]
    if facts.in_touch is not None:
        found.append(("Code in the national return", sentences.CODES.get(facts.in_touch, facts.in_touch)))
    if facts.no_face_to_face_until is not None:
        found.append(("Asked not to be seen until", wording.day(facts.no_face_to_face_until)))
    return found


def timeline(viewer: Viewer, person: Person, ref: str) -> list[Event]:
    """Everything that happened, the newest first."""
    events = []
    for register in person.in_order():
        if register.kind == VOID:
            continue
        kind, worker = KINDS[register.kind], person.worker(register)
        lag = recording_lag(register)
        by = f"{viewer.staff_name(worker) if worker else 'not recorded who'} ({wording.role(kind)})"
        typed = "typed up the same day" if lag == 0 else f"typed up {wording.count(lag, 'day')} later"
        at = instant(register.occurred_at)
        events.append(Event(at.timestamp(), wording.when(at), wording.record(kind),
                            f"{by}, {typed}, record {unpack(register.record_id)}", "visit" if kind.location else "contact"))
    for alert in viewer.model.alerts_of(ref):
        title = wording.rule(alert.rule)
        events.append(Event(alert.detected_at.timestamp(), wording.when(alert.detected_at), f"Alert: {title}",
                            f"{wording.SEVERITIES.get(alert.severity, '')}, due {wording.day(alert.due_on)}", "alert"))
        if alert.ended_at is not None:
            events.append(Event(alert.ended_at.timestamp(), wording.when(alert.ended_at), f"Alert ended: {title}",
                                wording.ENDS.get(alert.end_reason or "", ""), "alert"))
        events += _done_about(viewer, alert.alert_id, title)
    return sorted(events, key=lambda event: event.at, reverse=True)


def _done_about(viewer: Viewer, alert_id: str, title: str) -> list[Event]:
    log = viewer.model.log
    done = [Event(each.at.timestamp(), wording.when(each.at),
                  f"{viewer.staff_name(each.actor_ref)} {said_of(each.action, each.until, each.note_code)}", title, "action")
            for each in viewer.model.actions_about(alert_id)]
    told = [Event(each.at.timestamp(), wording.when(each.at), f"Message to {viewer.staff_name(each.recipient_ref)}: "
                  f"{wording.MESSAGES.get(each.state, each.state)}", title + (f", {each.reason}" if each.reason else ""),
                  "message")
            for each in log.notes(alert_id)]
    return done + told
