"""docs/explanation/data-protection.md says of each topic and table how long it is kept, and says the truth."""
from __future__ import annotations

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from keepintouch.runtime.topics import DEFAULT_APP_ID, Topic, load_topics
from services.intake import imports_tables  # noqa: F401 – adds its tables to those of the gateway
from services.intake import tables as gateways
from services.intake.settings import IntakeSettings
from services.notifier import tables as notifiers
from services.notifier.settings import NotifierSettings
from tests.unit.deploy.told import ROOT

PAGE = (ROOT / "docs" / "explanation" / "data-protection.md").read_text()
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| ")]


DAY = timedelta(days=1)


def kept(name: str, of: str = "") -> str:
    """What the page says of a topic; of a table, with the service in front of it."""
    (row,) = (row for row in ROWS if row[0].startswith(of) and name in re.findall(r"`(.+?)`", row[0]))
    return row[-1] if of else row[2]


@pytest.mark.parametrize("topic", load_topics(), ids=lambda topic: topic.name)
def test_of_each_topic(topic: Topic) -> None:
    said = kept(topic.name.replace(DEFAULT_APP_ID, "<app id>"))
    if topic.config["cleanup.policy"] == "compact":
        assert said.startswith("while "), "as long as it holds"
        assert int(topic.config["max.compaction.lag.ms"]) == DAY // timedelta(milliseconds=1)
        return
    days = timedelta(milliseconds=int(topic.config["retention.ms"])) // DAY
    assert said in (f"{days} days", f"{days // 365} years")


@pytest.mark.parametrize(("service", "metadata"), [("notifier", notifiers.metadata), ("intake", gateways.metadata)])
def test_of_each_table_and_of_no_other(service: str, metadata: sa.MetaData) -> None:
    for name in metadata.tables:
        assert kept(name, f"{service}: "), name
    said = {name for row in ROWS if row[0].startswith(f"{service}: ") for name in re.findall(r"`(.+?)`", row[0])}
    assert said == set(metadata.tables)


def test_how_long_it_is_unless_somebody_chooses() -> None:
    notifier, intake = (kind.model_fields[name].default // DAY for kind, name in (
        (NotifierSettings, "notifier_keep"), (IntakeSettings, "intake_keep")))
    assert f"`NOTIFIER_KEEP` is {notifier} days unless you choose otherwise, `INTAKE_KEEP` {intake}" in PAGE
