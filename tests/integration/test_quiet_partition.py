"""A partition where nothing happens for as long as Kafka remembers its producer, and one that gets an empty transaction."""
from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime

import pytest
from aiokafka.errors import KafkaError
from kafka import KafkaAdminClient

from keepintouch.runtime.kafka import admin
from keepintouch.runtime.local_broker import LocalBroker
from keepintouch.runtime.topics import create_topics, load_topics
from services.contact_monitor.kafka import Writer, check_topics
from services.contact_monitor.records import Writes

pytestmark = pytest.mark.broker   # of its own

APP_ID = "quiet"
SHORT_MEMORY = {"transactional.id.expiration.ms": "2000", "transaction.remove.expired.transaction.cleanup.interval.ms": "200"}


def test_an_empty_transaction_now_and_then_keeps_a_quiet_partition_writable() -> None:
    with LocalBroker(SHORT_MEMORY) as broker, contextlib.closing(admin(broker.settings)) as client:
        create_topics(broker.settings, load_topics(app_id=APP_ID, replication=1))
        asyncio.run(_one_quiet_and_one_kept(Writer(broker.settings, APP_ID, check_topics(broker.settings, APP_ID)), client))


async def _one_quiet_and_one_kept(writer: Writer, client: KafkaAdminClient) -> None:
    quiet, kept = 0, 1
    await writer.take_over([quiet, kept])
    await _write_nothing(writer, quiet)
    async with asyncio.timeout(60):
        await _write_nothing(writer, kept)
        while f"{APP_ID}-{quiet}" in (known := await asyncio.to_thread(_known, client)):
            await _write_nothing(writer, kept)
    assert f"{APP_ID}-{kept}" in known
    await _write_nothing(writer, kept)
    with pytest.raises(KafkaError):
        await _write_nothing(writer, quiet)
    await writer.stop()


async def _write_nothing(writer: Writer, partition: int) -> None:
    await writer.write_findings(partition, Writes([], [], [], 0, None, {}), datetime.now(UTC))
    await writer.write_states(partition, [])
    await writer.commit(partition)


def _known(client: KafkaAdminClient) -> set[str]:
    return {each.transactional_id for found in client.list_transactions().values() for each in found}
