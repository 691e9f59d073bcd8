"""A real Apache Kafka on this machine: one node on free loopback ports, gone with its data at the end."""

import contextlib
import fcntl
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Self

from keepintouch.runtime.errors import UserError
from keepintouch.runtime.kafka import BrokerUnreachable, KafkaSettings, check_broker
from keepintouch.runtime.kafka_files import Say, class_archive, fetch_kafka, find_java, say_on_stderr
from keepintouch.runtime.places import deploy_file
from keepintouch.runtime.ports import free_port
from keepintouch.runtime.tether import tethered
from keepintouch.runtime.topics import create_topics, load_topics

_PREFIX = "keep-in-touch-kafka-"
_CLUSTER = "a2VlcC1pbi10b3VjaC1rdA"   # any 16 bytes, base64url
_START_WITHIN = 90.0
# Starts in a third of the time; for hours under full load the second compiler would be worth its while.
_QUICK = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


class LocalBroker:
    """Use as a context manager: fetches Kafka if need be, starts it, and on leaving ends it and removes its data.

    In between, `kill` and `start` (or `stop` and `start`) let it fail and come back on the same port with the same data.
    If this process dies in whatever way, the broker dies with it (on Linux); data left behind like that is removed when
    the next local broker starts. Raises UserError if Java or Maven is missing or Kafka does not start.
    """

    def __init__(self, overrides: Mapping[str, str] | None = None, say: Say = say_on_stderr,
                 java_options: Sequence[str] = _QUICK) -> None:
        """`overrides` go before the settings in `deploy/kafka/server.properties`; `say` is told about slow steps."""
        self.overrides = dict(overrides or {})
        self.java_options = list(java_options)
        self.port = 0
        self._say = say
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None
        self._owned: IO[str] | None = None

    @property
    def bootstrap(self) -> str:
        """What to set ``KAFKA_BOOTSTRAP_SERVERS`` to."""
        return f"127.0.0.1:{self.port}"

    @property
    def settings(self) -> KafkaSettings:
        """Settings that lead to this broker."""
        return KafkaSettings(bootstrap_servers=self.bootstrap, security_protocol="PLAINTEXT")

    @property
    def pid(self) -> int | None:
        """Process id while it runs, else None."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def log(self) -> Path:
        """Where its warnings and errors are written; removed with its data."""
        assert self._folder is not None, "not started"
        return self._folder / "kafka.log"

    def __enter__(self) -> Self:
        self._java, self._libs = find_java(), fetch_kafka(self._say)
        self._archive = class_archive(self._java, self._libs)
        _sweep()
        self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        try:
            self._owned = (self._folder / "owned").open("w")
            fcntl.flock(self._owned, fcntl.LOCK_EX)
            self._start_on_free_ports()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start it again after `kill` or `stop`, on the same port and data; return when it answers."""
        assert self.pid is None, "it is running"
        with self.log.open("ab") as log:
            # A session of its own: Ctrl-C at the terminal is for us, and we end it when we are done with it.
            self._process = subprocess.Popen(  # noqa: S603
                self._command(*self.java_options, "-Xms256m", "-Xmx512m", "kafka.Kafka",
                              str(self._folder_file("server.properties"))),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self._wait()

    def kill(self) -> None:
        """End it at once (SIGKILL), as a power cut would; its data stay."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self, within: float = 30.0) -> None:
        """End it in order (SIGTERM), after `within` seconds by force; its data stay."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(within)
            except subprocess.TimeoutExpired:
                self.kill()

    def close(self) -> None:
        """End it and remove its data. There is nothing to save, so this takes no time. May be called twice."""
        self.kill()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        if self._owned is not None:
            self._owned.close()

    def _start_on_free_ports(self) -> None:
        for left in (2, 1, 0):
            self.port, control = free_port(), free_port()
            self._configure(control)
            try:
                self.start()
            except UserError:
                # Another program may have taken a port between our look and Kafka's.
                if not left or b"Address already in use" not in self.log.read_bytes():
                    raise
            else:
                return

    def _configure(self, control: int) -> None:
        data = self._folder_file("data")
        shutil.rmtree(data, ignore_errors=True)
        text = deploy_file("kafka/server.properties").read_text()
        text += "".join(f"{key}={value}\n" for key, value in self.overrides.items())   # a later line goes before
        for name, value in (("port", self.port), ("control", control), ("data", data)):
            text = text.replace(f"{{{name}}}", str(value))
        properties = self._folder_file("server.properties")
        properties.write_text(text)
        done = subprocess.run(  # noqa: S603
            self._command(*_QUICK, "kafka.tools.StorageTool", "format", "--standalone", "-t", _CLUSTER,
                          "-c", str(properties)), capture_output=True, text=True, check=False)
        if done.returncode:
            raise UserError(f"Kafka could not lay out its data: {_last_line(done.stdout + done.stderr)}")

    def _command(self, *arguments: str) -> list[str]:
        archive = [f"-XX:SharedArchiveFile={self._archive}"] if self._archive.exists() else []
        return tethered([self._java, *archive, f"-Dlog4j2.configurationFile={deploy_file('kafka/log4j2.properties')}",
                         "-cp", f"{self._libs}/*", *arguments])

    def _folder_file(self, name: str) -> Path:
        assert self._folder is not None, "not started"
        return self._folder / name

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_WITHIN
        while self.pid is not None:
            with contextlib.suppress(BrokerUnreachable):
                return check_broker(self.settings)
            if time.monotonic() > deadline:
                self.kill()
                raise UserError(f"Kafka did not answer within {_START_WITHIN:.0f} s of its start: "
                                f"{_last_line(self.log.read_text())}")
            time.sleep(0.05)
        raise UserError(f"Kafka ended at its start: {_last_line(self.log.read_text())}")


def prepare(say: Say = say_on_stderr) -> None:
    """Fetch Kafka, and let it note the classes it loads, so that every later start takes half the time. Once is enough."""
    java, libs = find_java(), fetch_kafka(say)
    archive = class_archive(java, libs)
    if archive.exists():
        return
    say("Starting Kafka once to make its later starts quick …")
    with tempfile.TemporaryDirectory(prefix="noting-", dir=archive.parent) as name:
        fresh = Path(name) / "classes.jsa"
        with LocalBroker(java_options=[*_QUICK, f"-XX:ArchiveClassesAtExit={fresh}"]) as broker:
            create_topics(broker.settings, load_topics(replication=1))
            broker.stop()
        if fresh.exists():   # some Javas cannot; it is only quicker with it
            fresh.replace(archive)


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith(("\t", " ", "Caused by"))]
    return lines[-1][:300] if lines else "it said nothing"


def _sweep() -> None:
    """Remove the data of brokers whose process was killed before it could do so; theirs is no longer locked."""
    for owned in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/owned"):
        with contextlib.suppress(OSError), owned.open("a") as file:
            if time.time() - owned.stat().st_mtime > 60:   # younger: its owner may be about to lock it
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(owned.parent, ignore_errors=True)


if __name__ == "__main__":
    try:
        prepare()
    except UserError as error:
        say_on_stderr(f"keepintouch: {error}")
        raise SystemExit(2) from None
