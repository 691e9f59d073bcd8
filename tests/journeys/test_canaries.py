"""Made-up names, numbers and words are let into everything that takes something in; then they are looked for everywhere.

Not in any log, metric, text, answer to a mistake, or record that is not the very one that was refused.
"""
from __future__ import annotations

import contextlib
from contextlib import closing
from datetime import UTC, date, datetime, timedelta

import httpx
import orjson

from keepintouch.publishing import to_json
from keepintouch.runtime.kafka import producer, read_to_end
from keepintouch.runtime.topics import (
    ALERT_ACTIONS,
    ALERTS,
    AUDIT,
    DEAD_LETTERS,
    EVENTS,
    NOTIFICATIONS,
    STAFF,
    people_changelog,
)
from schemas.events import envelope
from services.intake.bodies import BATCH
from services.intake.database import open_database
from services.intake.keys import make_key
from tests.journeys.town import (
    ADA,
    BEN,
    COUNCIL,
    EMAILS,
    INTAKE,
    LABELS,
    MONITOR,
    NAMES,
    NOTIFIER,
    NUMBERS,
    SAM,
    SERVICES,
    SOURCE,
    Town,
    found,
    moment,
)
from tests.processes import until
from tests.standins.twilio import Behaviour, post_signed

TUESDAY, SEEN = date(2026, 5, 12), date(2026, 3, 12)
CHILD, WORDS, STRANGER = "Canary-Child", "canary words about the child", "+447700900777"
CANARIES = (CHILD, WORDS, "canary", "Canary", STRANGER, STRANGER[3:])
REFUSED = {EVENTS: 4, STAFF: 2, ALERT_ACTIONS: 1}
"""How many records straight into Kafka, by whoever may, are refused."""


def straight_in(town: Town) -> None:
    """What nobody has looked at, into the topics of events, staff and actions."""
    ref = town.refs.person(SAM)
    good = orjson.loads(to_json(envelope(town.contact(SAM, ADA, moment(SEEN)), id="x1", source=SOURCE)))
    wrong = good | {"id": "x2", "data": good["data"] | {"outcome": WORDS, "worker_ref": CHILD}}
    with closing(producer(town.kafka)) as to:
        for topic, key, value in (
                (EVENTS, ref, b"{" + WORDS.encode()), (EVENTS, ref, orjson.dumps(wrong)),
                (EVENTS, ref, orjson.dumps(good | {"id": "x3", "type": f"care.{CHILD}.v1"})),
                (EVENTS, f"{COUNCIL}:{CHILD}", orjson.dumps(good | {"id": "x4"})),
                (STAFF, CHILD, orjson.dumps({"worker_ref": CHILD, "name": WORDS, "mobile": STRANGER})),
                (STAFF, f"{COUNCIL}:w", WORDS.encode()),
                (ALERT_ACTIONS, CHILD, orjson.dumps({"action": WORDS, "actor_ref": CHILD}))):
            to.send(topic, value, key.encode()).get(timeout=30)


def at_the_door(town: Town, key: str) -> list[str]:
    """What is refused over HTTP, and how it is answered: by the gateway, the notifier."""
    good = orjson.loads(to_json(envelope(town.contact(SAM, ADA, moment(SEEN)), id="y1", source=SOURCE)))
    more = good | {"id": "y2", "data": good["data"] | {"record_id": "y2", "name": CHILD, "note": WORDS}}
    wrong = good | {"id": "y3", "data": good["data"] | {"outcome": WORDS, "channel": CHILD}}
    unlike = good | {"id": "y4", "data": good["data"] | {"person_ref": f"other:{CHILD}"}, "subject": f"other:{CHILD}"}
    heads = {"Authorization": f"Bearer {key}", "Content-Type": BATCH}
    gateway, notifier = town.url(INTAKE), town.url(NOTIFIER)
    with httpx.Client(timeout=60) as client:
        holder = {"Authorization": heads["Authorization"]}
        batch = client.post(f"{gateway}/v1/events", content=orjson.dumps([good, more, wrong, unlike, WORDS]), headers=heads)
        assert [each["result"] for each in batch.json()["results"]][:2] == ["accepted", "accepted"]
        answers = [
            batch, client.post(f"{gateway}/v1/events", content=WORDS.encode(), headers=heads),
            client.put(f"{gateway}/v1/staff", json=[{"name": CHILD, "mobile": STRANGER}], headers=holder),
            client.get(f"{gateway}/v1/dead-letters", headers=holder),
            client.post(f"{gateway}/v1/events", content=b"[]", headers=heads | {"Authorization": f"Bearer {CHILD}"}),
            client.post(f"{notifier}/twilio/status/{CHILD}", data={"To": STRANGER, "Body": WORDS}),
            client.post(f"{notifier}/notify/inbound", json={"source_number": STRANGER, "message": WORDS})]
    return [each.text for each in answers]


def test_nobody_is_found_where_they_should_not_be(lancashire: Town) -> None:
    town = lancashire
    url = f"sqlite:///{town.folder}/intake.db"
    with closing(open_database(url)) as database, database.write() as connection:
        key = make_key(connection, COUNCIL, [SOURCE], datetime.now(UTC))[1]
    town.everybody()
    town.at(moment(TUESDAY - timedelta(days=1), "18:30"))
    town.start(MONITOR)
    town.write(*(town.visit(case, worker, moment(SEEN)) for case, worker in ((SAM, ADA), ("000124", BEN))))
    town.people(*(town.person(case, worker, moment(SEEN - timedelta(days=30)), plan_reviewed_on=SEEN)
                  for case, worker in ((SAM, ADA), ("000124", BEN))))
    town.children.stop(MONITOR)

    town.twilio.next_to(NUMBERS[BEN], Behaviour.REFUSE_21211)   # with his number in the error
    town.at(moment(TUESDAY, "08:31"))
    town.start(*SERVICES)
    until(lambda: town.texts(ADA))
    straight_in(town)
    said = at_the_door(town, key)
    said += [post_signed(f"{town.url(NOTIFIER)}/twilio/inbound", {
        "MessageSid": f"SM{place}", "From": sender, "To": "+447700900000", "Body": WORDS})[1]
        for place, sender in enumerate((NUMBERS[ADA], STRANGER))]
    with town.browser(ADA) as client:
        assert LABELS[SAM] in client.get(f"/people/{town.refs.person(SAM)}").text   # it is there for who may see it
        unknown = client.get(f"/people/{COUNCIL}:{CHILD}")
        assert (unknown.status_code, found(unknown.text, [*CANARIES, *LABELS.values()])) == (404, [])
    until(lambda: sum(1 for _ in read_to_end(town.kafka, DEAD_LETTERS)) >= sum(REFUSED.values()))

    local = [town.refs.person(case).partition(":")[2] for case in LABELS]
    people = [*CANARIES, *LABELS, *LABELS.values()]
    staff = [*NAMES.values(), *NUMBERS.values(), *EMAILS.values()]
    for answer in said:
        assert found(answer, people + staff) == []
    for service in SERVICES:
        shown = httpx.get(f"{town.url(service)}/metrics", timeout=60).text
        assert found(shown, [*people, *staff, *local, *(town.refs.worker(worker).partition(":")[2] for worker in NAMES)]) == []
    for text in town.twilio.ledger:
        assert found(text.body, [*people, *staff, *local]) == []
    for topic in (EVENTS, ALERTS, NOTIFICATIONS, AUDIT, people_changelog()):
        for record in read_to_end(town.kafka, topic):
            if topic != EVENTS or b"canary" not in (record.value or b"").lower() + (record.key or b"").lower():   # as it came in
                assert found((record.value or b"").decode(errors="replace"), people + staff) == [], topic
    gateways = [record.value or b"" for record in read_to_end(town.kafka, EVENTS) if b'"y' in (record.value or b"")]
    assert len(gateways) == 2
    assert not any(b"anary" in value for value in gateways), "what the gateway does not know it does not pass on"
    for record in read_to_end(town.kafka, DEAD_LETTERS):
        heads = {name: (value or b"").decode() for name, value in record.headers}
        assert found(" ".join(heads[name] for name in ("reason", "detail")), [*people, *staff, *local]) == [], heads
    town.check_logs(*CANARIES, key, key.split("_", 2)[2])
    with contextlib.suppress(FileNotFoundError):
        assert found((town.folder / "intake.db").read_bytes().decode("latin-1"), [*CANARIES, *LABELS.values()]) == []
