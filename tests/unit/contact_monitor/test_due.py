"""The due days, held against a list that is searched; and where a key belongs."""
from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner import murmur2

from keepintouch.runtime.partitions import partition_of
from keepintouch.standards.intervals import LAST_DAY
from services.contact_monitor.due import DueDays

KEYS, DAYS = st.sampled_from([b"a", b"b", b"c"]), st.sampled_from([0, 738_000, 738_001, 738_002, LAST_DAY])


@given(st.lists(st.tuples(KEYS, DAYS) | st.integers(737_999, 738_003)))
def test_earliest_day_first_each_once(steps: list[tuple[bytes, int] | int]) -> None:
    due, waiting = DueDays(), set[tuple[int, bytes]]()
    for step in steps:
        if isinstance(step, tuple):
            key, day = step
            due.add(key, day)
            waiting |= {(day, key)} if day < LAST_DAY else set()
        else:
            found = due.pop(step)
            earliest = min((day for day, _ in waiting), default=LAST_DAY)
            if found is None:
                assert earliest > step
            else:
                assert found[1] == earliest <= step
                waiting.remove((found[1], found[0]))
        assert due.first == min((day for day, _ in waiting), default=LAST_DAY)


@given(st.binary(max_size=80), st.integers(1, 24))
def test_a_key_belongs_where_other_clients_put_it(key: bytes, partitions: int) -> None:
    assert partition_of(key, partitions) == (murmur2(key) & 0x7FFFFFFF) % partitions
    assert partition_of(None, partitions) == 0
