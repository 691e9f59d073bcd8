"""The notifier's metrics: all of them are here, with what they mean. No label holds a ref of anybody."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class Metrics:
    """Built once and passed in."""

    def __init__(self) -> None:
        """In a registry of their own, `registry`."""
        registry = self.registry = CollectorRegistry()
        self.records = Counter(
            "notifier_records_total", "Records read, by topic and by what they did", ["topic", "result"], registry=registry)
        self.dead_letters = Counter(
            "notifier_dead_letters_total", "Records that were not accepted", ["topic", "reason"], registry=registry)
        self.held = Counter(
            "notifier_steps_held_total", "Steps due that did not go out then, by reason", ["reason"], registry=registry)
        self.released = Counter(
            "notifier_messages_total", "Messages put into the outbox, by template", ["template"], registry=registry)
        self.attempts = Counter(
            "notifier_attempts_total", "Calls of a provider by outcome: accepted, refused, not_sent, uncertain",
            ["provider", "outcome"], registry=registry)
        self.attempt_seconds = Histogram(
            "notifier_attempt_duration_seconds", "How long a provider took to answer, in real time", ["provider"],
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20), registry=registry)
        self.stale_claims = Counter(
            "notifier_stale_claims_total", "Results that came after the lease had been lost", registry=registry)
        self.possible_duplicates = Counter(
            "notifier_possible_duplicates_total", "Messages sent again without proof that the first was lost",
            registry=registry)
        self.channel_stopped = Gauge(
            "notifier_channel_stopped", "1 while a provider refuses all because of its configuration",
            ["council", "provider"], registry=registry)
        self.callbacks = Counter(
            "notifier_callbacks_total", "Callbacks by result: taken, nothing_new, other_attempt, unknown, refused",
            ["provider", "result"], registry=registry)
        self.replies = Counter(
            "notifier_replies_total", "Texts received, by outcome", ["outcome"], registry=registry)
        self.published = Counter(
            "notifier_published_total", "Records published, by topic", ["topic"], registry=registry)
        self.heartbeat = Gauge(
            "notifier_loop_heartbeat_timestamp_seconds", "When each loop last came round, in real time", ["loop"],
            registry=registry)

    def add_outbox(self, states: Callable[[], Mapping[str, int]], unpublished: Callable[[], int],
                   unreachable: Callable[[], int]) -> None:
        """Gauges that are read from the database whenever they are asked for."""
        self.registry.register(_Outbox(states, unpublished, unreachable))


class _Outbox(Collector):
    STATES = ("pending", "sending", "uncertain", "accepted", "sent", "delivered", "undelivered", "failed", "dropped")

    def __init__(self, states: Callable[[], Mapping[str, int]], unpublished: Callable[[], int],
                 unreachable: Callable[[], int]) -> None:
        self._states, self._unpublished, self._unreachable = states, unpublished, unreachable

    def collect(self) -> Iterable[Metric]:
        """One gauge of messages by state, one of what waits to be published, one of addresses that do not work."""
        messages = GaugeMetricFamily("notifier_outbox_messages", "Messages by state", labels=["state"])
        found = self._states()
        for state in self.STATES:
            messages.add_metric([state], found.get(state, 0))
        yield messages
        yield GaugeMetricFamily("notifier_unpublished_records", "Records that wait for Kafka", value=self._unpublished())
        yield GaugeMetricFamily("notifier_recipients_unreachable", "Addresses that do not work: somebody must put them right",
                                value=self._unreachable())

    def describe(self) -> Iterable[Metric]:
        """Nothing in advance, so that registering does not read the database."""
        return ()
