"""Fetches Apache Kafka's program files with Maven, once, and finds the Java to run them with."""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

from keepintouch.runtime.errors import UserError
from keepintouch.runtime.places import cache_folder, deploy_file
from keepintouch.runtime.tether import tethered

Say = Callable[[str], None]
"""Takes a line that tells a waiting person what is going on."""

_JAVA_NEEDED = 17
_OR_A_BROKER = "or set KAFKA_BOOTSTRAP_SERVERS to a Kafka that you have"


def say_on_stderr(line: str) -> None:
    """Print `line` for the person who waits."""
    print(line, file=sys.stderr, flush=True)


def fetch_kafka(say: Say = say_on_stderr) -> Path:
    """Return the folder of Kafka's jars; fetch them first if they are not in the cache yet.

    Several processes may call this at once: one fetches, the others wait. Raises UserError without Maven, and if what
    came is not what `deploy/kafka/jars.sha256` says.
    """
    pom = deploy_file("kafka/pom.xml")
    hashes = deploy_file("kafka/jars.sha256")
    mark = hashlib.sha256(pom.read_bytes() + hashes.read_bytes()).hexdigest()[:12]
    version = _version(pom)
    libs = cache_folder() / f"kafka-{version}-{mark}"
    if libs.is_dir():
        return libs
    with _alone(libs.with_name(f"{libs.name}.lock"), say):
        if not libs.is_dir():
            _fetch(pom, hashes, version, libs, say)
    return libs


def find_java() -> str:
    """Return the Java to run Kafka with: that of ``JAVA_HOME``, else the one on the path. Raises UserError below 17."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    advice = (f"install Java {_JAVA_NEEDED} or newer (Debian, Ubuntu: apt-get install openjdk-17-jre-headless), "
              + _OR_A_BROKER)
    if java is None:
        raise UserError(f"Kafka needs Java, and there is none: {advice}")
    try:
        said = subprocess.run(  # noqa: S603
            [java, "-version"], capture_output=True, text=True, timeout=60, check=False).stderr
    except OSError:
        raise UserError(f"Kafka needs Java, and JAVA_HOME has none: {advice}") from None
    found = re.search(r'version "(\d+)(?:\.(\d+))?', said)
    version = int((found[2] if found[1] == "1" else found[1]) or 0) if found else 0
    if version < _JAVA_NEEDED:
        raise UserError(f"Kafka needs a newer Java than {java} is: {advice}")
    return java


def class_archive(java: str, libs: Path) -> Path:
    """Return where the classes that `java` has loaded from `libs` are kept, ready to be mapped at the next start."""
    said = subprocess.run([java, "-version"], capture_output=True, timeout=60, check=False).stderr  # noqa: S603
    return libs.with_name(f"{libs.name}-{hashlib.sha256(said).hexdigest()[:12]}.jsa")


def renew_hashes(say: Say = say_on_stderr) -> None:
    """Fetch what `deploy/kafka/pom.xml` asks for and write `deploy/kafka/jars.sha256` anew."""
    with tempfile.TemporaryDirectory() as name:
        libs = Path(name) / "libs"
        _run_maven(deploy_file("kafka/pom.xml"), libs, Path(name) / "maven.log", say)
        lines = [f"{_sha256(jar)}  {jar.name}\n" for jar in sorted(libs.glob("*.jar"))]
    deploy_file("kafka/jars.sha256").write_text(
        "# The jars that Maven must have fetched, each by its SHA-256. To renew: make kafka-hashes\n" + "".join(lines))
    say(f"{len(lines)} jars in deploy/kafka/jars.sha256")


def _fetch(pom: Path, hashes: Path, version: str, libs: Path, say: Say) -> None:
    started = time.monotonic()
    say(f"Fetching Apache Kafka {version} with Maven (about 50 MB, only this once) …")
    with tempfile.TemporaryDirectory(prefix="fetching-", dir=libs.parent) as name:
        fresh = Path(name) / "libs"
        _run_maven(pom, fresh, libs.with_name(f"{libs.name}.log"), say)
        _verify(fresh, hashes)
        fresh.rename(libs)   # whole or not at all
    say(f"Apache Kafka {version} is in {libs} ({time.monotonic() - started:.0f} s)")


def _run_maven(pom: Path, libs: Path, log: Path, say: Say) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise UserError("Fetching Kafka needs Maven, and there is none: install it (Debian, Ubuntu: apt-get install "
                        f"maven), {_OR_A_BROKER}")
    find_java()   # Maven's own words about a missing Java help nobody
    command = [maven, "-B", "--strict-checksums", "-f", str(pom), "dependency:copy-dependencies",
               "-DincludeScope=runtime", f"-DoutputDirectory={libs}"]
    with log.open("w") as out, subprocess.Popen(  # noqa: S603
            tethered(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True) as process:
        assert process.stdout is not None
        try:
            _follow(process.stdout, out.write, say)
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        errors = [line for line in log.read_text().splitlines() if line.startswith("[ERROR]")]
        raise UserError(f"Maven could not fetch Kafka ({errors[0][8:200] if errors else 'no reason given'}): see {log}")


def _follow(lines: Iterator[str], keep: Callable[[str], object], say: Say) -> None:
    files, told = 0, time.monotonic()
    for line in lines:
        keep(line)
        files += "Downloaded from" in line
        if time.monotonic() - told > 2 and files:
            told = time.monotonic()
            say(f"… files so far: {files}")


def _verify(libs: Path, hashes: Path) -> None:
    lines = (line for line in hashes.read_text().splitlines() if line and not line.startswith("#"))
    wanted = {name: digest for digest, name in (line.split() for line in lines)}
    found = {jar.name: _sha256(jar) for jar in libs.glob("*.jar")}
    if wrong := sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name)):
        raise UserError(f"Maven fetched other files for Kafka than jars.sha256 lists ({', '.join(wrong[:3])}"
                        f"{' …' if len(wrong) > 3 else ''}): empty ~/.m2/repository and try again")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _version(pom: Path) -> str:
    return ElementTree.parse(pom).findtext(".//{*}kafka.version") or "of unknown version"  # noqa: S314 – our own file


@contextlib.contextmanager
def _alone(lock: Path, say: Say) -> Iterator[None]:
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Somebody else is fetching Apache Kafka just now; waiting for it …")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
