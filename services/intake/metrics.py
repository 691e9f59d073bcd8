"""The gateway's metrics: all of them are here, with what they mean. No label holds a ref of anybody."""
from __future__ import annotations

from datetime import date, datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from keepintouch.calendar import LONDON


class Metrics:
    """Built once and passed in. The sources that are labels are those that API keys name; any other is empty."""

    def __init__(self) -> None:
        """In a registry of their own, `registry`."""
        registry = self.registry = CollectorRegistry()
        self.events = Counter(
            "intake_events_total", "Events posted, by council, source and result: accepted, repeated, or why refused",
            ["council", "source", "result"], registry=registry)
        self.staff = Counter(
            "intake_staff_total", "Records of staff, by council and result: accepted, or why refused", ["council", "result"],
            registry=registry)
        self.dead_letters = Counter(
            "intake_dead_letters_total", "Dead letters of events that were read, by council, source and reason",
            ["council", "source", "reason"], registry=registry)
        self.seconds = Histogram(
            "intake_request_duration_seconds", "How long a request took to be answered, by what was asked for and the status",
            ["route", "status"], buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10), registry=registry)
        self.kafka_errors = Counter(
            "intake_kafka_errors_total", "Records that Kafka did not acknowledge in time, by topic", ["topic"], registry=registry)
        self.turned_away = Counter(
            "intake_requests_turned_away_total", "Requests not looked into: no_key, rate, too_large, busy, kafka_away, "
            "database_away", ["reason"], registry=registry)
        self.under_way = Gauge("intake_posts_under_way", "Requests taken in and not answered yet", registry=registry)
        self._feed = Gauge(
            "intake_feed_complete_through_timestamp_seconds", "Start of the last day that a feed said is in completely",
            ["council", "feed"], registry=registry)
        self._reached: dict[tuple[str, str], date] = {}

    def feed_complete(self, council: str, feed: str, day: date) -> None:
        """Show how far a feed is; an earlier day than it had reached changes nothing."""
        if day < self._reached.get((council, feed), day):
            return
        self._reached[council, feed] = day
        self._feed.labels(council, feed).set(datetime(day.year, day.month, day.day, tzinfo=LONDON).timestamp())
