"""What was not accepted, told to whom it belongs and to nobody else."""
from __future__ import annotations

from datetime import date, timedelta

from services.intake import ledger
from services.intake.ledger import KEPT_REFUSALS, Refusal
from tests.unit.intake.rig import NOW, OTHER_SOURCE, SOURCE, Rig, contact


def test_a_source_sees_what_was_wrong_and_the_share_of_it(rig: Rig) -> None:
    rig.post([contact(1), contact(2), contact(3, channel="pigeon")])
    rig.post([contact(1)])
    said = rig.letters()
    assert said["since"] == "2026-02-08"
    assert said["sources"] == [{"source": SOURCE, "events": 4, "accepted": 2, "repeated": 1, "refused": 1, "dead_letters": 0,
                                "share_bad": 0.25, "reasons": {"schema": 1}}]
    [letter] = said["newest"]
    assert (letter["id"], letter["where"], letter["reason"], letter["field"]) == ("c3", "door", "schema", "data.channel")
    assert letter["at"].startswith("2026-03-10T09:00:00")


def test_nobody_sees_what_others_sent(rig: Rig) -> None:
    housing, theirs = rig.new_key("demo", OTHER_SOURCE), rig.new_key("other", SOURCE)
    rig.post(contact(1, channel="pigeon"))
    rig.post(contact(2, source=OTHER_SOURCE, channel="pigeon"), key=housing)
    assert [each["id"] for each in rig.letters()["newest"]] == ["c1"]
    assert [each["id"] for each in rig.letters(key=housing)["newest"]] == ["c2"]
    assert rig.letters(key=theirs)["newest"] == []
    assert [each["events"] for each in rig.letters(key=theirs)["sources"]] == [0]


def test_what_names_no_source_of_the_key_is_told_to_the_key_that_sent_it(rig: Rig) -> None:
    rig.post([contact(1, source=OTHER_SOURCE), contact(2, source=None), 5])
    assert rig.letters()["sources"][0]["reasons"] == {"not_cloudevent": 2, "not_yours": 1}


def test_single_ones_are_limited_and_all_are_counted(rig: Rig) -> None:
    rig.post([contact(n, channel="pigeon") for n in range(150)])
    assert rig.letters()["sources"][0]["refused"] == 150
    assert len(rig.letters(limit=1000)["newest"]) == 100
    assert len(rig.letters(limit=0)["newest"]) == 0
    answer = rig.client.get("/v1/dead-letters", params={"limit": "all"}, headers=rig.headers())
    assert (answer.status_code, answer.json()) == (422, {"reason": "schema", "detail": "limit: is not as /openapi.json says"})


def test_what_is_old_is_forgotten_and_of_the_rest_the_newest_are_kept(rig: Rig) -> None:
    def refused(number: int, days_ago: int, source: str = SOURCE) -> Refusal:
        return Refusal("demo", source, f"c{number}", NOW - timedelta(days=days_ago), "schema", "data: wrong")

    with rig.database.write() as connection:
        ledger.refuse(connection, [refused(1, 40, OTHER_SOURCE), refused(2, 1, OTHER_SOURCE)])
        ledger.refuse(connection, [refused(n, 1) for n in range(KEPT_REFUSALS + 10)])
        ledger.count(connection, {(("demo", SOURCE), "schema"): 5}, date(2026, 1, 1))
        ledger.forget(connection, NOW - timedelta(days=30))
        assert ledger.totals(connection, "demo", None, date(2026, 1, 1)) == {}
        kept = ledger.newest(connection, "demo", [SOURCE], NOW - timedelta(days=60), 5000)
        assert {each.event_id for each in kept} == {f"c{n}" for n in range(10, KEPT_REFUSALS + 10)}
        [other] = ledger.newest(connection, "demo", [OTHER_SOURCE], NOW - timedelta(days=60), 10)
        assert other.event_id == "c2"


def test_a_dead_letter_is_counted_among_the_bad_even_of_who_posts_nothing_here(rig: Rig) -> None:
    letter = Refusal("demo", SOURCE, "c1", NOW, "future", "data.occurred_at: more than 24 hours ahead", 3, 77)
    with rig.database.write() as connection:
        ledger.refuse(connection, [letter, letter])
        ledger.count(connection, {(("demo", SOURCE), ledger.DEAD_LETTER): 1}, NOW.date())
    said = rig.letters()
    assert (said["sources"][0]["dead_letters"], said["sources"][0]["share_bad"]) == (1, 1.0)
    assert [(each["where"], each["partition"], each["offset"]) for each in said["newest"]] == [("topic", 3, 77)]
