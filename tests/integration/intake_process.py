"""The gateway as a process, with councils, API keys and a council's key; for every test that goes over HTTP to real Kafka."""
from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import orjson

from keepintouch.runtime.kafka import KafkaSettings, Record, read_to_end
from keepintouch.runtime.ports import free_port
from keepintouch.runtime.supervisor import Child, Supervisor
from services.intake.bodies import BATCH
from services.intake.database import open_database
from services.intake.keys import make_key
from tests.integration.monitor_process import councils_file
from tests.unit.intake.rig import SOURCE

NAME = "intake"
KEEPINTOUCH = str(Path(sys.executable).parent / "keepintouch")


@dataclass
class Gateway:
    """Start it, send to it, and see what is on the topics."""

    kafka: KafkaSettings
    children: Supervisor
    folder: Path
    more: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    councils: tuple[str, ...] = ("demo", "other")
    key: str = ""
    """For the first council."""

    def __post_init__(self) -> None:
        councils_file(self.folder / "councils.yaml", self.councils)
        self.key = self.new_key(self.councils[0])

    @property
    def environment(self) -> dict[str, str]:
        """What gateway and command line are told."""
        return {"KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers, "COUNCILS_FILE": str(self.folder / "councils.yaml"),
                "COUNCIL_KEYS_DIR": str(self.folder / "keys"), "INTAKE_DATABASE_URL": f"sqlite:///{self.folder}/intake.db",
                "INTAKE_HTTP_PORT": str(self.port), "INTAKE_KAFKA_TIMEOUT": "60s", "KEEPINTOUCH_DEMO": "1"} | self.more

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """What it said."""
        return self.folder / "intake.log"

    def command(self, *arguments: str) -> str:
        """Run the command line beside it; return what it printed."""
        done = subprocess.run([KEEPINTOUCH, *arguments], env=os.environ | self.environment, capture_output=True, text=True,
                              timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def new_key(self, council: str, *sources: str) -> str:
        """An API key, as `keepintouch sources new` makes it, but in less time."""
        with contextlib.closing(open_database(self.environment["INTAKE_DATABASE_URL"])) as database, \
                database.write() as connection:
            return make_key(connection, council, sources or (SOURCE,), datetime.now(UTC))[1]

    def start(self) -> None:
        """Start it, or start it again; return when it is ready."""
        self.children.start(Child(NAME, [sys.executable, "-m", "services.intake"], self.log, self.environment,
                                  f"{self.url}/readyz"))
        self.children.wait_ready(NAME, within=120)

    def client(self, key: str | None = None) -> httpx.Client:
        """Who sends to it; to be closed."""
        key = self.key if key is None else key
        return httpx.Client(base_url=self.url, timeout=90, headers={"Authorization": f"Bearer {key}"} if key else {})

    def post(self, events: list[Any], key: str | None = None, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """Post a batch."""
        with contextlib.closing(self.client(key)) as client:
            return client.post("/v1/events", content=orjson.dumps(events), headers={"Content-Type": BATCH, **(headers or {})})

    def get(self, path: str, key: str | None = None) -> httpx.Response:
        """Ask for a page."""
        with contextlib.closing(self.client(key)) as client:
            return client.get(path)

    def on(self, topic: str) -> list[Record]:
        """All records of a topic."""
        return list(read_to_end(self.kafka, topic))

    def metric(self, name: str) -> Counter[str]:
        """A metric's values by what is between the braces."""
        lines = self.get("/metrics").text.splitlines()
        found = (line.removeprefix(name).rpartition(" ") for line in lines if line.startswith((f"{name}{{", f"{name} ")))
        return Counter({labels.strip("{}"): float(value) for labels, _, value in found})

    def check_logs(self, *never: str) -> None:
        """JSON lines, with nothing dropped and none of what must never be in a log."""
        log = self.log.read_text()
        said = ["kit_", "+4477009", "Name of", "demo:p", "Traceback", '"dropped"', *never]
        assert not [each for each in said if each in log], log
        assert all(line.startswith("{") for line in log.splitlines()), log
