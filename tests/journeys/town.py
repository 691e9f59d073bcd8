"""A small council at work, for the journeys of its staff: Kafka, the services as processes, Twilio with a ledger, browsers.

Services are told the time: `at` sets a clock that goes on at the usual speed, for whatever is started afterwards.
"""
from __future__ import annotations

import csv
import re
import sys
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import yaml

from keepintouch.calendar import LONDON
from keepintouch.publishing import sending
from keepintouch.refs import Refs, new_key
from keepintouch.runtime.clock import LinearClock
from keepintouch.runtime.kafka import KafkaSettings, read_to_end
from keepintouch.runtime.ports import free_port
from keepintouch.runtime.supervisor import Child, Supervisor
from keepintouch.runtime.topics import ALERTS
from schemas.alerts import Alert
from schemas.events import Contact, EventData, Person, Visit, envelope
from schemas.staff import Staff
from tests.integration.test_board import csrf
from tests.processes import until
from tests.standins.twilio import Sent, TwilioStandIn

COUNCIL = "lancashire"
MONITOR, NOTIFIER, INTAKE, BOARD = SERVICES = "contact_monitor", "notifier", "intake", "board"
SOURCE = "urn:lancashire:case-system"
SAM, KIM, ROB = "000123", "000124", "000125"
LABELS = {SAM: "Sam Sonnet", KIM: "Kim Chapter", ROB: "Rob Riddle"}
ADA, BEN, MIA, SUE, DUTY = "W01", "W02", "W03", "W04", "W05"
NAMES = {ADA: "Ada Fable", BEN: "Ben Ballad", MIA: "Mia Saga", SUE: "Sue Proverb", DUTY: "Duty Desk"}
NUMBERS = {worker: f"+4477009001{n:02}" for n, worker in enumerate(NAMES)}
EMAILS = {worker: f"{name.split()[0].lower()}@lancashire.example" for worker, name in NAMES.items()}
LADDER: Mapping[str, Any] = {
    "calendar": "working_hours", "weekly": "fri",
    "steps": [{"after": "0d", "to": ["adviser"]}, {"after": "1wd", "to": ["adviser"]}, {"after": "2wd", "to": ["manager"]},
              {"after": "5wd", "to": ["service_manager"]}],
    "critical": [{"after": "0d", "to": ["adviser", "manager"]}]}


def moment(day: date, clock: str = "12:00") -> datetime:
    """A London time of day as an instant."""
    return datetime.combine(day, time.fromisoformat(clock), LONDON).astimezone(UTC)


@dataclass
class Town:
    """The council, its services, and what comes of them."""

    kafka: KafkaSettings
    children: Supervisor
    folder: Path
    twilio: TwilioStandIn
    more: dict[str, str] = field(default_factory=dict)
    """Set over what the services are told."""
    told: dict[str, dict[str, str]] = field(default_factory=dict)
    """By service: what it is told besides."""
    refs: Refs = field(default_factory=lambda: Refs(COUNCIL, bytes(range(64))))
    clock: LinearClock = field(default_factory=lambda: LinearClock(datetime.now(UTC), datetime.now(UTC)))
    ports: dict[str, int] = field(default_factory=lambda: {service: free_port() for service in SERVICES})
    _records: int = 0

    def __post_init__(self) -> None:
        new_key(self.folder / "keys", COUNCIL, self.refs.key)
        with (self.folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("id", "label"), *LABELS.items()])
        council = {"name": "Lancashire", "policy": "standard_8_week", "ladder": "standard", "fallback": self.refs.worker(DUTY),
                   "sign_in": self.url(BOARD), "labels": str(self.folder / "labels.csv"),
                   "case_link": "https://cases.example.gov.uk/{id}", "channels": {"sms": ["twilio"], "email": []}}
        (self.folder / "councils.yaml").write_text(yaml.safe_dump(
            {"councils": {COUNCIL: council}, "ladders": {"standard": dict(LADDER)}}))

    def url(self, service: str) -> str:
        """Where a service answers."""
        return f"http://127.0.0.1:{self.ports[service]}"

    def log(self, service: str) -> Path:
        """What a service says."""
        return self.folder / f"{service}.log"

    @property
    def environment(self) -> dict[str, str]:
        """What every service is told."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers, "KAFKA_SESSION_TIMEOUT": "20s", "KEEPINTOUCH_DEMO": "1",
            "KEEPINTOUCH_CLOCK": self.clock.spec(), "COUNCILS_FILE": str(self.folder / "councils.yaml"),
            "COUNCIL_KEYS_DIR": str(self.folder / "keys"), "CONTACT_MONITOR_SETTLE_SECONDS": "1",
            "NOTIFIER_DATABASE_URL": f"sqlite:///{self.folder}/notifier.db", "NOTIFIER_TRIAL": "off", "NOTIFIER_GATHER": "2s",
            "INTAKE_DATABASE_URL": f"sqlite:///{self.folder}/intake.db", "PUBLIC_BASE_URL": self.url(NOTIFIER),
            **{f"{service.upper()}_HTTP_PORT": str(port) for service, port in self.ports.items()},
            **self.twilio.environment, **self.more}

    def at(self, when: datetime) -> None:
        """It is that time now, for what is started from here on."""
        self.clock = LinearClock(when, datetime.now(UTC))

    def start(self, *services: str) -> None:
        """Start services, on the clock as it is; return when all are ready."""
        for service in services:
            self.children.start(Child(service, [sys.executable, "-m", f"services.{service}"], self.log(service),
                                      self.environment | self.told.get(service, {}), f"{self.url(service)}/readyz"))
        self.children.wait_ready(*services, within=180)

    def people(self, *facts: Person) -> None:
        """Write snapshots of people, and wait until the monitor has looked at them for the first time."""
        self.write(*facts)
        until(lambda: self.gauge(MONITOR, "contact_monitor_people") == len(facts)
              and not self.gauge(MONITOR, "contact_monitor_people_settling"))

    def gauge(self, service: str, name: str) -> float:
        """The sum of a metric over its labels."""
        with urllib.request.urlopen(f"{self.url(service)}/metrics", timeout=60) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))

    def everybody(self) -> None:
        """Write the staff: two advisers of team north, their manager, the service manager and duty."""
        roles = {ADA: "adviser", BEN: "adviser", MIA: "manager", SUE: "service_manager", DUTY: "duty"}
        leads = {ADA: MIA, BEN: MIA, MIA: SUE}
        with sending(self.kafka) as sender:
            for worker, role in roles.items():
                sender.staff(Staff.model_validate({
                    "worker_ref": self.refs.worker(worker), "council": COUNCIL, "role": role, "name": NAMES[worker],
                    "mobile": NUMBERS[worker], "email": EMAILS[worker], "channels": ["sms"], "active": True,
                    "team_ref": "north" if worker in (ADA, BEN, MIA) else None,
                    "manager_ref": self.refs.worker(leads[worker]) if worker in leads else None}))

    def write(self, *said: EventData) -> None:
        """What the case system says, into Kafka."""
        with sending(self.kafka) as sender:
            for each in said:
                self._records += 1
                sender.event(envelope(each, id=f"e{self._records}", source=SOURCE))

    def person(self, case: str, adviser: str, recorded_at: datetime, **changes: Any) -> Person:
        """Somebody of 19 in a home of their own, whose plan is in date."""
        day = recorded_at.date()
        return Person.model_validate({
            "person_ref": self.refs.person(case), "recorded_at": recorded_at, "born_on": date(day.year - 19, 1, 5),
            "category": "former_relevant", "supported_since": day - timedelta(days=300), "in_touch": "YES",
            "adviser_ref": self.refs.worker(adviser), "adviser_since": day - timedelta(days=300), "team_ref": "north",
            "plan_reviewed_on": day - timedelta(days=30), "need": "standard", "looked_after": False, "cohorts": []} | changes)

    def visit(self, case: str, worker: str, occurred_at: datetime, recorded_at: datetime | None = None) -> Visit:
        """Seen at home."""
        self._records += 1
        return Visit(record_id=f"r{self._records}", person_ref=self.refs.person(case), occurred_at=occurred_at,
                     recorded_at=recorded_at or occurred_at + timedelta(hours=3), worker_ref=self.refs.worker(worker),
                     worker_role="personal_adviser", location="home", outcome="seen")

    def contact(self, case: str, worker: str, occurred_at: datetime, **more: Any) -> Contact:
        """A phone call in which they spoke, unless `more` says otherwise."""
        self._records += 1
        return Contact.model_validate({
            "record_id": f"r{self._records}", "person_ref": self.refs.person(case), "occurred_at": occurred_at,
            "recorded_at": occurred_at + timedelta(hours=3), "worker_ref": self.refs.worker(worker),
            "worker_role": "personal_adviser", "channel": "phone", "direction": "out", "outcome": "completed"} | more)

    def texts(self, worker: str) -> list[Sent]:
        """The texts somebody got."""
        return self.twilio.to(NUMBERS[worker])

    def alerts(self, case: str) -> dict[str, Alert]:
        """The last record of each alert about somebody, by rule."""
        ref = self.refs.person(case)
        found = (Alert.model_validate_json(each.value) for each in read_to_end(self.kafka, ALERTS) if each.value is not None)
        return {alert.rule: alert for alert in found if alert.person_ref == ref}

    def on(self, topic: str) -> list[dict[str, Any]]:
        """Everything on a topic, oldest first within a partition."""
        return [orjson.loads(each.value) for each in read_to_end(self.kafka, topic) if each.value is not None]

    @contextmanager
    def browser(self, worker: str) -> Iterator[httpx.Client]:
        """A browser in which somebody is signed in, by the demo's own sign-in."""
        with httpx.Client(base_url=self.url(BOARD), timeout=60, follow_redirects=True) as client:
            page = client.get("/")
            client.post("/sign-in/as", data={"csrf": csrf(page), "worker": self.refs.worker(worker)}).raise_for_status()
            yield client

    def check_logs(self, *never: str) -> None:
        """Nobody's name, number, ref, case id or words, and no secret, is in any log; each line is one of ours."""
        said = [*NUMBERS.values(), *NAMES.values(), *EMAILS.values(), *LABELS.values(), *LABELS, "stand-in-token", "Ref ",
                "young", *(self.refs.person(case).partition(":")[2] for case in LABELS), "Traceback", '"dropped"', *never]
        for service in SERVICES:
            log = self.log(service).read_text() if self.log(service).exists() else ""
            assert found(log, said) == [], log
            assert [line for line in log.splitlines() if not line.startswith("{")] == []


@contextmanager
def town(kafka: KafkaSettings, folder: Path) -> Iterator[Town]:
    """A town in which nothing runs yet; at its end everything is stopped, and every log is looked through."""
    with TwilioStandIn() as twilio, Supervisor(stop_within=60) as children:
        made = Town(kafka, children, folder, twilio)
        yield made
        made.check_logs()


def found(text: str, words: Iterable[str]) -> list[str]:
    """Which of these words are in a text; of digits, where they stand by themselves and are no fraction of a second."""
    return [word for word in words if word in text and (
        not word.isdigit() or re.search(rf"(?<![\d.]){word}(?!\d)", text))]


def ref_of(sent: Sent) -> str:
    """The Ref of a text."""
    return sent.body.split("Ref ")[1].split(".")[0]


def link_of(sent: Sent) -> str:
    """The link of a text."""
    return next(word for word in sent.body.split() if word.startswith("http"))
