"""Erasures that came neither by the gateway nor by the command line: searched for on the events topic before a file is imported.

Or the next file would bring somebody back whom another system has erased. What was found is noted together with up to where it
was looked for, so that each record is read once.
"""
from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa

from keepintouch.acceptance import Accepted, accept_event
from keepintouch.runtime.database import Database
from keepintouch.runtime.kafka import KafkaSettings, Record, read_to_end
from keepintouch.runtime.topics import EVENTS
from schemas.events import Person, PersonErased
from services.intake import erasing
from services.intake.ledger import insert
from services.intake.tables import erased, events_read

_TYPES = (b"care.person-erased.v1", b"care.person.v1")


def note_erasures(settings: KafkaSettings, database: Database, now: datetime) -> None:
    """Note who was erased, and who has come back since, by what is new on the topic. Raises BrokerUnreachable, TopicMissing."""
    with database.read() as connection:
        reached = {row.partition: row.next_offset for row in connection.execute(sa.select(events_read))}
    gone, told = dict[str, datetime](), dict[str, datetime]()
    read = dict[int, int]()
    for record in read_to_end(settings, EVENTS, since={(EVENTS, each): offset for each, offset in reached.items()}):
        read[record.partition] = record.offset + 1
        if _concerns(record):
            accepted = accept_event(record.value, record.key, record.headers, now, None)
            if isinstance(accepted, Accepted) and isinstance(data := accepted.data, Person | PersonErased):
                newest = gone if isinstance(data, PersonErased) else told
                newest[data.person_ref] = max(data.recorded_at, newest.get(data.person_ref, data.recorded_at))
    if read:
        _note(database, gone, told, read, now)


def _concerns(record: Record) -> bool:
    """Whether a record may be about a whole person: quickly, for most are not."""
    said = (record.value or b"", *(value or b"" for _, value in record.headers))
    return any(each in text for text in said for each in _TYPES)


def _note(database: Database, gone: Mapping[str, datetime], told: Mapping[str, datetime], read: Mapping[int, int],
          now: datetime) -> None:
    with database.write() as connection:
        known = {row.person_ref: row.at for row in connection.execute(sa.select(erased))}
        for ref, at in gone.items():
            if ref not in known or known[ref] < at:   # or what a file has said of them since would be forgotten again
                erasing.erase(connection, ref, at, now)
        for ref in told.keys() & (known.keys() | gone.keys()):
            erasing.known_again(connection, ref, told[ref])
        put = insert(connection, events_read)
        connection.execute(put.on_conflict_do_update(index_elements=[events_read.c.partition],
                                                     set_={"next_offset": put.excluded.next_offset}),
                           [{"partition": partition, "next_offset": offset} for partition, offset in read.items()])
