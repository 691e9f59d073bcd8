"""Everything that runs: a broker (a local Apache Kafka unless one is given), the topics, and the services as processes."""
from __future__ import annotations

import contextlib
import csv
import os
import sys
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

import yaml

from keepintouch.publishing import sending
from keepintouch.refs import new_key
from keepintouch.runtime.clock import LinearClock
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.kafka import KafkaSettings, check_broker, read_to_end
from keepintouch.runtime.local_broker import LocalBroker
from keepintouch.runtime.ports import free_port
from keepintouch.runtime.settings import load_settings
from keepintouch.runtime.supervisor import Child, Supervisor
from keepintouch.runtime.topics import ALERTS, EVENTS, create_topics, load_topics
from keepintouch.simulator import Arrival, Simulation
from schemas.staff import Staff

MONITOR, NOTIFIER, INTAKE, BOARD = "contact_monitor", "notifier", "intake", "board"
_PARTITIONS = 4
_KEYS, _LABELS = "keys", "labels.csv"

Say = Callable[[str], None]


class Stack:
    """Use as a context manager: on leaving, however that comes about, everything it started has stopped."""

    def __init__(self, council: Simulation, policy: str, *, settle_seconds: float, say: Say,
                 more: Mapping[str, str] | None = None) -> None:
        """`say` is told what takes a while; `more`: further settings of the services."""
        self._council, self._policy, self._more = council, policy, dict(more or {})
        self._settle_seconds, self._say = settle_seconds, say
        self._exits = contextlib.ExitStack()
        services = (MONITOR, NOTIFIER, INTAKE, BOARD)
        self._ports = {service: free_port() for service in services}

    def __enter__(self) -> Self:
        try:
            self.folder = Path(self._exits.enter_context(TemporaryDirectory(prefix="keep-in-touch-")))
            self.kafka = self._broker()
            create_topics(self.kafka, load_topics(partitions=_PARTITIONS, replication=1))
            (self.folder / "councils.yaml").write_text(yaml.safe_dump(self._councils()), encoding="utf-8")
            self._write_what_only_the_council_has()
            self.services = self._exits.enter_context(Supervisor())
        except BaseException:
            self._exits.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._exits.close()

    @property
    def texts(self) -> Path:
        """The file in which the console channel puts each text, one JSON a line."""
        return self.folder / "texts.jsonl"

    def port(self, service: str) -> int:
        """Where on the loopback address a service listens."""
        return self._ports[service]

    def address(self, service: str) -> str:
        """Where a service answers /metrics, /healthz and /readyz."""
        return f"http://127.0.0.1:{self._ports[service]}"

    def feed(self, staff: Iterable[Staff], arrivals: Iterable[Arrival]) -> None:
        """Write staff and events into their topics; all are acknowledged when it returns."""
        with sending(self.kafka) as sender:
            for member in staff:
                sender.staff(member)
            for arrival in arrivals:
                sender.event(arrival.event)

    def start(self, service: str, clock: LinearClock | None = None) -> None:
        """Start a service, on another clock than the real one if given; see `wait_ready`."""
        demo = {} if clock is None else {"KEEPINTOUCH_CLOCK": clock.spec()}
        self.services.start(Child(
            name=service, command=[sys.executable, "-m", f"services.{service}"], log=self.folder / f"{service}.log",
            env=self.environment() | demo, ready_url=f"{self.address(service)}/readyz"))

    def wait_ready(self, *services: str) -> None:
        """Return when they are ready; an error tells a service's last words."""
        self.services.wait_ready(*services, within=90)

    def gauge(self, service: str, name: str) -> float:
        """The sum of a metric over its labels."""
        with urllib.request.urlopen(f"{self.address(service)}/metrics", timeout=30) as answer:  # noqa: S310 -- our own
            lines = answer.read().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))

    def _broker(self) -> KafkaSettings:
        if "KAFKA_BOOTSTRAP_SERVERS" in os.environ:
            given = load_settings(KafkaSettings)
            check_broker(given)
            self._say(f"using the Kafka at {given.bootstrap_servers}")
            self._refuse_used(given)
            return given
        return self._exits.enter_context(LocalBroker(say=self._say)).settings

    @staticmethod
    def _refuse_used(given: KafkaSettings) -> None:
        """Made-up people must never mix with real ones."""
        create_topics(given, load_topics(partitions=_PARTITIONS, replication=1))
        for topic in (EVENTS, ALERTS):
            if next(iter(read_to_end(given, topic)), None) is not None:
                raise UserError(f"{topic} at {given.bootstrap_servers} holds records already: give a Kafka whose topics are "
                                "empty, or none (unset KAFKA_BOOTSTRAP_SERVERS) to have one started here")

    def environment(self) -> dict[str, str]:
        """What a service, or a command about them, is told."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers, "KEEPINTOUCH_DEMO": "1",
            "COUNCILS_FILE": str(self.folder / "councils.yaml"),
            "CONTACT_MONITOR_SETTLE_SECONDS": str(self._settle_seconds),
            "COUNCIL_KEYS_DIR": str(self.folder / _KEYS), "NOTIFIER_DATABASE_URL": f"sqlite:///{self.folder / 'notifier.db'}",
            "INTAKE_DATABASE_URL": f"sqlite:///{self.folder / 'intake.db'}", "NOTIFIER_TRIAL": "off",
            "NOTIFIER_CONSOLE_FILE": str(self.texts), **self._more,
            **{f"{service.upper()}_HTTP_PORT": str(port) for service, port in self._ports.items()}}

    def _write_what_only_the_council_has(self) -> None:
        """Its key, and what it calls its people: from these the board knows who a ref is."""
        new_key(self.folder / _KEYS, self._council.council, self._council.refs.key)
        with (self.folder / _LABELS).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("id", "label"), *self._council.labels.items()])

    def _councils(self) -> dict[str, object]:
        slug = self._council.council
        duty = next(member.worker_ref for member in self._council.staff if member.role == "duty")
        return {
            "councils": {slug: {
                "name": slug.capitalize(), "policy": self._policy, "ladder": "standard", "fallback": duty,
                "sign_in": self.address(BOARD), "labels": str(self.folder / _LABELS), "case_link": "https://cases.example.gov.uk/{id}",
                "feeds": list(self._council.feeds), "channels": {"sms": ["console"], "email": []}}},
            "ladders": {"standard": {
                "calendar": "working_hours", "weekly": "mon",
                "steps": [{"after": "0d", "to": ["adviser"]}, {"after": "1wd", "to": ["adviser"]},
                          {"after": "2wd", "to": ["manager"]}, {"after": "5wd", "to": ["service_manager"]}],
                "critical": [{"after": "0d", "to": ["adviser", "manager"]}]}}}
