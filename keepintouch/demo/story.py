"""The story of `lancashire-2017`: what the county reported, what its data shows, and four days of alerts."""
from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from keepintouch.calendar import LONDON, london_day
from keepintouch.publishing import Sender, sending
from keepintouch.runtime.clock import LinearClock
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.kafka import read_to_end
from keepintouch.runtime.topics import people_changelog
from keepintouch.simulator import LANCASHIRE_2017, Arrival, CastMember, Simulation, simulate
from keepintouch.standards.policy_file import load_policy
from keepintouch.standards.sentences import RULE_WORDS as RULES
from schemas.alerts import Alert

from .figures import Standing, standing
from .screen import Screen
from .stack import BOARD, MONITOR, NOTIFIER, Stack
from .visitor import Visitor
from .watching import AlertWatch, Published, Sent, TextWatch

POLICY, REPORTED = "standard_8_week", "letter_2017"
SECONDS_A_DAY = 6.0
"""Real seconds in which a day of the story passes."""
_DAYS = 4
_SETTLE_SECONDS = 1.5
_BEFORE_MIDNIGHT = timedelta(hours=2)
_LAST_HOUR = 11
_PATIENCE = 60.0
_LEAD = (4.0, 15.0)
"""Bounds of the real seconds given to the services to start again before the faster clock begins."""
_PHONES_A_MORNING = 3


@dataclass(slots=True)
class Tally:
    """What happened in the days of the story."""

    statuses: Counter[str] = field(default_factory=Counter)
    at_midnight: int = 0
    texts: int = 0
    after_midnight: list[float] = field(default_factory=list)
    """Real seconds from a London midnight to the alert that opened at it."""
    after_event: list[float] = field(default_factory=list)
    """Real seconds from an event's being handed to Kafka to the alert that it caused."""


def tell(screen: Screen, picture: Path | None = None) -> None:
    """Run it all: about a minute, on real parts; `picture`: where the figures are saved as SVG.

    Raises UserError for what is missing on this machine.
    """
    began = time.monotonic()
    screen.title("Keep in Touch", "A county reports that 92 % of its care leavers are in contact, and 94 % of their pathway "
                 "plans up to date. Every one has an adviser.\nIs it true? A made-up council with those figures, a real Kafka, "
                 "and the services as they run.")
    council = simulate(LANCASHIRE_2017, afterwards=_DAYS)
    with ThreadPoolExecutor(1) as pool:
        arrivals = pool.submit(lambda: list(council))
        with Stack(council, POLICY, settle_seconds=_SETTLE_SECONDS, say=screen.step) as stack:
            screen.step(f"Apache Kafka listens at {stack.kafka.bootstrap_servers}; topics are made")
            started = _start(stack, LinearClock(council.boundary - _BEFORE_MIDNIGHT, datetime.now(UTC)))
            history = _feed(screen, stack, council, arrivals.result())
            lead = _wait_until_evaluated(screen, stack, started)
            _tell_figures(screen, stack, council)
            if picture is not None:
                screen.save_picture(picture)
            tally = _live(screen, stack, council, arrivals.result()[len(history):], lead)
    screen.chapter("In the end")
    screen.summary(_summary(tally, time.monotonic() - began))
    screen.step("Everything has been stopped; nothing is left behind.")


def _start(stack: Stack, clock: LinearClock) -> float:
    """Start the services; returns the real time at which that was."""
    stack.start(NOTIFIER, clock)
    stack.start(MONITOR, clock)
    return time.monotonic()


def _feed(screen: Screen, stack: Stack, council: Simulation, arrivals: Sequence[Arrival]) -> Sequence[Arrival]:
    """Write the history into Kafka as an export has it, one person after the other: the order of events does not matter."""
    started = time.monotonic()
    history = [arrival for arrival in arrivals if arrival.at < council.boundary]
    stack.feed(council.staff, sorted(history, key=lambda arrival: arrival.event.subject))
    screen.step(f"{council.people} care leavers, {len(council.staff)} staff and {len(history):,} events of a year are in "
                f"care.events.v1 ({time.monotonic() - started:.1f} s)")
    return history


def _wait_until_evaluated(screen: Screen, stack: Stack, started: float) -> float:
    """Returns the real seconds that the services took to start."""
    stack.wait_ready(MONITOR, NOTIFIER)
    took = time.monotonic() - started
    deadline = time.monotonic() + _PATIENCE
    while stack.gauge(MONITOR, "contact_monitor_people_settling") or not stack.gauge(MONITOR, "contact_monitor_alerts_total"):
        stack.services.check()
        if time.monotonic() > deadline:
            raise UserError(f"contact_monitor did not finish its first evaluation within {_PATIENCE:.0f} s")
        time.sleep(0.05)
    screen.step(f"contact_monitor has folded them and held everyone against {POLICY}")
    return took


def _tell_figures(screen: Screen, stack: Stack, council: Simulation) -> None:
    today = council.last_day
    found: Standing = standing(read_to_end(stack.kafka, people_changelog()), load_policy(REPORTED), load_policy(POLICY),
                               today.toordinal())
    screen.chapter(f"{today:%d %B %Y}: what the council reported, and what there was")
    screen.figures(found)
    screen.say(f"\n[bold]{found.gap} young people[/] are in the first figure and not in the second. For them stands open:")
    screen.bars(found.gap_by_rule, most=6)
    screen.say("[dim]All of this was there on the first day, so it is shown and texts nobody: managers get one summary.[/]")


def _live(screen: Screen, stack: Stack, council: Simulation, events: Sequence[Arrival], lead: float) -> Tally:
    """`lead`: the real seconds that the services need to start again; the faster clock begins after them."""
    screen.chapter(f"The days after, a day in {SECONDS_A_DAY:.0f} seconds")
    stack.services.stop(MONITOR, NOTIFIER)
    begins = datetime.now(UTC) + timedelta(seconds=min(max(0.8 * lead, _LEAD[0]), _LEAD[1]))
    clock = LinearClock(council.boundary - _BEFORE_MIDNIGHT, begins, 86_400 / SECONDS_A_DAY)
    _start(stack, clock)
    stack.start(BOARD, clock)
    stack.wait_ready()
    end = datetime.combine(council.last_day + timedelta(days=_DAYS), datetime.min.time(), LONDON) + timedelta(hours=_LAST_HOUR)
    with AlertWatch(stack.kafka) as alerts, sending(stack.kafka) as sender:
        days = _Days(screen, council, clock, alerts, TextWatch(stack.texts), sender, stack.address(BOARD))
        days.run(list(events), end, stack)
    if days.link is not None:
        screen.say(f"\nWhat she saw: [bold]{days.link}[/] [dim](signs in as her, for as long as the demo runs)[/]")
        screen.wait_for_enter("Look around; the days go on. Press Enter to end the demo. ")
    return days.tally


class _Days:
    """Plays the events at their instants and tells what comes of them."""

    def __init__(self, screen: Screen, council: Simulation, clock: LinearClock, alerts: AlertWatch, texts: TextWatch,
                 sender: Sender, board: str) -> None:
        self._screen, self._council, self._clock = screen, council, clock
        self._alerts, self._texts, self._sender, self._board = alerts, texts, sender, board
        self._advisers = {member.worker_ref for member in council.staff if member.role == "adviser"}
        self._visitor: Visitor | None = None
        self.link: str | None = None
        """Where the first adviser who got a text saw what it was about, once she has."""
        self._cast = {member.person_ref: member for member in council.cast.values()}
        self._telling = {member.event_id: member for member in council.cast.values() if member.event_id}
        self._names = {member.worker_ref: member.name for member in council.staff}
        self._sent_ms: dict[str, int] = {}
        self._midnight: list[Published] = []
        self._day = london_day(clock.start)
        self._phones = 0
        self.tally = Tally()

    def run(self, events: list[Arrival], end: datetime, stack: Stack) -> None:
        """Until the story's `end`."""
        events.reverse()
        while (now := self._clock.now()) < end:
            stack.services.check()
            self._turn_the_page(now)
            while events and events[-1].at <= now:
                self._play(events.pop())
            self._sender.flush()
            for published in self._alerts.new():
                self._tell_alert(published)
            for sent in self._texts.new():
                self._tell_text(sent)
            if self._visitor is not None and self.link is None:
                self._visit(self._visitor)
            time.sleep(0.01)

    def _turn_the_page(self, now: datetime) -> None:
        """Midnight's own alerts are told together, once they have come."""
        if self._midnight and now > self._midnight[-1].alert.detected_at + timedelta(hours=2):
            self._tell_midnight()
        if (today := london_day(now)) > self._day:
            self._day, self._phones = today, 0
            self._screen.day(now)

    def _play(self, arrival: Arrival) -> None:
        self._sender.event(arrival.event)
        self._sent_ms[arrival.event.subject] = time.time_ns() // 1_000_000
        member = self._telling.get(arrival.event.id)
        if member is not None:
            self._screen.moment(arrival.at, f"[yellow]Case {member.case_id}[/]: {member.what}")

    def _tell_alert(self, published: Published) -> None:
        alert = published.alert
        self.tally.statuses[alert.status] += 1
        if alert.status == "open" and alert.sequence == 1 and alert.opens_on == london_day(alert.detected_at) \
                and self._since_midnight(alert) < timedelta(minutes=90):
            self.tally.at_midnight += 1
            self._midnight.append(published)
            self.tally.after_midnight.append(self._clock.real_seconds(self._since_midnight(alert)))
            return
        caused_ms = self._sent_ms.get(alert.person_ref)
        seconds = None if caused_ms is None else max(0.0, (published.written_ms - caused_ms) / 1000)
        if (member := self._cast.get(alert.person_ref)) is not None:
            if seconds is not None:
                self.tally.after_event.append(seconds)
            self._screen.moment(alert.ended_at or alert.detected_at, _sentence(alert, member, seconds))

    def _tell_midnight(self) -> None:
        alerts = [published.alert for published in self._midnight]
        first = min(self._clock.real_seconds(self._since_midnight(alert)) for alert in alerts)
        by_rule = ", ".join(f"{count} {RULES.get(rule, rule)}"
                            for rule, count in Counter(alert.rule for alert in alerts).most_common(3))
        self._screen.moment(alerts[0].detected_at, f"[red]{len(alerts)} alerts open at midnight, of their own accord[/] "
                            f"[dim](the first {first * 1000:.0f} ms after it)[/]: {by_rule}")
        for alert in alerts:
            if (member := self._cast.get(alert.person_ref)) is not None:
                self._screen.moment(alert.detected_at, f"  among them [yellow]case {member.case_id}[/], last seen "
                                    f"{alert.detail.last_seen_on:%d %b}: nothing happened, and that is the event")
        self._midnight.clear()

    def _tell_text(self, sent: Sent) -> None:
        self.tally.texts += 1
        self._phones += 1
        if self._phones <= _PHONES_A_MORNING:
            self._screen.phone(self._names.get(sent.recipient_ref, "duty"), sent.at, sent.text)
            if self._visitor is None and sent.recipient_ref in self._advisers and "/a/" in sent.text:
                self._visitor = Visitor(self._board, sent.recipient_ref, sent.text)
        elif self._phones == _PHONES_A_MORNING + 1:
            self._screen.say("[dim]… and texts to others that day[/]")

    def _visit(self, visitor: Visitor) -> None:
        """Follow the link, as soon as the board knows of the text, and press the first button."""
        try:
            cards = visitor.open()
        except httpx.HTTPStatusError:
            return
        self._screen.page(self._names[visitor.worker_ref], cards, visitor.take_on())
        self.link = visitor.link
        visitor.close()

    @staticmethod
    def _since_midnight(alert: Alert) -> timedelta:
        at = alert.detected_at.astimezone(LONDON)
        return timedelta(hours=at.hour, minutes=at.minute, seconds=at.second, microseconds=at.microsecond)


def _sentence(alert: Alert, member: CastMember, seconds: float | None) -> str:
    case, rule = f"[yellow]case {member.case_id}[/]", RULES.get(alert.rule, alert.rule)
    quick = "" if seconds is None else f" [dim]({seconds * 1000:.0f} ms after the event)[/]"
    match alert.status, alert.end_reason:
        case "open", _:
            return f"  [red]alert opens[/] for {case}: {rule}, {alert.severity}{quick}"
        case "withdrawn", "recorded_late":
            return (f"  [green]alert withdrawn[/] for {case}: it had been done in time and was typed up "
                    f"{alert.recording_lag_days} days later{quick}")
        case "cleared", "done":
            return f"  [green]alert cleared[/] for {case}: {rule}; it has been put right{quick}"
    return f"  [green]alert {alert.status}[/] for {case}: {rule} ({alert.end_reason}){quick}"


def _summary(tally: Tally, seconds: float) -> dict[str, str]:
    return {
        "alerts opened in these days": str(tally.statuses["open"]),
        "of them at midnight, without any event": str(tally.at_midnight),
        "alerts cleared by contact": str(tally.statuses["cleared"]),
        "alerts withdrawn (done in time, or entered in error)": str(tally.statuses["withdrawn"]),
        "texts to advisers and managers, none with a name in it": str(tally.texts),
        "from midnight to the last alert of it": _milliseconds(tally.after_midnight),
        "from an event to the alert it causes, at most": _milliseconds(tally.after_event),
        "for the whole demo": f"{seconds:.0f} s"}


def _milliseconds(seconds: Sequence[float]) -> str:
    return f"{max(seconds) * 1000:.0f} ms" if seconds else "none"


