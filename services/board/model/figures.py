"""Figures of a group of people, each of which opens into the people it counts. Pure."""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median

from keepintouch.calendar import add_working_days, london_day
from keepintouch.standards.clocks import State
from services.board.model.records import Action, Alert
from services.board.model.standing import Standing, lanes

NOT_LOOKED_AT = 20
"""Working days after which an alert that no manager has looked at is on a list of its own."""
LATELY = timedelta(days=90)
THIS_WEEK = timedelta(days=7)
OPT_OUT_AHEAD = 28
"""Days before an opt-out is to be looked at again, from which on it is listed."""
_IN_TIME = 2

AGES = ("under_7d", "7d_to_28d", "over_28d")
AGE_WORDS = {"under_7d": "Under 7 days", "7d_to_28d": "7 to 28 days", "over_28d": "Over 28 days"}


@dataclass(frozen=True, slots=True)
class Headlines:
    """How many of the people in scope are in touch, in meaningful contact, seen face to face; now, and at each month's end."""

    people: int
    in_touch: int
    meaningful: int
    seen: int
    gap: int
    """In touch, and not in meaningful contact."""
    trend: tuple[list[int], list[int], list[int], list[int]]
    """Also of whom there was any record by then."""

    @property
    def first_known(self) -> int:
        """The first month's end by which half of the people had any record: before it the figures would claim too much."""
        return next((n for n, known in enumerate(self.trend[3]) if 2 * known >= self.people), len(self.trend[3]))


@dataclass(frozen=True, slots=True)
class Lag:
    """How quickly contact of the last 90 days was typed up."""

    records: int
    median_days: float
    within_two_days: float
    """A share, 0 to 1."""
    longest: int


Lists = Mapping[str, Callable[[Standing], bool]]


def headlines(standings: Iterable[Standing]) -> Headlines:
    """Of the people in scope."""
    people = in_touch = meaningful = seen = gap = 0
    sums = [0, 0, 0, 0]
    for each in standings:
        if not each.in_scope:
            continue
        people += 1
        in_touch += each.in_touch
        meaningful += each.meaningful
        seen += each.seen
        gap += each.in_gap
        for n in range(4):
            sums[n] += each.trend[n]
    return Headlines(people, in_touch, meaningful, seen, gap, (lanes(sums[0]), lanes(sums[1]), lanes(sums[2]), lanes(sums[3])))


def lists(today: int) -> Lists:
    """The lists a figure opens into: which of the people in scope are on each."""
    return {
        "gap": lambda s: s.in_gap,
        "in_touch": lambda s: s.in_touch, "not_in_touch": lambda s: not s.in_touch,
        "meaningful": lambda s: s.meaningful, "not_meaningful": lambda s: not s.meaningful,
        "seen": lambda s: s.seen, "not_seen": lambda s: not s.seen,
        "everyone": lambda s: True,
        "never_met": lambda s: s.met_adviser is False,
        "unallocated": lambda s: s.place.adviser_ref is None,
        "opt_out": lambda s: s.opted_out_until is not None and s.opted_out_until <= today + OPT_OUT_AHEAD,
        "unknown": lambda s: s.state is State.UNKNOWN,
        "no_record": lambda s: not s.ever_recorded,
        "higher_need": lambda s: s.need != "standard",
        "overdue": lambda s: s.state is State.OVERDUE,
        "says_in_touch": lambda s: s.says_in_touch and not s.in_touch,
        "nowhere_yet_suitable": lambda s: s.nowhere_yet_suitable,
    }


LIST_WORDS = {
    "gap": "In touch, but not in meaningful contact", "in_touch": "In touch", "not_in_touch": "Not in touch",
    "meaningful": "In meaningful contact", "not_meaningful": "Not in meaningful contact", "seen": "Seen face to face lately",
    "not_seen": "Not seen face to face lately", "everyone": "Everyone in scope", "never_met": "Never met their personal adviser",
    "unallocated": "Without a personal adviser", "opt_out": "Opted out, and to be looked at again by now or within four weeks",
    "unknown": "Something cannot be known yet", "no_record": "No contact or attempt was ever recorded",
    "overdue": "Something is overdue", "higher_need": "Enhanced or high need",
    "says_in_touch": "Coded as in touch, and no record shows it",
    "nowhere_yet_suitable": "Their home is not known, and yet recorded as suitable"}


def recording_lag(standings: Iterable[Standing]) -> Lag | None:
    """Over all contact of the last 90 days; None without any."""
    days = sorted(lag for each in standings for lag in each.lags)
    if not days:
        return None
    return Lag(len(days), float(median(days)), sum(each <= _IN_TIME for each in days) / len(days), days[-1])


def age_of(alert: Alert, today: date) -> str:
    """How long an alert has been open, as one of `AGES`."""
    days = (today - alert.opens_on).days
    return AGES[0] if days < 7 else AGES[1] if days <= 28 else AGES[2]


def by_rule_and_age(alerts: Iterable[Alert], today: date) -> dict[str, Counter[str]]:
    """Open alerts, counted by rule and by how long they have been open."""
    found: dict[str, Counter[str]] = {}
    for alert in alerts:
        found.setdefault(alert.rule, Counter())[age_of(alert, today)] += 1
    return dict(sorted(found.items(), key=lambda item: (-item[1].total(), item[0])))


def not_looked_at(alerts: Iterable[Alert], actions_of: Callable[[str], Sequence[Action]], is_manager: Callable[[str], bool],
                  today: date) -> list[Alert]:
    """Open alerts that no manager has looked at in the last 20 working days, the oldest first."""
    since = add_working_days(today, -NOT_LOOKED_AT)
    found = [alert for alert in alerts if london_day(alert.detected_at) <= since and not any(
        action.action == "review" and is_manager(action.actor_ref) and london_day(action.at) > since
        for action in actions_of(alert.alert_id))]
    return sorted(found, key=lambda alert: (alert.opens_on, alert.alert_id))


def looked_at(alerts: Iterable[Alert], actions_of: Callable[[str], Sequence[Action]], is_manager: Callable[[str], bool],
              today: date) -> list[tuple[Alert, Action]]:
    """What managers have looked at in the last 20 working days, also of what has ended since; each look, the newest first."""
    since = add_working_days(today, -NOT_LOOKED_AT)
    found = [(alert, action) for alert in alerts if alert.ended_at is None or london_day(alert.ended_at) > since
             for action in actions_of(alert.alert_id)
             if action.action == "review" and is_manager(action.actor_ref) and london_day(action.at) > since]
    return sorted(found, key=lambda each: (each[1].at, each[1].action_id), reverse=True)


def put_right(alerts: Iterable[Alert], today: date) -> list[Alert]:
    """Alerts that ended in the last seven days because what they asked for was done."""
    return [alert for alert in alerts if alert.end_reason == "done" and alert.ended_at is not None
            and london_day(alert.ended_at) > today - THIS_WEEK]


def gap_by_rule(in_scope: Iterable[Standing], alerts: Iterable[Alert]) -> Counter[str]:
    """Of those in touch and not in meaningful contact: how many have an open alert, by rule, the most first."""
    gap = {each.ref for each in in_scope if each.in_gap}
    pairs = {(alert.rule, alert.person_ref) for alert in alerts if alert.person_ref in gap}
    counted = Counter(rule for rule, _ in pairs)
    return Counter(dict(sorted(counted.items(), key=lambda item: (-item[1], item[0]))))


def typed_up_late(alerts: Iterable[Alert], today: date) -> list[Alert]:
    """Alerts of the last 90 days that were withdrawn because what they asked for had been done in time and typed up late."""
    return sorted((alert for alert in alerts if alert.end_reason == "recorded_late" and alert.ended_at is not None
                   and london_day(alert.ended_at) >= today - LATELY),
                  key=lambda alert: -(alert.recording_lag_days or 0))
