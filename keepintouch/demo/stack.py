"""Everything that runs: a broker (a local Apache Kafka unless one is given), the topics, and the services as processes."""
from __future__ import annotations

import contextlib
import os
import sys
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

import yaml

from keepintouch.publishing import sending
from keepintouch.runtime.clock import LinearClock
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.kafka import KafkaSettings, check_broker, read_to_end
from keepintouch.runtime.local_broker import LocalBroker, free_ports
from keepintouch.runtime.settings import load_settings
from keepintouch.runtime.supervisor import Child, Supervisor
from keepintouch.runtime.topics import ALERTS, EVENTS, create_topics, load_topics
from keepintouch.simulator import Arrival
from schemas.staff import Staff

MONITOR, NOTIFIER = "contact_monitor", "notifier"
_PARTITIONS = 4
_SIGN_IN = "https://contact.example.gov.uk"

Say = Callable[[str], None]


class Stack:
    """Use as a context manager: on leaving, however that comes about, everything it started has stopped."""

    def __init__(self, council: str, policy: str, *, fallback: str, settle_seconds: float, say: Say) -> None:
        """`fallback`: the worker who gets what nobody else can; `say` is told what takes a while."""
        self._council, self._policy, self._fallback = council, policy, fallback
        self._settle_seconds, self._say = settle_seconds, say
        self._exits = contextlib.ExitStack()
        self._ports = dict(zip((MONITOR, NOTIFIER), free_ports(2), strict=True))

    def __enter__(self) -> Self:
        try:
            self.folder = Path(self._exits.enter_context(TemporaryDirectory(prefix="keep-in-touch-")))
            self.kafka = self._broker()
            create_topics(self.kafka, load_topics(partitions=_PARTITIONS, replication=1))
            (self.folder / "councils.yaml").write_text(yaml.safe_dump(self._councils()), encoding="utf-8")
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
            env=self._environment() | demo, ready_url=f"{self.address(service)}/readyz"))

    def wait_ready(self, *services: str) -> None:
        """Return when they are ready; an error tells a service's last words."""
        self.services.wait_ready(*services, within=90)

    def gauge(self, service: str, name: str) -> float:
        """The sum of a metric over its labels."""
        with urllib.request.urlopen(f"{self.address(service)}/metrics", timeout=5) as answer:  # noqa: S310 -- our own
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

    def _environment(self) -> dict[str, str]:
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers, "KEEPINTOUCH_DEMO": "1",
            "COUNCILS_FILE": str(self.folder / "councils.yaml"),
            "CONTACT_MONITOR_SETTLE_SECONDS": str(self._settle_seconds),
            "CONTACT_MONITOR_HTTP_PORT": str(self._ports[MONITOR]), "NOTIFIER_HTTP_PORT": str(self._ports[NOTIFIER]),
            "NOTIFIER_DATABASE_URL": f"sqlite:///{self.folder / 'notifier.db'}", "NOTIFIER_TRIAL": "off",
            "NOTIFIER_CONSOLE_FILE": str(self.texts)}

    def _councils(self) -> dict[str, object]:
        return {
            "councils": {self._council: {
                "name": self._council.capitalize(), "policy": self._policy, "ladder": "standard",
                "fallback": self._fallback, "sign_in": _SIGN_IN, "channels": {"sms": ["console"], "email": []}}},
            "ladders": {"standard": {
                "calendar": "working_hours", "weekly": "mon",
                "steps": [{"after": "0d", "to": ["adviser"]}, {"after": "1wd", "to": ["adviser"]},
                          {"after": "2wd", "to": ["manager"]}, {"after": "5wd", "to": ["service_manager"]}],
                "critical": [{"after": "0d", "to": ["adviser", "manager"]}]}}}
