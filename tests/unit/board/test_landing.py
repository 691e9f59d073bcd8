"""From a text to an answer: what the page of a text shows, and what its buttons do."""
from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

import orjson
import pytest

from keepintouch.runtime.topics import ALERT_ACTIONS, ALERTS, AUDIT
from keepintouch.standards.policy_file import load_policy
from keepintouch.standards.published import Evidence
from schemas.actions import AlertAction
from services.board.model.records import Alert
from services.board.pages.common import read_now
from services.board.wording import Tries, what_is_wrong

from .world import POLICY, Browser, Stage


@pytest.fixture
def text(made: Stage, browser: Browser) -> list[Alert]:
    """The three alerts of text K7QX, whose recipient is signed in."""
    adviser = made.staff("adviser")
    alerts = made.model.open_alerts(made.model.people.of_advisers([adviser]))
    alerts.sort(key=lambda alert: alert.alert_id)
    chosen = alerts[:3]
    made.text("K7QX", adviser, [alert.alert_id for alert in chosen])
    browser.sign_in(adviser)
    return chosen


def written(made: Stage) -> list[AlertAction]:
    return [AlertAction.model_validate_json(each.value) for each in made.ledger.on(ALERT_ACTIONS)]


def ended(alert: Alert) -> bytes:
    """The alert's record after it was put right."""
    return orjson.dumps({
        "alert_id": alert.alert_id, "person_ref": alert.person_ref, "council": alert.council, "rule": alert.rule,
        "standard": alert.standard, "status": "cleared", "sequence": alert.sequence + 1, "severity": alert.severity,
        "anchor_on": alert.anchor_on, "due_on": alert.due_on, "opens_on": alert.opens_on, "mode": alert.mode, "detail": {},
        "policy": {"id": "p", "version": 1}, "detected_at": alert.detected_at, "ended_at": "2017-03-01T08:00:00Z",
        "end_reason": "done", "adviser_ref": alert.adviser_ref, "team_ref": alert.team_ref})


def test_it_shows_exactly_the_alerts_of_the_text_the_worst_first(browser: Browser, text: list[Alert]) -> None:
    page = browser.get("/a/K7QX").text
    shown = re.findall(r'id="alert-([0-9a-f-]{36})"', page)
    assert sorted(shown) == sorted(alert.alert_id for alert in text)
    order = {"critical": 0, "high": 1, "medium": 2, "low": 3}
    ranks = [order[next(alert for alert in text if alert.alert_id == each).severity] for each in shown]
    assert ranks == sorted(ranks)
    assert "What would put it right." in page
    assert browser.get("/a/k7qx").status_code == 200


@pytest.mark.parametrize(("action", "until", "said"), [
    ("acknowledge", None, "you are on it"), ("seen_already", None, "The alert ends by itself"), ("not_mine", None, "the manager"),
    ("refused", None, "refused"), ("snooze", 3, "reminded"), ("plan_visit", 0, "a visit is planned")])
def test_each_answer_is_written_with_who_and_when(made: Stage, browser: Browser, text: list[Alert], action: str,
                                                  until: int | None, said: str) -> None:
    day = None if until is None else made.clock.now().date() + timedelta(days=until)
    fields: dict[str, Any] = {} if day is None else {"until": day.isoformat()}
    answer = browser.post("/actions", alert=[text[0].alert_id], action=action, back="/a/K7QX", **fields)
    assert (answer.status_code, answer.headers["location"]) == (303, "/a/K7QX")
    [one] = written(made)
    assert (str(one.alert_id), one.action, one.via, one.until) == (text[0].alert_id, action, "board", day)
    assert one.actor_ref == made.staff("adviser")
    audit = [orjson.loads(each.value) for each in made.ledger.on(AUDIT)]
    assert {"actor_ref": one.actor_ref, "person_ref": text[0].person_ref, "what": action, "page": "/a/K7QX",
            "at": "2017-03-01T09:30:00Z"} in audit
    assert said in browser.get("/a/K7QX").text


@pytest.mark.parametrize(("written", "attempts", "unanswered", "theirs", "said"), [
    (5, 5, 5, 0, "5 written messages since, none answered"), (1, 1, 1, 0, "1 written message since, not answered"),
    (5, 5, 3, 0, "5 written messages since, 3 not answered, 2 other attempts without an answer"),
    (2, 1, 0, 0, "2 written messages since, 1 attempt without an answer"), (0, 3, 0, 0, "3 attempts without an answer"),
    (2, 0, 0, 0, "2 written messages since"),
    (0, 2, 0, 1, "1 attempt without an answer, 1 attempt of theirs that reached nobody")])
def test_a_message_without_an_answer_is_not_said_twice(written: int, attempts: int, unanswered: int, theirs: int,
                                                       said: str) -> None:
    standard = next(each for each in load_policy(POLICY).standards if each.rule == "visit_overdue")
    evidence = Evidence((None, None, None, None, None), None, written, attempts, False, ())
    sentence = what_is_wrong(standard, evidence, date(2026, 3, 12).toordinal(), None, True, Tries(unanswered, theirs))
    assert sentence.endswith(f"; {said}.")


def test_how_many_messages_had_no_answer_is_read_from_the_records(made: Stage) -> None:
    counted = 0
    for alert in (each for each in made.model.alerts.values() if each.is_open):
        reading = read_now(made.model, alert)
        assert reading.tries.unanswered <= reading.evidence.written_since_anchor
        assert reading.tries.unanswered + reading.tries.theirs <= reading.evidence.attempts_since_anchor
        counted += reading.tries.unanswered
    assert counted


def test_who_tried_to_reach_us_is_not_said_to_have_been_tried() -> None:
    standard = next(each for each in load_policy(POLICY).standards if each.rule == "unanswered_call")
    anchor, today = date(2026, 2, 17).toordinal(), date(2026, 3, 1)
    evidence = Evidence((anchor + 5, anchor, None, None, None), None, 1, 3, False, ())
    assert what_is_wrong(standard, evidence, anchor, None, True, Tries(1, 2, anchor + 5), today) == (
        "They tried to get in touch, last on Sun 22 February, and reached nobody. There has been no two-way contact since "
        "Tue 17 February; 1 written message since, not answered.")


def test_a_long_summary_has_its_first_answers_beside_the_alerts_and_the_others_on_their_pages(
        made: Stage, browser: Browser, text: list[Alert], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.board.pages.landing.FORMS_SHOWN", 2)
    page = browser.get("/a/K7QX").text
    cards = page.split('class="govuk-summary-card"')[1:]
    assert ['value="plan_visit"' in card for card in cards] == [True, True, False]
    assert "Answer on the page about" in cards[2]
    assert set(re.findall(r'name="alert" value="([^"]+)"', page.partition("I’m on it, all of them")[0])) == {
        alert.alert_id for alert in text}


def test_on_it_answers_for_all_alerts_of_the_text(made: Stage, browser: Browser, text: list[Alert]) -> None:
    browser.post("/actions", alert=[alert.alert_id for alert in text], action="acknowledge", back="/a/K7QX")
    assert sorted(str(each.alert_id) for each in written(made)) == sorted(alert.alert_id for alert in text)


def test_an_answer_counts_for_all_alerts_about_the_person_on_the_page(made: Stage, browser: Browser, text: list[Alert]) -> None:
    ref = next(ref for ref in sorted(made.model.people.of_council("lancashire")) if len(made.model.open_alerts([ref])) > 1)
    about = made.model.open_alerts([ref])
    made.text("BOTH", made.staff("manager"), [each.alert_id for each in (*about, text[0])])
    browser.sign_in(made.staff("service_manager"))
    page = browser.get("/a/BOTH").text
    assert f"An answer counts for {'both' if len(about) == 2 else f'all {len(about)}'} alerts about" in page
    forms = [form for form in re.findall(r"<form.*?</form>", page, re.DOTALL) if 'value="plan_visit"' in form]
    together = [set(re.findall(r'name="alert" value="([^"]+)"', form)) for form in forms]
    assert together.count({each.alert_id for each in about}) == len(about)
    page = browser.get(f"/people/{ref}").text   # where all is about them, they are answered once
    forms = [form for form in re.findall(r"<form.*?</form>", page, re.DOTALL) if 'value="plan_visit"' in form]
    assert [set(re.findall(r'name="alert" value="([^"]+)"', form)) for form in forms] == [{each.alert_id for each in about}]

    made.model.fold(ALERTS, about[0].alert_id.encode(), ended(about[0]))   # in the meantime: the others are answered for
    browser.post("/actions", alert=[each.alert_id for each in about], action="acknowledge", back="/a/BOTH")
    assert sorted(str(each.alert_id) for each in written(made)) == sorted(each.alert_id for each in about[1:])


def test_a_form_sent_twice_makes_one_action(made: Stage, browser: Browser, text: list[Alert]) -> None:
    for _ in range(3):
        assert browser.post("/actions", alert=[text[0].alert_id], action="acknowledge", back="/").status_code == 303
    assert len(written(made)) == 1
    browser.post("/actions", alert=[text[0].alert_id], action="acknowledge", back="/", once="another-form-altogether")
    assert len(written(made)) == 2


def test_another_day_from_the_same_page_is_another_answer(made: Stage, browser: Browser, text: list[Alert]) -> None:
    today = made.clock.now().date()
    days = [today + timedelta(days=1), today + timedelta(days=2)]
    for day in days:   # the second after the browser's own back button
        assert browser.post("/actions", alert=[text[0].alert_id], action="plan_visit", until=day.isoformat(),
                            back="/a/K7QX").status_code == 303
        made.clock.advance(timedelta(minutes=1))
    assert [each.until for each in written(made)] == days
    assert "One was planned before: messages wait for the first plan only." in browser.get("/a/K7QX").text
    assert f"Visit planned: {days[1]:%a} {days[1].day} {days[1]:%B}" in browser.get("/").text


def test_nobody_is_shown_anything_that_cannot_be_recorded(made: Stage, browser: Browser, text: list[Alert],
                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.board.publishing.MOST_WAITING", 2)
    made.ledger.away = True
    path = f"/people/{text[0].person_ref}"
    assert [browser.get(path).status_code for _ in range(3)] == [200, 200, 503]
    refused = browser.get(path)
    assert "This page cannot be shown just now" in refused.text
    assert 'id="alert-' not in refused.text
    assert not made.board.trail.write()
    made.ledger.away = False
    assert made.board.trail.write()
    assert browser.get(path).status_code == 200
    assert len(made.ledger.on(AUDIT)) == 2   # and the last one waits


def test_a_form_about_somebody_elses_person_says_that_nothing_was_saved(made: Stage, browser: Browser,
                                                                        text: list[Alert]) -> None:
    other = next(each for each in made.model.alerts.values() if each.is_open and each.adviser_ref != made.staff("adviser"))
    answer = browser.post("/actions", alert=[other.alert_id], action="acknowledge", back="/")
    assert answer.status_code == 404
    assert "Nothing was saved" in answer.text


def test_a_page_that_is_out_of_date_says_so_in_a_sentence(made: Stage, browser: Browser, text: list[Alert]) -> None:
    made.model.fold(ALERTS, text[0].alert_id.encode(), ended(text[0]))
    answer = browser.post("/actions", alert=[text[0].alert_id], action="acknowledge", back="/")
    assert answer.status_code == 409
    assert "This has been put right since the page was made, so nothing was saved." in answer.text
    assert written(made) == []
    page = browser.get("/a/K7QX").text
    assert "Not open any more" in page


def test_when_all_is_put_right_there_is_nothing_to_do(made: Stage, browser: Browser, text: list[Alert]) -> None:
    for alert in text:
        made.model.fold(ALERTS, alert.alert_id.encode(), ended(alert))
    page = browser.get("/a/K7QX").text
    assert "All of this has been put right" in page
    assert 'value="acknowledge"' not in page


def test_an_alert_of_someone_erased_is_not_shown(made: Stage, browser: Browser, text: list[Alert]) -> None:
    made.model.fold(ALERTS, text[0].alert_id.encode(), None)
    assert text[0].alert_id not in browser.get("/a/K7QX").text


def test_while_nothing_can_be_saved_it_says_so_and_the_same_form_works_later(made: Stage, browser: Browser,
                                                                             text: list[Alert]) -> None:
    made.ledger.away = True
    answer = browser.post("/actions", alert=[text[0].alert_id], action="acknowledge", back="/a/K7QX", once="tried-again-later-on")
    assert answer.status_code == 503
    assert "Not saved" in answer.text
    made.ledger.away = False
    again: dict[str, Any] = dict(re.findall(r'name="(\w+)" value="([^"]*)"', answer.text))
    assert again["once"] == "tried-again-later-on"
    assert browser.post("/actions", **again).status_code == 303
    assert len(written(made)) == 1


def test_who_answers_while_another_answer_cannot_be_saved_is_told_so_soon(
        made: Stage, browser: Browser, text: list[Alert], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.board.actions.PATIENCE_SECONDS", 0.05)
    with made.board.desk._lock:   # held by an answer that waits for Kafka
        answer = browser.post("/actions", alert=[text[0].alert_id], action="acknowledge", back="/a/K7QX")
        assert (answer.status_code, browser.get("/a/K7QX").status_code) == (503, 200)
        days: dict[str, Any] = {"from": "2017-03-02", "until": "2017-03-03"}
        assert browser.post("/leave", worker=made.staff("adviser"), **days).status_code == 503
    assert made.ledger.written == []
    assert browser.post("/actions", alert=[text[0].alert_id], action="acknowledge", back="/a/K7QX").status_code == 303


@pytest.mark.parametrize("fields", [
    {"action": "fly"}, {"action": "plan_visit"}, {"action": "plan_visit", "until": "2017-02-28"},
    {"action": "snooze", "until": "2017-03-01"}, {"action": "snooze", "until": "2019-01-01"}, {"action": "review"},
    {"action": "release"}, {"action": "acknowledge", "once": "short"}])
def test_what_makes_no_sense_is_refused_in_a_sentence(made: Stage, browser: Browser, text: list[Alert],
                                                      fields: dict[str, Any]) -> None:
    answer = browser.post("/actions", alert=[text[0].alert_id], back="/", **fields)
    assert answer.status_code == 409
    assert "Nothing was saved" in answer.text
    assert made.ledger.written == []


def test_prefetching_the_page_changes_nothing(made: Stage, browser: Browser, text: list[Alert]) -> None:
    for _ in range(3):
        assert browser.get("/a/K7QX").status_code == 200
        assert browser.get("/actions").status_code == 405
    assert made.ledger.written == []


def test_each_person_on_the_page_has_been_looked_at(made: Stage, browser: Browser, text: list[Alert]) -> None:
    browser.get("/a/K7QX")
    made.board.trail.write()
    looked = [orjson.loads(each.value) for each in made.ledger.on(AUDIT)]
    assert {each["person_ref"] for each in looked} == {alert.person_ref for alert in text}
    assert {(each["what"], each["page"]) for each in looked} == {("viewed", "/a/K7QX")}


def test_a_manager_records_what_supervision_decided(made: Stage, browser: Browser, text: list[Alert]) -> None:
    manager = made.staff("manager")
    browser.sign_in(manager)
    browser.post("/actions", alert=[text[0].alert_id], action="review", note_code="visit_arranged", back="/")
    [one] = written(made)
    assert (one.action, one.note_code, one.actor_ref) == ("review", "visit_arranged", manager)
    assert "looked at this as a manager: a visit has been arranged" in browser.get("/a/K7QX").text


def test_a_form_that_leads_elsewhere_leads_home(browser: Browser, text: list[Alert]) -> None:
    for n, path in enumerate(("https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example", "")):
        answer = browser.post("/actions", alert=[text[0].alert_id], action="acknowledge", back=path,
                              once=f"form-number-{n}-of-many")
        assert answer.headers["location"] == "/"


