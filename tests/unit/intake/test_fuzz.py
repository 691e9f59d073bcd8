"""Whatever is sent, the answer is one that the document of the API describes: never a 500, never a traceback, never a value."""
from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from keepintouch.acceptance import Accepted, accept_event
from services.intake.bodies import BATCH
from services.intake.database import open_database
from services.intake.door import Admitted, judge
from services.intake.keys import Caller
from tests.unit.intake.rig import COUNCILS, NOW, SOURCE, Rig, contact, snapshot

CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
          response_schema_conformance)
QUIET = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder: Path = tmp_path_factory.mktemp("fuzz")
    database = open_database(f"sqlite:///{folder}/intake.db")
    with Rig(database, folder) as rig:
        rig.council_key()
        yield rig
    database.close()


OPERATIONS = [("/v1/events", "POST"), ("/v1/feeds/{feed}/complete", "POST"), ("/v1/staff", "PUT"), ("/v1/dead-letters", "GET")]


@pytest.fixture(scope="module")
def api(running: Rig) -> Any:
    return schemathesis.openapi.from_dict(running.app.openapi())


def test_no_operation_is_left_out(api: Any) -> None:
    found = [each.ok() for each in api.get_all_operations()]
    assert sorted((each.path, each.method.upper()) for each in found) == sorted(OPERATIONS)


@pytest.mark.hypothesis
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_answer_is_as_described(running: Rig, api: Any, path: str, method: str, mode: GenerationMode) -> None:
    @QUIET
    @given(data=st.data())
    def ask(data: st.DataObject) -> None:
        case = data.draw(api[path][method].as_strategy(generation_mode=mode))
        sent = requests.Request(**case.as_transport_kwargs(base_url="http://intake:8103")).prepare()
        answer = running.client.request(method, sent.url or "", content=sent.body or b"",
                                        headers={**sent.headers, **running.headers()})
        case.validate_response(answer, checks=list(CHECKS))

    ask()


NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(st.none() | st.booleans() | NUMBERS | st.text(max_size=8),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
                    max_leaves=8)
USUAL = [contact(), snapshot(), contact(person="000123")]


@st.composite
def spoilt(draw: st.DrawFn) -> Any:
    """An event that is as usual but for one or two things."""
    event = orjson.loads(orjson.dumps(draw(st.sampled_from(USUAL))))
    for _ in range(draw(st.integers(1, 2))):
        where = event if draw(st.booleans()) or type(event.get("data")) is not dict else event["data"]
        where[draw(st.sampled_from([*where, "data", "accommodation", "subject", "x"]))] = draw(JSON)
    return event


@QUIET
@given(events=st.lists(spoilt() | JSON, max_size=4), case_ids=st.booleans())
def test_a_spoilt_event_is_answered_and_what_is_let_in_is_what_the_monitor_accepts(
        running: Rig, events: list[Any], case_ids: bool) -> None:
    before = len(running.kafka.ledger)
    answer = running.post(json.dumps(events).encode(), kind=BATCH, headers={"Refs": "case-ids"} if case_ids else {})
    assert answer.status_code in (202, 207, 403, 422)
    assert len(answer.json()["results"]) == len(events)
    for _, record in running.kafka.ledger[before:]:
        assert isinstance(accept_event(record.value, record.key, None, NOW, COUNCILS), Accepted)


@QUIET
@given(event=spoilt())
def test_the_door_lets_in_what_the_monitor_would_accept_and_refuses_for_the_same_reason(event: Any) -> None:
    caller = Caller("id", None, None)
    judged = judge(orjson.loads(json.dumps(event)), caller, None, NOW, COUNCILS)
    monitor = accept_event(json.dumps(event).encode(), None, None, NOW, COUNCILS)
    if isinstance(monitor, Accepted):
        assert isinstance(judged, Admitted)
        assert accept_event(judged.value, judged.key, None, NOW, COUNCILS) == monitor
    elif not isinstance(judged, Admitted):
        assert judged.reason == monitor.reason
    else:   # only what is null and must not be, or stands in a field that is not known, can make a difference
        assert monitor.reason == "schema"


@QUIET
@given(header=st.binary(max_size=80).map(lambda raw: raw.replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b"")),
       body=st.binary(max_size=60) | st.just(orjson.dumps(contact())))
def test_headers_may_hold_anything(running: Rig, header: bytes, body: bytes) -> None:
    said = header.decode("latin-1")
    for headers in ({"Content-Type": said}, {"Content-Type": "application/json", "ce-id": said, "ce-source": SOURCE},
                    {"Authorization": f"Bearer {said}"}, {"Authorization": said}, {"Refs": said}, {"Content-Length": said}):
        raw = [(name.encode(), value.encode("latin-1")) for name, value in ({**running.headers(), **headers}).items()]
        answer = running.client.post("/v1/events", content=body, headers=raw)
        assert answer.status_code < 500
        assert answer.json()
