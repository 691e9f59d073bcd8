"""The monitor's way through Faust on the smaller job of a kit of peers: the same scheduler, schema and consumer, other rules.

The kit starts it, says in the environment where to read and write, and lends it the rules and the meter. Alerts are acknowledged,
then states, then the offset is durable, as in the monitor; but nothing is restored, and no transaction is made of it, since the
peers make none either.
"""
from __future__ import annotations

import asyncio
import gc
import os
import sys
from typing import Any

import faust
import rules_struct as rules
from aiokafka import AIOKafkaProducer
from meter import Meter

from services.contact_monitor.faust_batches import BatchSchema, Handover, batch_scheduler, batch_transport

_EVERY = 0.5
"""Seconds between writes."""
_BATCH_BYTES = 900_000

_at = os.environ
_servers = _at["BOOTSTRAP"]
_handover = Handover()
app = faust.App(_at["GROUP"], broker=f"kafka://{_servers}", store="memory://", web_enabled=False, datadir=_at["SCRATCH"],
                topic_allow_declare=False, topic_disable_leader=True, stream_buffer_maxsize=16, stream_wait_empty=False,
                broker_max_poll_records=None, broker_commit_interval=1.0, worker_redirect_stdouts=False,
                ConsumerScheduler=batch_scheduler(_handover))
app.transport = batch_transport(_handover)(app.conf.broker_consumer, app)

Pair = tuple[bytes, bytes]


class Partition:
    """People of one partition, and what is to be written about them."""

    def __init__(self) -> None:
        self.people: dict[bytes, Any] = {}
        self.touched: dict[bytes, Any] = {}
        self.alerts: list[Any] = []
        self.position: int | None = None

    def fold(self, records: Any) -> None:
        """Fold in what one fetch brought."""
        people, touched, alerts = self.people, self.touched, self.alerts
        apply, load = rules.apply, rules.load_event
        for record in records:
            key = record.key
            person = people.get(key)
            if person is None:
                person = people[key] = rules.new()
            if apply(person, load(record.value), alerts):
                touched[key] = person
        self.position = records[-1].offset + 1

    def take(self) -> tuple[list[Pair], list[Pair], int | None]:
        """Alerts, states and the position they are whole up to."""
        taken = ([(each.person_id.encode(), rules.dump(each)) for each in self.alerts],
                 [(key, rules.dump(person)) for key, person in self.touched.items()], self.position)
        self.alerts, self.touched, self.position = [], {}, None
        return taken


_partitions = [Partition() for _ in range(int(_at["PARTITIONS"]))]


@app.agent(app.topic(_at["SOURCE"], schema=BatchSchema()))
async def fold(stream: Any) -> None:
    """Fold as events come."""
    meter = Meter()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    async for event in stream.events():
        records = event.value.records
        _partitions[event.message.partition].fold(records)
        meter.tick(len(records))


async def write() -> None:
    """Write now and then until the end."""
    producer = AIOKafkaProducer(bootstrap_servers=_servers, acks="all", linger_ms=0, max_batch_size=_BATCH_BYTES)
    await producer.start()
    try:
        while True:
            await asyncio.sleep(_EVERY)
            await _write(producer)
    except Exception as error:
        print(f"not written: {error!r}", file=sys.stderr, flush=True)
        os._exit(1)


app.task(write)


async def _write(producer: AIOKafkaProducer) -> None:
    taken = [each.take() for each in _partitions]
    for topic, what in ((_at["ALERTS"], 0), (_at["CHANGELOG"], 1)):
        sent = [future for partition, each in enumerate(taken) for future in await _send(producer, topic, partition, each[what])]
        await asyncio.gather(*sent)
    for partition, (_, _, position) in enumerate(taken):
        if position is not None:
            _handover.durable[partition] = position


async def _send(producer: AIOKafkaProducer, topic: str, partition: int, pairs: Any) -> list[Any]:
    sent, batch = [], producer.create_batch()
    for key, value in pairs:
        if batch.append(key=key, value=value, timestamp=None) is None:
            batch.close()
            sent.append(await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            batch.append(key=key, value=value, timestamp=None)
    if batch.record_count():
        batch.close()
        sent.append(await producer.send_batch(batch, topic, partition=partition))
    return sent


if __name__ == "__main__":
    app.main()
