"""On which partition a key's records are."""
from __future__ import annotations

from functools import lru_cache

from kafka.partitioner.default import murmur2


@lru_cache(maxsize=65_536)   # the hash costs as much as all else about a record, and people come again and again
def partition_of(key: bytes | None, partitions: int) -> int:
    """As Kafka's own clients choose it: murmur2 of the key; 0 without key."""
    return 0 if key is None else int((murmur2(key) & 0x7FFFFFFF) % partitions)
