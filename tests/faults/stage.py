"""Where a run takes place: a broker, a road to it for each worker, which can be cut, topics, a clock for all, and people.

    with Stage(folder) as stage, stage.run(seed=1) as run:
        run.crew.start("a")
        ...
        assert run.end().good
"""
from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from itertools import count
from pathlib import Path
from typing import Self

import yaml

from keepintouch.calendar import london_day
from keepintouch.runtime.clock import LinearClock
from keepintouch.runtime.kafka import KafkaSettings, admin
from keepintouch.runtime.local_broker import LocalBroker
from keepintouch.runtime.supervisor import Supervisor
from keepintouch.runtime.topics import create_topics, load_topics
from tests.processes import until

from .crew import Crew
from .feeder import Feeder
from .generator import Generator, Sent, councils_file, policies
from .proxy import Proxy
from .topics import Watch
from .verdict import Verdict, judge

NAMES = ("a", "b", "c")
"""The workers there can be, each with a road of its own."""
FIRST_DAY = date(2024, 3, 25)
"""The clocks go forward a week later, on Easter Sunday: two bank holidays, and a day of 23 hours."""
_QUIET = 1.0
_LOOK = 0.05
_runs = count(1)


class Stage:
    """A broker with a road to it for each worker. Use as a context manager; it serves one run after another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._behind: dict[str, int] = {}
        """The broker's port at the end of each road."""
        self.roads: dict[str, Proxy] = {}
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as opening:
            self._behind = {name: opening.enter_context(_reserved()).getsockname()[1] for name in NAMES}
            self.roads = {name: opening.enter_context(Proxy(port)) for name, port in self._behind.items()}
            self.broker = opening.enter_context(LocalBroker(self._listeners()))
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def kafka(self) -> KafkaSettings:
        """The way to the broker that is never cut."""
        return self.broker.settings

    @contextmanager
    def run(self, seed: int = 1, people: int = 120, partitions: int = 4, day: float = 86_400.0, session: str = "2s",
            folder: Path | None = None) -> Iterator[Run]:
        """New topics under a new app id, nobody at work yet. `day`: real seconds that a day of the workers' clock takes."""
        app_id = f"faults-{next(_runs)}"
        place = folder or self.folder / app_id
        place.mkdir(parents=True, exist_ok=True)
        with (_fresh_topics(self.kafka, app_id, partitions), Supervisor(stop_within=60) as children,
              contextlib.closing(Watch(self.kafka, app_id)) as watch, Feeder(self.kafka) as feeder):
            yield Run(self, watch, place, children, feeder, Generator(seed, people, partitions, FIRST_DAY), day, session)

    def mend(self) -> None:
        """The broker runs, and every road is as it should be."""
        for road in self.roads.values():
            road.black_hole(False)
            road.delay(0)
        self.mend_broker()

    def mend_broker(self) -> None:
        """The broker runs."""
        if self.broker.pid is None:
            self.broker.start()

    def _listeners(self) -> dict[str, str]:
        """A listener for each road, which advertises the proxy's port: clients that came by a road stay on it."""
        names = {name: f"ROAD_{name.upper()}" for name in NAMES}
        own = "PLAINTEXT://127.0.0.1:{port}"
        listening = ",".join(f"{names[name]}://127.0.0.1:{port}" for name, port in self._behind.items())
        told = ",".join(f"{names[name]}://127.0.0.1:{road.port}" for name, road in self.roads.items())
        kinds = ",".join(f"{name}:PLAINTEXT" for name in ("CONTROLLER", "PLAINTEXT", *names.values()))
        return {"listeners": f"{own},CONTROLLER://127.0.0.1:{{control}},{listening}", "advertised.listeners": f"{own},{told}",
                "listener.security.protocol.map": kinds}


class NotAtRest(AssertionError):  # noqa: N818 – it says what happened
    """Something was sent that nobody reads, or somebody writes for ever."""


class Run:
    """One run on a stage: its workers, what is sent, and how it ends."""

    def __init__(self, stage: Stage, watch: Watch, folder: Path, children: Supervisor, feeder: Feeder, generator: Generator,
                 day: float, session: str) -> None:
        self.stage, self.watch, self.folder, self.feeder, self.generator = stage, watch, folder, feeder, generator
        (folder / "councils.yaml").write_text(yaml.safe_dump(councils_file()))
        began = datetime.combine(FIRST_DAY, time_of_day(6), UTC)
        self.clock = LinearClock(began, datetime.now(UTC), timedelta(days=1).total_seconds() / day)
        self.crew = Crew(children, folder, {
            "COUNCILS_FILE": str(folder / "councils.yaml"), "CONTACT_MONITOR_APP_ID": watch.app_id,
            "KAFKA_SESSION_TIMEOUT": session, "CONTACT_MONITOR_SETTLE_SECONDS": "0.3",
            "KEEPINTOUCH_DEMO": "1", "KEEPINTOUCH_CLOCK": self.clock.spec()},
            {name: road.port for name, road in stage.roads.items()})

    @property
    def today(self) -> date:
        """The London day on the workers' clock."""
        return london_day(self.clock.now())

    def send(self, records: Sequence[Sent], within: float = 0.0) -> None:
        """Write records; returns at once."""
        self.feeder.send(records, within)

    def sent(self, within: float = 240.0) -> None:
        """Return when all that was given is on the topic."""
        until(lambda: self.feeder.done, within)

    def rest(self, within: float = 240.0) -> None:
        """Return when all that was sent is read and committed, and nothing more is written. Whoever falls is started again."""
        quiet_since, deadline, before = time.monotonic(), time.monotonic() + within, -1
        while time.monotonic() - quiet_since < _QUIET:
            if time.monotonic() > deadline:
                raise NotAtRest(f"it does not come to rest: {self.watch.behind()} events are unread")
            self.crew.tend()
            written = self.watch.written()
            if written != before or not self.feeder.done or not self.crew.settled() or self.watch.behind():
                quiet_since, before = time.monotonic(), written
            time.sleep(_LOOK)

    def end(self, within: float = 240.0) -> Verdict:
        """Mend everything, let it come to rest, dismiss everybody, and judge. For a run within one day of its clock."""
        today = self.today
        self._come_to_an_end(within)
        assert self.today == today, "a midnight has passed, and nobody can tell who was looked at after it"
        return judge(self.watch.read(), policies(), self.clock, self.clock.now())

    def end_and_look_again(self, within: float = 240.0) -> Verdict:
        """The same, but before judging stop everybody and have one worker more look at everyone, at noon of the next day."""
        self._come_to_an_end(within)
        noon = datetime.combine(self.today + timedelta(days=1), time_of_day(12), UTC)
        clock = LinearClock(noon, datetime.now(UTC))
        self.crew.start(NAMES[0], more={"KEEPINTOUCH_CLOCK": clock.spec()})
        self.crew.wait_ready(NAMES[0])
        self.rest(within)
        self.crew.dismiss()
        return judge(self.watch.read(), policies(), self.clock, clock.now())

    def _come_to_an_end(self, within: float) -> None:
        self.stage.mend()
        for name in self.crew.running:
            self.crew.wake(name)
        if not self.crew.running:
            self.crew.start(NAMES[0])
        self.sent()
        self.rest(within)
        self.crew.dismiss()


def _reserved() -> socket.socket:
    """A port that nobody is given by chance, and at which Kafka may listen all the same: it shares addresses, as this does."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held


@contextmanager
def _fresh_topics(kafka: KafkaSettings, app_id: str, partitions: int) -> Iterator[None]:
    """The topics of a run, and none afterwards."""
    topics = load_topics(app_id=app_id, partitions=partitions, replication=1)
    create_topics(kafka, topics)
    try:
        yield
    finally:
        with contextlib.closing(admin(kafka)) as client:
            client.delete_topics([topic.name for topic in topics])
            until(lambda: not {topic.name for topic in topics} & set(client.list_topics()))
