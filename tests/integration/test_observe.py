"""Every panel of the dashboards, on real services under a real Prometheus; and what a wrong one would be told."""
from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest
from rich.console import Console

from keepintouch.cli.observe import table
from keepintouch.observe.examining import Examined, examine
from keepintouch.observe.grafana import DASHBOARDS
from keepintouch.observe.managers import MANAGERS
from keepintouch.observe.month import month
from keepintouch.observe.panels import Panel, Query, Section
from keepintouch.observe.pictures import picture
from keepintouch.runtime.kafka import KafkaSettings
from keepintouch.runtime.topics import Topic

SOUND = next(MANAGERS.panels())
WRONG: dict[str, tuple[Panel, str]] = {
    "a metric that was renamed": (replace(SOUND, queries=(Query("board_people_in_scopes", "x"),), may_be_empty="a reason"),
                                  "there is no metric board_people_in_scopes"),
    "nothing to show": (replace(SOUND, queries=(Query('board_people_in_scope{council="nowhere"}', "x"),)), "empty"),
    "no query at all": (replace(SOUND, queries=(Query("sum(", "x"),)), "parse error"),
    "a label that is not there": (replace(SOUND, queries=(Query("sum(board_people_in_scope)", "{{team}}"),)), "no label team"),
    "a label of a person": (replace(SOUND, queries=(
        Query('label_replace(board_people_in_scope, "person_ref", "x", "", "")', "x"),)), "person_ref"),
    "no unit": (replace(SOUND, unit=""), "no unit")}


def said(examined: Examined) -> str:
    """All that is wrong with a dashboard."""
    return "\n".join((*examined.faults, *(fault for each in examined.shown for fault in each.faults)))


def test_every_panel_shows_something_and_a_wrong_one_is_told(
        kafka: KafkaSettings, topics: tuple[Topic, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap_servers)
    boards = [replace(MANAGERS, sections=(Section("One", (panel,)),)) for panel, _ in WRONG.values()]
    monkeypatch.setattr("keepintouch.observe.examining._WAIT", 60)
    with month(lambda _: None, days=9, people=60, seconds_a_day=3) as watched:
        found = examine(watched.prometheus, DASHBOARDS, watched.start, watched.seconds_a_day)
        monkeypatch.setattr("keepintouch.observe.examining._WAIT", 0)
        wrong = examine(watched.prometheus, boards, watched.start, watched.seconds_a_day)
    assert [said(each) for each in found] == ["", ""]
    for (why, (_, fault)), each in zip(WRONG.items(), wrong, strict=True):
        assert not each.sound, why
        assert fault in said(each), why
    console = Console(record=True, width=118)
    for each in (*found, wrong[0]):
        console.print(table(each))
        ElementTree.fromstring(picture(each, "a caption"))
    text = console.export_text()
    for each in found:
        assert all(shown.panel.title in text for shown in each.shown)
    assert "wrong" in text
