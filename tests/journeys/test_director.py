"""Journey 4: a service director before an inspection. "92 % in contact. Is it true?"""
from __future__ import annotations

import csv
import re
from datetime import date, timedelta
from pathlib import Path

import pytest

from keepintouch.demo.stack import BOARD, MONITOR
from keepintouch.runtime.kafka import KafkaSettings
from keepintouch.runtime.topics import Topic
from keepintouch.simulator import LANCASHIRE_2017, simulate
from tests.journeys.county import (
    POLICY,
    county,
    events_file,
    figure,
    refs_on,
    signed_in,
    standings,
    start_at,
    wait_until_evaluated,
    words_of,
)
from tests.processes import until
from tests.reference.command import keepintouch

pytestmark = pytest.mark.slow


def test_the_headline_what_it_hides_and_that_it_agrees(kafka: KafkaSettings, topics: tuple[Topic, ...], tmp_path: Path,
                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    council = simulate(LANCASHIRE_2017, people=160, start=date(2024, 6, 3), days=728)
    history = list(council)
    events = events_file(tmp_path / "events.jsonl", history)
    now = council.boundary + timedelta(hours=9)
    by_evaluate = standings(events, now)
    director = next(member for member in council.staff if member.role == "service_manager")
    with county(council, kafka, monkeypatch) as stack:
        stack.feed(council.staff, history)
        start_at(stack, now, MONITOR, BOARD)
        wait_until_evaluated(stack, council.people)
        until(lambda: stack.gauge(BOARD, "board_people_known") == council.people)
        with signed_in(stack, director.worker_ref) as client:
            page = client.get("/council")
            words = words_of(page)

            # The headline, beside it what it hides; the same people as the engine and as `check` on the same events.
            people = {ref for ref in by_evaluate if by_evaluate[ref]}
            in_touch = {ref for ref in people if by_evaluate[ref]["in_touch"]}
            meaningful = {ref for ref in people if by_evaluate[ref]["meaningful"]}
            gap = in_touch - meaningful
            assert len(gap) > 10
            for show, expected in (("in_touch", in_touch), ("meaningful", meaningful), ("everyone", people), ("gap", gap)):
                assert refs_on(client.get("/council", params={"show": show})) == expected, show
            assert (figure(page, "show=in_touch"), figure(page, "show=meaningful"), figure(page, "show=everyone")) == (
                len(in_touch), len(meaningful), len(people))
            checked = keepintouch("check", "--events", str(events), "--policy", POLICY, "--as-of", now.date().isoformat(),
                                  "--csv", str(tmp_path / "tables"))
            assert checked.status == 0, checked.err

            # Over 24 months, and today's point is today's figure.
            rows = re.findall(r'<th scope="row"[^>]*>(Today|\w+ \d{4})</th>' + r"<td[^>]*>(\d+)</td>" * 3, page.text)
            assert rows[0] == ("Today", str(len(in_touch)), str(len(meaningful)), str(figure(page, "show=seen")))
            assert len(rows) >= 23
            assert all(int(in_touch_) >= int(meaningful_) for _, in_touch_, meaningful_, _ in rows)

            # The people behind the difference, by rule, team and cohort; each figure opens.
            rules = re.findall(r'href="/council\?show=gap&amp;rule=(\w+)">(\d+)', page.text)
            assert {"visit_overdue", "text_only"} <= {rule for rule, _ in rules}
            for rule, number in rules:
                behind = refs_on(client.get("/council", params={"show": "gap", "rule": rule}))
                assert len(behind) == int(number)
                assert behind <= gap
            by_team: set[str] = set()
            for team, number in re.findall(r'href="/team\?team=(\w+)&amp;show=gap">(\d+)', page.text):
                mine = refs_on(client.get("/team", params={"team": team, "show": "gap"}))
                assert len(mine) == int(number)
                by_team |= mine
            assert by_team == gap
            cohorts = re.findall(r'href="/council\?show=(gap%3A\w+)">(\d+)', page.text)
            assert cohorts
            for cohort, number in cohorts:
                assert len(refs_on(client.get(f"/council?show={cohort}"))) == int(number)

            # What is not recorded at all, and what was typed up late.
            assert f"{figure(page, 'show=no_record')} without any record of contact" in words
            assert re.search(r"half were typed up (the same day|within \d+ days?), \d+ % within two days", words)
            assert "No feed says up to which day its records are complete." in words
            assert f"{figure(page, 'show=never_met')} who have never met their personal adviser" in words

    tables = tmp_path / "tables"
    with (tables / "people.csv").open(encoding="utf-8-sig", newline="") as file:
        table = {row["person"]: row for row in csv.DictReader(file)}
    by_check = {name for name, row in table.items() if row["in_touch_not_meaningful"] == "yes"}
    assert by_check == gap
