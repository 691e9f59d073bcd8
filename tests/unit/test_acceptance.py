"""What is let in and what is refused, by which reason, in which order; and that nothing given can make it raise."""
from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepintouch.acceptance import Accepted, Refused, accept_event, accept_record, dead_letter_headers
from schemas.actions import AlertAction
from schemas.common import Message
from schemas.dead_letters import MAX_VALUE_BYTES, REASONS, DeadLetterHeaders
from schemas.events import CloudEvent, Contact, Feed, Person, PersonErased, RecordVoided, Visit, envelope
from schemas.staff import Staff

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
REF = "lancashire:CANARYperson"
COUNCILS = frozenset({"lancashire"})
STRUCTURED = [("content-type", b"application/cloudevents+json; charset=utf-8")]

PERSON: dict[str, Any] = {
    "person_ref": REF, "recorded_at": "2026-03-01T08:00:00Z", "born_on": "2007-05-04", "category": "former_relevant",
    "supported_since": "2025-05-04", "need": "standard", "looked_after": False, "cohorts": []}
CONTACT: dict[str, Any] = {
    "record_id": "CANARYrecord", "person_ref": REF, "recorded_at": "2026-03-01T08:00:00Z",
    "occurred_at": "2026-02-28T18:00:00+00:00", "worker_ref": "lancashire:w1", "worker_role": "personal_adviser",
    "channel": "phone", "direction": "out", "outcome": "completed"}
VISIT: dict[str, Any] = {
    "record_id": "CANARYrecord", "person_ref": REF, "recorded_at": "2026-03-01T08:00:00Z", "occurred_at": "2026-02-28T18:00:00Z",
    "worker_role": "duty", "location": "home", "outcome": "seen", "announced": None}
VOIDED: dict[str, Any] = {"record_id": "CANARYrecord", "person_ref": REF, "recorded_at": "2026-03-01T08:00:00Z"}
ERASED: dict[str, Any] = {"person_ref": REF, "recorded_at": "2026-03-01T08:00:00Z"}
FEED: dict[str, Any] = {"council": "lancashire", "feed": "visits", "complete_through": "2026-03-01", "records": 12,
                        "recorded_at": "2026-03-02T02:00:00Z"}
FEED_KEY = "feed:lancashire/visits"
KINDS: dict[str, tuple[dict[str, Any], type[Message]]] = {
    "care.person.v1": (PERSON, Person), "care.contact.v1": (CONTACT, Contact), "care.visit.v1": (VISIT, Visit),
    "care.record-voided.v1": (VOIDED, RecordVoided), "care.person-erased.v1": (ERASED, PersonErased),
    "care.feed.v1": (FEED, Feed)}


def event(kind: str = "care.contact.v1", /, *, data: Any = None, **attributes: Any) -> dict[str, Any]:
    """A valid event of a kind, with other data or attributes where given; an attribute of `...` is left out."""
    data = KINDS[kind][0] if data is None else data
    subject = FEED_KEY if kind == "care.feed.v1" else REF
    whole = {"specversion": "1.0", "id": "e-1", "source": "urn:lancashire:case-system", "type": kind, "subject": subject,
             "datacontenttype": "application/json", "data": data} | attributes
    return {name: given for name, given in whole.items() if given is not ...}


def accept(given: Any, *, key: bytes | None = None, headers: Any = (), now: datetime = NOW,
           councils: frozenset[str] | None = COUNCILS) -> Accepted | Refused:
    """The verdict on a value (bytes as they are, anything else as JSON), about whom nothing leaks."""
    value = given if given is None or isinstance(given, bytes) else json.dumps(given).encode()
    verdict = accept_event(value, key, headers, now, councils)
    if isinstance(verdict, Refused):
        assert verdict.reason in REASONS
        assert "CANARY" not in verdict.detail
        assert verdict.detail
    return verdict


def refused(given: Any, **how: Any) -> Refused:
    verdict = accept(given, **how)
    assert isinstance(verdict, Refused), verdict
    return verdict


def accepted(given: Any, **how: Any) -> Accepted:
    verdict = accept(given, **how)
    assert isinstance(verdict, Accepted), verdict
    return verdict


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_accepted_as_its_model(kind: str) -> None:
    key = (FEED_KEY if kind == "care.feed.v1" else REF).encode()
    verdict = accepted(event(kind), key=key)
    assert (verdict.event_id, verdict.source, verdict.type) == ("e-1", "urn:lancashire:case-system", kind)
    assert verdict.data == KINDS[kind][1].model_validate(KINDS[kind][0])


@pytest.mark.parametrize("headers", [[], None, STRUCTURED, [("Content-Type", b"application/cloudevents+json")],
                                     [("traceparent", b"\xff")], [("content-type", b"application/json")],
                                     [*STRUCTURED, ("ce_id", b"of no account")]])
def test_structured_mode_is_the_usual_one(headers: Any) -> None:
    assert accepted(event(), headers=headers).event_id == "e-1"


def binary(**given: bytes | None) -> list[tuple[str, bytes | None]]:
    attributes: dict[str, bytes | None] = {"specversion": b"1.0", "id": b"e-2", "source": b"urn:b", "type": b"care.contact.v1",
                                           "subject": REF.encode()}
    return [("content-type", b"application/json"), *((f"ce_{name}", text) for name, text in (attributes | given).items())]


def test_binary_mode_takes_attributes_from_headers_and_the_value_as_data() -> None:
    verdict = accepted(CONTACT, headers=binary(time=b"2026-03-01T08:00:00Z"), key=REF.encode())
    assert (verdict.event_id, verdict.source) == ("e-2", "urn:b")
    assert verdict.data == Contact.model_validate(CONTACT)


@pytest.mark.parametrize(("headers", "value", "reason"), [
    (binary(id=b""), CONTACT, "not_cloudevent"),
    (binary(id=None), CONTACT, "not_cloudevent"),
    (binary(source=b"\xff"), CONTACT, "not_cloudevent"),
    (binary(specversion=b"0.3"), CONTACT, "not_cloudevent"),
    (binary(), None, "not_json"),
    (binary(), b"null", "not_cloudevent"),
    (binary(type=b"care.fax.v1"), CONTACT, "unknown_type"),
    (binary(subject=b"lancashire:other"), CONTACT, "schema"),
    (binary(), [CONTACT], "schema"),
    (binary(), event(), "schema"),
    ([("content-type", b"text/plain"), *binary()[1:]], CONTACT, "schema"),
    ([("ce_time", b"2026-03-01T08:00:00Z")], event(), "not_cloudevent"),
])
def test_binary_mode_refusals(headers: Any, value: Any, reason: str) -> None:
    assert refused(value, headers=headers).reason == reason


@pytest.mark.parametrize("value", [None, b"", b" ", b"{", b"NaN", b'{"a": Infinity}', b"{'a': 1}", b"\xff\xfe", b'"\xff"',
                                   b'{"a": 1}}', b"\xef\xbb\xbf{}", b"[" * 5000 + b"]" * 5000])
def test_not_json(value: bytes | None) -> None:
    assert refused(value).reason == "not_json"


@pytest.mark.parametrize("value", [
    b"null", b"[]", b'"text"', b"1", b"true", b"{}", [event()], CONTACT,
    event(specversion=...), event(specversion="0.3"), event(specversion=1.0), event(specversion=None),
    event(id=...), event(id=""), event(id=7), event(id=None), event(id=["e"]),
    event(source=...), event(source=""), event(source=1), event(type=...), event(type=""), event(type=None), event(type={})])
def test_not_a_cloudevent(value: Any) -> None:
    assert refused(value).reason == "not_cloudevent"


@pytest.mark.parametrize("kind", ["care.contact.v2", "care.contact", "CARE.CONTACT.V1", "care.contact.v1 "])
def test_unknown_type(kind: str) -> None:
    verdict = refused(event(type=kind))
    assert (verdict.reason, verdict.source) == ("unknown_type", "urn:lancashire:case-system")


@pytest.mark.parametrize(("changed", "names"), [
    ({"data": CONTACT | {"channel": "fax"}}, "data.channel"),
    ({"data": CONTACT | {"person_ref": "CANARY name"}}, "data.person_ref"),
    ({"data": CONTACT | {"occurred_at": "2026-02-28T18:00:00"}}, "data.occurred_at"),
    ({"data": CONTACT | {"occurred_at": "2026-02-30T18:00:00Z"}}, "data.occurred_at"),
    ({"data": CONTACT | {"occurred_at": "2026-02-28 18:00:00Z"}}, "data.occurred_at"),
    ({"data": CONTACT | {"occurred_at": 1772301600}}, "data.occurred_at"),
    ({"data": CONTACT | {"record_id": ""}}, "data.record_id"),
    ({"data": CONTACT | {"record_id": "x" * 129}}, "data.record_id"),
    ({"data": {name: given for name, given in CONTACT.items() if name != "outcome"}}, "data.outcome"),
    ({"data": ...}, "data"), ({"data": []}, "data"), ({"data": "CANARY"}, "data"),
    ({"data": ..., "data_base64": "e30="}, "data"),
    ({"subject": ...}, "subject"), ({"subject": None}, "subject"), ({"subject": "lancashire:CANARY2"}, "subject"),
    ({"subject": [REF]}, "subject"), ({"datacontenttype": "text/xml"}, "datacontenttype"),
    ({"datacontenttype": 1}, "datacontenttype"),
])
def test_schema_names_the_field(changed: dict[str, Any], names: str) -> None:
    verdict = refused(event(**changed))
    assert verdict.reason == "schema"
    assert verdict.detail.partition(":")[0] == names


def test_schema_counts_further_mistakes() -> None:
    assert refused(event(data=CONTACT | {"channel": "fax", "direction": "up"})).detail.endswith("(and 1 more)")


@pytest.mark.parametrize("kind", [..., None, "application/json; charset=utf-8", "Application/JSON"])
def test_data_content_type_may_be_left_out_or_have_parameters(kind: Any) -> None:
    assert accepted(event(datacontenttype=kind))


def test_a_manifest_is_about_its_key() -> None:
    assert refused(event("care.feed.v1", subject="feed:lancashire/contacts")).reason == "schema"
    assert refused(event("care.feed.v1"), key=b"lancashire").reason == "key_mismatch"
    assert accepted(event("care.feed.v1"), key=FEED_KEY.encode())


@pytest.mark.parametrize("key", [b"", b"lancashire:other", b"\xff\xfe", REF.encode() + b" "])
def test_key_mismatch(key: bytes) -> None:
    assert refused(event(), key=key).reason == "key_mismatch"


def test_unknown_council_is_of_everything_but_manifests_and_not_checked_without_a_councils_file() -> None:
    elsewhere = frozenset({"essex"})
    assert refused(event(), councils=elsewhere).reason == "unknown_council"
    assert refused(event(), councils=frozenset()).reason == "unknown_council"
    assert accepted(event("care.feed.v1"), councils=elsewhere)
    assert accepted(event(), councils=None)


@pytest.mark.parametrize("field", ["occurred_at", "recorded_at"])
@pytest.mark.parametrize(("text", "reason"), [
    ("2026-03-03T09:30:00Z", None), ("2026-03-03T09:30:00.000001Z", "future"), ("2026-03-03T09:30:01Z", "future"),
    ("2026-03-03T14:30:00+05:00", None), ("2026-03-03T14:30:01+05:00", "future"),
    ("2026-03-04T09:29:00+23:59", None), ("2026-03-04T09:29:01+23:59", "future"),
    ("2026-03-02T09:31:01-23:59", "future"), ("2026-03-02T09:31:00-23:59", None), ("9999-12-31T23:59:59Z", "future")])
def test_future_begins_after_exactly_24_hours(field: str, text: str, reason: str | None) -> None:
    verdict = accept(event(data=CONTACT | {field: text}))
    assert (verdict.reason if isinstance(verdict, Refused) else None) == reason


@pytest.mark.parametrize("kind", ["care.person.v1", "care.visit.v1", "care.record-voided.v1", "care.person-erased.v1"])
def test_future_is_of_every_kind_but_the_manifest(kind: str) -> None:
    assert refused(event(kind, data=KINDS[kind][0] | {"recorded_at": "2026-03-04T00:00:00Z"})).reason == "future"


def test_a_manifest_may_be_recorded_ahead_but_not_complete_through_a_london_day_to_come() -> None:
    assert accepted(event("care.feed.v1", data=FEED | {"recorded_at": "2027-01-01T00:00:00Z"}))
    assert accepted(event("care.feed.v1", data=FEED | {"complete_through": "2026-03-02"}))
    assert refused(event("care.feed.v1", data=FEED | {"complete_through": "2026-03-03"})).reason == "future"
    summer_midnight = datetime(2026, 6, 30, 23, 30, tzinfo=UTC)  # half past midnight in London, on 1 July
    assert accepted(event("care.feed.v1", data=FEED | {"complete_through": "2026-07-01"}), now=summer_midnight)


def test_other_dates_may_lie_ahead() -> None:
    assert accepted(event("care.person.v1", data=PERSON | {"opt_out_review_on": "2027-01-01", "adviser_since": "2026-04-01"}))


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00", "0000-12-31T19:00:00Z"])
def test_an_instant_that_no_calendar_in_utc_has_is_of_the_wrong_form(text: str) -> None:
    verdict = refused(event(data=CONTACT | {"occurred_at": text}))
    assert (verdict.reason, verdict.detail.partition(":")[0]) == ("schema", "data.occurred_at")
    assert refused(event("care.feed.v1", data=FEED | {"recorded_at": text})).reason == "schema"


def test_the_ends_of_the_calendar_can_be_told_and_now_can_be_there() -> None:
    data = CONTACT | {"occurred_at": "0001-01-01T00:00:00Z", "recorded_at": "0001-01-01T05:00:00+05:00"}
    assert accepted(event(data=data))
    assert accepted(event(data=data), now=datetime.max.replace(tzinfo=UTC))
    assert refused(event(), now=datetime.min.replace(tzinfo=timezone(timedelta(hours=5)))).reason == "future"
    assert accepted(event("care.feed.v1"), now=datetime.max.replace(tzinfo=timezone(timedelta(hours=-5))))


def test_the_first_failing_test_names_the_reason() -> None:
    """Mends one mistake after the other, in the order in which they are looked for."""
    worst: dict[str, Any] = event(id="", type="care.fax.v1", subject="other", padding="x" * MAX_VALUE_BYTES,
                                  data=CONTACT | {"channel": "fax", "occurred_at": "2026-05-01T00:00:00Z"})
    how: dict[str, Any] = {"key": b"other", "councils": frozenset({"essex"})}
    seen = [refused(json.dumps(worst).encode()[:-1], **how).reason]
    del worst["padding"]
    seen.append(refused(json.dumps(worst).encode()[:-1], **how).reason)
    seen.append(refused(worst, **how).reason)
    worst["id"] = "e-1"
    seen.append(refused(worst, **how).reason)
    worst["type"] = "care.contact.v1"
    seen.append(refused(worst, **how).reason)
    worst["data"]["channel"] = "phone"
    seen.append(refused(worst, **how).reason)
    worst["subject"] = REF
    seen.append(refused(worst, **how).reason)
    seen.append(refused(worst, key=REF.encode(), councils=how["councils"]).reason)
    seen.append(refused(worst, key=REF.encode()).reason)
    worst["data"]["occurred_at"] = CONTACT["occurred_at"]
    assert accepted(worst, key=REF.encode())
    assert seen == ["too_large", "not_json", "not_cloudevent", "unknown_type", "schema", "schema", "key_mismatch",
                    "unknown_council", "future"]


def test_exactly_64_kib_is_not_too_large() -> None:
    value = json.dumps(event()).encode()
    assert accepted(value + b" " * (MAX_VALUE_BYTES - len(value)))
    assert refused(value + b" " * (MAX_VALUE_BYTES + 1 - len(value))).reason == "too_large"


def test_unknown_fields_are_ignored_and_what_may_be_null_may_be_left_out() -> None:
    without = {name: given for name, given in CONTACT.items() if name != "worker_ref"} | {"mood": {"a": [1]}}
    verdict = accepted(event(data=without, extension="x"))
    assert isinstance(verdict.data, Contact)
    assert verdict.data.worker_ref is None
    assert not hasattr(verdict.data, "mood")


def test_the_envelope_model_agrees() -> None:
    read = CloudEvent.model_validate_json(json.dumps(event("care.feed.v1")))
    assert read.data == accepted(event("care.feed.v1")).data


@pytest.mark.parametrize("kind", KINDS)
def test_what_we_wrap_ourselves_is_accepted_as_it_was(kind: str) -> None:
    data: Any = KINDS[kind][1].model_validate(KINDS[kind][0])
    whole = envelope(data, id="e-9", source="urn:keep-in-touch:intake")
    verdict = accepted(whole.model_dump_json().encode(), key=whole.subject.encode())
    assert verdict == Accepted("e-9", "urn:keep-in-touch:intake", kind, data)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text() | st.sampled_from(
        ["2026-02-30", "0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-23:59", "٢٠٢٦-01-01", "1.0", "YES", REF]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=6)
HEADERS = st.lists(st.tuples(
    st.sampled_from(["content-type", "ce_id", "ce_source", "ce_type", "ce_specversion", "ce_subject", "ce_", ""])
    | st.text(max_size=5),
    st.none() | st.binary(max_size=8)
    | st.sampled_from([b"1.0", b"care.contact.v1", b"application/cloudevents+json", REF.encode()])))
KEYS = st.none() | st.binary(max_size=40) | st.just(REF.encode())


@given(value=st.none() | st.binary(), key=KEYS, headers=st.none() | HEADERS)
def test_any_bytes_get_a_verdict(value: bytes | None, key: bytes | None, headers: Any) -> None:
    assert isinstance(accept(value, key=key, headers=headers), Refused)


@given(kind=st.sampled_from(sorted(KINDS)), key=KEYS, headers=HEADERS,
       mutations=st.lists(st.tuples(st.booleans(), st.integers(0, 20), JSON_VALUES), max_size=3))
def test_mutated_events_get_a_verdict(kind: str, mutations: list[tuple[bool, int, Any]], key: bytes | None, headers: Any) -> None:
    mutated = event(kind)
    mutated["data"] = data = dict(mutated["data"])
    for inside, place, value in mutations:
        target = data if inside else mutated
        target[sorted(target)[place % len(target)]] = value
    verdict = accept(mutated, key=key, headers=headers)
    if isinstance(verdict, Accepted) and kind != "care.feed.v1":
        assert not isinstance(verdict.data, Feed)
        assert verdict.data.recorded_at.astimezone(UTC) <= NOW + timedelta(hours=24)


@given(at=st.datetimes(min_value=datetime(2026, 2, 28), max_value=datetime(2026, 3, 6)),
       minutes=st.integers(-23 * 60 - 59, 23 * 60 + 59), now_offset=st.integers(-12, 14))
def test_future_is_the_same_in_every_offset(at: datetime, minutes: int, now_offset: int) -> None:
    instant = at.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    now = NOW.astimezone(timezone(timedelta(hours=now_offset)))
    verdict = accept(event(data=CONTACT | {"occurred_at": instant.isoformat()}), now=now)
    assert isinstance(verdict, Refused) == (instant > NOW + timedelta(hours=24))


ACTION: dict[str, Any] = {
    "action_id": "a-1", "alert_id": "0b8f7c1e-6c39-5a55-9a4e-2f9a4c1f6f10", "action": "snooze", "actor_ref": "lancashire:CANARYw",
    "at": "2026-03-01T08:00:00Z", "via": "board", "until": "2026-03-09"}
ACTION_KEY = ACTION["alert_id"].encode()


def record(value: Any, key: bytes | None = ACTION_KEY) -> AlertAction | Refused:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    verdict = accept_record(AlertAction, raw, key, lambda action: str(action.alert_id))
    if isinstance(verdict, Refused):
        assert "CANARY" not in verdict.detail
        assert verdict.source is None
    return verdict


def test_a_record_is_accepted_with_its_own_key_or_none_to_check() -> None:
    for key in (ACTION_KEY, None):
        verdict = record(ACTION, key)
        assert isinstance(verdict, AlertAction)
        assert verdict.until == date(2026, 3, 9)


@pytest.mark.parametrize(("value", "key", "reason"), [
    (b"x" * (MAX_VALUE_BYTES + 1), ACTION_KEY, "too_large"), (b"{", ACTION_KEY, "not_json"),
    (b'{"at": NaN}', ACTION_KEY, "not_json"), (b"\xff", ACTION_KEY, "not_json"), (b"", ACTION_KEY, "schema"),
    (b"null", ACTION_KEY, "schema"), (b"[]", ACTION_KEY, "schema"),
    (b"[" * 900 + b"]" * 900, ACTION_KEY, "schema"), (ACTION | {"until": "2026-02-30"}, ACTION_KEY, "schema"),
    (ACTION | {"alert_id": "CANARY"}, b"CANARY", "schema"), (ACTION, b"other", "key_mismatch"), (ACTION, b"", "key_mismatch")])
def test_record_refusals(value: Any, key: bytes | None, reason: str) -> None:
    verdict = record(value, key)
    assert isinstance(verdict, Refused)
    assert verdict.reason == reason


def test_a_record_s_nested_mistake_is_named_by_its_path() -> None:
    staff = {"worker_ref": "lancashire:w1", "council": "lancashire", "role": "adviser", "name": "CANARY", "channels": ["sms"],
             "absence": {"from": "2026-02-30", "until": "2026-03-09"}, "active": True}
    verdict = accept_record(Staff, json.dumps(staff).encode(), None, lambda one: one.worker_ref)
    assert isinstance(verdict, Refused)
    assert verdict.detail == "absence.from: should be an ISO date (Europe/London)"


@given(value=st.binary() | JSON_VALUES.map(lambda value: json.dumps(value).encode()), key=KEYS)
def test_any_record_bytes_get_a_verdict(value: bytes, key: bytes | None) -> None:
    assert isinstance(record(value, key), Refused)


def test_dead_letter_headers_keep_the_original_ones_and_say_why() -> None:
    original: list[tuple[str, bytes | None]] = [("content-type", b"\xff"), ("traceparent", None), ("topic", b"an older one")]
    headers = dead_letter_headers(original, Refused("schema", "data.channel: wrong", "urn:x"), "care.events.v1", 3, 17, NOW)
    assert headers[:3] == original
    assert headers[3:] == [("reason", b"schema"), ("detail", b"data.channel: wrong"), ("topic", b"care.events.v1"),
                           ("partition", b"3"), ("offset", b"17"), ("first_failed_at", b"2026-03-02T09:30:00Z")]
    assert [name for name, _ in headers[3:]] == list(DeadLetterHeaders.model_fields)
    assert len(dead_letter_headers(None, Refused("not_json", "value: empty"), "t", 0, 0, NOW)) == 6
