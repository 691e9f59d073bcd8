"""Whether the events topic is still the one that was written to: of what was on another, nothing is there any more."""
from __future__ import annotations

import contextlib

import sqlalchemy as sa
from kafka.errors import KafkaError
from sqlalchemy.engine import Connection

from keepintouch.runtime import kafka
from keepintouch.runtime.kafka import KafkaSettings
from keepintouch.runtime.topics import EVENTS
from services.intake.imports_tables import imported
from services.intake.ledger import insert
from services.intake.tables import accepted, events_read, topic

UNKNOWN = b""
"""In the place of the hash of what was published last: it is to be published again, whatever it is."""


def made_anew(connection: Connection, topic_id: str | None) -> bool:
    """Note Kafka's id of the events topic; whether it is another than before, and all was therefore forgotten that was on it.

    What is sent again is then accepted, and what files say is published again, each with the instant that it had. None: this
    Kafka gives topics no ids.
    """
    if topic_id is None:
        return False
    before = connection.scalar(sa.select(topic.c.id).where(topic.c.name == EVENTS).with_for_update())
    if before == topic_id:
        return False
    put = insert(connection, topic).values(name=EVENTS, id=topic_id)
    connection.execute(put.on_conflict_do_update(index_elements=[topic.c.name], set_={"id": put.excluded.id}))
    if before is None:
        return False
    connection.execute(sa.delete(accepted))
    connection.execute(sa.delete(events_read))
    connection.execute(sa.update(imported).values(content=UNKNOWN))
    return True


def topic_id(settings: KafkaSettings) -> str | None:
    """Kafka's own id of the events topic; None: it gives no ids, or cannot tell now. Raises BrokerUnreachable."""
    with contextlib.closing(kafka.admin(settings)) as client:
        try:
            [found] = client.describe_topics([EVENTS])
        except KafkaError:
            return None
    told = str(found.get("topic_id") or "")
    return told if told.strip("0-") else None
