"""Who is erased over HTTP leaves no trace here but the ref and the instant; ids are sent as the key says."""
from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.intake.keys import Refs, make_key
from services.intake.tables import metadata
from services.intake.topic import made_anew
from tests.unit.intake.rig import NOW, SOURCE, Rig, contact, results, snapshot, without


def erasure(person: str, recorded_at: str = "2026-03-10T08:00:00Z") -> dict[str, Any]:
    """An erasure as an event."""
    return {"specversion": "1.0", "id": f"e-{recorded_at}", "source": SOURCE, "type": "care.person-erased.v1", "subject": person,
            "data": {"person_ref": person, "recorded_at": recorded_at}}


def left(rig: Rig) -> dict[str, list[Any]]:
    """All that is in the database, but who may send and how much each day."""
    apart = ("api_key", "tally", "people_source")
    with rig.database.read() as connection:
        return {table.name: list(connection.execute(sa.select(table))) for table in metadata.sorted_tables
                if table.name not in apart}


def test_nothing_is_left_but_the_ref_and_the_instant(rig: Rig) -> None:
    bad = contact(3, outcome="rang off")
    assert results(rig.post([contact(1), contact(2, "demo:p2"), bad, snapshot()])) == [
        "accepted", "accepted", "schema", "accepted"]
    assert results(rig.post([erasure("demo:p1")])) == ["accepted"]
    found = left(rig)
    assert [row.person_ref for row in found["erased"]] == ["demo:p1"]
    assert found["refusal"] == []
    assert len(found["accepted"]) == 2, "another's contact, and the erasure"
    assert results(rig.post([erasure("demo:p1"), contact(2, "demo:p2"), contact(1)])) == ["repeated", "repeated", "accepted"]
    assert len(left(rig)["erased"]) == 1


def test_an_erasure_in_the_same_batch_leaves_nothing_either(rig: Rig) -> None:
    rig.post([contact(1), erasure("demo:p1"), snapshot()])
    assert len(left(rig)["accepted"]) == 1


def test_a_snapshot_that_is_later_brings_them_back_wherever_it_stands_in_a_batch(rig: Rig) -> None:
    rig.post([snapshot(recorded_at="2026-03-10T08:30:00Z"), erasure("demo:p1")])
    assert [row.back for row in left(rig)["erased"]] == [True]


@pytest.mark.parametrize(("recorded_at", "back"), [("2026-03-10T08:00:00Z", False), ("2026-03-10T08:00:01Z", True)])
def test_a_snapshot_recorded_later_brings_them_back(rig: Rig, recorded_at: str, back: bool) -> None:
    rig.post([erasure("demo:p1")])
    rig.post([snapshot(recorded_at=recorded_at)])
    assert [row.back for row in left(rig)["erased"]] == [back]
    rig.clock.advance(timedelta(hours=1))
    rig.post([erasure("demo:p1", "2026-03-10T09:30:00Z")])
    assert [row.back for row in left(rig)["erased"]] == [False]


def test_on_a_topic_that_was_made_anew_nothing_is_repeated(rig: Rig) -> None:
    rig.post([contact(1)])
    for topic_id, anew in (("a", False), ("a", False), ("b", True)):
        assert results(rig.post([contact(1)])) == ["repeated"]
        with rig.database.write() as connection:
            assert made_anew(connection, topic_id) is anew
    assert results(rig.post([contact(1)])) == ["accepted"]


class TestAKeySaysHowPeopleAreCalled:
    def key(self, rig: Rig, refs: Refs) -> str:
        rig.council_key()
        with rig.database.write() as connection:
            return make_key(connection, "demo", [SOURCE], NOW, refs)[1]

    def test_by_case_ids_the_header_may_be_left_out(self, rig: Rig) -> None:
        key = self.key(rig, Refs.CASE_IDS)
        event = without(contact(1, "000123"), ["worker_ref"])
        assert results(rig.post([event], key=key)) == ["accepted"]
        assert results(rig.post([event], key=key, headers={"Refs": "case-ids"})) == ["repeated"]
        assert results(rig.post([without(contact(2), ["worker_ref"])], key=key)) == ["schema"], "a ref is no case id"

    def test_by_pseudonyms_nobody_is_encoded(self, rig: Rig) -> None:
        key = self.key(rig, Refs.PSEUDONYMS)
        assert results(rig.post([contact(1)], key=key)) == ["accepted"]
        answer = rig.post([contact(1, "000123")], key=key, headers={"Refs": "case-ids"})
        assert (answer.status_code, answer.json()["reason"]) == (400, "refs")
