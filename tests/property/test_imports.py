"""Whatever files come night after night, what stands afterwards is what the last one says, in whatever order events are read."""
from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keepintouch.files.reading import Rejected, Statement, Told
from keepintouch.runtime.database import Database
from keepintouch.standards.identifiers import unpack
from keepintouch.standards.ladder import VOID, kind_of
from keepintouch.standards.world import World
from schemas.events import Contact, Feed
from services.intake.database import open_database
from services.intake.imports import Import, Voiding, Window
from tests.standins.publisher import Kept

FEEDS = count()
START = datetime(2026, 3, 1, 2, tzinfo=UTC)
ALL = Window(date(2025, 1, 1), date(2026, 12, 31))

ROWS = st.dictionaries(st.integers(0, 6), st.tuples(
    st.integers(0, 2), st.integers(1, 9), st.sampled_from(["text", "phone", "email"]), st.booleans()), max_size=7)
"""One night's file: person, day, channel, and whether the row can be read, by record."""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    opened = open_database(f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'intake.db'}")
    yield opened
    opened.close()


def contact(feed: str, record: int, person: int, day: int, channel: str, now: datetime) -> Contact:
    return Contact.model_validate({
        "record_id": f"{feed}-{record}", "person_ref": f"lancashire:{person}", "recorded_at": now,
        "occurred_at": datetime(2026, 2, day, 12, tzinfo=UTC), "worker_ref": None, "worker_role": "duty", "channel": channel,
        "direction": "out", "outcome": "no_reply"})


@settings(suppress_health_check=list(HealthCheck), max_examples=40)
@given(nights=st.lists(ROWS, min_size=1, max_size=5), seed=st.integers(0, 1_000), dated=st.booleans())
def test_what_stands_is_what_the_last_file_says(database: Database, nights: list[dict[int, tuple[int, int, str, bool]]],
                                                seed: int, dated: bool) -> None:
    feed, kept, stands = f"f{next(FEEDS)}", Kept(), dict[str, Contact]()
    for number, rows in enumerate(nights):
        now = START + timedelta(days=number)
        run = Import(database, kept, "lancashire", feed, now)
        after = dict[str, Contact]()
        for record, (person, day, channel, readable) in rows.items():
            said = contact(feed, record, person, day, channel, START if dated else now)
            told: Told[Contact] = Statement(record, said, frozenset() if dated else frozenset({"recorded_at"})) if readable \
                else Rejected(record, "Date", "soon", "is not a day", said.record_id)
            run.take(told)
            if readable:
                after[said.record_id] = said
            elif said.record_id in stands:   # what cannot be read has not vanished
                after[said.record_id] = stands[said.record_id]
        run.finish(now.date(), ALL, Voiding.ANYWAY)
        stands = after
    events = [event for event in kept.events if not isinstance(event.data, Feed)]
    random.Random(seed).shuffle(events)
    world = World()
    for event in events:
        world.fold(event.id, event.data)
    found = {unpack(register.record_id): (ref, register.kind) for ref, person in world.people.items()
             for register in person.registers.values() if register.kind != VOID}
    assert found == {record_id: (said.person_ref, kind_of(said)) for record_id, said in stands.items()}
    assert len({event.id for event in events}) == len(events)
