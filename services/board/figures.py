"""The metrics for managers, worked out from what the board knows, in the background and a few people at a time."""
from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric

from keepintouch.calendar import add_working_days, london_day
from keepintouch.councils import SMOKE_COUNCIL
from keepintouch.standards import stored
from keepintouch.standards.clocks import State
from keepintouch.standards.instants import instant, microseconds
from keepintouch.standards.ladder import BY_COUNCIL, RUNG_OF, VOID, Rung
from keepintouch.standards.person import Person, Register
from services.board.metrics import Metrics
from services.board.model.figures import age_of
from services.board.model.log import WENT_OUT
from services.board.model.model import Model
from services.board.model.records import Alert
from services.board.model.standing import Standing, recording_lag

FOLLOWED_WITHIN = 5
"""Working days."""
_TYPED_UP_WITHIN = 2
"""Working days more until it is settled that no contact followed: it may still be being typed up."""
_GIVEN_UP_AFTER = timedelta(days=120)
_AT_ONCE = 20
"""People, or alerts, for which pages may have to wait at most: some milliseconds."""
_WHATS = ("opened", "cleared", "withdrawn")
_ANSWERS = frozenset({"acknowledge", "snooze", "plan_visit", "seen_already", "not_mine", "refused", "review"})



@dataclass(slots=True)
class _Open:
    """What is still to be found out about one live alert."""

    contact: bool = True
    followed: bool = True
    answer: bool = True
    escalation: bool = True

    @property
    def settled(self) -> bool:
        return not (self.contact or self.followed or self.answer or self.escalation)


@dataclass(slots=True)
class Figures:
    """Counts what it is told of, and works out the rest whenever it is asked to. The smoke test's council is in no figure.

    Only what became known from `since` on is counted: a board reads everything anew at each start, and counters that counted
    it again would show a year's alerts as this month's.
    """

    metrics: Metrics
    since: datetime
    _waiting: dict[str, _Open] = field(default_factory=dict)
    _read: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    """By person: the stored form last read, and the newest `recorded_at` in it."""
    _since: int = field(init=False)

    def __post_init__(self) -> None:
        self._since = microseconds(self.since)

    def alert_changed(self, before: Alert | None, alert: Alert) -> None:
        """An alert is new or otherwise than before."""
        if alert.council == SMOKE_COUNCIL:
            return
        was_open = before is not None and before.is_open
        if before is None or (alert.is_open and not was_open):
            if alert.detected_at >= self.since:
                self.metrics.alerts.labels(alert.council, alert.rule, "opened").inc()
            if alert.mode == "live" and before is None:
                self._waiting[alert.alert_id] = _Open()
        if not alert.is_open and (before is None or was_open) and (alert.ended_at is None or alert.ended_at >= self.since):
            self.metrics.alerts.labels(alert.council, alert.rule, alert.status).inc()

    def run(self, model: Model, stopping: threading.Event, every: float) -> None:
        """Work everything out every so many seconds until asked to stop."""
        while not stopping.is_set():
            self.work_out(model, stopping)
            stopping.wait(every)

    def work_out(self, model: Model, stopping: threading.Event) -> None:
        """Work everything out once."""
        shown = _Gauges()
        councils = sorted(model.councils.slugs - {SMOKE_COUNCIL})
        with model.lock:
            refs = sorted(ref for slug in councils for ref in model.people.of_council(slug))
        for start in range(0, len(refs), _AT_ONCE):
            if stopping.is_set():
                return
            with model.lock:
                for ref in refs[start:start + _AT_ONCE]:
                    if (standing := model.standing(ref)) is not None:
                        shown.person(standing)
                    self._note_lags(model, ref)
            stopping.wait(0.002)   # pages go first
        with model.lock:
            for ref in self._read.keys() - set(refs):
                del self._read[ref]
            for alert in model.alerts.values():
                if alert.is_open and alert.council != SMOKE_COUNCIL:
                    shown.alerts[alert.council, alert.rule, alert.severity, age_of(alert, model.today)] += 1
            for slug in councils:
                marks, rules = model.feeds.of(slug), model.rules.get(slug)
                for feed, through in marks.items():
                    shown.feeds[slug, feed] = model.today.toordinal() - through
                for feed in rules.feeds if rules else ():
                    shown.never[slug, feed] = feed not in marks
            self._begin_counters(shown)
            waiting = list(self._waiting)
        for start in range(0, len(waiting), _AT_ONCE):
            with model.lock:
                self._settle(model, waiting[start:start + _AT_ONCE])
        self.metrics.snapshot.show(shown.families())

    def _begin_counters(self, shown: _Gauges) -> None:
        """At 0: what begins at 1 is not seen to have grown."""
        for council, rule, _ in shown.rules:
            for what in _WHATS:
                self.metrics.alerts.labels(council, rule, what)
            for within in ("yes", "no"):
                self.metrics.followed.labels(council, within)

    def _note_lags(self, model: Model, ref: str) -> None:
        """Observe each record once, when it is first seen."""
        value = model.people.stored(ref)
        held = self._read.get(ref)
        if value is None or (held is not None and held[0] is value):
            return
        since, newest = (held[1] if held is not None else self._since - 1), -1
        histogram = self.metrics.recording_lag.labels(ref.partition(":")[0])
        for register in stored.load(value).in_order():
            newest = max(newest, register.recorded_at)
            if register.kind != VOID and register.recorded_at > since:
                histogram.observe(recording_lag(register))
        self._read[ref] = value, max(newest, since)

    def _settle(self, model: Model, alert_ids: Sequence[str]) -> None:
        now = model.now()
        for alert_id in alert_ids:
            left, alert = self._waiting[alert_id], model.alerts.get(alert_id)
            if alert is None or now - alert.detected_at > _GIVEN_UP_AFTER:
                del self._waiting[alert_id]
                continue
            self._answers(model, alert, left)
            if left.contact or left.followed:
                self._contact(model, alert, left)
            if left.settled:
                del self._waiting[alert_id]

    def _answers(self, model: Model, alert: Alert, left: _Open) -> None:
        if left.answer and (at := min((action.at for action in model.actions_about(alert.alert_id) if action.action in _ANSWERS),
                                      default=None)) is not None:
            left.answer = False
            if at >= self.since:
                self.metrics.to_acknowledgement.labels(alert.council).observe(_hours(alert, at))
        if left.escalation and (at := min((note.at for note in model.log.notes(alert.alert_id) if note.state in WENT_OUT
                                           and _to_manager(model, alert, note.step)), default=None)) is not None:
            left.escalation = False
            if at >= self.since:
                self.metrics.to_escalation.labels(alert.council).observe(_hours(alert, at))

    def _contact(self, model: Model, alert: Alert, left: _Open) -> None:
        person = model.people.person(alert.person_ref)
        found = None if person is None else contact_after(person, alert.detected_at)
        alerted = london_day(alert.detected_at)
        deadline = add_working_days(alerted, FOLLOWED_WITHIN)
        if found is not None and left.contact:
            left.contact = False
            if found.recorded_at >= self._since:
                self.metrics.to_contact.labels(alert.council).observe((_day(found) - alerted).days)
        if not left.followed:
            return
        if found is not None and _day(found) <= deadline:
            left.followed = False
            if found.recorded_at >= self._since:
                self.metrics.followed.labels(alert.council, "yes").inc()
        elif model.today > (last := add_working_days(deadline, _TYPED_UP_WITHIN)):
            left.followed = False
            if london_day(self.since) <= last:
                self.metrics.followed.labels(alert.council, "no").inc()


def contact_after(person: Person, moment: datetime) -> Register | None:
    """The first two-way contact by the council with someone after a moment; None: none yet."""
    at = microseconds(moment)
    return next((register for register in person.in_order()
                 if register.occurred_at > at and register.kind in BY_COUNCIL and RUNG_OF[register.kind] >= Rung.MESSAGED), None)


def _day(register: Register) -> date:
    return london_day(instant(register.occurred_at))


def _hours(alert: Alert, at: datetime) -> float:
    return max(0.0, (at - alert.detected_at).total_seconds() / 3600)


def _to_manager(model: Model, alert: Alert, key: str) -> bool:
    """Whether a step of the ladder goes to a manager of any level."""
    if key == "not_mine":
        return True
    ladder = model.councils.ladder_of(alert.council) if alert.council in model.councils.councils else None
    if ladder is None:
        return False
    if key.isdigit():
        number = int(key)
        to = ladder.steps[number - 1].to if 1 <= number <= len(ladder.steps) else []
    else:
        name, _, number_text = key.partition("-")
        number = int(number_text) if number_text.isdigit() else 1
        to = ladder.critical[number - 1].to if name == "critical" and 1 <= number <= len(ladder.critical) else []
    return "manager" in to or "service_manager" in to


class _Gauges:
    """Counts by label."""

    def __init__(self) -> None:
        self.people: Counter[tuple[str, str]] = Counter()
        self.in_touch: Counter[tuple[str, str]] = Counter()
        self.meaningful: Counter[tuple[str, str]] = Counter()
        self.seen: Counter[tuple[str, str]] = Counter()
        self.rules: Counter[tuple[str, str, str]] = Counter()
        self.gap: Counter[tuple[str, str]] = Counter()
        self.alerts: Counter[tuple[str, str, str, str]] = Counter()
        self.feeds: dict[tuple[str, str], int] = {}
        self.never: dict[tuple[str, str], int] = {}

    def person(self, standing: Standing) -> None:
        if not standing.in_scope:
            return
        key = standing.place.council, team_label(standing.place.team_ref)
        self.people[key] += 1
        self.in_touch[key] += standing.in_touch
        self.meaningful[key] += standing.meaningful
        self.seen[key] += standing.seen
        for rule, state in standing.rules:
            self.rules[standing.place.council, rule, str(state)] += 1
        if standing.in_touch and not standing.meaningful:
            overdue = [rule for rule, state in standing.rules if state is State.OVERDUE]
            self.gap.update((standing.place.council, rule) for rule in overdue or ["none"])

    def families(self) -> list[Metric]:
        by_team = ["council", "team"]
        return [
            _gauge("board_people_in_scope", "Young people to whom standards apply", by_team, self.people),
            _gauge("board_people_in_touch", "Of them, in touch by the headline", by_team, self.in_touch),
            _gauge("board_people_meaningful", "Of them, in meaningful contact", by_team, self.meaningful),
            _gauge("board_people_seen", "Of them, seen face to face within the time of meaningful contact", by_team, self.seen),
            _gauge("board_people_in_the_gap", "People in touch but not in meaningful contact, by each rule that is overdue for "
                   "them; none: no rule is", ["council", "rule"], self.gap),
            _gauge("board_people_by_rule", "People whom a rule covers, by its worst state: ok, due_soon, overdue, unknown",
                   ["council", "rule", "state"], self.rules),
            _gauge("board_alerts_open", "Open alerts, by days since they opened: under_7d, 7d_to_28d, over_28d",
                   ["council", "rule", "severity", "age"], self.alerts),
            _gauge("board_feed_age_days", "Days since the last day up to which a feed is complete", ["council", "feed"],
                   self.feeds),
            _gauge("board_feed_never_complete", "1 where a feed that the council or its policy requires has never said that it "
                   "is complete: nobody is told of anything that needs it", ["council", "feed"], self.never)]


def team_label(team_ref: str | None) -> str:
    """A team's name without the council's; `none` without a team."""
    return "none" if not team_ref else team_ref.rpartition(":")[2]


def _gauge(name: str, text: str, labels: list[str], values: Mapping[Any, int]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric(list(key), value)
    return family
