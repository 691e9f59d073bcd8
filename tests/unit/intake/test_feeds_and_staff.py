"""Manifests, and who works for a council."""
from __future__ import annotations

import threading
from typing import Any

import orjson
import pytest

from keepintouch.acceptance import Accepted, accept_event
from keepintouch.runtime.topics import EVENTS
from services.intake import ledger
from tests.processes import until
from tests.unit.intake.rig import COUNCILS, NOW, OTHER_SOURCE, SOURCE, Rig, contact, member, results


class TestComplete:
    def test_the_manifest_goes_everywhere_and_is_one_the_monitor_accepts(self, rig: Rig) -> None:
        answer = rig.complete("case_notes", records=412)
        assert answer.status_code == 202
        [(topic, record)] = rig.kafka.ledger
        assert (topic, record.key, record.everywhere) == (EVENTS, b"feed:demo/case_notes", True)
        assert isinstance(accept_event(record.value, record.key, None, NOW, COUNCILS), Accepted)
        said = orjson.loads(record.value)
        assert said["source"] == SOURCE
        assert said["data"] == {"council": "demo", "feed": "case_notes", "complete_through": "2026-03-09", "records": 412,
                                "recorded_at": "2026-03-10T09:00:00Z"}

    @pytest.mark.parametrize("records", [-1, 2**53, 2**64, 1e30])
    def test_a_count_that_not_every_reader_of_json_has_exactly_is_refused(self, rig: Rig, records: float) -> None:
        answer = rig.complete(records=records)
        assert (answer.status_code, answer.json()["reason"], rig.kafka.ledger) == (422, "schema", [])
        assert answer.json()["detail"].startswith("records: ")

    def test_how_far_each_feed_is_can_be_seen_and_never_goes_back(self, rig: Rig) -> None:
        rig.complete(complete_through="2026-03-09")
        rig.complete(complete_through="2026-03-02", recorded_at="2026-03-10T10:00:00+01:00")
        labels = {"council": "demo", "feed": "visits"}
        with rig.database.read() as connection:
            assert [(*each[:2], str(each[2])) for each in ledger.feeds(connection)] == [("demo", "visits", "2026-03-09")]
        at = rig.metrics.registry.get_sample_value("intake_feed_complete_through_timestamp_seconds", labels)
        assert at == 1773014400   # 2026-03-09T00:00:00Z

    def test_it_waits_for_what_was_posted_before_and_is_not_answered_yet(self, rig: Rig) -> None:
        rig.kafka.may_go_on.clear()
        posts = [threading.Thread(target=rig.post, args=([contact(n)],)) for n in range(3)]
        for each in posts:
            each.start()
        until(lambda: rig.under_way == 3)
        complete = threading.Thread(target=rig.complete)
        complete.start()
        rig.kafka.may_go_on.set()
        for each in (*posts, complete):
            each.join()
        assert [record.everywhere for _, record in rig.kafka.ledger] == [False, False, False, True]

    def test_it_is_not_written_where_what_came_before_it_could_not_be(self, rig: Rig) -> None:
        rig.kafka.takes = 1
        manifest = {"specversion": "1.0", "id": "m1", "source": SOURCE, "type": "care.feed.v1", "subject": "feed:demo/visits",
                    "data": {"council": "demo", "feed": "visits", "complete_through": "2026-03-09", "records": 2,
                             "recorded_at": "2026-03-10T02:00:00Z"}}
        assert rig.post([contact(1), contact(2), manifest]).status_code == 503
        assert [each["id"] for each in rig.kafka.events] == ["c1"]
        rig.kafka.takes = None
        assert results(rig.post([contact(1), contact(2), manifest])) == ["repeated", "accepted", "accepted"]

    @pytest.mark.parametrize(("body", "status", "words"), [
        ({"complete_through": "2026-03-11"}, 422, "data.complete_through"),
        ({"complete_through": "9 March"}, 422, "complete_through"),
        ({"records": -1}, 422, "records"), ({"records": None}, 422, "records"), ({"source": OTHER_SOURCE}, 403, "source")])
    def test_what_is_wrong_is_said_with_its_field(self, rig: Rig, body: dict[str, Any], status: int, words: str) -> None:
        answer = rig.complete(**body)
        assert answer.status_code == status
        assert words in answer.text
        assert rig.kafka.ledger == []

    def test_a_key_for_several_sources_must_say_which(self, rig: Rig) -> None:
        key = rig.new_key("demo", SOURCE, OTHER_SOURCE)
        assert rig.complete(key=key).status_code == 422
        assert rig.complete(key=key, source=OTHER_SOURCE).status_code == 202
        assert rig.complete("No Slug").status_code == 422
        assert rig.client.post("/v1/feeds/visits/complete", content=b"{", headers=rig.headers() | {
            "Content-Type": "application/json"}).status_code == 400


class TestStaff:
    def test_members_are_on_the_topic_and_each_is_answered(self, rig: Rig) -> None:
        answer = rig.put_staff([member(), member("demo:bo", role="boss"), member("other:cy"),
                                member("demo:di", council="other"), 7])
        assert answer.status_code == 207
        assert results(answer) == ["accepted", "schema", "not_yours", "not_yours", "schema"]
        assert [each.get("field") for each in answer.json()["results"]] == [None, "role", "worker_ref", "council", "value"]
        assert list(rig.kafka.staff) == ["demo:ada"]
        assert "boss" not in answer.text

    def test_a_nightly_file_does_not_end_a_leave_that_a_manager_set(self, rig: Rig) -> None:
        leave = {"from": "2026-03-09", "until": "2026-03-20", "cover_ref": "demo:bo"}
        rig.put_staff([member(absence=leave, cover_ref="demo:cy")])
        rig.put_staff([member(name="Another name")])
        kept = rig.kafka.staff["demo:ada"]
        assert (kept.name, kept.cover_ref) == ("Another name", "demo:cy")
        assert kept.absence is not None
        assert kept.absence.cover_ref == "demo:bo"
        rig.put_staff([member(absence=None, cover_ref=None)])
        assert (rig.kafka.staff["demo:ada"].absence, rig.kafka.staff["demo:ada"].cover_ref) == (None, None)

    def test_their_ids_may_be_the_case_systems_own(self, rig: Rig) -> None:
        refs = rig.council_key()
        leave = {"from": "2026-03-09", "until": "2026-03-20", "cover_ref": "W8"}
        answer = rig.put_staff([member("W7", manager_ref="M1", cover_ref="W8", absence=leave), member("")],
                               headers={"Refs": "case-ids"})
        assert results(answer) == ["accepted", "schema"]
        [one] = rig.kafka.staff.values()
        assert one.absence is not None
        assert [one.worker_ref, one.manager_ref, one.cover_ref, one.absence.cover_ref] == [
            refs.worker(each) for each in ("W7", "M1", "W8", "W8")]
        again = rig.put_staff([member("W7", name="Again", manager_ref="M1")], headers={"Refs": "case-ids"})
        assert results(again) == ["accepted"]
        assert rig.kafka.staff[refs.worker("W7")].absence == one.absence

    def test_while_kafka_is_away_nothing_is_taken(self, rig: Rig) -> None:
        rig.kafka.away = True
        answer = rig.put_staff([member()])
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")

    def test_it_is_an_array_of_json(self, rig: Rig) -> None:
        assert rig.put_staff({"staff": []}).status_code == 422
        as_text = rig.client.put("/v1/staff", content=b"[]", headers=rig.headers() | {"Content-Type": "text/csv"})
        assert as_text.status_code == 415
        broken = rig.client.put("/v1/staff", content=b"[", headers=rig.headers() | {"Content-Type": "application/json"})
        assert broken.status_code == 400
        assert results(rig.put_staff([member() | {"works": [[[]]] * 3}])) == ["schema"]
