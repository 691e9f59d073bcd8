"""What is read from the topics, and how it is held: in any order, stale or unreadable, in little room."""
from __future__ import annotations

import os
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from keepintouch import councils
from keepintouch.councils import SMOKE_COUNCIL
from keepintouch.ladders.ladder import Ladder
from keepintouch.rulebook import CouncilRules
from keepintouch.runtime.topics import ALERT_ACTIONS, ALERTS, NOTIFICATIONS, people_changelog
from keepintouch.standards import stored
from schemas import actions, alerts, audit, notifications
from schemas.notifications import MOST_IDS
from services.board.model import records
from services.board.model.ladder import next_step
from services.board.model.log import Log
from services.board.model.records import Action, Alert, Note
from services.board.publication import HIDDEN, SMALLEST, Group, publishable
from services.board.who import LOOK_AGAIN_SECONDS, WhoIsWho, read_labels

from .world import Stage, arranged, stage

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)   # a Monday


@pytest.mark.parametrize(("ours", "theirs"), [
    (records.Alert, alerts.Alert), (records.Detail, alerts.AlertDetail), (records.Action, actions.AlertAction),
    (records.Note, notifications.Notification), (records.Look, audit.AuditEntry)])
def test_fields_are_those_of_the_schemas(ours: type[msgspec.Struct], theirs: type[BaseModel]) -> None:
    required = {field.name for field in msgspec.structs.fields(ours) if field.required}
    optional = {field.name for field in msgspec.structs.fields(ours) if not field.required}
    assert required | optional <= set(theirs.model_fields)
    for name in required:
        assert theirs.model_fields[name].is_required(), name
    left_out = {"evidence", "policy", "channel", "provider", "template", "provider_id", "possible_duplicate"}
    assert set(theirs.model_fields) - required - optional <= left_out


def alert_record(**more: object) -> dict[str, object]:
    return {"alert_id": "6b67ff31-06c0-5bd3-a50b-7eff7cf3bf2b", "person_ref": "lancashire:p", "council": "lancashire",
            "rule": "visit_overdue", "standard": "standard_8_week/visit_overdue/1", "status": "open", "sequence": 1,
            "severity": "high", "anchor_on": "2026-01-01", "due_on": "2026-02-26", "opens_on": "2026-03-02", "mode": "live",
            "detail": {}, "detected_at": AT.isoformat()} | more


def test_a_stale_record_of_an_alert_is_ignored_an_equal_one_replaces_it(made: Stage) -> None:
    key = str(alert_record()["alert_id"]).encode()
    for sequence, severity, holds in ((2, "high", "high"), (1, "low", "high"), (2, "critical", "critical"), (3, "low", "low")):
        made.model.fold(ALERTS, key, orjson.dumps(alert_record(sequence=sequence, severity=severity)))
        assert made.model.alerts[key.decode()].severity == holds
    made.model.fold(ALERTS, key, None)
    assert key.decode() not in made.model.alerts
    assert made.model.alerts_of("lancashire:p") == []


def test_what_cannot_be_read_is_counted_and_passed_over(made: Stage) -> None:
    for topic in (ALERTS, ALERT_ACTIONS, NOTIFICATIONS):
        for value in (b"", b"{", b"null", b"[]", b'{"alert_id": 5}'):
            made.model.fold(topic, b"k", value)
    assert made.model.unreadable == 15


def test_state_of_a_later_version_is_not_passed_over(made: Stage) -> None:
    """Who runs a board older than the monitor must hear of it: nobody would be on its pages."""
    ref = next(iter(made.model.people.of_council("lancashire")))
    value = made.model.people.stored(ref)
    assert value is not None
    with pytest.raises(stored.StoredFormError, match="version 99"):
        made.model.fold(people_changelog(), ref.encode(), bytes([99]) + value[1:])


def test_the_newest_text_of_a_ref_counts(made: Stage) -> None:
    first, second = sorted(made.model.alerts)[:2]
    made.text("K7QX", "lancashire:w", [second], at=AT)
    made.text("K7QX", "lancashire:w", [first], at=AT - timedelta(days=30))
    note = made.model.log.text("K7QX")
    assert note is not None
    assert note.alert_ids == (second,)


def test_a_message_told_of_in_parts_is_about_all_their_alerts() -> None:
    log, ids = Log(), [f"{number:03}" for number in range(2 * MOST_IDS + 1)]
    parts = [tuple(ids[start:start + MOST_IDS]) for start in (0, MOST_IDS, 2 * MOST_IDS)]
    for state, minute in (("sending", 0), ("accepted", 1)):
        for part in parts:
            for alert_id in part:
                log.note(alert_id, Note("n", part, "1", state, AT + timedelta(minutes=minute), ref="K7QX"))
    about = log.text("K7QX")
    assert about is not None
    assert (about.state, sorted(about.alert_ids)) == ("accepted", ids)


LADDER = Ladder.of(councils.Ladder.model_validate({"calendar": "working_hours", "steps": [
    {"after": "0d", "to": ["adviser"]}, {"after": "1wd", "to": ["adviser"]}, {"after": "2wd", "to": ["manager"]},
    {"after": "5wd", "to": ["service_manager"]}], "critical": [
        {"after": "0d", "to": ["adviser", "manager"]}, {"after": "1d", "to": ["service_manager"]}]}))


def note(step: str, at: datetime = AT, state: str = "delivered", reason: str | None = None) -> Note:
    return Note("n", ("a",), step, state, at, reason=reason)


def action(name: str, until: date | None = None, actor: str = "lancashire:w") -> Action:
    return Action("x", "a", name, actor, AT + timedelta(hours=1), "board", until)


@pytest.mark.parametrize(("notes", "acts", "to", "on", "held"), [
    ([], [], ("adviser",), date(2026, 3, 2), False),
    ([note("1")], [], ("adviser",), date(2026, 3, 3), False),
    ([note("1"), note("2", AT + timedelta(days=1))], [], ("manager",), date(2026, 3, 4), False),
    ([note("1", state="held", reason="trial")], [], ("adviser",), date(2026, 3, 3), False),
    ([note("1")], [action("acknowledge")], ("adviser",), date(2026, 3, 9), True),
    ([note("1")], [action("plan_visit", date(2026, 3, 5))], ("adviser",), date(2026, 3, 6), True),
    ([note("1")], [action("plan_visit", date(2026, 3, 5)), action("plan_visit", date(2026, 3, 12))], ("adviser",),
     date(2026, 3, 6), True),
    ([note("1")], [action("snooze", date(2026, 4, 30))], ("manager",), date(2026, 3, 16), True),   # cut short: the manager hears
    ([note("1")], [action("not_mine")], ("manager",), date(2026, 3, 2), False),
    ([note("1"), note("not_mine")], [action("not_mine")], ("manager",), date(2026, 3, 3), False),   # stands for the adviser
    ([note("1")], [action("snooze", date(2026, 4, 30), "lancashire:m")], ("adviser",), date(2026, 4, 30), True)])
def test_who_hears_next_and_when(notes: list[Note], acts: list[Action], to: tuple[str, ...], on: date, held: bool) -> None:
    alert = msgspec.json.decode(orjson.dumps(alert_record()), type=Alert)
    step = next_step(alert, LADDER, notes, acts, frozenset({"lancashire:m"}), AT)
    assert step is not None
    assert (step.to, step.on, step.held) == (to, on, held)


def test_who_hears_of_a_critical_one_and_of_none(made: Stage) -> None:
    critical = msgspec.json.decode(orjson.dumps(alert_record(severity="critical")), type=Alert)
    step = next_step(critical, LADDER, [], [], frozenset(), AT)
    assert step is not None
    assert step.to == ("adviser", "manager")
    step = next_step(critical, LADDER, [note("critical")], [], frozenset(), AT)
    assert step is not None
    assert (step.to, step.on) == (("service_manager",), date(2026, 3, 3))
    step = next_step(critical, LADDER, [note("1")], [], frozenset(), AT + timedelta(hours=2))
    assert step is not None
    assert (step.to, step.on) == (("adviser", "manager"), date(2026, 3, 2))
    for more in ({"mode": "backfill"}, {"status": "cleared"}):
        quiet = msgspec.json.decode(orjson.dumps(alert_record(**more)), type=Alert)
        assert next_step(quiet, LADDER, [], [], frozenset(), AT) is None
    everybody = [note(key) for key in "1234"]
    plain = msgspec.json.decode(orjson.dumps(alert_record()), type=Alert)
    assert next_step(plain, LADDER, everybody, [], frozenset(), AT) is None


class TestPublication:
    """Figures that say nothing about one young person."""

    def test_small_groups_and_small_complements_are_hidden(self) -> None:
        rows = publishable([Group("total", "all", 100, (97, 50)), Group("need", "high", 4, (1, 1)),
                            Group("need", "standard", 60, (60, 2)), Group("need", "enhanced", 36, (36, 30))])
        assert rows[0][2] == [100, HIDDEN, 50]
        assert rows[1][2] == [HIDDEN, HIDDEN, HIDDEN]
        assert rows[2][2][2] == HIDDEN

    def test_what_is_hidden_alone_takes_the_smallest_other_with_it(self) -> None:
        rows = publishable([Group("team", "a", 3, (3,)), Group("team", "b", 20, (10,)), Group("team", "c", 30, (15,))])
        assert [row[2][0] for row in rows] == [HIDDEN, HIDDEN, 30]
        assert [row[2][1] for row in rows] == [HIDDEN, HIDDEN, 15]

    def test_two_that_are_one_each_are_not_told_from_their_sum(self) -> None:
        rows = publishable([Group("team", "a", 20, (1,)), Group("team", "b", 20, (1,)), Group("team", "c", 30, (15,)),
                            Group("team", "d", 40, (30,))])
        assert [row[2][1] for row in rows] == [HIDDEN, HIDDEN, HIDDEN, 30]
        rows = publishable([Group("team", "a", 20, (19,)), Group("team", "b", 20, (19,)), Group("team", "c", 30, (20,)),
                            Group("team", "d", 40, (30,))])
        assert [row[2][1] for row in rows] == [HIDDEN, HIDDEN, HIDDEN, 30]

    @given(st.lists(st.integers(0, 30).flatmap(lambda people: st.tuples(st.just(people), st.integers(0, people))),
                    min_size=2, max_size=4))
    def test_nobody_who_knows_the_total_can_work_out_a_small_count(self, cut: list[tuple[int, int]]) -> None:
        groups = [Group("team", str(n), people, (count,)) for n, (people, count) in enumerate(cut)]
        rows, total = publishable(groups), sum(count for _, count in cut)
        if 0 < total < SMALLEST or 0 < sum(people for people, _ in cut) - total < SMALLEST:
            return   # the total is not published either
        hidden = [n for n, row in enumerate(rows) if row[2][1] == HIDDEN]
        known = [rows[n][2][0] for n in hidden]
        left = total - sum(count for n, (_, count) in enumerate(cut) if n not in hidden)
        for place, n in enumerate(hidden):
            people, count = cut[n]
            if people < SMALLEST or SMALLEST <= count <= people - SMALLEST or known[place] == HIDDEN:
                continue
            others = [cut[other][0] for other in hidden if other != n]
            # Who knows that nothing is hidden where nobody, or everybody, is counted: from 1 to all but 1 in each.
            least, most = max(1, left - sum(each - 1 for each in others)), min(people - 1, left - len(others))
            assert most > least, (cut, rows)

    def test_nothing_is_hidden_without_need(self) -> None:
        rows = publishable([Group("team", "a", 20, (10, 0)), Group("team", "b", 20, (15, 20))])
        assert [row[2] for row in rows] == [[20, 10, 0], [20, 15, 20]]


class TestLabels:
    """The council's own file of names."""

    def test_a_file_is_read_again_when_it_has_changed_and_stands_still(self, made: Stage, tmp_path: Path) -> None:
        now, file = [0.0], tmp_path / "labels.csv"
        council = made.model.councils.councils["lancashire"].model_copy(update={"labels": str(file)})
        ref = made.simulation.refs.person("100101") if made.simulation else ""
        who = WhoIsWho({"lancashire": council}, tmp_path / "keys", lambda: now[0])

        def name(later: float = 2.0) -> str:
            now[0] += later
            return who.person(ref).name

        assert name() == "100101"
        file.write_text("id,label\n100101,Robin\n")
        assert name() == "Robin"
        file.write_text("id,label\n100101,Wren")   # its last line does not end: perhaps the rest is still to come
        assert name() == "Robin"
        assert name() == "Wren"   # it stands still: that is how the council writes it
        file.write_text("id,label\n100101,Ash")
        long_ago = time.time() - LOOK_AGAIN_SECONDS
        os.utime(file, (long_ago, long_ago))
        assert name() == "Ash"   # it had stood still before anybody looked
        file.write_text("id,label\n100101,Robin\n")
        name()
        assert name() == "Robin"
        for half in ("id,label\n100101,Wr", "id,label\n100101,Wren of", "id,lab"):   # it is being written: never still
            file.write_text(half)
            assert name() == "Robin"
        file.write_text('id,label\n100101,"Half')   # a quotation that never ends
        assert [name(), name()] == ["Robin", "Robin"]
        file.write_text("id,label\n100101,Wren\n")
        name()
        assert name() == "Wren"
        file.unlink()
        assert name() == "Wren"

    def test_a_file_that_cannot_be_used_is_said_once(self, made: Stage, tmp_path: Path,
                                                     capsys: pytest.CaptureFixture[str]) -> None:
        now, file = [0.0], tmp_path / "labels.csv"
        council = made.model.councils.councils["lancashire"].model_copy(update={"labels": str(file)})
        who = WhoIsWho({"lancashire": council}, tmp_path / "keys", lambda: now[0])

        def said(looks: int = 3) -> list[str]:
            capsys.readouterr()
            for _ in range(looks):
                now[0] += 2
                who.person("lancashire:x")
            return [orjson.loads(line).get("reason", "") for line in capsys.readouterr().err.splitlines()]

        assert said() == ["no_file_that_we_may_read"]
        file.write_text("name,number\n1,2\n")
        assert said() == ["not_id_and_label"]
        file.write_text("id,label\n100101,Robin\n")
        assert said() == [""]
        file.write_text("name,number\n1,2\n")
        assert said() == ["not_id_and_label"]
        file.unlink()
        assert said() == ["no_file_that_we_may_read"]

    def test_leading_zeros_and_a_byte_order_mark_are_kept_and_passed_over(self) -> None:
        assert read_labels("id,label\n000123, Ash \n") == {"000123": "Ash"}
        assert read_labels("Label,ID\nAsh,7\n\n") == {"7": "Ash"}

    @pytest.mark.parametrize("text", ["", "name,number\n1,2\n", "id,label\n1\n", 'id,label\n1,"Ash'])
    def test_what_is_not_whole_is_not_taken(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"."):
            read_labels(text)


def test_metrics_for_managers_agree_with_the_pages(made: Stage) -> None:
    import threading

    made.figures.work_out(made.model, threading.Event())
    value = made.metrics.registry.get_sample_value
    standings = [each for each in made.model.standings(made.model.people.of_council("lancashire")) if each.in_scope]
    by_team = {"council": "lancashire", "team": "north"}
    mine = [each for each in standings if each.place.team_ref == "north"]
    assert value("board_people_in_scope", by_team) == len(mine)
    assert value("board_people_in_touch", by_team) == sum(each.in_touch for each in mine)
    assert value("board_people_meaningful", by_team) == sum(each.meaningful for each in mine)
    assert value("board_people_seen", by_team) == sum(each.seen for each in mine)
    assert value("board_people_by_rule", {"council": "lancashire", "rule": "visit_overdue", "state": "overdue"}) == sum(
        each.state_of("visit_overdue") == "overdue" for each in standings)
    found = [each for each in made.model.alerts.values() if each.is_open and each.rule == "text_only" and each.severity == "high"]
    ages = ("under_7d", "7d_to_28d", "over_28d")
    counted = sum(value("board_alerts_open", {"council": "lancashire", "rule": "text_only", "severity": "high", "age": age}) or 0
                  for age in ages)
    assert counted == len(found)
    opened = sum(sample.value for metric in made.metrics.registry.collect() for sample in metric.samples
                 if sample.name == "board_alerts_total" and sample.labels["what"] == "opened")
    gap = [each for each in standings if each.in_touch and not each.meaningful]
    assert value("board_people_in_the_gap", {"council": "lancashire", "rule": "text_only"}) == sum(
        each.state_of("text_only") == "overdue" for each in gap)
    assert opened == len(made.model.alerts)
    records_held = sum(len(person.registers) for ref in made.model.people.of_council("lancashire")
                       if (person := made.model.people.person(ref)) is not None)
    lags = value("board_recording_lag_days_count", {"council": "lancashire"})
    assert lags is not None
    assert 0 < lags <= records_held
    made.figures.work_out(made.model, threading.Event())
    assert value("board_recording_lag_days_count", {"council": "lancashire"}) == lags   # each record once


def test_what_followed_a_live_alert_is_counted_once(made: Stage) -> None:
    import threading

    live = [each for each in made.model.alerts.values() if each.mode == "live"]
    assert live
    adviser = made.staff("adviser")
    made.text("K7QX", adviser, [live[0].alert_id], step="1", at=live[0].detected_at + timedelta(hours=1))
    made.text("K7QX", adviser, [live[0].alert_id], step="3", at=live[0].detected_at + timedelta(hours=50))
    answer = {"action_id": "a", "alert_id": live[0].alert_id, "action": "acknowledge", "actor_ref": adviser, "via": "sms",
              "at": (live[0].detected_at + timedelta(hours=3)).isoformat()}
    made.model.fold(ALERT_ACTIONS, live[0].alert_id.encode(), orjson.dumps(answer))
    made.clock.advance(timedelta(days=30))
    for _ in range(2):
        made.figures.work_out(made.model, threading.Event())
    value = made.metrics.registry.get_sample_value
    labels = {"council": "lancashire"}
    assert value("board_alert_to_acknowledgement_hours_sum", labels) == pytest.approx(3)
    assert value("board_alert_to_escalation_hours_sum", labels) == pytest.approx(50)
    followed = [value("board_alerts_followed_total", labels | {"within_5wd": each}) or 0 for each in ("yes", "no")]
    assert sum(followed) == len(live)


def test_a_board_that_starts_again_counts_nothing_again(tmp_path: Path) -> None:
    import threading

    given = arranged(40)
    again = stage(tmp_path, given, since=given.now + timedelta(days=40))
    again.clock.advance(timedelta(days=40))
    again.figures.work_out(again.model, threading.Event())
    counted = {sample.name: sample.value for metric in again.metrics.registry.collect() for sample in metric.samples
               if sample.name.endswith(("_total", "_count"))}
    assert {"board_alerts_total", "board_recording_lag_days_count"} <= counted.keys()
    assert not any(counted.values())


def test_a_feed_that_is_required_and_has_never_come_is_told(made: Stage) -> None:
    import threading

    rules = made.model.rules["lancashire"]
    made.model.rules = {**made.model.rules, "lancashire": CouncilRules.of(rules.policy, frozenset({"visits", "notes"}))}
    made.model.feeds.restore("lancashire", "notes", made.model.today.toordinal() - 2)
    made.figures.work_out(made.model, threading.Event())
    value = made.metrics.registry.get_sample_value
    told = [(value("board_feed_never_complete", labels), value("board_feed_age_days", labels))
            for labels in ({"council": "lancashire", "feed": feed} for feed in ("visits", "notes"))]
    assert told == [(1, None), (0, 2)]


def test_the_smoke_tests_council_is_in_no_figure(made: Stage) -> None:
    import threading

    record = alert_record(person_ref=f"{SMOKE_COUNCIL}:p", council=SMOKE_COUNCIL)
    made.model.fold(ALERTS, str(record["alert_id"]).encode(), orjson.dumps(record))
    made.figures.work_out(made.model, threading.Event())
    assert not any(SMOKE_COUNCIL in sample.labels.values() for metric in made.metrics.registry.collect()
                   for sample in metric.samples)
    assert made.model.alerts[str(record["alert_id"])].is_open
