"""The notifier's database restored from a backup, as docs/how-to/back-up-and-restore.md says: nobody is told the same again."""
from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import orjson
import pytest

from keepintouch.runtime import topics as t
from keepintouch.runtime.kafka import admin
from services.notifier.kafka import GROUP
from tests.integration.test_notifier import Rig, fresh, rig
from tests.processes import until
from tests.unit.notifier.world import NUMBERS

__all__ = ["rig"]   # the fixture


def copied(source: Path, target: Path) -> None:
    """A consistent copy of a database, by SQLite's own means."""
    target.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(source)) as old, contextlib.closing(sqlite3.connect(target)) as new:
        old.backup(new)


@pytest.mark.parametrize("trial_first", [True, False], ids=["as it says", "without its third step"])
def test_a_database_restored_from_a_backup_tells_nobody_again(rig: Rig, trial_first: bool) -> None:
    database, backup = rig.folder / "notifier.db", rig.folder / "backup.db"
    rig.start()
    copied(database, backup)
    one = fresh()
    rig.write(one)
    rig.only_text()
    until(lambda: "accepted" in rig.story(one))
    rig.stop()

    for leftover in rig.folder.glob("notifier.db-*"):
        leftover.unlink()
    copied(backup, database)
    with contextlib.closing(admin(rig.kafka)) as client:
        until(lambda: (GROUP, "Empty") in {(group["group_id"], group["group_state"]) for group in client.list_groups()})
        client.delete_groups([GROUP])

    if trial_first:
        rig.more = {"NOTIFIER_TRIAL": "on"}
        rig.start()
        until(lambda: ("held", "trial") in [
            (each["state"], each["reason"]) for each in (orjson.loads(record.value) for record in rig.read(t.NOTIFICATIONS))])
        rig.stop()
        rig.more = {}
    rig.start()
    two = fresh("p2", adviser_ref="demo:ben")   # once this has gone out, what was due before it has as well
    rig.write(two)
    until(lambda: rig.twilio.to(NUMBERS["demo:ben"]))
    until(lambda: "accepted" in rig.story(two))
    until(lambda: len(rig.twilio.to(NUMBERS["demo:ada"])) == (1 if trial_first else 2))
