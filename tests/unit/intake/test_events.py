"""Events over HTTP: what is accepted is on the topic, of everything else it is said what is wrong."""
from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from keepintouch.acceptance import Accepted, accept_event
from keepintouch.runtime.topics import EVENTS
from schemas.dead_letters import MAX_VALUE_BYTES
from services.intake import ledger
from services.intake.bodies import BATCH, JSON, STRUCTURED
from services.intake.keys import ANYBODY
from tests.processes import until
from tests.unit.intake.rig import COUNCILS, NOW, OTHER_SOURCE, SOURCE, Rig, contact, results, snapshot, without

CE = {"ce-specversion": "1.0", "ce-id": "c1", "ce-source": SOURCE, "ce-type": "care.contact.v1", "ce-subject": "demo:p1"}


def test_one_event_is_on_the_topic_under_its_person_when_it_is_answered(rig: Rig) -> None:
    answer = rig.post(contact())
    assert answer.status_code == 202
    assert answer.json() == {"accepted": 1, "repeated": 0, "refused": 0,
                             "results": [{"index": 0, "id": "c1", "result": "accepted"}]}
    [(topic, record)] = rig.kafka.ledger
    assert (topic, record.key, record.everywhere) == (EVENTS, b"demo:p1", False)
    assert isinstance(accept_event(record.value, record.key, None, NOW, COUNCILS), Accepted)
    assert orjson.loads(record.value) == contact()


def test_binary_mode_becomes_the_same_event(rig: Rig) -> None:
    data = contact()["data"]
    assert rig.post(data, kind=JSON, headers=CE | {"ce-id": "se%C3%A1n%201"}).status_code == 202
    assert rig.post(data, kind=f"{JSON}; charset=utf-8", headers=CE).status_code == 202
    first, second = rig.kafka.events
    assert first == contact(id="seán 1") | {"datacontenttype": JSON}
    assert second["data"] == data
    refused = rig.post(data, kind=JSON, headers=CE | {"ce-specversion": "0.3"})
    assert (refused.status_code, results(refused)) == (422, ["not_cloudevent"])


def test_a_batch_is_answered_one_by_one_and_in_order(rig: Rig) -> None:
    answer = rig.post([contact(1), contact(2, channel="pigeon"), contact(3)])
    assert answer.status_code == 207
    assert answer.json() == {"accepted": 2, "repeated": 0, "refused": 1, "results": [
        {"index": 0, "id": "c1", "result": "accepted"},
        {"index": 1, "id": "c2", "result": "refused", "reason": "schema", "field": "data.channel",
         "detail": answer.json()["results"][1]["detail"]},
        {"index": 2, "id": "c3", "result": "accepted"}]}
    assert "'phone'" in answer.json()["results"][1]["detail"]
    assert "pigeon" not in answer.text
    assert [each["id"] for each in rig.kafka.events] == ["c1", "c3"]


@pytest.mark.parametrize(("event", "status", "reason", "field"), [
    ("text", 422, "not_cloudevent", "value"),
    (None, 422, "not_cloudevent", "value"),
    (contact(id=""), 422, "not_cloudevent", "id"),
    (contact(source=None), 422, "not_cloudevent", "source"),
    (contact() | {"type": "care.contact.v2"}, 422, "unknown_type", "type"),
    (contact(occurred_at="2026-03-09 15:30"), 422, "schema", "data.occurred_at"),
    (without(contact(), ["record_id"]), 422, "schema", "data.record_id"),
    (contact(person="000123"), 422, "schema", "data.person_ref"),
    (contact(subject="demo:p2"), 422, "schema", "subject"),
    (contact() | {"data": [1]}, 422, "schema", "data"),
    (contact(record_id=[[]]), 422, "schema", "data.record_id"),
    (contact(person="nowhere:p1"), 422, "unknown_council", "data.person_ref"),
    (contact(occurred_at="2026-03-12T15:30:00Z"), 422, "future", "data.occurred_at"),
    (contact(person="other:p1"), 403, "not_yours", "data.person_ref"),
    (contact(source=OTHER_SOURCE), 403, "not_yours", "source"),
    (contact(record_id="r" * MAX_VALUE_BYTES), 413, "too_large", "value"),
    (contact() | {"data": contact()["data"] | {"note": "n" * MAX_VALUE_BYTES}}, 413, "too_large", "value")])
def test_what_is_wrong_is_said_with_its_reason_and_field_and_without_its_value(
        rig: Rig, event: Any, status: int, reason: str, field: str) -> None:
    answer = rig.post(event)
    assert (answer.status_code, results(answer)) == (status, [reason])
    assert answer.json()["results"][0]["field"] == field
    assert "p1" not in answer.text
    assert rig.kafka.ledger == []


def test_nesting_as_deep_as_you_like_is_refused_like_anything_else(rig: Rig) -> None:
    for depth in (300, 900, 100_000):
        nested = b"[" * depth + b"]" * depth
        body = orjson.dumps(contact(record_id="HERE")).replace(b'"HERE"', nested)
        answer = rig.post(body)
        assert (answer.status_code, results(answer)) in [(422, ["schema"]), (400, ["not_json"])]


def test_fields_that_no_message_has_are_not_passed_on_and_this_is_said(rig: Rig) -> None:
    home = {"code": "V", "suitable": None, "council_provided": True, "hostel": True, "since": None, "address": "1 High Street"}
    answer = rig.post([contact(note="he said"), snapshot(name="Jo", accommodation=home),
                       contact(2) | {"time": "2026-03-09T17:00:00Z"}])
    assert [each.get("left_out") for each in answer.json()["results"]] == [
        ["data.note"], ["data.name", "data.accommodation.address"], None]
    published = orjson.dumps(rig.kafka.events)
    assert not [each for each in (b"he said", b"Jo", b"High Street", b"time") if each in published]
    assert rig.kafka.events[1]["data"]["accommodation"]["code"] == "V"


class TestRepeated:
    def test_the_same_again_is_said_to_be_and_is_not_written_again(self, rig: Rig) -> None:
        assert results(rig.post([contact(1), contact(2)])) == ["accepted", "accepted"]
        again = contact(1) | {"data": dict(reversed(contact(1)["data"].items())) | {"worker_ref": "demo:ada", "unknown": 1}}
        answer = rig.post([again, contact(3), contact(3)])
        assert (answer.status_code, results(answer)) == (202, ["repeated", "accepted", "repeated"])
        assert [each["id"] for each in rig.kafka.events] == ["c1", "c2", "c3"]

    def test_the_same_id_recorded_later_is_a_new_statement(self, rig: Rig) -> None:
        rig.post(contact())
        corrected = contact(outcome="no_reply", recorded_at="2026-03-09T18:00:00+00:00")
        assert results(rig.post(corrected)) == ["accepted"]
        assert results(rig.post([contact(), corrected])) == ["repeated", "repeated"]
        assert [each["data"]["outcome"] for each in rig.kafka.events] == ["completed", "no_reply"]

    def test_the_same_id_and_time_with_other_content_is_refused_for_nobody_could_say_which_holds(self, rig: Rig) -> None:
        assert results(rig.post([contact(), contact(outcome="no_reply")])) == ["accepted", "id_reused"]
        answer = rig.post(contact(outcome="cancelled", recorded_at="2026-03-09T18:00:00+01:00"))   # the same instant
        assert (answer.status_code, results(answer)) == (422, ["id_reused"])
        assert answer.json()["results"][0]["field"] == "id"
        assert len(rig.kafka.ledger) == 1

    def test_another_source_or_council_may_use_the_same_ids(self, rig: Rig) -> None:
        rig.post(contact())
        housing, theirs = rig.new_key("demo", OTHER_SOURCE), rig.new_key("other", SOURCE)
        assert results(rig.post(contact(source=OTHER_SOURCE, outcome="no_reply"), key=housing)) == ["accepted"]
        assert results(rig.post(contact(person="other:p1"), key=theirs)) == ["accepted"]

    def test_it_is_forgotten_after_a_while_and_then_written_again(self, rig: Rig) -> None:
        rig.post(contact())
        with rig.database.write() as connection:
            ledger.forget(connection, rig.clock.now() + timedelta(days=1))
        assert results(rig.post(contact())) == ["accepted"]


class TestKafkaAway:
    def test_nothing_is_accepted_and_it_is_said_when_to_come_again(self, rig: Rig) -> None:
        rig.kafka.away = True
        answer = rig.post([contact(1), contact(2, channel="pigeon")])
        assert (answer.status_code, answer.json()["reason"], answer.headers["Retry-After"]) == (503, "kafka_away", "5")
        assert rig.gate.kafka_away.is_set()
        rig.kafka.away = False
        assert results(rig.post([contact(1), contact(2, channel="pigeon")])) == ["accepted", "schema"]
        assert not rig.gate.kafka_away.is_set()
        assert rig.letters()["sources"][0]["refused"] == 1   # what was not answered does not count

    def test_what_it_had_taken_of_a_batch_is_repeated_the_rest_accepted(self, rig: Rig) -> None:
        rig.kafka.takes = 2
        assert rig.post([contact(1), contact(2), contact(3)]).status_code == 503
        rig.kafka.takes = None
        assert results(rig.post([contact(1), contact(2), contact(3)])) == ["repeated", "repeated", "accepted"]
        assert [each["id"] for each in rig.kafka.events] == ["c1", "c2", "c3"]

    def test_a_post_that_repeats_what_another_of_the_same_round_could_not_write_is_not_said_to_be_there(self, rig: Rig) -> None:
        rig.kafka.may_go_on.clear()
        answers: list[int] = []
        posts = [threading.Thread(target=lambda: answers.append(rig.post(contact()).status_code)) for _ in range(3)]
        first = threading.Thread(target=lambda: rig.post(contact(9)))
        first.start()
        until(lambda: rig.under_way == 1)
        for each in posts:
            each.start()
        until(lambda: rig.under_way == 4)
        rig.kafka.away = True
        rig.kafka.may_go_on.set()
        for each in (first, *posts):
            each.join()
        assert answers == [503, 503, 503]

    def test_what_has_waited_too_long_is_not_tried_any_more(self, make_rig: Callable[..., Rig]) -> None:
        rig = make_rig(patience=timedelta(0))
        assert rig.post(contact()).status_code == 503
        assert rig.kafka.ledger == []

    def test_when_too_much_waits_it_is_said_at_once(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("services.intake.gate.MOST_UNDER_WAY", 0)
        answer = rig.post(contact())
        assert (answer.status_code, answer.json()["reason"], answer.headers["Retry-After"]) == (503, "busy", "1")


class TestWhoMaySend:
    def test_nobody_without_a_key_that_holds(self, rig: Rig) -> None:
        wrong = rig.key[:-1] + ("A" if rig.key[-1] != "A" else "B")
        for key in ("", "kit_", wrong, "x" * 10_000):
            answer = rig.post(contact(), key=key)
            assert (answer.status_code, answer.json()["reason"], answer.headers["WWW-Authenticate"]) == (401, "no_key", "Bearer")
        basic = rig.client.post("/v1/events", content=b"{}", headers={"Authorization": f"Basic {rig.key}"})
        assert basic.status_code == 401
        assert rig.kafka.ledger == []

    def test_who_tries_many_keys_is_told_to_wait_and_who_has_one_is_not(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        time_stands_still(monkeypatch)
        statuses = [rig.post(contact(), key="wrong").status_code for _ in range(61)]
        assert statuses == [401] * 60 + [429]
        assert rig.post(contact()).status_code == 202

    def test_a_key_whose_council_has_left_the_councils_file_lets_nobody_in(self, rig: Rig) -> None:
        answer = rig.post(contact(), key=rig.new_key("gone", SOURCE))
        assert (answer.status_code, answer.json()["reason"]) == (403, "not_yours")

    def test_a_demo_without_keys_lets_anybody_in(self, make_rig: Callable[..., Rig]) -> None:
        rig = make_rig(without=ANYBODY)
        assert results(rig.post([contact(1), contact(2, person="other:p1", source="x\u0000" * 300)], key="")) == ["accepted"] * 2
        assert rig.complete(key="").status_code == 403   # of which council?

    def test_too_much_in_a_minute_is_429_with_when_to_come_again(self, make_rig: Callable[..., Rig],
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
        time_stands_still(monkeypatch)
        rig = make_rig(per_minute=60)
        assert rig.post([contact(n) for n in range(60)]).status_code == 202
        answer = rig.post([contact(n) for n in range(20)])
        assert (answer.status_code, answer.json()["reason"]) == (429, "rate")
        assert answer.headers["Retry-After"] == "20"


def time_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the requests take, nobody may send more for that."""
    monkeypatch.setattr("services.intake.app.time", SimpleNamespace(monotonic=lambda: 0.0, perf_counter=lambda: 0.0))


class TestPeople:
    def test_snapshots_of_a_councils_people_come_from_one_source(self, rig: Rig) -> None:
        housing = rig.new_key("demo", OTHER_SOURCE)
        assert results(rig.post(snapshot())) == ["accepted"]
        answer = rig.post([snapshot(source=OTHER_SOURCE), contact(source=OTHER_SOURCE)], key=housing)
        assert (answer.status_code, results(answer)) == (207, ["other_people_source", "accepted"])
        alone = rig.post(snapshot("demo:p2", source=OTHER_SOURCE), key=housing)
        assert (alone.status_code, alone.json()["results"][0]["field"]) == (403, "source")
        assert len(rig.kafka.ledger) == 2

    def test_unless_it_is_said_that_there_are_more(self, rig: Rig) -> None:
        with rig.database.write() as connection:
            ledger.set_people_sources(connection, "demo", [SOURCE, OTHER_SOURCE], NOW)
        assert results(rig.post(snapshot())) == ["accepted"]
        assert results(rig.post(snapshot(source=OTHER_SOURCE), key=rig.new_key("demo", OTHER_SOURCE))) == ["accepted"]


class TestBodies:
    @pytest.mark.parametrize("kind", ["text/plain", JSON, "application/cloudevents+xml", "application/cloudevents-batch+x", ""])
    def test_other_media_types_are_415_and_it_is_said_what_to_send(self, rig: Rig, kind: str) -> None:
        answer = rig.client.post("/v1/events", content=b"{}", headers=rig.headers() | {"Content-Type": kind})
        assert answer.status_code == 415
        assert STRUCTURED in answer.json()["detail"]

    @pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"a": NaN}', b"[1,]"])
    def test_what_is_no_json_is_400_and_says_where(self, rig: Rig, body: bytes) -> None:
        for kind in (STRUCTURED, BATCH):
            answer = rig.post(body, kind=kind)
            assert (answer.status_code, results(answer)) == (400, ["not_json"])
        assert rig.letters()["sources"][0]["reasons"] == {"not_json": 2}

    def test_a_batch_is_an_array_and_may_be_empty(self, rig: Rig) -> None:
        assert results(rig.post(contact(), kind=BATCH)) == ["not_cloudevent"]
        assert rig.post([], kind=BATCH).json() == {"accepted": 0, "repeated": 0, "refused": 0, "results": []}

    def test_a_body_over_the_limit_is_413(self, make_rig: Callable[..., Rig]) -> None:
        rig = make_rig(largest_body=MAX_VALUE_BYTES)
        answer = rig.post([contact(n) for n in range(500)])
        assert (answer.status_code, answer.json()["reason"]) == (413, "too_large")
        assert rig.post([contact(n) for n in range(100)]).status_code == 202

    def test_a_packed_body_is_415(self, rig: Rig) -> None:
        assert rig.post(contact(), headers={"Content-Encoding": "gzip"}).json()["reason"] == "content_encoding"

    def test_pages_and_methods_that_are_not_there_are_told_as_everything_else(self, rig: Rig) -> None:
        for answer, status in ((rig.client.get("/v2/events"), 404), (rig.client.get("/v1/events"), 405)):
            assert answer.status_code == status
            assert answer.json()["detail"].endswith("/openapi.json")
            assert answer.headers["Cache-Control"] == "no-store"


class TestCaseIds:
    def test_who_forgets_the_header_is_told_of_it(self, rig: Rig) -> None:
        for event in (contact(person="000123"), contact(worker_ref="W7"), snapshot(adviser_ref="W7")):
            assert rig.post(event).json()["results"][0]["detail"].endswith("your own ids need the header Refs: case-ids")

    def test_your_own_ids_become_the_refs_that_files_have_too(self, rig: Rig) -> None:
        refs = rig.council_key()
        answer = rig.post([contact(person="000123", worker_ref="W7"), snapshot("000123", adviser_ref="W7", id="s1"),
                           contact(2, person="000123", worker_ref=None)], headers={"Refs": "case-ids"})
        assert results(answer) == ["accepted"] * 3
        one, two, three = rig.kafka.events
        assert one["subject"] == one["data"]["person_ref"] == two["data"]["person_ref"] == refs.person("000123")
        assert one["data"]["worker_ref"] == two["data"]["adviser_ref"] == refs.worker("W7")
        assert "worker_ref" not in three["data"]
        assert [record.key.decode() for _, record in rig.kafka.ledger] == [refs.person("000123")] * 3
        assert "000123" not in str(rig.kafka.ledger) + answer.text

    @pytest.mark.parametrize(("event", "field"), [
        (contact(person=" "), "data.person_ref"), (contact(person="x" * 33), "data.person_ref"),
        (contact(person="demo:p1"), "data.person_ref"), (contact(person="1", worker_ref=""), "data.worker_ref"),
        (contact(person="1", worker_ref=7), "data.worker_ref"), (contact(person="1", worker_ref=None, subject="2"), "subject"),
        (contact(person="1") | {"data": None}, "data")])
    def test_an_id_that_cannot_be_one_is_refused_with_its_field(self, rig: Rig, event: Any, field: str) -> None:
        rig.council_key()
        answer = rig.post(event, headers={"Refs": "case-ids"})
        assert (answer.status_code, results(answer)) == (422, ["schema"])
        assert answer.json()["results"][0]["field"] == field

    def test_without_the_councils_key_it_is_said_who_makes_it(self, rig: Rig) -> None:
        answer = rig.post(contact(person="1"), headers={"Refs": "case-ids"})
        assert (answer.status_code, answer.json()["reason"]) == (422, "refs")
        assert "keepintouch keys new" in answer.json()["detail"]
        assert rig.post(contact(), headers={"Refs": "numbers"}).status_code == 400

    def test_manifests_have_no_ids_of_people(self, rig: Rig) -> None:
        rig.council_key()
        manifest = {"specversion": "1.0", "id": "m1", "source": SOURCE, "type": "care.feed.v1", "subject": "feed:demo/visits",
                    "data": {"council": "demo", "feed": "visits", "complete_through": "2026-03-09", "records": 1,
                             "recorded_at": "2026-03-10T02:00:00Z"}}
        assert results(rig.post(manifest, headers={"Refs": "case-ids"})) == ["accepted"]
        assert rig.kafka.ledger[0][1].everywhere
