"""A database that is locked, full, away, restored from a backup, or of another version."""
from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

import services.notifier
from keepintouch.runtime.kafka import admin
from tests.faults.notifier.scenes import MARKS
from tests.faults.notifier.stage import ONE_STEP, Stage, adviser
from tests.faults.notifier.worker import FULL, IMPATIENT, Point
from tests.postgres import LocalPostgres
from tests.processes import until
from tests.standins.twilio import Behaviour

pytestmark = [*MARKS, pytest.mark.stage(ladder=ONE_STEP)]

Away = contextlib.AbstractContextManager[None]


def test_a_database_that_is_away_for_a_while_stops_nobody(stage: Stage, away: Callable[[], Away]) -> None:
    """It is full, or cannot be reached. Nothing is acknowledged meanwhile; the process lives, and says what is wrong."""
    stage.start(more={FULL: str(stage.folder / "full")})
    stage.open(1)
    stage.only_text(1)
    with away():
        for number in range(120):
            stage.open(2 + number % 12)
        until(lambda: (answer := stage.get("/readyz")) is not None and b"database_away" in answer.data)
        assert stage.crew.is_alive("a")
    until(lambda: stage.is_ready("a"))
    stage.twilio.finish()
    verdict = stage.end()
    assert verdict.good, verdict


def test_a_database_that_somebody_locks_is_waited_for(stage: Stage) -> None:
    stage.start()
    with locked(stage):
        stage.open(1)
        until(lambda: stage.crew.is_alive("a"))
        with pytest.raises(AssertionError):
            until(lambda: stage.texts(1), 1.5)
    stage.only_text(1)
    stage.twilio.finish()
    verdict = stage.end()
    assert verdict.good, verdict


def test_restored_from_a_backup_as_described_it_tells_nobody_again(stage: Stage, backup: Callable[[str], str]) -> None:
    """The steps of docs/how-to/back-up-and-restore.md, one by one."""
    stage.start()
    stage.open(1)
    stage.only_text(1)
    assert stage.crew.stop("a") == 0
    copied = backup(stage.url)
    stage.start()
    since = [stage.open(2), stage.open(3)]
    until(lambda: stage.texts(2) and stage.texts(3))
    stage.crew.kill("a")
    stage.use(copied)
    forget_what_was_read(stage)
    stage.start(more={"NOTIFIER_TRIAL": "on"})
    until(lambda: stage.rows("SELECT count(*) FROM step WHERE state = 'released'") == [(3,)])
    assert stage.crew.stop("a") == 0
    stage.start()
    stage.open(4)
    stage.only_text(4)
    assert [len(stage.texts(of)) for of in (1, 2, 3)] == [1, 1, 1]
    until(lambda: all(stage.story(one)[-1:] == ["held"] for one in since))


def test_one_version_back_and_forth_loses_and_doubles_nothing(stage: Stage) -> None:
    """With messages in every state in which a message can be left."""
    number = stage.numbers
    stage.twilio.next_to(number[adviser(1)], Behaviour.TIME_OUT_AFTER_ACCEPTING)
    stage.twilio.next_to(number[adviser(2)], Behaviour.REFUSE_21211)
    stage.start(more={"NOTIFIER_UNCERTAIN_AFTER": "600"})

    def until_there_are(*states: str) -> None:
        until(lambda: set(states) <= {row[0] for row in stage.rows("SELECT DISTINCT state FROM message")})

    for of, to in ((1, adviser(1)), (2, "demo:mia"), (3, adviser(3)), (4, adviser(4)), (5, "demo:mia")):
        stage.open(of, ("1", to))
    until(lambda: all(stage.texts(of) for of in (1, 3, 4, 5)))
    stage.twilio.call_back(stage.texts(3)[0], "delivered")
    stage.twilio.call_back(stage.texts(4)[0], "sent")
    stage.twilio.call_back(stage.texts(5)[0], "undelivered", 30006)
    until_there_are("uncertain", "failed", "delivered", "sent", "undelivered", "accepted")
    stage.twilio.next_to(number[adviser(6)], *[Behaviour.BUSY_429] * 60)   # all wait where the provider says so: hence the last
    asked = len(stage.twilio.requests)
    stage.open(6, ("1", adviser(6)))
    until(lambda: len(stage.twilio.requests) > asked)
    until_there_are("pending")
    stage.crew.kill("a")
    before = stage.rows("SELECT id, state, ref, provider_id FROM message ORDER BY id")
    migrate(stage, "-1")
    migrate(stage, "+1")
    assert stage.rows("SELECT id, state, ref, provider_id FROM message ORDER BY id") == before
    stage.open(7)
    stage.start(at=Point.CLAIMED, more=IMPATIENT)   # and one in the state of being sent
    stage.crew.await_death("a")
    migrate(stage, "-1")
    stage.twilio.as_usual(number[adviser(6)])
    stage.start(more=IMPATIENT)   # brings it up to date by itself
    until(lambda: stage.texts(6) and stage.texts(7))
    stage.twilio.finish()
    verdict = stage.end()
    assert verdict.good, verdict


@pytest.fixture
def away(stage: Stage, request: pytest.FixtureRequest, engine: str) -> Callable[[], Away]:
    """A function that takes the database away for as long as a block lasts."""
    @contextlib.contextmanager
    def full() -> Iterator[None]:
        file = stage.folder / "full"
        file.touch()
        yield
        file.unlink()

    @contextlib.contextmanager
    def unreachable() -> Iterator[None]:
        server: LocalPostgres = request.getfixturevalue("postgres")
        name = stage.url.rpartition("/")[2]
        stage.engine.dispose()
        server.run(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
        server.cut_off(stage.url)
        try:
            yield
        finally:
            server.run(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true")
    return full if engine == "sqlite" else unreachable


@pytest.fixture
def backup(stage: Stage, request: pytest.FixtureRequest, engine: str) -> Callable[[str], str]:
    """A function that copies a database that nobody uses, and returns the URL of the copy."""
    def copy(url: str) -> str:
        stage.engine.dispose()
        if engine != "sqlite":
            server: LocalPostgres = request.getfixturevalue("postgres")
            return server.copy(url)
        file = Path(url.removeprefix("sqlite:///"))
        return f"sqlite:///{shutil.copy(file, file.with_name('copy.db'))}"
    return copy


@contextlib.contextmanager
def locked(stage: Stage) -> Iterator[None]:
    """Nobody else can write."""
    if stage.url.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect(stage.url.removeprefix("sqlite:///"), isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            yield
    else:
        with stage.engine.begin() as connection:
            connection.execute(sa.text("LOCK TABLE alert, step, message IN EXCLUSIVE MODE"))
            yield


def forget_what_was_read(stage: Stage) -> None:
    """Delete the consumer group, once it is known that its members have ended."""
    with contextlib.closing(admin(stage.kafka)) as client:
        until(lambda: {"notifier": "Empty"}.items() <= {
            group["group_id"]: group["group_state"] for group in client.list_groups()}.items())
        client.delete_groups(["notifier"])


def migrate(stage: Stage, by: str) -> None:
    """Bring the tables forward or back by so many revisions."""
    config = Config()
    config.set_main_option("script_location", str(Path(services.notifier.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    with stage.engine.begin() as connection:
        config.attributes["connection"] = connection
        (command.downgrade if by.startswith("-") else command.upgrade)(config, by)
    stage.engine.dispose()
