"""What the lists and figures show: one's people, one person, a team, a council, what is held, who is away, who looked."""
from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import orjson
import pytest

from keepintouch.runtime.topics import ALERTS, AUDIT, STAFF, people_changelog
from keepintouch.standards import stored
from keepintouch.standards.clocks import State
from keepintouch.standards.sentences import MISS_WORDS
from services.board.actions import RefusedError
from services.board.model.figures import LIST_WORDS

from .world import Browser, Stage, arranged, stage


def text_of(html: str) -> str:
    """What a reader sees."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def people_on(html: str) -> set[str]:
    """Refs of the people a page leads to."""
    return set(re.findall(r'href="/people/([^"/#?]+)"', html))


class TestMyPeople:
    """`/`"""

    def test_own_people_and_those_covered_sorted_by_what_is_due_next(self, made: Stage, browser: Browser) -> None:
        adviser = made.staff("adviser")
        browser.sign_in(adviser)
        page = browser.get("/").text
        assert people_on(page) == made.model.people.of_advisers([adviser])
        table = page[page.index("By what is due next"):]
        order = re.findall(r'<th scope="row"[^>]*><a class="[^"]*" href="/people/([^"]+)"', table)
        standings = [made.model.standing(ref) for ref in order]
        overdue = [s is not None and s.due is not None and s.due.state is State.OVERDUE for s in standings if s and s.in_scope]
        assert overdue == sorted(overdue, reverse=True)
        days = [s.due.due_on for s in standings if s and s.in_scope and s.due and s.due.state is not State.OVERDUE]
        assert days == sorted(days)

    def test_filters_keep_those_in_that_state_under_that_rule(self, made: Stage, browser: Browser) -> None:
        adviser = made.staff("adviser")
        browser.sign_in(adviser)
        mine = made.model.standings(made.model.people.of_advisers([adviser]))
        for state in State:
            expected = {s.ref for s in mine if s.state is state}
            assert people_on(browser.get(f"/?state={state}").text) == expected
        expected = {s.ref for s in mine if s.state_of("visit_overdue") is State.OVERDUE}
        assert people_on(browser.get("/?state=overdue&rule=visit_overdue").text) == expected

    def test_whoever_is_nobodys_adviser_is_told_what_that_means(self, made: Stage, browser: Browser) -> None:
        browser.sign_in(made.staff("duty"))
        assert "You are nobody’s personal adviser" in browser.get("/").text

    def test_a_planned_visit_stands_in_its_week(self, made: Stage, browser: Browser) -> None:
        adviser = made.staff("adviser")
        alert = made.model.open_alerts(made.model.people.of_advisers([adviser]))[0]
        browser.sign_in(adviser)
        browser.post("/actions", alert=[alert.alert_id], action="plan_visit", until="2017-03-09", back="/")
        page = browser.get("/").text
        week = page[page.index("Next week"):page.index("Week of Mon 13 March")]
        assert alert.person_ref in week
        assert "Thu 9 March: Visit planned" in text_of(week)


class TestOnePerson:
    """`/people/REF`"""

    def test_each_state_shown_is_that_of_evaluate_with_every_standard(self, made: Stage, browser: Browser) -> None:
        browser.sign_in(made.staff("service_manager"))
        for ref in sorted(made.model.people.of_council("lancashire"))[:12]:
            page = browser.get(f"/people/{ref}").text
            explanation = made.model.explanation(ref)
            assert explanation is not None
            shown = {int(place): state for place, state in re.findall(
                r'id="standard-(\d+)">.*?<strong class="govuk-tag[^"]*">([^<]+)</strong>', page)}
            words = {State.OK: "Up to date", State.DUE_SOON: "Due soon", State.OVERDUE: "Overdue", State.UNKNOWN: "Not known"}
            assert shown == {clock.standard.place: words[clock.state] for clock in explanation.evaluation.clocks}

    def test_all_records_of_a_standard_have_their_reason(self, made: Stage, browser: Browser) -> None:
        browser.sign_in(made.staff("service_manager"))
        shown: set[str] = set()
        for ref in sorted(made.model.people.of_council("lancashire"))[:6]:
            explanation = made.model.explanation(ref)
            assert explanation is not None
            for reason in (each for each in explanation.standards if each.clock is not None):
                page = browser.get(f"/people/{ref}/why/{reason.standard.place}").text
                lines = re.findall(r'<li class="board-counts(-not)?">(.*?)</li>', page)
                assert len(lines) == len(reason.records)
                for (mark, line), record in zip(lines, reversed(reason.records), strict=True):
                    counts = record.verdict in ("anchors", "satisfies") or record.counts_meanwhile
                    assert bool(mark) is not counts
                    said = {"misses": f"Does not count: {record.miss and MISS_WORDS[record.miss]}", "voided": "taken back",
                            "too_early": "it was before the clock", "nothing_needed": "No record counts", "anchors": "Counts:",
                            "satisfies": "Counts, but", "to_come": "its day is to come"}[record.verdict]
                    assert said in unescape(line)
                    shown.add(str(record.miss or record.verdict))
        assert shown >= {"rung", "third_party", "stranger", "voided", "anchors", "satisfies", "too_early"}

    def test_what_was_done_and_said_stands_in_the_timeline(self, made: Stage, browser: Browser) -> None:
        adviser = made.staff("adviser")
        alert = made.model.open_alerts(made.model.people.of_advisers([adviser]))[0]
        made.text("K7QX", adviser, [alert.alert_id])
        browser.sign_in(adviser)
        browser.post("/actions", alert=[alert.alert_id], action="refused", back="/")
        page = text_of(browser.get(f"/people/{alert.person_ref}?all=true").text)
        name = made.board.model.staff.get(adviser)
        assert name is not None
        assert f"{name.name} was told that contact is refused" in page
        assert f"Message to {name.name}: delivered" in page
        assert "typed up" in page

    def test_someone_erased_is_gone(self, made: Stage, browser: Browser) -> None:
        browser.sign_in(made.staff("service_manager"))
        ref = next(iter(made.model.people.of_council("lancashire")))
        person = made.model.people.person(ref)
        assert person is not None
        person.facts, person.registers, person.ledger, person.erased_at = None, {}, None, 1
        person.restore([])
        made.model.fold(people_changelog(), ref.encode(), stored.dump(person))
        assert browser.get(f"/people/{ref}").status_code == 404

    def test_a_look_is_in_the_audit_and_a_manager_sees_it(self, made: Stage, browser: Browser) -> None:
        adviser = made.staff("adviser")
        ref = next(iter(made.model.people.of_advisers([adviser])))
        browser.sign_in(adviser)
        browser.get(f"/people/{ref}")
        made.board.trail.write()
        entry = orjson.loads(made.ledger.on(AUDIT)[-1].value)
        assert entry == {"actor_ref": adviser, "person_ref": ref, "what": "viewed", "at": "2017-03-01T09:30:00Z",
                         "page": f"/people/{ref}"}
        worker = made.model.staff.get(adviser)
        assert worker is not None
        browser.sign_in(made.staff("manager"))
        assert f"{worker.name} looked" in text_of(browser.get(f"/people/{ref}").text)
        audit = browser.get("/audit").text
        assert worker.name in audit
        assert ref in people_on(audit)
        assert worker.name in browser.get(f"/audit?actor={adviser}").text


class TestTeamAndCouncil:
    """`/team` and `/council`"""

    @pytest.mark.parametrize("show", LIST_WORDS)
    def test_every_figure_opens_into_its_people(self, made: Stage, browser: Browser, show: str) -> None:
        browser.sign_in(made.staff("service_manager"))
        front = browser.get("/council").text
        page = browser.get(f"/council?show={show}").text
        shown = people_on(page)
        match = re.search(rf'\?show={show}">(\d+)', front)
        if match is not None:
            assert int(match[1]) == len(shown)
        assert LIST_WORDS[show] in text_of(page)
        if not shown:
            assert "Nobody: this list is empty today." in page

    def test_the_headlines_are_evaluates_own(self, made: Stage, browser: Browser) -> None:
        browser.sign_in(made.staff("service_manager"))
        evaluations = [found.evaluation for ref in made.model.people.of_council("lancashire")
                       if (found := made.model.explanation(ref)) is not None and found.evaluation.in_scope]
        gap = sum(each.in_touch and not each.meaningful for each in evaluations)
        page = text_of(browser.get("/council").text)
        assert f"{sum(each.in_touch for each in evaluations)} of {len(evaluations)}" in page
        assert gap
        assert f"{gap} in touch, but not in meaningful contact" in page

    def test_the_past_is_not_shown_where_there_were_no_records(self, made: Stage, browser: Browser) -> None:
        browser.sign_in(made.staff("service_manager"))
        page = browser.get("/council").text
        assert "Nothing is shown before March 2016" in page
        assert "February 2016" not in page[page.index("The same as a table"):page.index("From the records")]

    def test_what_came_of_typing_up_late_and_what_was_put_right_opens_too(self, made: Stage, browser: Browser) -> None:
        browser.sign_in(made.staff("service_manager"))
        some = sorted((each for each in made.model.alerts.values() if each.is_open), key=lambda each: each.alert_id)[:5]
        for other in made.model.alerts.keys() - {each.alert_id for each in some}:
            made.model.fold(ALERTS, other.encode(), None)
        for n, (alert, (reason, lag, days)) in enumerate(zip(some, [
                ("recorded_late", 9, 1), ("recorded_late", 2, 89), ("recorded_late", 3, 91), ("done", None, 6),
                ("done", None, 8)], strict=True)):
            value = orjson.loads(msgspec.json.encode(alert)) | {
                "status": "withdrawn" if lag else "cleared", "sequence": 90 + n, "end_reason": reason, "recording_lag_days": lag,
                "ended_at": (made.clock.now() - timedelta(days=days)).isoformat()}
            made.model.fold(ALERTS, alert.alert_id.encode(), orjson.dumps(value))
        words = text_of(browser.get("/council").text)
        assert "2 alerts of the last 90 days came of contact that was made in time and typed up late, up to 9 days." in words
        assert "1 alert about 1 person ended because what they asked for was done." in words
        assert people_on(browser.get("/council?show=late").text) == {each.person_ref for each in some[:2]}
        assert people_on(browser.get("/council?show=put_right").text) == {some[3].person_ref}

    def test_what_the_case_system_does_not_record_is_said_and_never_counted_as_kept(self, tmp_path: Path) -> None:
        made = stage(tmp_path, arranged(40), policy="snapshot")
        browser = Browser(made)
        browser.sign_in(made.staff("service_manager"))
        unseen = sorted(made.model.rules["lancashire"].policy.cannot_see)
        page = browser.get("/council").text
        for name in unseen:
            said = f"would show “{name.replace('_', ' ')}”: that is not known of anybody, and never counted as kept"
            assert said in text_of(page)
        assert '<a class="govuk-link" href="#records">What the records can show</a>' in page
        found = {ref: found.evaluation for ref in made.model.people.of_council("lancashire")
                 if (found := made.model.explanation(ref)) is not None and found.evaluation.in_scope}
        not_known = {ref for ref, each in found.items() if set(each.unknown) & set(unseen)}
        assert not_known
        assert not_known == people_on(browser.get("/council?show=unknown").text) | (
            not_known & people_on(browser.get("/council?show=overdue").text))

    def test_by_rule_a_figure_opens_into_those_with_such_an_alert(self, made: Stage, browser: Browser) -> None:
        browser.sign_in(made.staff("manager"))
        refs = made.model.people.of_teams("lancashire", ["north"])
        expected = {alert.person_ref for alert in made.model.open_alerts(refs) if alert.rule == "text_only"}
        assert people_on(browser.get("/team?rule=text_only").text) == expected

    def test_alerts_no_manager_has_looked_at_are_listed_until_one_has(self, made: Stage, browser: Browser) -> None:
        manager = made.staff("manager")
        browser.sign_in(manager)
        assert "None: a manager has looked at every alert" in browser.get("/team").text
        made.clock.advance(timedelta(days=35))
        listed = people_on(browser.get("/team?show=not_looked_at").text)
        assert listed
        for n, alert in enumerate(made.model.open_alerts(made.model.people.of_council("lancashire"))):
            browser.post("/actions", alert=[alert.alert_id], action="review", note_code="supervision", back="/",
                         once=f"review-number-{n}-of-all")
        assert people_on(browser.get("/team?show=not_looked_at").text) == set()

    def test_what_a_manager_looked_at_stands_there_with_who_and_what_was_decided(self, made: Stage, browser: Browser) -> None:
        manager = made.staff("manager")
        browser.sign_in(manager)
        alert = next(each for each in made.model.alerts.values() if each.is_open)
        assert "A manager records it under" in browser.get("/team").text
        browser.post("/actions", alert=[alert.alert_id], action="review", note_code="visit_arranged", back="/")
        page = browser.get("/team").text
        part = text_of(page[page.index("Looked at by a manager in the last"):page.index("Put right in the last")])
        name = made.board.model.staff.get(manager)
        assert name is not None
        assert f"Wed 1 March, {name.name}:" in part
        assert "A visit has been arranged." in part
        assert "The alert has ended since." not in part
        value = orjson.loads(msgspec.json.encode(alert)) | {
            "status": "cleared", "sequence": alert.sequence + 1, "ended_at": "2017-03-01T09:31:00Z", "end_reason": "done"}
        made.model.fold(ALERTS, alert.alert_id.encode(), orjson.dumps(value))
        page = browser.get("/team").text   # what came of it does not make it undone
        part = text_of(page[page.index("Looked at by a manager in the last"):page.index("Put right in the last")])
        assert f"Wed 1 March, {name.name}:" in part
        assert "The alert has ended since." in part
        made.clock.advance(timedelta(days=40))
        assert "A manager records it under" in browser.get("/team").text

    @pytest.mark.parametrize(("role", "page", "name"), [
        ("adviser", "/", "My people"), ("manager", "/team", "Team"), ("service_manager", "/council", "Council")])
    def test_from_a_person_one_goes_back_to_the_list_they_are_on(self, made: Stage, browser: Browser, role: str, page: str,
                                                                 name: str) -> None:
        ref = next(iter(made.model.people.of_advisers([made.staff("adviser")])))
        browser.sign_in(made.staff(role))
        shown = browser.get(f"/people/{ref}").text
        assert re.search(r'<a href="([^"]+)" class="govuk-back-link">\s*([^<]+?)\s*</a>', shown).groups() == (page, name)  # type: ignore[union-attr]
        assert browser.get(page).status_code == 200

    def test_what_an_adviser_carries_opens_into_their_people(self, made: Stage, browser: Browser) -> None:
        adviser = made.staff("adviser")
        browser.sign_in(made.staff("manager"))
        mine = [s for s in made.model.standings(made.model.people.of_advisers([adviser])) if s.in_scope]
        expected = {"everyone": {s.ref for s in mine}, "higher_need": {s.ref for s in mine if s.need != "standard"},
                    "overdue": {s.ref for s in mine if s.state is State.OVERDUE},
                    "open_alerts": {s.ref for s in mine if made.model.open_alerts([s.ref])}}
        front = browser.get("/team").text
        for show, refs in expected.items():
            path = f"/team?show={show}&amp;adviser={quote(adviser, safe='')}"
            assert not refs or path in front
            assert people_on(browser.get(unescape(path)).text) == refs
        assert browser.get("/team?show=everyone&adviser=lancashire:nobody").status_code == 404

    def test_a_managers_list_says_who_has_met_their_adviser(self, made: Stage, browser: Browser) -> None:
        browser.sign_in(made.staff("manager"))
        for show, said in (("never_met", "Not yet"), ("unallocated", "Has none")):
            page = browser.get(f"/team?show={show}").text
            assert people_on(page) or show == "unallocated"
            assert set(re.findall(r'data-label="Met their adviser">([^<]+)<', page)) <= {said}
        browser.sign_in(made.staff("adviser"))
        assert "Met by me" in browser.get("/").text

    def test_a_long_list_comes_in_pages(self, made: Stage, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("services.board.pages.team.LIST_SHOWN", 15)
        browser.sign_in(made.staff("service_manager"))
        pages = [people_on(browser.get(f"/council?show=everyone&page={n}").text) for n in (1, 2, 3)]
        assert [len(each) for each in pages[:2]] == [15, 15]
        assert len(set().union(*pages)) == sum(map(len, pages))
        assert "/council?show=everyone&amp;page=2" in browser.get("/council?show=everyone").text
        assert browser.get("/council?show=everyone&page=4").status_code == 404

    def test_advisers_stand_by_name_with_what_they_carry(self, made: Stage, browser: Browser) -> None:
        browser.sign_in(made.staff("manager"))
        page = browser.get("/team").text
        table = page[page.index("What each adviser carries"):]
        names = [text_of(each).strip().removesuffix(" Away").strip() for each in re.findall(
            r'<th scope="row" class="govuk-table__header board-wrap">(.*?)</th>', table)]
        assert names == sorted(names, key=str.casefold)
        assert "Higher need" in table

    def test_people_of_a_leaver_without_a_new_adviser_are_listed(self, made: Stage, browser: Browser) -> None:
        adviser = made.staff("adviser")
        made.model.fold(STAFF, adviser.encode(), None)
        browser.sign_in(made.staff("manager"))
        expected = {s.ref for s in made.model.standings(made.model.people.of_advisers([adviser])) if s.in_scope}
        assert people_on(browser.get("/team?show=leavers").text) == expected

    def test_the_file_for_publication_hides_small_groups(self, made: Stage, browser: Browser) -> None:
        browser.sign_in(made.staff("manager"))
        answer = browser.get("/team.csv")
        assert answer.headers["content-type"].startswith("text/csv")
        rows = [line.split(",") for line in answer.text.strip().splitlines()]
        assert rows[0] == ["cut", "group", "people", "in_touch", "meaningful_contact", "seen_face_to_face"]
        for row in rows[1:]:
            for value in row[2:]:
                assert value == "c" or int(value) == 0 or int(value) >= 5


class TestHeld:
    """`/held`"""

    def test_a_storm_is_released_with_one_action(self, made: Stage, browser: Browser) -> None:
        alerts = made.model.open_alerts(made.model.people.of_council("lancashire"))[:10]
        for alert in alerts:
            made.text("", made.staff("adviser"), [alert.alert_id], state="held", reason="storm")
            made.text("S7RM", made.staff("service_manager"), [alert.alert_id], state="accepted", step="storm")   # who is asked
        browser.sign_in(made.staff("manager"))
        page = browser.get("/held").text
        assert "A service manager can let them go." in page
        assert browser.post("/actions", alert=[alerts[0].alert_id], action="release", back="/held").status_code == 409
        browser.sign_in(made.staff("service_manager"))
        page = browser.get("/held").text
        assert "10 alerts about" in page
        assert people_on(page) == {alert.person_ref for alert in alerts}
        held = re.search(r'name="alert" value="([^"]+)"', page)
        assert held is not None
        browser.post("/actions", alert=[held[1]], action="release", back="/held")
        [action] = made.actions()
        assert orjson.loads(action.value)["action"] == "release"
        for alert in alerts:
            made.text("K7QX", made.staff("adviser"), [alert.alert_id], at=made.clock.now())
        assert "Nothing is held" in browser.get("/held").text

    def test_what_trial_mode_held_is_counted(self, made: Stage, browser: Browser) -> None:
        alert = made.model.open_alerts(made.model.people.of_council("lancashire"))[0]
        made.text("", made.staff("adviser"), [alert.alert_id], state="held", reason="trial")
        browser.sign_in(made.staff("service_manager"))
        assert "1 message would have gone out and did not" in browser.get("/held").text


class TestLeave:
    """`/leave`"""

    def test_a_leave_hands_ones_people_to_the_cover_and_takes_them_back(self, made: Stage, browser: Browser) -> None:
        adviser, today = made.staff("adviser"), made.clock.now().date()
        cover = "lancashire:cover"
        made.model.fold(STAFF, cover.encode(), orjson.dumps({
            "worker_ref": cover, "council": "lancashire", "role": "adviser", "name": "Cover", "channels": [], "active": True}))
        ref = next(iter(made.model.people.of_advisers([adviser])))
        browser.sign_in(adviser)
        days: dict[str, Any] = {"from": today.isoformat(), "until": today.isoformat()}
        answer = browser.post("/leave", worker=adviser, cover=cover, **days)
        assert answer.status_code == 303
        record = orjson.loads(made.ledger.on(STAFF)[-1].value)
        assert record["absence"] == {"from": "2017-03-01", "until": "2017-03-01", "cover_ref": cover}
        browser.sign_in(cover)
        assert ref in people_on(browser.get("/").text)
        assert browser.get(f"/people/{ref}").status_code == 200
        browser.sign_in(adviser)
        assert "what you save here takes the place of the one above" in browser.get("/leave").text
        browser.post("/leave", worker=adviser, end="1")
        assert orjson.loads(made.ledger.on(STAFF)[-1].value)["absence"] is None
        browser.sign_in(cover)
        assert ref not in people_on(browser.get("/").text)

    def test_a_staff_file_that_came_meanwhile_is_kept(self, made: Stage) -> None:
        adviser, manager = (made.model.staff.get(made.staff(role)) for role in ("adviser", "manager"))
        assert adviser is not None
        assert manager is not None
        away = {"from": "2017-03-02", "until": "2017-03-03", "cover_ref": None}
        made.model.fold(STAFF, adviser.ref.encode(), orjson.dumps(adviser.raw | {"mobile": "+447700900123"}))
        made.board.desk.set_leave(manager, adviser, away, "/leave")
        record = orjson.loads(made.ledger.on(STAFF)[-1].value)
        assert (record["mobile"], record["absence"]) == ("+447700900123", away)
        made.model.fold(STAFF, adviser.ref.encode(), None)
        with pytest.raises(RefusedError, match="work here no more"):
            made.board.desk.set_leave(manager, adviser, None, "/leave")

    @pytest.mark.parametrize(("first", "last", "said"), [
        ("", "", "as dates"), ("2017-03-05", "2017-03-02", "must not be before"), ("2017-02-01", "2017-02-02", "in the past"),
        ("2017-03-05", "2029-03-02", "18 months"), ("tomorrow", "2017-03-02", "as dates")])
    def test_days_that_cannot_be_are_said_so(self, made: Stage, browser: Browser, first: str, last: str, said: str) -> None:
        adviser = made.staff("adviser")
        browser.sign_in(adviser)
        days: dict[str, Any] = {"from": first, "until": last}
        answer = browser.post("/leave", worker=adviser, **days)
        assert answer.status_code == 400
        assert said in answer.text
        assert made.ledger.on(STAFF) == []

    def test_a_manager_sees_who_has_nobody_to_cover(self, made: Stage, browser: Browser) -> None:
        adviser = made.staff("adviser")
        worker = made.model.staff.get(adviser)
        assert worker is not None
        gone = worker.raw | {"absence": {"from": "2017-03-06", "until": "2017-03-10"}, "cover_ref": None}
        made.model.fold(STAFF, adviser.encode(), orjson.dumps(gone))
        browser.sign_in(made.staff("manager"))
        assert f"{worker.name}: nobody covers" in text_of(browser.get("/leave").text)
        assert f"Nobody covers {worker.name} on Mon 6 March." in text_of(browser.get("/team").text)


def test_names_come_from_the_councils_own_file_and_links_lead_to_the_case(tmp_path: Path) -> None:
    folder = tmp_path
    given = arranged(40)
    case_ids = {ref: given.simulation.refs.decode(ref, "person") for ref in given.simulation.patterns}
    labels = folder / "labels.csv"
    labels.write_text("id,label\n" + "".join(f"{case},Young person {case}\n" for case in case_ids.values()))
    made = stage(folder, given, labels=str(labels), case_link="https://cases.example/{id}")
    browser = Browser(made)
    adviser = made.staff("adviser")
    browser.sign_in(adviser)
    ref = next(iter(made.model.people.of_advisers([adviser])))
    page = browser.get(f"/people/{ref}").text
    assert f"Young person {case_ids[ref]}" in page
    assert f'href="https://cases.example/{case_ids[ref]}"' in page


def test_without_key_and_label_the_page_shows_the_ref_and_how_to_add_one(tmp_path: Path) -> None:
    made = stage(tmp_path, arranged(40), keys=False)
    browser = Browser(made)
    adviser = made.staff("adviser")
    browser.sign_in(adviser)
    ref = next(iter(made.model.people.of_advisers([adviser])))
    page = browser.get(f"/people/{ref}").text
    assert ref.partition(":")[2] in page
    assert "COUNCIL_KEYS_DIR" in page


def test_a_file_of_labels_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    made = stage(tmp_path, arranged(40), labels=str(tmp_path / "labels.csv"))
    browser = Browser(made)
    adviser = made.staff("adviser")
    browser.sign_in(adviser)
    assert "lets the board read it" in browser.get("/").text


def test_without_staff_the_page_to_sign_in_on_says_why_it_is_empty(tmp_path: Path) -> None:
    assert "No staff are known yet." in Browser(stage(tmp_path)).get("/sign-in").text


def test_an_empty_council_says_what_empty_means(tmp_path: Path) -> None:
    made = stage(tmp_path)
    made.model.fold(STAFF, b"lancashire:s", orjson.dumps({
        "worker_ref": "lancashire:s", "council": "lancashire", "role": "service_manager", "name": "Head", "channels": [],
        "active": True}))
    browser = Browser(made)
    browser.sign_in("lancashire:s")
    assert "lancashire:s" in browser.get("/sign-in").text
    for path, said in (("/leave", "No leave is set"), ("/", "You are nobody’s personal adviser"),
                       ("/team", "No team has any young people"),
                       ("/council", "No young people are in scope here"), ("/held", "Nothing is held"),
                       ("/audit", "nobody has looked at anything")):
        assert said in browser.get(path).text

