"""What several pages show: an alert with its sentence and what may be done, and who would hear of it next."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from keepintouch.calendar import is_working_day
from keepintouch.ladders.ladder import Ladder
from keepintouch.standards.clocks import Clock
from keepintouch.standards.evaluation import evaluate
from keepintouch.standards.evidence import evidence_for
from keepintouch.standards.history import History
from keepintouch.standards.ladder import BY_COUNCIL, KINDS, RUNG_OF, Rung
from keepintouch.standards.ledger import open_keys
from keepintouch.standards.person import Facts
from keepintouch.standards.policy import Standard
from keepintouch.standards.published import Evidence
from schemas.alerts import SEVERITIES
from services.board import wording
from services.board.actions import AHEAD_DAYS
from services.board.model.ladder import NextStep, next_step, storm_holds
from services.board.model.model import Model
from services.board.model.records import Alert
from services.board.web import Viewer
from services.board.who import Who

_ATTEMPTS = frozenset(kind for kind in BY_COUNCIL if RUNG_OF[kind] is Rung.ATTEMPTED)
_THEIRS = frozenset(kind for kind in _ATTEMPTS if KINDS[kind].direction == "in")
_UNANSWERED = frozenset(kind for kind in _ATTEMPTS - _THEIRS if KINDS[kind].written)
_RANKS: dict[str, int] = {name: rank for rank, name in enumerate(SEVERITIES)}


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that was done about an alert."""

    text: str
    at: str


@dataclass(frozen=True, slots=True)
class AlertView:
    """An alert as a page shows it."""

    alert: Alert
    together: tuple[Alert, ...]
    """What an answer is about: this one, and the other open ones shown of the same person, as with an answer by text."""
    who: Who
    title: str
    text: str
    basis: str
    sentence: str
    puts_right: str
    since: str
    days_open: int
    owner: str
    """Whose person it is, in a sentence, where it is not one's own; else empty."""
    next: str
    told: tuple[Told, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """What the records say of an alert now, else what they said when it was published."""

    evidence: Evidence
    facts: Facts | None
    anchored: bool
    tries: wording.Tries = wording.NO_TRIES
    """Empty where the records are not at hand."""


def alert_views(viewer: Viewer, alerts: Iterable[Alert]) -> list[AlertView]:
    """Alerts as pages show them, the worst first, then the one open for longest."""
    found = sorted(alerts, key=worst_first)
    return [alert_view(viewer, alert, found) for alert in found]


def worst_first(alert: Alert) -> tuple[bool, int, date, str]:
    """Open ones before ended ones, the more severe before the milder, the older before the newer."""
    return not alert.is_open, -_RANKS.get(alert.severity, 0), alert.opens_on, alert.alert_id


def alert_view(viewer: Viewer, alert: Alert, beside: Iterable[Alert] = ()) -> AlertView:
    """An alert as a page shows it; `beside`: what else the page shows."""
    model = viewer.model
    standard = standard_of(model, alert)
    reading = read_now(model, alert)
    actions = model.actions_about(alert.alert_id)
    upcoming = upcoming_step(model, alert)
    place = model.place_of(alert)
    together = (alert, *(each for each in beside if each.person_ref == alert.person_ref and each.is_open and each is not alert))
    return AlertView(
        alert, together, viewer.who(alert.person_ref), wording.rule(alert.rule),
        standard.text if standard else wording.rule(alert.rule), standard.basis if standard else "",
        _sentence(standard, alert, reading, model.today), wording.puts_right(standard) if standard and alert.is_open else "",
        wording.day(alert.opens_on, model.today), max(0, (model.today - alert.opens_on).days), _owner(viewer, place.adviser_ref),
        next_words(viewer, alert, upcoming),
        tuple(Told(f"{viewer.staff_name(each.actor_ref)} {said_of(each.action, each.until, each.note_code)}",
                   wording.when(each.at)) for each in reversed(actions)))


def _owner(viewer: Viewer, adviser_ref: str | None) -> str:
    if adviser_ref is None:
        return "They have no personal adviser."
    return "" if adviser_ref == viewer.worker.ref else f"Their personal adviser is {viewer.staff_name(adviser_ref)}."


def said_of(action: str, until: date | None, note_code: str | None) -> str:
    """What somebody did: `planned a visit for Thu 3 December`."""
    words = wording.ACTIONS.get(action, action)
    if until is not None:
        words += f" {'for' if action == 'plan_visit' else 'on'} {wording.day(until)}"
    if note_code is not None:
        words += f": {wording.NOTES.get(note_code, note_code).lower()}"
    return words


def standard_of(model: Model, alert: Alert) -> Standard | None:
    """The standard an alert names; None where the policy has it no more."""
    rules = model.rules.get(alert.council)
    return None if rules is None else rules.standard(alert.standard)


def read_now(model: Model, alert: Alert) -> Reading:
    """What the records say of an open alert now; what its record says, of one that has ended or whose person is not known."""
    person, rules = model.people.person(alert.person_ref), model.rules.get(alert.council)
    if alert.is_open and person is not None and rules is not None:
        found = evaluate(person, rules.policy, model.today.toordinal(), model.feeds.of(alert.council), open_keys(person),
                         rules.more_feeds)
        for finding in () if found is None else found.findings:
            if found is not None and finding.key == (alert.rule, alert.anchor_on.toordinal()):
                return Reading(evidence_for(finding.clock, found.history), person.facts, finding.clock.anchor is not None,
                               _tries(finding.clock, found.history))
    said = alert.detail
    days = tuple(None if day is None else day.toordinal() for day in (
        said.last_attempted_on, said.last_messaged_on, said.last_spoke_on, said.last_seen_on, said.last_seen_at_home_on))
    return Reading(
        Evidence(days, said.met_adviser, said.written_since_anchor, said.attempts_since_anchor,  # type: ignore[arg-type]
                 said.strangers_only, ()), None if person is None else person.facts, False)


def _tries(clock: Clock, history: History) -> wording.Tries:
    since = [record for record in history.since(clock.anchor, clock.anchor_on) if record is not clock.anchor]
    theirs = [record.day for record in since if record.kind in _THEIRS]
    return wording.Tries(sum(record.kind in _UNANSWERED for record in since), len(theirs), max(theirs, default=None))


def upcoming_step(model: Model, alert: Alert) -> NextStep | None:
    """Who would hear of an alert next."""
    if alert.council not in model.councils.councils:
        return None
    actions = model.actions_about(alert.alert_id)
    managers = frozenset(each.actor_ref for each in actions
                         if (worker := model.staff.get(each.actor_ref)) is not None and worker.manages)
    return next_step(alert, Ladder.of_council(model.councils, alert.council), model.log.notes(alert.alert_id), actions, managers,
                     model.now())


def next_words(viewer: Viewer, alert: Alert, step: NextStep | None) -> str:
    """Who would hear next, in a sentence."""
    if not alert.is_open:
        return ""
    if storm_holds(viewer.model.log.notes(alert.alert_id)):
        return "Held back with many others: nobody hears of it until a service manager lets them go."
    if step is None:
        return ("Found when records were first read: shown here, texted to nobody." if alert.mode == "backfill"
                else "Everybody on the ladder has heard; it stays in the weekly message.")
    mine = viewer.model.place_of(alert).adviser_ref == viewer.worker.ref
    to = " and ".join("you" if mine and each == "adviser" else wording.TO.get(each, each) for each in step.to)
    verb = "hears" if to in wording.TO.values() else "hear"
    answered = " An answer holds it until then." if step.held else ""
    return f"If nothing is recorded, {to} {verb} next on {wording.day(step.on, viewer.today)}, by the council’s ladder.{answered}"


def coming_days(today: date, first: int = 0, last: int = 28) -> list[tuple[str, str]]:
    """Days to choose from, as value and words; weekends and holidays say so."""
    found = []
    for n in range(first, min(last, AHEAD_DAYS) + 1):
        on = today + timedelta(days=n)
        words = {0: "Today, ", 1: "Tomorrow, "}.get(n, "") + wording.day(on, today)
        found.append((on.isoformat(), words if is_working_day(on) else f"{words} (not a working day)"))
    return found


def _sentence(standard: Standard | None, alert: Alert, reading: Reading, today: date) -> str:
    if not alert.is_open:
        reason = wording.ENDS.get(alert.end_reason or "", alert.end_reason or "")
        return f"Not open any more since {wording.when(alert.ended_at) if alert.ended_at else 'then'}: {reason}."
    if standard is None:
        return f"{wording.rule(alert.rule)} since {wording.day(alert.opens_on, today)}."
    return wording.what_is_wrong(standard, reading.evidence, alert.anchor_on.toordinal(), reading.facts, reading.anchored,
                                 reading.tries, today)
