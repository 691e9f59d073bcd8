"""The monitor's metrics: the one place where they are declared. No label ever holds a person, a worker or a number."""
from __future__ import annotations

from contextlib import suppress

from prometheus_client import Counter, Gauge, Histogram

EVENTS = Counter("contact_monitor_events", "Events read, by what became of them: folded, or the reason of the dead letter.",
                 ["result"])
BAD_SOURCES = Gauge("contact_monitor_source_bad_ratio",
                    "Share of the last 1,000 records of each source that went to the dead letters; over 0.05 somebody must look.",
                    ["source"])
EVENT_DELAY = Histogram(
    "contact_monitor_event_delay_seconds", "From an event's acceptance by Kafka to its state and alerts being durable.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600))
ALERTS = Counter("contact_monitor_alerts", "Alert records published, by status and mode.", ["status", "mode"])
LET_GO = Counter("contact_monitor_records_let_go",
                 "Records that count no more, each the oldest of a person who has 2,000 besides: order may matter for them.")
PEOPLE = Gauge("contact_monitor_people", "People whose state is held, by partition.", ["partition"])
SETTLING = Gauge("contact_monitor_people_settling", "New people whose first evaluation waits for their history to be read.",
                 ["partition"])
NOT_LOOKED_AT = Gauge("contact_monitor_people_not_looked_at",
                      "People who have not been evaluated since their partition was taken over.", ["partition"])
LAG = Gauge("contact_monitor_lag_records", "Events that Kafka holds and that are not folded yet, by partition.", ["partition"])
WRITE_SECONDS = Histogram("contact_monitor_write_seconds", "Time to write alerts and states and have them acknowledged.",
                          buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5))
RESTORE_SECONDS = Gauge("contact_monitor_restore_seconds", "How long the last restore from the changelog took.")
HEARTBEAT = Gauge("contact_monitor_heartbeat_timestamp_seconds",
                  "When each partition was last looked after, quiet ones too.", ["partition"])
CAUGHT_UP = Gauge("contact_monitor_caught_up", "1 when a partition is caught up and evaluates, else 0.", ["partition"])


def forget_partition(partition: int) -> None:
    """Say nothing more about a partition that is another worker's now."""
    for gauge in (PEOPLE, SETTLING, NOT_LOOKED_AT, HEARTBEAT, CAUGHT_UP, LAG):
        with suppress(KeyError):  # nothing was said of it yet
            gauge.remove(str(partition))
