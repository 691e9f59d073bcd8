"""Writes records into Kafka as batches built by hand, which cost a small part of what sending record by record does.

As with all our producers outside transactions it is not the idempotence of the client that keeps the order: one batch of a
partition is under way at a time. What is there twice after a lost acknowledgement changes nothing.
"""
from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from keepintouch.runtime.kafka import MAX_RECORD_BYTES, BrokerUnreachable, KafkaSettings, TopicMissing
from keepintouch.runtime.partitions import partition_of

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

_BATCH_BYTES = 256 * 1024
_WRITE_WITHIN_MS = 120_000
"""How long a broker may be away before what is written counts as not taken."""
_STOP_WITHIN = 5.0

T = TypeVar("T")


class Batches:
    """Collects records by partition and writes them when it is told to. The client has a thread of its own, until `close`."""

    def __init__(self, settings: KafkaSettings) -> None:
        """Connect. Raises BrokerUnreachable."""
        from aiokafka.errors import KafkaError

        logging.getLogger("aiokafka.producer.sender").setLevel(logging.CRITICAL)   # what was not taken is told by `flush`
        self.waiting = 0
        """Records that were added since the last `flush`."""
        self._to: dict[tuple[str, int], list[Any]] = {}
        self._partitions: dict[str, list[int]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="kafka-batches", daemon=True)
        self._thread.start()
        try:
            self._producer = self._run(_started(settings))
        except KafkaError as error:
            self._end()
            raise BrokerUnreachable(f"Kafka does not let us write at {settings.bootstrap_servers} ({type(error).__name__}): see "
                                    "that it is up") from None

    def partitions(self, topic: str) -> list[int]:
        """The partitions of a topic, as they were at the last `flush`. Raises TopicMissing."""
        from aiokafka.errors import KafkaError

        if (found := self._partitions.get(topic)) is None:
            try:
                found = self._partitions[topic] = sorted(self._run(self._producer.partitions_for(topic)))
            except KafkaError:
                raise TopicMissing(topic) from None
        return found

    def add(self, topic: str, key: bytes, value: bytes, partition: int | None = None) -> None:
        """Take a record for the partition of its key, or for this one."""
        if partition is None:
            partitions = self._partitions.get(topic) or self.partitions(topic)
            partition = partitions[partition_of(key, len(partitions))]
        batches = self._to.setdefault((topic, partition), [])
        if not batches or batches[-1].append(timestamp=None, key=key, value=value) is None:
            batches.append(self._producer.create_batch())
            batches[-1].append(timestamp=None, key=key, value=value)   # the first of a batch may have any size
        self.waiting += 1

    def flush(self) -> list[Exception]:
        """Write what was added, in its order; for each record that not all replicas in sync have then, why."""
        to, self._to, self.waiting = self._to, {}, 0
        self._partitions.clear()
        return self._run(self._write(to)) if to else []

    def close(self) -> None:
        """Let go of Kafka; what is still under way, because something else went wrong, is given up after a while."""
        with contextlib.suppress(TimeoutError):
            self._run(asyncio.wait_for(self._producer.stop(), _STOP_WITHIN))
        self._end()

    async def _write(self, to: dict[tuple[str, int], list[Any]]) -> list[Exception]:
        found = await asyncio.gather(*(self._write_to(*where, batches) for where, batches in to.items()))
        return [error for errors in found for error in errors]

    async def _write_to(self, topic: str, partition: int, batches: list[Any]) -> list[Exception]:
        from aiokafka.errors import KafkaError

        for number, batch in enumerate(batches):
            batch.close()
            try:
                await (await self._producer.send_batch(batch, topic, partition=partition))
            except KafkaError as error:   # and nothing after it, so that there is no gap
                return [error] * sum(each.record_count() for each in batches[number:])
        return []

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _end(self) -> None:
        self._run(_cancelled())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _cancelled() -> None:
    """Nothing goes on any more."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _started(settings: KafkaSettings) -> AIOKafkaProducer:
    from aiokafka import AIOKafkaProducer

    producer = AIOKafkaProducer(**settings.client_config(), acks="all", enable_idempotence=False, linger_ms=0,
                                max_batch_size=_BATCH_BYTES, max_request_size=MAX_RECORD_BYTES,
                                request_timeout_ms=_WRITE_WITHIN_MS)
    try:
        await producer.start()
    except BaseException:
        await producer.stop()
        raise
    return producer
