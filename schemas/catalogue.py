"""Which topics there are, how they are keyed and kept, who writes and reads them, and which messages they carry."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, create_model

from .actions import AlertAction
from .alerts import Alert
from .audit import AuditEntry
from .common import REF_PATTERN, Message
from .dead_letters import DeadLetterHeaders
from .events import EVENT_TYPES, CloudEvent, EventType, Feed
from .notifications import Notification
from .staff import Staff

Party = Literal["case_systems", "intake", "contact_monitor", "notifier", "board", "operators", "auditors"]

FEED_KEY_PATTERN = r"^feed:[a-z0-9-]{2,32}/[a-z0-9_-]{1,64}$"
_UUID_PATTERN = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of message, with the major version in its name, which is also that of its schema file and examples folder."""

    name: str
    model: type[Message]
    key_pattern: str | None = None
    """What the Kafka key matches; None: whatever the original key was."""
    headers_only: bool = False
    """The model describes headers; the value is not described."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic, as `deploy/kafka/topics.yaml` declares it. `retention_days` is None where the last of each key is kept."""

    name: str
    title: str
    key: str
    cleanup: Literal["delete", "compact"]
    retention_days: int | None
    sent_by: tuple[Party, ...]
    received_by: tuple[Party, ...]
    kinds: tuple[Kind, ...]
    about: str


def _envelope(kind: EventType, model: type[Message]) -> type[Message]:
    """The envelope of one type of event. Unlike `CloudEvent` it holds type, form of the subject and data to one another."""
    form, meaning = (FEED_KEY_PATTERN, "feed:<council>/<feed> of the data") if model is Feed else (
        REF_PATTERN, "the same as person_ref in the data")
    fields: dict[str, Any] = {
        "specversion": (Literal["1.0"], Field(description="version of CloudEvents")),
        "type": (Literal[kind], Field(description="kind and major version of the data")),
        "subject": (str, Field(pattern=form, description=meaning)),
        "data": (model, Field(description="the message itself")),
    }
    return create_model(f"{model.__name__}Event", __base__=CloudEvent, **fields,
                        __doc__=f"{model.__name__} as a CloudEvent 1.0 in structured JSON; `id` is unique per `source`.")


DATA_KINDS = tuple(Kind(name, model) for name, model in EVENT_TYPES.items())
"""What is inside the events."""

EVENT_KINDS = tuple(
    Kind(f"{name}.cloudevent", _envelope(name, model), FEED_KEY_PATTERN if model is Feed else REF_PATTERN)
    for name, model in EVENT_TYPES.items())
"""The same, each in its envelope."""

TOPICS = (
    Topic("care.events.v1", "What case systems say", "`person_ref`; of a manifest `feed:<council>/<feed>`", "delete", 400,
          ("case_systems", "intake"), ("contact_monitor",), EVENT_KINDS,
          "CloudEvents 1.0. Structured JSON (`content-type: application/cloudevents+json`) is the canonical form; binary mode "
          "(attributes in `ce_` headers, the data alone as value) is read too. Order, repeats and batches do not matter: of "
          "each record, and of the person, the statement with the greatest (`recorded_at`, `id`) holds. Every producer uses "
          "Kafka's default partitioner (murmur2), so that one person is on one partition; a feed's manifest goes to every "
          "partition after its records are acknowledged."),
    Topic("care.alerts.v1", "What the monitor finds", "`alert_id`", "compact", None, ("contact_monitor",),
          ("notifier", "board"), (Kind("care.alerts.v1", Alert, _UUID_PATTERN),),
          "The state of each alert; publishing one again is harmless. The last record of a key is always the true one. A null "
          "value: forgotten."),
    Topic("care.staff.v1", "Who works for a council", "`worker_ref`", "compact", None, ("intake", "board"),
          ("notifier", "board"), (Kind("care.staff.v1", Staff, REF_PATTERN),), "A null value: gone."),
    Topic("care.alert-actions.v1", "What people did about an alert", "`alert_id`", "delete", 400, ("notifier", "board"),
          ("notifier", "board"), (Kind("care.alert-actions.v1", AlertAction, _UUID_PATTERN),),
          "Replies to texts, and what is done on the board or the command line."),
    Topic("care.notifications.v1", "What became of each message to staff", "`alert_id`", "delete", 400,
          ("notifier",), ("board", "auditors"), (Kind("care.notifications.v1", Notification, _UUID_PATTERN),),
          "A message about several alerts has one record under each alert's key."),
    Topic("care.dead-letters.v1", "What was not accepted", "the original key", "delete", 90,
          ("contact_monitor", "notifier"), ("operators",),
          (Kind("care.dead-letters.v1.headers", DeadLetterHeaders, headers_only=True),),
          "The original key, value and headers, and these headers besides. A header of one of these names that the original "
          "had comes before ours."),
    Topic("care.audit.v1", "Who looked at whom", "`actor_ref`", "delete", 2557, ("board",), ("auditors",),
          (Kind("care.audit.v1", AuditEntry, REF_PATTERN),), "Kept for seven years."),
)

KINDS = (*DATA_KINDS, *(kind for topic in TOPICS for kind in topic.kinds))
"""Every kind that has a schema file and examples."""
