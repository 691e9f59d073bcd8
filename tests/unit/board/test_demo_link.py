"""The link of a demo's text."""
from __future__ import annotations

import orjson

from keepintouch.demo.visitor import Visitor
from keepintouch.runtime.serving import serving

from .world import Browser, Stage


def test_the_link_of_a_text_signs_in_who_received_it_and_shows_its_alerts(made: Stage, browser: Browser) -> None:
    adviser = made.staff("adviser")
    alert = made.model.open_alerts(made.model.people.of_advisers([adviser]))[0]
    made.text("K7QX", adviser, [alert.alert_id])
    answer = browser.get(f"/sign-in/as/{adviser}/K7QX")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/a/K7QX"
    assert browser.get("/a/K7QX").status_code == 200


def test_a_visitor_sees_what_the_page_says_and_is_on_all_of_it(made: Stage) -> None:
    adviser = made.staff("adviser")
    alerts = made.model.open_alerts(made.model.people.of_advisers([adviser]))[:3]
    made.text("K7QX", adviser, [alert.alert_id for alert in alerts])
    with serving(made.app, "127.0.0.1", 0, setting="BOARD_HTTP_PORT") as port:
        visitor = Visitor(f"http://127.0.0.1:{port}", adviser, "2 young people … https://contact.example/a/K7QX Reply …")
        cards = visitor.open()
        assert len(cards) == 3
        assert all(card.why.endswith(".") for card in cards)
        assert visitor.take_on().startswith("Saved: you are on it.")
        visitor.close()
    assert {orjson.loads(each.value)["alert_id"] for each in made.actions()} == {alert.alert_id for alert in alerts}


def test_there_is_no_link_for_somebody_unknown(browser: Browser) -> None:
    assert browser.get("/sign-in/as/lancashire:nobody-at-all/K7QX").status_code == 404
