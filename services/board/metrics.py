"""The board's metrics: all of them are here, with what they mean. No label holds a ref of anybody.

Those for managers are worked out from what the board knows, every so often, by `figures.Figures`.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_DAYS = (0, 1, 2, 3, 5, 7, 10, 14, 21, 28, 42, 56, 84, 168)
_HOURS = (0.25, 0.5, 1, 2, 4, 8, 24, 48, 72, 120, 168, 240, 336, 504)


class Metrics:
    """Built once and passed in."""

    def __init__(self) -> None:
        """In a registry of their own, `registry`."""
        registry = self.registry = CollectorRegistry()
        self.alerts = Counter(
            "board_alerts_total", "Alerts by what became of them: opened, cleared, withdrawn", ["council", "rule", "what"],
            registry=registry)
        self.followed = Counter(
            "board_alerts_followed_total", "Live alerts by whether two-way contact by the council followed within 5 working days",
            ["council", "within_5wd"], registry=registry)
        self.recording_lag = Histogram(
            "board_recording_lag_days", "Days from a contact or visit to its being typed up", ["council"], buckets=_DAYS,
            registry=registry)
        self.to_contact = Histogram(
            "board_alert_to_contact_days", "Days from a live alert to the next two-way contact by the council", ["council"],
            buckets=_DAYS, registry=registry)
        self.to_acknowledgement = Histogram(
            "board_alert_to_acknowledgement_hours", "Hours from a live alert to the first answer of anybody", ["council"],
            buckets=_HOURS, registry=registry)
        self.to_escalation = Histogram(
            "board_alert_to_escalation_hours", "Hours from a live alert to the first message to a manager about it", ["council"],
            buckets=_HOURS, registry=registry)
        self.actions = Counter("board_actions_total", "Actions taken on the board", ["action"], registry=registry)
        self.snapshot = Snapshot()
        registry.register(self.snapshot)

    def add_live(self, gauges: Iterable[tuple[str, str, Callable[[], float]]]) -> None:
        """Gauges that are read whenever they are asked for: name, help, value."""
        self.registry.register(_Live(list(gauges)))


class Snapshot(Collector):
    """Gauges that were worked out together and are shown together."""

    def __init__(self) -> None:
        self._families: list[Metric] = []

    def show(self, families: list[Metric]) -> None:
        """Show these from now on."""
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """What was last worked out."""
        return self._families

    def describe(self) -> Iterable[Metric]:
        """Nothing in advance."""
        return ()


class _Live(Collector):
    def __init__(self, gauges: list[tuple[str, str, Callable[[], float]]]) -> None:
        self._gauges = gauges

    def collect(self) -> Iterable[Metric]:
        """One gauge each."""
        for name, text, value in self._gauges:
            yield GaugeMetricFamily(name, text, value=value())

    def describe(self) -> Iterable[Metric]:
        """Nothing in advance."""
        return ()
