from pathlib import Path

import pytest

from keepintouch.runtime import topics as t
from keepintouch.runtime.errors import UserError

DAY = 86_400_000


def shipped(**given: int | str) -> dict[str, t.Topic]:
    return {topic.name: topic for topic in t.load_topics(**given)}  # type: ignore[arg-type]


def test_all_topics_are_declared_and_no_other() -> None:
    assert shipped().keys() == {t.EVENTS, t.ALERTS, t.STAFF, t.ALERT_ACTIONS, t.NOTIFICATIONS, t.DEAD_LETTERS, t.AUDIT,
                                "contact-monitor-people-changelog"}
    assert t.people_changelog("blue") in shipped(app_id="blue")


@pytest.mark.parametrize("given", [{}, {"partitions": 4}, {"partitions": 24}])
def test_state_has_as_many_partitions_as_the_events(given: dict[str, int]) -> None:
    topics = shipped(**given)
    assert topics[t.people_changelog()].partitions == topics[t.EVENTS].partitions == given.get("partitions", 12)
    assert topics[t.STAFF].partitions == 1
    assert topics[t.ALERTS].partitions == min(6, given.get("partitions", 6))


def test_what_is_kept_and_for_how_long() -> None:
    topics = shipped()
    kept = {name: (topic.config["cleanup.policy"], topic.config.get("retention.ms")) for name, topic in topics.items()}
    assert kept[t.EVENTS] == ("delete", str(400 * DAY))
    assert kept[t.AUDIT] == ("delete", str(2557 * DAY))
    assert {name for name, (policy, _) in kept.items() if policy == "compact"} == {
        t.ALERTS, t.STAFF, t.people_changelog()}
    for name, topic in topics.items():
        if topic.config["cleanup.policy"] == "compact":   # else someone erased could stay for ever
            assert int(topic.config["max.compaction.lag.ms"]) <= DAY, name
    assert int(topics[t.DEAD_LETTERS].config["max.message.bytes"]) > max(
        int(topic.config["max.message.bytes"]) for name, topic in topics.items() if name != t.DEAD_LETTERS)
    assert int(topics[t.people_changelog()].config["max.message.bytes"]) > 4 * 1024 * 1024


def test_one_copy_asks_for_one_in_sync() -> None:
    assert all(topic.config["min.insync.replicas"] == "1" for topic in shipped(replication=1).values())
    assert all(topic.config["min.insync.replicas"] == "2" for topic in shipped().values())


GOOD = """
common: {replication_factor: 1}
topics:
  a: {key: k, partitions: 2, config: {cleanup.policy: delete, retention.ms: 5d, max.message.bytes: 64KiB}}
"""


def test_durations_and_sizes_become_kafkas(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(GOOD)
    assert t.load_topics(tmp_path / "t.yaml") == (t.Topic("a", "k", 2, 1, {
        "cleanup.policy": "delete", "retention.ms": "432000000", "max.message.bytes": "65536"}),)


@pytest.mark.parametrize(("was", "now", "words"), [
    ("partitions: 2", "partitions: none", "topics: a: partitions"),
    ("partitions: 2", "partitions: 0", "topics: a: partitions"),
    ("partitions: 2, ", "", "topics: a: partitions"),
    ("key: k", "kee: k", "topics: a: k"),
    ("retention.ms: 5d", "retention.ms: 5 days", "topics: a: config.*5 days"),
    ("retention.ms: 5d", "retenton.ms: 5d", "topics: a: config: retenton.ms"),
    ("64KiB", "64kb", "topics: a: config: max.message.bytes"),
    ("partitions: 2", "partitions: 2, same_partitions_as: b", "topics: a: partitions: must be as many as b"),
    ("topics:", "topics: [", "line"),
])
def test_a_mistake_names_file_topic_and_field(tmp_path: Path, was: str, now: str, words: str) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(GOOD.replace(was, now))
    with pytest.raises(UserError, match=words) as caught:
        t.load_topics(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_and_an_app_id_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        t.load_topics(tmp_path / "none.yaml")
    with pytest.raises(UserError, match="CONTACT_MONITOR_APP_ID"):
        t.load_topics(app_id="a b")
