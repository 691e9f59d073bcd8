"""Dead letters read, grouped and judged anew; and what the commands say before they need a broker."""
from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from keepintouch.acceptance import Refused, accept_event, dead_letter_headers
from keepintouch.dead_letters import REPLAYED_FROM, Insist, Letter, Replay, Which, grouped, letter_of, plan, prepare
from keepintouch.runtime.kafka import Record
from keepintouch.runtime.topics import ALERT_ACTIONS, ALERTS, DEAD_LETTERS, EVENTS, STAFF
from keepintouch.sources import Labels
from tests.reference.command import keepintouch
from tests.unit.contact_monitor.events import REF, manifest, person, seen

NOW = datetime(2024, 2, 20, 12, tzinfo=UTC)
COUNCILS = frozenset({"lancashire"})
KEY = REF.encode()
Headers = list[tuple[str, bytes | None]]


def letter(value: dict[str, Any] | bytes | None, key: bytes | None = KEY, headers: Headers | None = None, *,
           reason: str = "schema", topic: str = EVENTS, at: tuple[int, int] = (0, 1), lies: tuple[int, int] = (0, 7),
           first_failed_at: datetime = NOW) -> Letter:
    """A dead letter as it is read back from its topic."""
    raw = json.dumps(value).encode() if isinstance(value, dict) else value
    refused = Refused(reason, f"{reason}: wrong")  # type: ignore[arg-type]
    said = dead_letter_headers(headers, refused, topic, *at, first_failed_at)
    found = letter_of(Record(DEAD_LETTERS, *lies, 1_708_430_400_000, key, raw, tuple(said)))
    assert found is not None
    return found


class TestReading:
    def test_a_letter_is_the_record_as_it_was_and_what_is_said_of_it(self) -> None:
        own: Headers = [("trace", b"\x00\xff"), ("none", None), ("trace", b"again")]
        found = letter(b"{", None, own, reason="not_json", at=(3, 99), lies=(2, 11))
        assert (found.key, found.value, found.headers, found.position) == (None, b"{", tuple(own), "2:11")
        about = found.about
        assert (about.reason, about.topic, about.partition, about.offset) == ("not_json", EVENTS, 3, 99)
        assert about.first_failed_at == NOW

    def test_of_headers_that_look_like_ours_the_last_is_ours(self) -> None:
        own: Headers = [("reason", b"mine"), ("topic", None), ("detail", b"\xff"), ("reason", b"mine too")]
        found = letter(b"{", headers=own, reason="not_json")
        assert found.headers == tuple(own)
        assert (found.about.reason, found.about.topic) == ("not_json", EVENTS)

    @pytest.mark.parametrize("spoil", [
        lambda headers: headers[:-1], lambda headers: [], lambda headers: [*headers, ("partition", b"first")],
        lambda headers: [*headers, ("reason", b"because")], lambda headers: [*headers, ("detail", b"\xff")],
        lambda headers: [*headers, ("offset", None)], lambda headers: [*headers, ("first_failed_at", b"yesterday")]])
    def test_what_lacks_them_is_no_letter(self, spoil: Any) -> None:
        headers = spoil(dead_letter_headers(None, Refused("schema", "x"), EVENTS, 0, 0, NOW))
        assert letter_of(Record(DEAD_LETTERS, 0, 0, 0, KEY, b"{}", tuple(headers))) is None

    @pytest.mark.parametrize(("value", "headers", "source"), [
        (person(), [], "urn:case-system"), ({"source": "urn:x"}, [], "urn:x"), ({}, [("ce_source", b"urn:binary")], "urn:binary"),
        (b"{", [("ce_source", b"urn:binary")], "urn:binary"), ({"source": "urn:x"}, [("ce_source", None)], "urn:x"),
        (b"{", [], None), (b"[]", [], None), (None, [], None), ({"source": 7}, [], None), ({"source": ""}, [], None)])
    def test_the_sender_is_read_where_it_can_be(self, value: Any, headers: Headers, source: str | None) -> None:
        assert letter(value, headers=headers).source == source


def which(*, reasons: set[str] | None = None, sources: set[str] | None = None, since: datetime | None = None) -> Which:
    return Which(Labels(COUNCILS), frozenset(reasons or ()), frozenset(sources or ()), since)


class TestChoosing:
    one = letter({"source": "urn:lcs:lancashire:p001"}, reason="future", first_failed_at=NOW - timedelta(hours=2))

    @pytest.mark.parametrize(("chosen", "taken"), [
        (which(), True), (which(reasons={"future", "schema"}), True), (which(reasons={"schema"}), False),
        (which(since=NOW - timedelta(hours=2)), True), (which(since=NOW - timedelta(hours=1)), False),
        (which(sources={"urn:lcs:lancashire:p001"}), True), (which(sources={"urn:lcs:lancashire:hidden"}), True),
        (which(sources={"?"}), False), (which(sources={"urn:lcs"}), False),
        (which(reasons={"future"}, sources={"urn:lcs"}), False)])
    def test_all_that_is_asked_for_must_hold(self, chosen: Which, taken: bool) -> None:
        assert chosen.takes(self.one) is taken

    def test_senders_that_cannot_be_read_have_a_name_too(self) -> None:
        assert which(sources={"?"}).takes(letter(b"{"))

    def test_groups_count_and_tell_the_newest_mistake(self) -> None:
        letters = [letter(person(), reason="future", lies=(0, 1), first_failed_at=NOW),
                   letter(b"{", reason="not_json", lies=(0, 2)),
                   letter(person(), reason="future", lies=(1, 0), first_failed_at=NOW - timedelta(days=1)),
                   letter({"source": "urn:case-system"}, reason="future", topic=ALERTS)]
        groups = grouped(letters, which())
        assert {key: group.count for key, group in groups.items()} == {
            (EVENTS, "future", "urn:case-system"): 2, (ALERTS, "future", "urn:case-system"): 1, (EVENTS, "not_json", "?"): 1}
        first = next(iter(groups.values()))
        assert (first.first, first.last) == (NOW - timedelta(days=1), NOW)
        assert (first.detail, first.positions) == ("future: wrong", ["0:1", "1:0"])


ACTION = {"action_id": "a1", "alert_id": "6fa459ea-ee8a-5ca4-894e-db77e160355e", "action": "acknowledge",
          "actor_ref": "lancashire:w01", "at": "2024-02-20T11:00:00Z", "via": "sms"}


def prepared(found: Letter, *insist: Insist, councils: frozenset[str] = COUNCILS) -> Replay | Refused:
    return prepare(found, NOW, councils, insist)


class TestJudgingAnew:
    def test_what_is_right_now_goes_back_as_it_was(self) -> None:
        own: Headers = [("trace", b"1"), ("none", None), (REPLAYED_FROM, b"0:1"), ("reason", b"its own")]
        value = json.dumps(person()).encode()
        replay = prepared(letter(value, headers=own, reason="unknown_council", lies=(2, 5)))
        assert replay == Replay(EVENTS, None, KEY, value, (
            ("trace", b"1"), ("none", None), ("reason", b"its own"), (REPLAYED_FROM, b"2:5")))
        assert isinstance(replay, Replay)
        assert accept_event(replay.value, replay.key, replay.headers, NOW, COUNCILS).__class__.__name__ == "Accepted"

    @pytest.mark.parametrize(("value", "reason"), [
        (b"{", "not_json"), (None, "not_json"), (person("essex:p1"), "unknown_council"), (person() | {"data": {}}, "schema"),
        (person(recorded_at="2024-02-25T00:00:00Z"), "future"), (person() | {"type": "care.person.v9"}, "unknown_type")])
    def test_what_is_still_wrong_is_left_unless_it_is_wanted_anyway(self, value: Any, reason: str) -> None:
        key = b"essex:p1" if reason == "unknown_council" else KEY
        found = letter(value, key, reason="too_large")
        refused, anyway = prepared(found), prepared(found, Insist.ANYWAY)
        assert isinstance(refused, Refused)
        assert refused.reason == reason
        assert isinstance(anyway, Replay)
        assert (anyway.key, anyway.value) == (key, found.value)

    def test_a_record_of_nothing_cannot_be_sent(self) -> None:
        assert isinstance(prepared(letter(None, None), Insist.ANYWAY), Refused)

    @pytest.mark.parametrize("key", [None, b"lancashire:other", b"\xff"])
    def test_the_key_is_put_right_only_if_asked(self, key: bytes | None) -> None:
        found = letter(person(), key, reason="key_mismatch")
        left, fixed, anyway = prepared(found), prepared(found, Insist.FIX_KEY), prepared(found, Insist.ANYWAY)
        assert isinstance(left, Refused)
        assert left.reason == "key_mismatch"
        assert isinstance(fixed, Replay)
        assert fixed.key == KEY
        assert isinstance(anyway, Replay)
        assert anyway.key == key

    def test_a_key_is_not_put_right_where_more_is_wrong(self) -> None:
        assert isinstance(prepared(letter(person("essex:p1"), b"x"), Insist.FIX_KEY), Refused)

    @pytest.mark.parametrize("key", [b"feed:lancashire/visits", b"wrong"])
    def test_a_manifest_goes_back_to_its_own_partition(self, key: bytes) -> None:
        replay = prepared(letter(manifest("2024-02-19"), key, reason="future", at=(3, 1)), Insist.FIX_KEY)
        assert isinstance(replay, Replay)
        assert (replay.partition, replay.key) == (3, b"feed:lancashire/visits")

    @pytest.mark.parametrize(("key", "partition"), [(b"feed:lancashire/visits", 3), (None, 3), (KEY, None)])
    def test_and_so_does_what_may_be_one(self, key: bytes | None, partition: int | None) -> None:
        replay = prepared(letter(b"{", key, reason="not_json", at=(3, 1)), Insist.ANYWAY)
        assert isinstance(replay, Replay)
        assert replay.partition == partition

    def test_binary_mode_is_judged_by_its_headers(self) -> None:
        event = seen("2024-02-10")
        own: Headers = [(f"ce_{name}", str(event[name]).encode()) for name in ("id", "source", "type", "subject", "specversion")]
        replay = prepared(letter(event["data"], headers=own, reason="unknown_council"))
        assert isinstance(replay, Replay)
        assert replay.headers == (*own, (REPLAYED_FROM, b"0:7"))

    def test_actions_are_judged_as_the_notifier_does(self) -> None:
        key = str(ACTION["alert_id"]).encode()
        assert isinstance(prepared(letter(ACTION, key, topic=ALERT_ACTIONS)), Replay)
        assert prepared(letter(ACTION, key, topic=ALERT_ACTIONS), councils=frozenset({"essex"})) == Refused(
            "schema", "actor_ref: its council is not in the councils file")
        fixed = prepared(letter(ACTION, b"x", topic=ALERT_ACTIONS), Insist.FIX_KEY)
        assert isinstance(fixed, Replay)
        assert fixed.key == key
        assert isinstance(prepared(letter(None, key, topic=ALERT_ACTIONS)), Refused)


class TestPlan:
    def test_says_what_is_sent_in_which_order_and_what_is_left_and_why(self) -> None:
        letters = [
            letter(person(), at=(1, 5), lies=(0, 0)), letter(seen("2024-02-01"), at=(0, 9), lies=(0, 1)),
            letter(seen("2024-02-02"), at=(0, 8), lies=(0, 2)), letter(person(), lies=(0, 3)), letter(b"{", lies=(0, 4)),
            letter(person(), b"x", lies=(0, 5)), letter(person("essex:p1"), b"essex:p1", lies=(0, 6)),
            letter({}, topic=STAFF), letter({}, topic=ALERTS), letter({}, topic=ALERTS), letter({}, topic="elsewhere")]
        found = plan(letters, {"0:3"}, NOW, COUNCILS)
        assert [dict(replay.headers)[REPLAYED_FROM] for replay in found.replays] == [b"0:2", b"0:1", b"0:0"]
        left = sorted(found.left.items())
        assert [count for _, count in left] == [2, 1, 1, 1, 1, 1, 1]
        for (why, _), says in zip(left, [
                "of care.alerts.v1: compacted", "of care.staff.v1: compacted", "of elsewhere: no topic that letters go back to",
                "sent again before; --again", "would be refused again as key_mismatch; --fix-key",
                "would be refused again as not_json", "would be refused again as unknown_council; add the council"], strict=True):
            assert why.startswith(says)


class TestTheCommands:
    @pytest.mark.parametrize(("arguments", "says"), [
        (("list", "--reason", "bad"), "--reason 'bad' is none: there are too_large, not_json"),
        (("list", "--since", "lately"), "'lately' is neither an instant (2026-03-02T09:00:00Z) nor a duration (30min, 2d)"),
        (("list", "--councils", "nowhere.yaml"), "set COUNCILS_FILE"),
        (("list",), "Kafka does not answer at 127.0.0.1:1"),
        (("show",), "say which: PARTITION:OFFSET"), (("show", "first"), "'first' is no position"),
        (("show", "0:1", "--reason", "future"), "not both"), (("show", "0:1"), "Kafka does not answer at 127.0.0.1:1"),
        (("replay", "--yes"), "say which: --reason REASON"), (("replay", "--reason", "future"), "there is no terminal to ask at"),
        (("replay", "--reason", "future", "--dry-run"), "Kafka does not answer at 127.0.0.1:1")])
    def test_what_cannot_be_is_one_line(self, arguments: tuple[str, ...], says: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
        ran = keepintouch("dead-letters", *arguments)
        assert (ran.status, ran.out) == (2, "")
        assert says in ran.err
        assert ran.err.count("\n") == 1
