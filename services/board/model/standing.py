"""How one person stands on a day, in few words: what lists and figures need. The states are `evaluate`'s own. Pure."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from keepintouch.rulebook import CouncilRules
from keepintouch.standards.circumstances import OPT_OUT_CODES, age_on, opt_out_review_on
from keepintouch.standards.clocks import Clock, FeedMarks, State
from keepintouch.standards.evaluation import Evaluation, evaluate
from keepintouch.standards.headlines import HeadlineDays, headline_days, held_on
from keepintouch.standards.history import History
from keepintouch.standards.instants import day_of
from keepintouch.standards.intervals import LAST_DAY, Interval, Unit
from keepintouch.standards.ladder import BY_COUNCIL, KINDS, RUNG_OF, Rung
from keepintouch.standards.ledger import open_keys
from keepintouch.standards.person import Person, Register
from keepintouch.standards.policy import Policy
from services.board.model.people import Place

MONTHS = 24
"""How far back the figures go."""
AHEAD_DAYS = 35
"""How far the weeks ahead go at most."""
_LANE = 32
"""Bits for each month's count, so that the figures of many people are one sum."""

_rules_seen: dict[tuple[tuple[str, State], ...], tuple[tuple[str, State], ...]] = {}
"""Many people stand alike."""

WORST = (State.OK, State.DUE_SOON, State.UNKNOWN, State.OVERDUE)
"""States from the best to the worst."""


@dataclass(frozen=True, slots=True)
class Last:
    """The newest contact of a kind: London day number, and by whom."""

    day: int
    worker_ref: str | None


@dataclass(frozen=True, slots=True)
class Due:
    """What is due next, or has been for longest. Days are day numbers."""

    rule: str
    text: str
    due_on: int
    opens_on: int
    state: State


@dataclass(frozen=True, slots=True)
class Standing:
    """One person on one day."""

    place: Place
    today: int
    in_scope: bool
    opted_out_until: int | None
    """Of someone with a code that opts out: the day on which it is to be looked at again, past or to come."""
    in_touch: bool
    meaningful: bool
    seen: bool
    """Face to face, within the time of the meaningful headline."""
    age: int
    need: str
    cohorts: tuple[str, ...]
    met_adviser: bool | None
    says_in_touch: bool
    """The national return's code says so."""
    nowhere_yet_suitable: bool
    """Where they live is recorded as not known, and as suitable."""
    rules: tuple[tuple[str, State], ...]
    """The worst state of each rule that covers the person, in the order of the policy."""
    due: Due | None
    coming: tuple[Due, ...]
    """Of each rule what falls due first in the weeks ahead."""
    last_seen: Last | None
    last_spoke: Last | None
    last_written: Last | None
    trend: tuple[int, int, int, int]
    """In touch, meaningful, seen, known at all: one lane for each of the last months' ends."""
    lags: tuple[int, ...]
    """Days from each contact of the last 90 to its being typed up."""

    @property
    def ref(self) -> str:
        """The person's ref."""
        return self.place.ref

    @property
    def in_gap(self) -> bool:
        """In touch by the headline, and not in meaningful contact."""
        return self.in_touch and not self.meaningful

    @property
    def ever_recorded(self) -> bool:
        """Whether there is any record of contact or an attempt."""
        return bool(self.trend[3] >> _LANE * MONTHS)

    @property
    def state(self) -> State:
        """The worst state of all."""
        return max((state for _, state in self.rules), key=WORST.index, default=State.OK)

    def state_of(self, rule: str) -> State | None:
        """The state of one rule; None where it does not cover the person."""
        return next((state for name, state in self.rules if name == rule), None)


def standing_of(person: Person, place: Place, rules: CouncilRules, today: int, marks: FeedMarks,
                ends: Sequence[int]) -> Standing | None:
    """How a person stands; None where no snapshot is held. `ends`: the last months' ends, as day numbers, oldest first."""
    found = evaluate(person, rules.policy, today, marks, open_keys(person), rules.more_feeds)
    facts = person.facts
    if found is None or facts is None:
        return None
    history, policy = found.history, rules.policy
    days = headline_days(history, policy)
    seen, spoke, written = _newest(history, person)
    person.reckoned = None   # it leads back to the person: left to the collector, thousands would wait for it
    return Standing(
        place, today, found.in_scope,
        opt_out_review_on(facts) if facts.in_touch in OPT_OUT_CODES else None,
        found.in_touch, found.meaningful, held_on(days.seen, policy.meaningful_within, today),
        age_on(facts.born_on, today), facts.need, facts.cohorts, history.met_adviser, facts.in_touch == "YES",
        facts.home is not None and facts.home.code == "R" and facts.home.suitable is True,
        _by_rule(found), _next_due(found), _coming(found), seen, spoke, written,
        _trend(days, policy, ends, history), _lags(history, today))


def month_ends(today: int) -> tuple[int, ...]:
    """The ends of the last months as day numbers, oldest first; today last, for the month that is not over yet."""
    month = Interval(1, Unit.MONTHS)
    first = date.fromordinal(today).replace(day=1).toordinal()
    ends = [today]
    for _ in range(MONTHS):
        ends.append(first - 1)
        first = month.before(first)
    return tuple(reversed(ends))


def lanes(total: int) -> list[int]:
    """The counts in a sum of trends, one for each month's end, oldest first."""
    return [total >> _LANE * n & (1 << _LANE) - 1 for n in range(MONTHS + 1)]


def _by_rule(evaluation: Evaluation) -> tuple[tuple[str, State], ...]:
    worst: dict[str, State] = {}
    for clock in evaluation.clocks:
        rule = clock.standard.rule
        if rule not in worst or WORST.index(clock.state) > WORST.index(worst[rule]):
            worst[rule] = clock.state
    found = tuple(worst.items())
    return _rules_seen.setdefault(found, found)


def _next_due(evaluation: Evaluation) -> Due | None:
    """Of what is overdue what opened first; else what falls due first."""
    dated = [clock for clock in evaluation.clocks if clock.due_on is not None and clock.opens_on is not None]
    overdue = [clock for clock in dated if clock.state is State.OVERDUE]
    to_come = [clock for clock in dated if clock.state in (State.OK, State.DUE_SOON)]
    first = min(overdue, key=_opens, default=None) or min(to_come, key=_is_due, default=None)
    if first is None or first.due_on is None or first.opens_on is None:
        return None
    return Due(first.standard.rule, first.standard.text, first.due_on, first.opens_on, first.state)


def _coming(evaluation: Evaluation) -> tuple[Due, ...]:
    found: dict[str, Due] = {}
    for clock in sorted(evaluation.clocks, key=_is_due):
        if clock.state in (State.OK, State.DUE_SOON) and clock.due_on is not None and clock.opens_on is not None:
            standard = clock.standard
            if clock.due_on < evaluation.today + AHEAD_DAYS:
                found.setdefault(standard.rule, Due(standard.rule, standard.text, clock.due_on, clock.opens_on, clock.state))
    return tuple(found.values())


def _opens(clock: Clock) -> int:
    return clock.opens_on or 0


def _is_due(clock: Clock) -> int:
    return clock.due_on or 0


def _newest(history: History, person: Person) -> tuple[Last | None, Last | None, Last | None]:
    """The newest council-role meeting, conversation and written message."""
    seen: Register | None = None
    spoke: Register | None = None
    written: Register | None = None
    for register in reversed(history.records):
        if register.kind not in BY_COUNCIL:
            continue
        rung = RUNG_OF[register.kind]
        if seen is None and rung >= Rung.SEEN:
            seen = register
        elif spoke is None and rung is Rung.SPOKE:
            spoke = register
        elif written is None and rung >= Rung.ATTEMPTED and KINDS[register.kind].written:
            written = register
        if seen and spoke and written:
            break
    seen_, spoke_, written_ = (None if r is None else Last(r.day, person.worker(r)) for r in (seen, spoke, written))
    return seen_, spoke_, written_


def _trend(days: HeadlineDays, policy: Policy, ends: Sequence[int], history: History) -> tuple[int, int, int, int]:
    def packed(of: Sequence[int], within: Interval) -> int:
        return sum(1 << _LANE * n for n, end in enumerate(ends) if held_on(of, within, end))

    first = history.records[0].day if history.records else LAST_DAY
    known = sum(1 << _LANE * n for n, end in enumerate(ends) if first <= end)
    return (packed(days.in_touch, policy.in_touch.within), packed(days.meaningful, policy.meaningful_within),
            packed(days.seen, policy.meaningful_within), known)


_LAG_DAYS = 90


def _lags(history: History, today: int) -> tuple[int, ...]:
    found = []
    for register in reversed(history.records):
        if register.day < today - _LAG_DAYS:
            break
        found.append(recording_lag(register))
    return tuple(found)


def recording_lag(register: Register) -> int:
    """London days from a contact to its being typed up."""
    return max(0, day_of(register.recorded_at) - register.day)
