"""The notifier's metrics: all of them are here, with what they mean. No label holds a ref of anybody."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

UNSETTLED = ("pending", "sending", "uncertain")
"""States of a message in which none should stay for long."""


class Metrics:
    """Built once and passed in."""

    def __init__(self) -> None:
        """In a registry of their own, `registry`."""
        registry = self.registry = CollectorRegistry()
        self.records = Counter(
            "notifier_records_total", "Records read, by topic and by what they did", ["topic", "result"], registry=registry)
        self.lag = Gauge(
            "notifier_lag_records", "Records of alerts and actions that Kafka holds for this instance and that it has not read",
            ["topic"], registry=registry)
        self.dead_letters = Counter(
            "notifier_dead_letters_total", "Records that were not accepted", ["topic", "reason"], registry=registry)
        self.held = Counter(
            "notifier_steps_held_total", "Steps due that did not go out then, by reason", ["reason"], registry=registry)
        self.released = Counter(
            "notifier_messages_total", "Messages put into the outbox, by council and template", ["council", "template"],
            registry=registry)
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
            ["council", "channel", "provider"], registry=registry)
        self.callbacks = Counter(
            "notifier_callbacks_total", "Callbacks by result: taken, nothing_new, other_attempt, unknown, refused",
            ["provider", "result"], registry=registry)
        self.replies = Counter(
            "notifier_replies_total", "Texts received, by outcome", ["outcome"], registry=registry)
        self.answers_withheld = Counter(
            "notifier_answers_withheld_total", "Texts not understood that got no answer: their sender had had one within the "
            "minute, or so many within the hour that networks would drop the next as a repeat", registry=registry)
        self.published = Counter(
            "notifier_published_total", "Records published, by topic", ["topic"], registry=registry)
        self.unbalanced = Gauge(
            "notifier_audit_found", "What did not balance at the last audit: alerts without a next step, messages astray",
            ["council", "kind"], registry=registry)
        self.balance = Gauge(
            "notifier_council_messages", "Messages at the last audit: sent is the sum of delivered, failed, pending and astray",
            ["council", "state"], registry=registry)
        self.storm_held = Gauge(
            "notifier_storm_held", "Open alerts that a storm holds until somebody releases them, at the last audit",
            ["council"], registry=registry)
        self.fallback_unresolvable = Gauge(
            "notifier_fallback_unresolvable", "1 where the council's fallback is unknown, inactive, or without an address that "
            "works on a channel of the council, at the last audit", ["council"], registry=registry)
        self.audited = Gauge(
            "notifier_audit_timestamp_seconds", "When the audit last came to its end, in real time", registry=registry)
        self.heartbeat = Gauge(
            "notifier_loop_heartbeat_timestamp_seconds", "When each loop last came round, in real time", ["loop"],
            registry=registry)

    def add_outbox(self, states: Callable[[], Mapping[str, int]], oldest: Callable[[], Mapping[str, float]],
                   unpublished: Callable[[], int], unreachable: Callable[[], int]) -> None:
        """Gauges that are read from the database whenever they are asked for; `oldest`: seconds, of each of `UNSETTLED`."""
        self.registry.register(_Outbox(states, oldest, unpublished, unreachable))


class _Outbox(Collector):
    STATES = (*UNSETTLED, "accepted", "sent", "delivered", "undelivered", "failed", "dropped")

    def __init__(self, states: Callable[[], Mapping[str, int]], oldest: Callable[[], Mapping[str, float]],
                 unpublished: Callable[[], int], unreachable: Callable[[], int]) -> None:
        self._states, self._oldest, self._unpublished, self._unreachable = states, oldest, unpublished, unreachable

    def collect(self) -> Iterable[Metric]:
        """Gauges of messages by state, of how old the oldest is, of what waits to be published, of dead addresses."""
        messages = GaugeMetricFamily("notifier_outbox_messages", "Messages by state", labels=["state"])
        found = self._states()
        for state in self.STATES:
            messages.add_metric([state], found.get(state, 0))
        yield messages
        oldest = GaugeMetricFamily("notifier_outbox_oldest_seconds", "How long ago the oldest message was made that is pending, "
                                   "sending or uncertain, by state; 0: there is none", labels=["state"])
        ages = self._oldest()
        for state in UNSETTLED:
            oldest.add_metric([state], ages.get(state, 0))
        yield oldest
        yield GaugeMetricFamily("notifier_unpublished_records", "Records that wait for Kafka", value=self._unpublished())
        yield GaugeMetricFamily("notifier_recipients_unreachable", "Addresses that do not work: somebody must put them right",
                                value=self._unreachable())

    def describe(self) -> Iterable[Metric]:
        """Nothing in advance, so that registering does not read the database."""
        return ()
