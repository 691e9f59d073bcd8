"""The dead letters of events, read as they come, so that who sent one sees it: under its council and source, and nobody else.

A letter whose council or source cannot be read belongs to no one here; operators see it with `keepintouch dead-letters`.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date
from typing import Any

import orjson
import sqlalchemy as sa
from kafka import KafkaConsumer

from keepintouch.dead_letters import Letter, letter_of
from keepintouch.refs import RefError, council_of
from keepintouch.runtime import kafka
from keepintouch.runtime.database import Database
from keepintouch.runtime.kafka import KafkaSettings, Record
from keepintouch.runtime.topics import DEAD_LETTERS, EVENTS
from services.intake import ledger
from services.intake.erasing import whose
from services.intake.ledger import Refusal
from services.intake.metrics import Metrics
from services.intake.tables import reading, refusal

_POLL_MS = 500
_AT_ONCE = 500


@dataclass(slots=True)
class LetterReader:
    """One thread calls `run_once` again and again; what was read is noted together with up to where."""

    settings: KafkaSettings
    database: Database
    councils: frozenset[str]
    metrics: Metrics
    label: Callable[[str], str]
    _consumer: KafkaConsumer | None = None
    _unnoted: list[Any] = field(default_factory=list)

    def run_once(self) -> None:
        """Read what there is."""
        if self._consumer is None:
            self._consumer = self._open()
        if not self._unnoted:   # else the database was away, and it is tried again
            self._unnoted = [record for batch in self._consumer.poll(timeout_ms=_POLL_MS).values() for record in batch]
        if self._unnoted:
            self._note(self._unnoted)
            self._unnoted = []

    def close(self) -> None:
        """Stop reading."""
        if self._consumer is not None:
            self._consumer.close(autocommit=False)

    def _open(self) -> KafkaConsumer:
        consumer = kafka.consumer(self.settings, max_poll_records=_AT_ONCE)
        partitions = kafka.partitions_of(consumer, DEAD_LETTERS)
        consumer.assign(partitions)
        ends = {each.partition: end for each, end in consumer.end_offsets(partitions).items()}
        with self.database.write() as connection:
            reached = {row.partition: row.next_offset for row in connection.execute(sa.select(reading))}
            for number in [number for number, offset in reached.items() if offset > ends.get(number, 0)]:
                del reached[number]   # the topic was made anew: what we had read of it is gone
                connection.execute(sa.delete(reading).where(reading.c.partition == number))
                connection.execute(sa.delete(refusal).where(refusal.c.partition == number))
        for each in partitions:
            if each.partition in reached:
                consumer.seek(each, reached[each.partition])
            else:
                consumer.seek_to_beginning(each)
        return consumer

    def _note(self, records: Sequence[Any]) -> None:
        with self.database.write() as connection:
            rows = connection.execute(sa.select(reading).with_for_update())   # another of us may have noted them already
            reached = {row.partition: row.next_offset for row in rows}
            fresh = [each for each in records if each.offset >= reached.get(each.partition, 0)]
            refusals = [refused for each in fresh if (refused := self._refusal(each)) is not None]
            ledger.refuse(connection, refusals)
            counted: dict[date, Counter[tuple[ledger.Where, str]]] = {}
            for refused in refusals:
                results = counted.setdefault(refused.at.astimezone(UTC).date(), Counter())
                results[(refused.council, refused.source), ledger.DEAD_LETTER] += 1
            for day, results in counted.items():
                ledger.count(connection, results, day)
            if reached := {each.partition: each.offset + 1 for each in fresh}:
                put = ledger.insert(connection, reading)
                connection.execute(put.on_conflict_do_update(index_elements=[reading.c.partition],
                                                             set_={"next_offset": put.excluded.next_offset}),
                                   [{"partition": partition, "next_offset": offset} for partition, offset in reached.items()])
        for refused in refusals:
            self.metrics.dead_letters.labels(refused.council, self.label(refused.source), refused.reason).inc()

    def _refusal(self, found: Any) -> Refusal | None:
        record = Record(found.topic, found.partition, found.offset, found.timestamp, found.key, found.value, tuple(found.headers))
        letter = letter_of(record)
        if letter is None or letter.about.topic != EVENTS or letter.source is None:
            return None
        told = _told(letter)
        council = _council(letter, told)
        if council not in self.councils:
            return None
        assert council is not None
        return Refusal(council, ledger.fit(letter.source), ledger.fit(told["id"]) if type(told.get("id")) is str else None,
                       letter.about.first_failed_at, letter.about.reason, letter.about.detail, record.partition, record.offset,
                       None if record.key is None else whose(record.key.decode(errors="replace")))


def _told(letter: Letter) -> dict[str, Any]:
    """The attributes of the event, from headers or value, as far as they can be read."""
    attributes: dict[str, Any] = {name[3:]: (value or b"").decode(errors="replace") for name, value in letter.headers
                                  if name.startswith("ce_")}
    if attributes:
        return attributes
    try:
        value = orjson.loads(letter.value or b"")
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _council(letter: Letter, told: dict[str, Any]) -> str | None:
    """The council that key and subject agree on, or that the one of them tells which can be read."""
    found = set[str]()
    for each in ((letter.key or b"").decode(errors="replace"), told.get("subject")):
        if type(each) is str and each:
            if each.startswith("feed:"):
                found.add(each.removeprefix("feed:").partition("/")[0])
                continue
            try:
                found.add(council_of(each))
            except RefError:
                continue
    return found.pop() if len(found) == 1 else None


