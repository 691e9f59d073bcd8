"""Journey 3: a team manager, Monday 09:00; one weekly message, one page."""
from __future__ import annotations

import html
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from keepintouch.calendar import london_midnight
from keepintouch.demo.stack import BOARD, MONITOR, NOTIFIER
from keepintouch.runtime.kafka import KafkaSettings, read_to_end
from keepintouch.runtime.topics import ALERT_ACTIONS, Topic
from keepintouch.simulator import LANCASHIRE_2017, simulate
from tests.journeys.county import (
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

pytestmark = pytest.mark.slow
MONDAY = date(2026, 5, 11)


def messages(texts: Path, recipient: str) -> list[str]:
    """The texts somebody got, oldest first."""
    lines = texts.read_text().splitlines() if texts.exists() else []
    return [each["text"] for each in map(orjson.loads, lines) if each["recipient_ref"] == recipient]


def review(client: httpx.Client, page: httpx.Response) -> tuple[dict[str, Any], httpx.Response]:
    """Record in supervision what was decided about the first alert of a page: the form, and what the next page says."""
    form = next(each for each in re.findall(r"<form.*?</form>", page.text, re.DOTALL) if 'value="review"' in each)
    fields: dict[str, Any] = {}
    for name, value in re.findall(r'<input type="hidden" name="([a-z]+)" value="([^"]*)">', form):
        fields.setdefault(name, []).append(html.unescape(value))
    return fields, client.post("/actions", data=fields | {"action": "review", "note_code": "visit_arranged"})


def test_one_message_one_page_and_every_figure_says_why(kafka: KafkaSettings, topics: tuple[Topic, ...], tmp_path: Path,
                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    friday, monday = MONDAY - timedelta(days=3), london_midnight(MONDAY) + timedelta(hours=8, minutes=31)
    council = simulate(LANCASHIRE_2017, people=100, start=MONDAY - timedelta(days=368), days=365, afterwards=4)
    manager = next(member for member in council.staff if member.role == "manager")
    told = [each for each in council if each.at < monday]
    weekend = london_midnight(friday) + timedelta(hours=16)
    with county(council, kafka, monkeypatch) as stack:
        # On Friday the council begins: what is found then is one summary for her, and texts no adviser.
        stack.feed(council.staff, [each for each in told if each.at < weekend])
        start_at(stack, weekend, MONITOR, NOTIFIER)
        wait_until_evaluated(stack, council.people)
        until(lambda: messages(stack.texts, manager.worker_ref))
        assert messages(stack.texts, manager.worker_ref)[0].startswith("First look at the records:")
        stack.services.stop(MONITOR, NOTIFIER)
        before = len(messages(stack.texts, manager.worker_ref))

        # Monday morning, after a weekend's typing up.
        stack.feed([], [each for each in told if each.at >= weekend])
        start_at(stack, monday, MONITOR, NOTIFIER, BOARD)
        wait_until_evaluated(stack, council.people)
        until(lambda: any(text.startswith("This week:") for text in messages(stack.texts, manager.worker_ref)))
        weekly = [text for text in messages(stack.texts, manager.worker_ref)[before:] if text.startswith("This week:")]
        assert len(weekly) == 1
        until(lambda: stack.gauge(BOARD, "board_people_known") == council.people)

        with signed_in(stack, manager.worker_ref) as client:
            found = re.search(r"/a/([A-Z2-9]+)", weekly[0])
            assert found is not None
            assert client.get(f"/a/{found[1]}").status_code == 200
            page = client.get("/team")
            words = words_of(page)
            # Who is in the gap, and that it is the engine's own figure.
            stand = standings(events_file(tmp_path / "events.jsonl", told), monday)
            gap = {ref for ref, each in stand.items() if each["in_touch"] and not each["meaningful"]}
            mine = refs_on(client.get("/team?show=everyone"))
            assert mine
            assert refs_on(client.get("/team?show=gap")) == gap & mine
            assert figure(page, "show=in_touch") == sum(stand[ref]["in_touch"] for ref in mine)
            # The oldest alerts, with their adviser and who hears next.
            oldest = page.text.partition("The oldest, and who hears next")[2].partition("Not looked at by a manager for")[0]
            lines = re.findall(r"<tr class=\"govuk-table__row\"><th scope=\"row\".*?</tr>", oldest)[:3]
            advisers = {member.name for member in council.staff if member.role == "adviser"} | {"nobody"}
            for line in lines:
                assert any(f'data-label="Adviser">{name}<' in line for name in advisers), line
                assert re.search(r'data-label="Next">(Found when|Everybody|If nothing)', line)
            assert len(lines) == 3
            # Who has never met theirs; what was put right.
            assert f"{figure(page, 'show=never_met')} who have never met their personal adviser" in words
            done = refs_on(client.get("/team?show=put_right"))
            assert done
            assert f"about {len(done)} {'person' if len(done) == 1 else 'people'} ended because what they asked for" in words
            # Every figure opens into people; a person into the records that count and those that do not, with the reason.
            for show in re.findall(r'href="(/team\?[^"]+)"', page.text):
                assert client.get(html.unescape(show)).status_code == 200
            someone = sorted(gap & mine)[0]
            why = client.get(f"/people/{someone}")
            counts = re.findall(r'<li class="board-counts(-not)?"><strong>.*?</strong>.*?<br>(.+?)</li>', why.text)
            assert {each for each, _ in counts} == {"", "-not"}
            assert all(reason.strip(" .") for _, reason in counts)
            assert "In meaningful contact No:" in words_of(why)
            # What she decided in supervision.
            with_alert = sorted(refs_on(client.get("/team?show=overdue")))[0]
            form, said = review(client, client.get(f"/people/{with_alert}"))
            assert said.status_code == 200
            assert "looked at" in words_of(said) or "review" in words_of(said)
        written = [orjson.loads(each.value or b"") for each in read_to_end(kafka, ALERT_ACTIONS)]
        assert {each["alert_id"] for each in written} == set(form["alert"])
        assert {(each["action"], each["actor_ref"], each["note_code"], each["via"]) for each in written} == {
            ("review", manager.worker_ref, "visit_arranged", "board")}
        print(f"\nto her on Monday: {messages(stack.texts, manager.worker_ref)[before:]}")
