"""Fetching Kafka, with a Maven and a Java of our own on the path."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from keepintouch.runtime import kafka_files
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.places import cache_folder, deploy_file

JAVA = """#!/bin/sh
echo 'openjdk version "{version}" 2025-04-15' >&2
"""
MAVEN = """#!/bin/sh
echo run >> "$LEDGER"
for each; do case $each in -DoutputDirectory=*) out=${each#*=};; esac; done
echo "[INFO] Downloaded from central: somewhere"
sleep "${MAVEN_TAKES:-0}"
if [ -n "$MAVEN_FAILS" ]; then echo "[ERROR] no network today"; exit 1; fi
mkdir -p "$out" && printf %s "${JAR:-kafka}" > "$out/kafka.jar"
"""


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A path with a Java 17 and a Maven that fetches one jar, and a deploy/ and a cache of its own."""
    folder = tmp_path / "bin"
    folder.mkdir()
    tool(folder / "java", JAVA.format(version="17.0.15"))
    tool(folder / "mvn", MAVEN)
    for name in ("sh", "mkdir", "sleep"):
        found = next(Path(where) / name for where in ("/usr/bin", "/bin") if (Path(where) / name).exists())
        (folder / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("KEEPINTOUCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LEDGER", str(tmp_path / "ledger"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    deploy = tmp_path / "deploy" / "kafka"
    deploy.mkdir(parents=True)
    (deploy / "pom.xml").write_bytes(deploy_file("kafka/pom.xml").read_bytes())
    (deploy / "jars.sha256").write_text(f"# jars\n{hashlib.sha256(b'kafka').hexdigest()}  kafka.jar\n")
    monkeypatch.setattr(kafka_files, "deploy_file", lambda name: tmp_path / "deploy" / name)
    return folder


def tool(path: Path, script: str) -> None:
    path.write_text(script)
    path.chmod(0o755)


def runs(tmp_path: Path) -> int:
    ledger = tmp_path / "ledger"
    return len(ledger.read_text().splitlines()) if ledger.exists() else 0


def test_fetches_once_and_says_so(tmp_path: Path) -> None:
    told: list[str] = []
    libs = kafka_files.fetch_kafka(told.append)
    assert (libs / "kafka.jar").read_text() == "kafka"
    assert libs.parent == tmp_path / "cache"
    assert libs.name.startswith("kafka-4.3.")
    assert (told[0].startswith("Fetching Apache Kafka 4.3."), "is in" in told[-1]) == (True, True)
    assert kafka_files.fetch_kafka(told.append) == libs
    assert (runs(tmp_path), len(told)) == (1, 2)


def test_needs_neither_maven_nor_network_once_it_is_there(path: Path) -> None:
    kafka_files.fetch_kafka(lambda _: None)
    (path / "mvn").unlink()
    kafka_files.fetch_kafka(lambda _: None)


def test_another_pom_is_another_kafka(tmp_path: Path) -> None:
    first = kafka_files.fetch_kafka(lambda _: None)
    pom = tmp_path / "deploy" / "kafka" / "pom.xml"
    pom.write_text(pom.read_text().replace("4.3.1", "4.3.2"))
    second = kafka_files.fetch_kafka(lambda _: None)
    assert (second != first, "4.3.2" in second.name) == (True, True)


def test_two_at_once_fetch_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAVEN_TAKES", "0.5")
    program = (f"import sys; from pathlib import Path; from keepintouch.runtime import kafka_files as k;"
               f"k.deploy_file = lambda name: Path({str(tmp_path / 'deploy')!r}) / name; print(k.fetch_kafka())")
    both = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(2)]
    said = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert said[0][0] == said[1][0]
    assert runs(tmp_path) == 1


@pytest.mark.parametrize(("missing", "words"), [("mvn", "apt-get install maven"), ("java", "openjdk-17")])
def test_a_missing_tool_is_one_line_that_says_what_to_install(path: Path, missing: str, words: str) -> None:
    (path / missing).unlink()
    with pytest.raises(UserError, match=words) as caught:
        kafka_files.fetch_kafka(lambda _: None)
    assert "\n" not in str(caught.value)
    assert "KAFKA_BOOTSTRAP_SERVERS" in str(caught.value)


@pytest.mark.parametrize("version", ["11.0.2", "1.8.0_392", "nonsense"])
def test_a_java_that_is_too_old(path: Path, version: str) -> None:
    tool(path / "java", JAVA.format(version=version))
    with pytest.raises(UserError, match="Java 17 or newer"):
        kafka_files.find_java()


@pytest.mark.parametrize("version", ["17", "17.0.15", "21.0.1", "25-ea"])
def test_a_java_that_will_do(path: Path, version: str) -> None:
    tool(path / "java", JAVA.format(version=version))
    assert kafka_files.find_java() == str(path / "java")


def test_java_home_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "jdk"
    (home / "bin").mkdir(parents=True)
    monkeypatch.setenv("JAVA_HOME", str(home))
    with pytest.raises(UserError, match="JAVA_HOME has none"):
        kafka_files.find_java()
    tool(home / "bin" / "java", JAVA.format(version="21"))
    assert kafka_files.find_java() == str(home / "bin" / "java")


def test_mavens_first_error_and_nothing_half_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAVEN_FAILS", "1")
    with pytest.raises(UserError, match=r"no network today.*see .*\.log"):
        kafka_files.fetch_kafka(lambda _: None)
    monkeypatch.delenv("MAVEN_FAILS")
    assert [each.suffix for each in sorted((tmp_path / "cache").iterdir())] == [".lock", ".log"]
    assert (kafka_files.fetch_kafka(lambda _: None) / "kafka.jar").exists()


def test_other_jars_than_listed_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAR", "evil")
    with pytest.raises(UserError, match=r"jars.sha256 lists \(kafka.jar\)"):
        kafka_files.fetch_kafka(lambda _: None)
    assert not list((tmp_path / "cache").glob("kafka-*[0-9a-f]"))
    kafka_files.renew_hashes(lambda _: None)
    assert (kafka_files.fetch_kafka(lambda _: None) / "kafka.jar").read_text() == "evil"


def test_where_the_cache_is() -> None:
    assert cache_folder({"KEEPINTOUCH_CACHE": "/a", "XDG_CACHE_HOME": "/b"}) == Path("/a")
    assert cache_folder({"XDG_CACHE_HOME": "/b"}) == Path("/b/keep-in-touch")
    assert cache_folder({}) == Path.home() / ".cache" / "keep-in-touch"
