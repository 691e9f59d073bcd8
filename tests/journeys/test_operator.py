"""Journey 6: a council operator, as far as it goes without containers.

The settings of compose, no file that may be written, kill -9 under load; and a page at night that names one thing.
"""
from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import orjson
import pytest
import yaml

from keepintouch.observe.prometheus import Prometheus
from keepintouch.publishing import to_json
from keepintouch.runtime.kafka import read_to_end
from keepintouch.runtime.ports import free_port
from keepintouch.runtime.supervisor import Child
from keepintouch.runtime.topics import DEAD_LETTERS, EVENTS, people_changelog
from keepintouch.standards import stored
from schemas.events import EventData, RecordVoided, envelope
from services.intake.bodies import BATCH
from services.intake.database import open_database
from services.intake.keys import make_key
from tests.journeys.town import (
    ADA,
    BEN,
    BOARD,
    COUNCIL,
    INTAKE,
    MONITOR,
    NOTIFIER,
    SERVICES,
    SOURCE,
    Town,
    moment,
)
from tests.postgres import LocalPostgres
from tests.processes import until
from tests.read_only import read_only

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
TUESDAY, SEEN = date(2026, 5, 12), date(2026, 3, 12)
PEOPLE = {f"0009{n:02}": (ADA if n < 6 else BEN) for n in range(12)}
"""Case ids, with their adviser."""
SPARE = {"000950": ADA, "000951": BEN}
"""Seen a week ago, by a record that will turn out to be an error."""
HOSTEL, ROLE = "H01", "accommodation_staff"   # theirs is kept and shown, and satisfies nothing
_SECURED = re.compile(r"KAFKA_(SECURITY_PROTOCOL|SASL_|SSL_)")
_LINE, _VARIABLE = re.compile(r"^([A-Z_]+)=(.*)$", re.MULTILINE), re.compile(r"\$\{([A-Z_]+)(?::-([^}]*))?\}")


def compose(service: str, env: Mapping[str, str]) -> dict[str, str]:
    """What docker-compose.yml tells a service, given what is in `.env`."""
    told = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][service]["environment"]
    return {name: _VARIABLE.sub(lambda found: env.get(found[1]) or found[2] or "", value) for name, value in told.items()}


def configured(town: Town, databases: Mapping[str, str]) -> None:
    """As the page for operators says: `.env` from the example, secrets as files. What is another without containers: addresses,
    where files are, and that there is neither TLS nor a sign-in."""
    twilio = town.twilio.environment
    env = dict(_LINE.findall((ROOT / ".env.example").read_text())) | {
        "NOTIFIER_TRIAL": "off", "PUBLIC_BASE_URL": town.url(NOTIFIER), "TWILIO_ACCOUNT_SID": twilio["TWILIO_ACCOUNT_SID"],
        "TWILIO_FROM": twilio["TWILIO_FROM"], "KEEPINTOUCH_DEMO": "1"}
    for service in SERVICES:
        secrets = town.folder / "secrets" / service
        secrets.mkdir(parents=True)
        here = {"SECRETS_DIR": str(secrets), "KAFKA_BOOTSTRAP_SERVERS": town.kafka.bootstrap_servers, "TWILIO_AUTH_TOKEN": "",
                "COUNCILS_FILE": str(town.folder / "councils.yaml"), "COUNCIL_KEYS_DIR": str(town.folder / "keys"),
                "POLICIES_DIR": str(ROOT / "keepintouch" / "standards" / "policies"),
                f"{service.upper()}_HTTP_HOST": "127.0.0.1", f"{service.upper()}_HTTP_PORT": str(town.ports[service])}
        if service in databases:
            (secrets / f"{service.upper()}_DATABASE_URL").write_text(databases[service] + "\n")
            here[f"{service.upper()}_DATABASE_URL"] = ""
        if service == NOTIFIER:
            (secrets / "TWILIO_AUTH_TOKEN").write_text(twilio["TWILIO_AUTH_TOKEN"] + "\n")
        meant = compose(service, env)
        here |= read_only(town.folder / "tmp" / service)
        town.told[service] = {name: value for name, value in meant.items() if not _SECURED.match(name)} | here
    town.more |= {"NOTIFIER_HTTP_TIMEOUT": "5s", "NOTIFIER_LEASE": "11s", "NOTIFIER_UNCERTAIN_AFTER": "1s",
                  "NOTIFIER_LOOK_AGAIN": "1s", "NOTIFIER_GATHER": "10s", "INTAKE_KAFKA_TIMEOUT": "4s",
                  "KAFKA_SESSION_TIMEOUT": "10s"}


@dataclass
class CaseSystem:
    """Posts batches one after another, the same again until each is taken; a context manager."""

    town: Town
    key: str
    taken: list[str] = field(default_factory=list)
    """Ids of events, one for each that the gateway has answered for."""
    tried_again: int = 0
    _number: int = 0
    _stopping: threading.Event = field(default_factory=threading.Event)
    _failed: list[BaseException] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name="case-system", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stopping.set()
        self._thread.join(300)
        assert self._failed == []

    def post(self, *said: EventData) -> list[str]:
        """Post these until they are taken; returns their ids."""
        ids = [f"v{self._number + n}-{threading.get_ident()}" for n in range(len(said))]
        self._number += len(said)
        events = [to_json(envelope(each, id=name, source=SOURCE)) for each, name in zip(said, ids, strict=True)]
        body = b"[" + b",".join(events) + b"]"
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline:
            try:
                answer = httpx.post(f"{self.town.url(INTAKE)}/v1/events", content=body, timeout=60,
                                    headers={"Authorization": f"Bearer {self.key}", "Content-Type": BATCH})
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code == 202:
                assert {each["result"] for each in answer.json()["results"]} <= {"accepted", "repeated"}
                return ids
            assert answer is None or answer.status_code in (503, 429), answer.text
            self.tried_again += 1
            time.sleep(0.1)
        raise AssertionError("the gateway took nothing for minutes")

    def has_taken(self, count: int) -> bool:
        """Whether so many events of those under way have been taken."""
        return len(self.taken) >= count

    def _run(self) -> None:
        try:
            cases = list(PEOPLE)
            while not self._stopping.is_set():
                at = self.town.clock.now() - timedelta(hours=1)
                self.taken += self.post(*(self.town.contact(cases[n % len(cases)], HOSTEL, at, worker_role=ROLE)
                                          for n in range(len(self.taken), len(self.taken) + 5)))
                self._stopping.wait(0.05)
        except BaseException as error:
            self._failed.append(error)


def counted(town: Town) -> Counter[str]:
    """How often each event's id is on the topic."""
    return Counter(orjson.loads(each.value or b"")["id"] for each in read_to_end(town.kafka, EVENTS))


def records_held(town: Town) -> int:
    """How many records of everybody the monitor has written down."""
    states = {each.key: each.value for each in read_to_end(town.kafka, people_changelog()) if stored.is_person(each.key or b"")}
    return sum(len(stored.load(value).registers) for value in states.values() if value is not None)


def state(town: Town, service: str) -> list[Any]:
    """What it says when it is asked whether it works."""
    return [httpx.get(f"{town.url(service)}/{page}", timeout=60).json() for page in ("readyz", "healthz")]


def test_kill_9_of_each_in_turn_under_load(lancashire: Town, postgres: LocalPostgres) -> None:
    town, databases = lancashire, {NOTIFIER: postgres.fresh(), INTAKE: postgres.fresh()}
    configured(town, databases)
    with closing(open_database(databases[INTAKE])) as database, database.write() as connection:
        key = make_key(connection, COUNCIL, [SOURCE], datetime.now(UTC))[1]
    everybody = PEOPLE | SPARE
    town.everybody()
    town.at(moment(TUESDAY - timedelta(days=1), "18:30"))
    town.start(MONITOR, INTAKE)
    vendor, wrong = CaseSystem(town, key), {case: f"wrong-{case}" for case in SPARE}
    history = [town.visit(case, worker, moment(SEEN)) for case, worker in everybody.items()]
    history += [town.visit(case, worker, moment(TUESDAY - timedelta(days=6))).model_copy(update={"record_id": wrong[case]})
                for case, worker in SPARE.items()]
    vendor.post(*history, *(town.person(case, worker, moment(SEEN - timedelta(days=30)), plan_reviewed_on=SEEN)
                            for case, worker in everybody.items()))
    until(lambda: town.gauge(MONITOR, "contact_monitor_people") == len(everybody)
          and not town.gauge(MONITOR, "contact_monitor_people_settling"))
    town.children.stop(MONITOR, INTAKE)

    # Tuesday at half past eight: the notifier is killed the moment its first text is on its way.
    town.at(moment(TUESDAY, "08:31"))
    on_its_way, back = threading.Event(), dict[str, float]()
    town.twilio.on_request = on_its_way.set
    town.start(*SERVICES)
    with vendor:
        until(on_its_way.is_set)
        for service in (NOTIFIER, MONITOR, INTAKE, BOARD):
            taken = len(vendor.taken)
            town.children.kill(service)
            killed = time.monotonic()
            town.start(service)
            back[service] = time.monotonic() - killed
            until(partial(vendor.has_taken, taken + 20))
        until(lambda: all(len(town.texts(worker)) == 1 for worker in (ADA, BEN)))
        until(lambda: all(state(town, service) == [{"ready": True, "reasons": []}, {"healthy": True, "reasons": []}]
                          for service in SERVICES))
        # All of it works together as before: a visit turns out to be an error, and Ben hears of it.
        vendor.post(void(town, "000951", wrong["000951"]))
        until(lambda: len(town.texts(BEN)) == 2)

    # Nothing is lost: what the gateway has answered for is on the topic, and in what the monitor has written down.
    found = counted(town)
    assert [name for name in vendor.taken if not found[name]] == []
    written = len(history) + len(vendor.taken)
    until(lambda: records_held(town) == written)
    assert list(read_to_end(town.kafka, DEAD_LETTERS)) == []

    # And a restart of all of them, in order, texts nobody again.
    before = [sent.body for sent in town.twilio.ledger]
    town.children.stop(*SERVICES)
    town.start(*SERVICES)
    vendor.post(void(town, "000950", wrong["000950"]))
    until(lambda: len(town.texts(ADA)) == 2)
    assert [sent.body for sent in town.twilio.ledger][:-1] == before
    assert Counter(sent.to for sent in town.twilio.ledger) == {town.texts(ADA)[0].to: 2, town.texts(BEN)[0].to: 2}
    town.check_logs(key, key.split("_", 2)[2], *everybody, *(town.refs.person(case).partition(":")[2] for case in everybody),
                    *(url.partition("://")[2] for url in databases.values()))
    print(f"\n{len(vendor.taken)} events under way, {vendor.tried_again} posts tried again; back after kill -9, in seconds: "
          f"{ {service: round(seconds, 1) for service, seconds in back.items()} }")


@dataclass
class OnCall:
    """Where pages go: takes what Alertmanager posts; a context manager."""

    pages: list[dict[str, Any]] = field(default_factory=list)

    def __enter__(self) -> Self:
        pages = self.pages

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                pages.append(orjson.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def watched(town: Town, on_call: OnCall) -> tuple[Prometheus, Child]:
    """Prometheus and Alertmanager with the rules and routes that are shipped, but for the waits: a minute takes five seconds."""
    port = free_port()
    prometheus = Prometheus(town.folder / "prometheus", town.ports)
    config = yaml.safe_load((file := town.folder / "prometheus" / "prometheus.yml").read_text())
    config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}]}
    file.write_text(yaml.safe_dump(config))
    rules = town.folder / "prometheus" / "rules" / "paging.yml"
    rules.write_text(re.sub(r"for: (\d+)m", lambda found: f"for: {5 * int(found[1])}s", rules.read_text()))

    routes = (ROOT / "deploy" / "alertmanager" / "alertmanager.yml").read_text()
    routes = re.sub(r"url_file: .*", f"url: {on_call.url}", routes)   # Debian's is older, and knows no address in a file
    (own := town.folder / "alertmanager.yml").write_text(re.sub(r"(wait|interval): \d+[smh]", r"\1: 1s", routes))
    return prometheus, Child("alertmanager", [
        "prometheus-alertmanager", f"--config.file={own}", f"--storage.path={town.folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=", "--log.level=warn"],
        town.folder / "alertmanager.log", ready_url=f"http://127.0.0.1:{port}/-/ready")


def test_a_page_at_night_names_one_thing_and_its_runbook(lancashire: Town) -> None:
    town = lancashire
    town.everybody()
    town.at(moment(TUESDAY, "03:00"))
    with OnCall() as on_call:
        prometheus, alertmanager = watched(town, on_call)
        with closing(prometheus):
            town.start(*SERVICES)
            town.children.start(prometheus.child)
            town.children.wait_ready("prometheus", within=120)
            until(lambda: prometheus.now("sum(up) == 4 unless on () ALERTS")
                  and prometheus.now("notifier_audit_timestamp_seconds > 0"))
            town.children.start(alertmanager)
            town.children.wait_ready("alertmanager", within=120)

            town.children.kill(NOTIFIER)
            until(lambda: on_call.pages)
            (alert,) = on_call.pages[0]["alerts"]
            assert (alert["status"], alert["labels"]["alertname"], alert["labels"]["job"]) == ("firing", "TargetDown", NOTIFIER)
            assert alert["annotations"]["summary"] == "notifier does not answer"
            runbook = (ROOT / alert["annotations"]["runbook"]).read_text()
            assert "again notifier" in runbook.partition("## What to do")[2]

            town.start(NOTIFIER)
            until(lambda: on_call.pages[-1]["status"] == "resolved")
            told = {each["labels"]["alertname"] for page in on_call.pages for each in page["alerts"]}
            assert told == {"TargetDown"}, "one thing, not what follows from it"
        town.children.stop("prometheus", "alertmanager")


def void(town: Town, case: str, record_id: str) -> RecordVoided:
    """That record was an error."""
    return RecordVoided(record_id=record_id, person_ref=town.refs.person(case), recorded_at=town.clock.now())
