"""A ledger that an earlier version wrote stands: what it knows is not published again, and events keep their ids."""
from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from keepintouch.files.naming import PlainNames
from keepintouch.files.reading import read_contacts, read_people, read_visits
from keepintouch.publishing import to_json
from keepintouch.runtime.database import Database
from schemas.events import EVENT_TYPES, CloudEvent, RecordVoided, envelope
from services.intake.imports import Import
from services.intake.imports_tables import imported
from tests.standins.publisher import Kept

NOW = datetime(2026, 7, 10, 2, tzinfo=UTC)
READ: dict[str, Callable[..., Any]] = {"people": read_people, "contacts": read_contacts, "visits": read_visits}
FILES = {
    "people": "person_ref,born_on,category,adviser_ref,team_ref,accommodation_code,accommodation_since,cohorts\n"
              "1,2007-05-21,relevant,W1,Nörd,D1,2026-01-05,uasc;parent\n2,2007-05-22,former_relevant,,,,,\n",
    "contacts": "record_id,person_ref,occurred_at,recorded_at,channel,worker_ref,worker_role\n"
                "1,1,2026-03-01 10:05,2026-03-02 09:00:00.25,text,W1,duty\n2,2,2026-07-01,,text,,duty\n"
                ",2,2026-03-03 23:30,,email,W2,duty\n",
    "visits": "record_id,person_ref,occurred_at,outcome,location,announced,worker_role\n"
              "7,1,2026-03-01,seen,home,no,duty\n8,1,2026-03-02 08:00,no_access,,,duty\n"}
LEDGER: dict[str, list[tuple[str, str, str, datetime, date | None, str]]] = {
    "people": [("lancashire:1", "lancashire:1", "aa4a2a43a4866fc7a02181d0b07c86db", NOW, None,
                "c055ee4d-1ad4-58e8-9d59-50b3d5f23b4c"),
               ("lancashire:2", "lancashire:2", "e894fff43d0f707e2f649ad788100e68", NOW, None,
                "664882c3-5829-50e5-8841-ca783fa8b6bb")],
    "contacts": [("contacts-1", "lancashire:1", "16343cbcd60278e654da7086f2fcfd07",
                  datetime(2026, 3, 2, 9, 0, 0, 250_000, tzinfo=UTC), date(2026, 3, 1), "328ca7e3-4e55-5b08-845b-a63cbf672b4f"),
                 ("contacts-2", "lancashire:2", "faaddb336d45a5f657f3710cbbbc7a50", NOW, date(2026, 7, 1),
                  "d20f06bc-4005-51b5-a8c0-751f8c97287f"),
                 ("contacts-3e4db03ee11ec3afebc3e35f582e5c30", "lancashire:2", "abdfb9f0ab6528a4e24d00f4d5f00f61", NOW,
                  date(2026, 3, 3), "2b814376-48ce-57b9-8179-4acf7a6242b0")],
    "visits": [("visits-7", "lancashire:1", "086af95746c8a4e19666ee04242aa78c", NOW, date(2026, 3, 1),
                "909b9603-5622-5e08-82c6-ab6a138e6d5b"),
               ("visits-8", "lancashire:1", "246572212aefd0ae192b95484c4a9e87", NOW, date(2026, 3, 2),
                "5d141bea-f2e6-5ca6-a975-396df7bfc36a")]}
"""What version 0.1.0 wrote of these files: item, person, content, recorded at, day; and the id of its event."""
KINDS = {"people": "person", "contacts": "contact", "visits": "visit"}


def run(database: Database, folder: Path, kind: str) -> tuple[dict[str, int], list[CloudEvent]]:
    """Counts, and what was published."""
    topic, path = Kept(), folder / "export.csv"
    path.write_text(FILES[kind], encoding="utf-8")
    this = Import(database, topic, "lancashire", kind, NOW)
    for told in READ[kind](path, None, PlainNames("lancashire"), now=NOW):
        this.take(told)
    return dict(this.finish(None).counts), topic.events


@pytest.mark.parametrize("kind", FILES)
def test_what_an_earlier_version_published_is_not_published_again(kind: str, database: Database, tmp_path: Path) -> None:
    with database.write() as connection:
        connection.execute(sa.insert(imported), [
            {"council": "lancashire", "feed": kind, "item": item, "person_ref": person, "kind": KINDS[kind],
             "content": bytes.fromhex(content), "day": day, "since": NOW.date() if kind == "people" else None,
             "recorded_at": at, "published_at": NOW, "run": 0, "gone": False}
            for item, person, content, at, day, _ in LEDGER[kind]])
    assert run(database, tmp_path, kind) == ({"unchanged": len(LEDGER[kind])}, [])


@pytest.mark.parametrize("kind", FILES)
def test_the_ledger_and_the_ids_of_events_are_as_they_were(kind: str, database: Database, tmp_path: Path) -> None:
    _, events = run(database, tmp_path, kind)
    with database.read() as connection:
        rows = connection.execute(sa.select(imported).order_by(imported.c.item)).all()
    found = [(row.item, row.person_ref, row.content.hex(), row.recorded_at, row.day) for row in rows]
    assert found == [expected[:5] for expected in LEDGER[kind]]
    assert {(row.published_at, row.gone, row.kind) for row in rows} == {(NOW, False, KINDS[kind])}
    assert [event.id for event in events] == [expected[5] for expected in LEDGER[kind]]


def test_an_event_goes_over_the_wire_as_its_model_has_it() -> None:
    events = [envelope(model.model_validate_json(example.read_bytes()), id="é\n\x01", source="urn:s")
              for name, model in EVENT_TYPES.items() for example in sorted(Path("schemas/examples", name).glob("valid*.json"))]
    assert {event.type for event in events} == EVENT_TYPES.keys()
    for at in ("2026-03-29T02:30:00.000001+01:00", "2026-03-29T02:30:00-00:00", "1970-01-01T00:00:00.12-09:30"):
        void = {"record_id": "r", "person_ref": "lancashire:p", "recorded_at": at}
        events.append(envelope(RecordVoided.model_validate_json(orjson.dumps(void)), id="e", source="urn:s"))
        from_python = {**void, "recorded_at": datetime.fromisoformat(at)}
        events.append(envelope(RecordVoided.model_validate(from_python), id="e", source="urn:s"))
    for event in events:
        assert to_json(event) == event.model_dump_json(by_alias=True, exclude_none=True).encode()
