"""The file of rights: complete, about topics that exist, and clear when it is wrong."""
from __future__ import annotations

from pathlib import Path

import pytest

from keepintouch.runtime import topics as t
from keepintouch.runtime.access import Right, load_access, read_passwords
from keepintouch.runtime.errors import UserError


def rights(app_id: str = "contact-monitor") -> set[Right]:
    return {right for principal in load_access(app_id=app_id) for right in principal.rights}


def test_they_are_about_topics_that_are_declared_and_every_topic_has_a_reader_and_a_writer() -> None:
    declared = {topic.name for topic in t.load_topics()}
    about = {operation: {right.name for right in rights() if right.kind == "topic" and right.operation == operation}
             for operation in ("read", "write")}
    assert about == {"read": declared, "write": declared}


def test_nobody_but_the_monitor_writes_alerts_state_and_its_transactions() -> None:
    only = {right.principal for right in rights() if right.operation == "write" and (
        right.kind == "transactional_id" or right.name in (t.ALERTS, t.people_changelog()))}
    assert only == {"contact-monitor"}


def test_groups_and_state_are_those_of_the_app_id() -> None:
    found = {str(right) for right in rights("blue") if right.principal == "contact-monitor"}
    assert {"contact-monitor: read group blue", "contact-monitor: write transactional_id blue-*",
            "contact-monitor: write topic blue-people-changelog"} <= found


@pytest.mark.parametrize(("text", "said"), [
    ("principals: {board: {for: pages, topics: {care.alerts.v1: [alter]}}}", r"principals: board: topics: care\.alerts\.v1: 0: "),
    ("principals: {board: {topics: {}}}", "principals: board: for: Field required"),
    ("principals: {Board: {for: x, topics: {}}}", "principals: Board"),
    ("principals: {a: 1, a: 2}", "line 1"),
])
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "acls.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=f"^{path}: .*{said}"):
        load_access(path)


def test_a_password_that_is_missing_or_short_is_named_and_not_shown(tmp_path: Path) -> None:
    for principal in load_access():
        (tmp_path / principal.name).write_text("long enough to be one\n")
    assert set(read_passwords(tmp_path, load_access()).values()) == {"long enough to be one"}
    (tmp_path / "board").write_text("hunter2")
    with pytest.raises(UserError, match="board: a password has 16") as caught:
        read_passwords(tmp_path, load_access())
    assert "hunter2" not in str(caught.value)
    (tmp_path / "board").unlink()
    with pytest.raises(UserError, match="password of board"):
        read_passwords(tmp_path, load_access())
