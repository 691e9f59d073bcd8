"""What comes in by HTTP: believed only with a signature or a token; and texts from staff."""
import asyncio
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from twilio.request_validator import RequestValidator

from services.notifier import tables, texts
from services.notifier.app import LARGEST_BODY, make_app
from services.notifier.callbacks import Callbacks
from services.notifier.conversation import FIXED_ANSWERS_AN_HOUR, Heard
from services.notifier.proofs import NotifyTokens, TwilioSignatures
from tests.standins.notify import receipt, received
from tests.standins.provider import ProviderStandIn
from tests.unit.notifier.world import NUMBERS, World, alert, ended, member

BASE, TOKEN, NOTIFY_TOKEN = "https://notifier.example.gov.uk", "secret", "a-long-enough-token"
ADA = NUMBERS["demo:ada"]


class Line:
    """Posts as Twilio and Notify do. `answers`: what goes out by Notify in answer to texts."""

    def __init__(self, world: World) -> None:
        self.not_ready: list[str] = []
        self.staff_read = True
        self.answers = ProviderStandIn()
        signatures = TwilioSignatures(BASE, {"demo": [SecretStr("next one"), SecretStr(TOKEN)], "other": [SecretStr("theirs")]})
        tokens = NotifyTokens({"demo": [SecretStr("the-next-token"), SecretStr(NOTIFY_TOKEN)],
                               "other": [SecretStr("the-others-token")]})
        self.app = make_app(Callbacks(
            world.database, signatures, world.moment, world.directory.is_manager, world.settings.may_get,
            lambda: self.staff_read, world.metrics, lambda: self.not_ready, list, tokens, {"demo": self.answers}))

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def go() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://internal:8102") as client:
                return await client.request(method, path, **more)

        return asyncio.run(go())

    def post(self, path: str, fields: dict[str, str], *, token: str | None = TOKEN, base: str = BASE) -> tuple[int, str]:
        headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Forwarded-Host": "evil.example"}
        if token is not None:
            headers["X-Twilio-Signature"] = RequestValidator(token).compute_signature(base + path, fields)
        answer = self.request("POST", path, content=urlencode(fields), headers=headers)
        return answer.status_code, answer.text

    def notify(self, path: str, body: object, token: str | None = NOTIFY_TOKEN, scheme: str = "Bearer") -> int:
        headers = {} if token is None else {"Authorization": f"{scheme} {token}".encode()}
        content = {"content": body} if isinstance(body, bytes) else {"json": body}
        return self.request("POST", path, headers=headers, **content).status_code

    def text(self, sender: str, body: str, sid: str = "IN1") -> tuple[int, str]:
        return self.post("/twilio/inbound", {"MessageSid": sid, "From": sender, "To": "+447700900000", "Body": body, "City": ""})


@pytest.fixture
def line(world: World) -> Line:
    return Line(world)


def texted(world: World) -> str:
    """One text has gone to Ada; the id of its message."""
    world.read(alert())
    world.after(minutes=2)
    return world.provider.ledger[0].id


def status(state: str, sid: str = "SM1", **more: str) -> dict[str, str]:
    return {"MessageSid": sid, "MessageStatus": state, "AccountSid": "AC0", "Empty": ""} | more


def test_a_signed_status_is_taken_and_never_goes_back(world: World, line: Line) -> None:
    path = f"/twilio/status/{texted(world)}"
    assert line.post(path, status("delivered"))[0] == 204
    for state in ("sent", "undelivered", "delivered", "queued"):
        assert line.post(path, status(state))[0] == 204
    assert world.states() == ["delivered"]


def test_an_error_code_is_kept_as_the_reason(world: World, line: Line) -> None:
    line.post(f"/twilio/status/{texted(world)}", status("undelivered", ErrorCode="30006"))
    assert world.notifications()[-1].reason == "twilio_30006"
    assert world.notifications()[-1].state == "undelivered"


@pytest.mark.parametrize(("token", "base"), [
    (None, BASE), ("wrong", BASE), ("", BASE), (TOKEN, BASE.replace("https", "http")), (TOKEN, "http://internal:8102"),
    (TOKEN, "https://evil.example")])
def test_without_the_right_signature_nothing_is_believed(world: World, line: Line, token: str | None, base: str) -> None:
    path = f"/twilio/status/{texted(world)}"
    assert line.post(path, status("delivered"), token=token, base=base)[0] == 403
    assert line.post("/twilio/inbound", {"MessageSid": "IN1", "From": ADA, "Body": f"1 {world.ref()}"}, token=token,
                     base=base)[0] == 403
    assert world.states() == ["accepted"]
    assert world.actions() == []
    assert "notifier_callbacks_total{provider=\"twilio\",result=\"refused\"} 2.0" in line.request("GET", "/metrics").text


def test_both_tokens_are_taken_while_they_are_being_changed(world: World, line: Line) -> None:
    assert line.post(f"/twilio/status/{texted(world)}", status("sent"), token="next one")[0] == 204
    assert world.states() == ["sent"]


@pytest.mark.parametrize(("path", "fields"), [
    ("/twilio/status/" + "0" * 32, status("delivered")), ("/twilio/status/x", status("delivered")),
    ("/twilio/status/" + "0" * 32, status("teleported")), ("/twilio/status/" + "0" * 32, {})])
def test_signed_but_unknown_is_answered_and_changes_nothing(world: World, line: Line, path: str, fields: dict[str, str]) -> None:
    texted(world)
    assert line.post(path, fields)[0] == 204
    assert world.states() == ["accepted"]


def test_a_query_in_the_address_is_signed_too(world: World, line: Line) -> None:
    path = f"/twilio/status/{texted(world)}?x=1"
    assert line.post(path, status("delivered"))[0] == 204
    assert world.states() == ["delivered"]


def test_a_body_that_is_too_large_or_no_form_is_refused_without_an_error(line: Line) -> None:
    assert line.post("/twilio/inbound", {"Body": "x" * LARGEST_BODY})[0] == 413
    assert line.request("POST", "/twilio/inbound", content=b"\xff\xfe=\x00").status_code == 403
    assert line.request("GET", "/twilio/inbound").status_code == 405


def test_a_reply_is_answered_with_what_happens_next(world: World, line: Line) -> None:
    texted(world)
    code, twiml = line.text(ADA, f"1 {world.ref()}")
    assert code == 200
    assert f"<Message>Thank you. {world.ref()}: on it." in twiml
    assert [each.action for each in world.actions()] == ["acknowledge"]


def test_the_same_text_delivered_again_is_answered_the_same_and_does_nothing_more(world: World, line: Line) -> None:
    texted(world)
    first = line.text(ADA, f"1 {world.ref()}")
    world.clock.advance(timedelta(days=1))
    assert line.text(ADA, f"1 {world.ref()}") == first
    assert len(world.actions()) == 1


def test_before_staff_are_read_a_text_is_asked_for_again(world: World, line: Line) -> None:
    texted(world)
    line.staff_read = False
    assert line.text(ADA, f"1 {world.ref()}")[0] == 503
    line.staff_read = True
    assert line.text(ADA, f"1 {world.ref()}")[0] == 200


def test_one_acts_on_every_alert_of_the_text_the_others_only_on_one_person(world: World, line: Line) -> None:
    world.read(alert("p1"), alert("p1", rule="plan_review"), alert("p2"))
    world.after(minutes=2)
    assert texts.NOT_UNDERSTOOD in line.text(ADA, f"3 {world.ref()}", "IN1")[1]
    assert world.actions() == []
    line.text(ADA, f"1 {world.ref()}", "IN2")
    assert len({each.alert_id for each in world.actions()}) == 3
    assert len({each.action_id for each in world.actions()}) == 3


def test_only_from_the_number_it_went_to_and_only_on_open_ladder_texts(world: World) -> None:
    one = alert()
    world.read(one)
    world.after(minutes=2)
    ref = world.ref()
    assert world.hear(NUMBERS["demo:ben"], f"1 {ref}")[0] is Heard.NOT_UNDERSTOOD
    assert world.hear(ADA, "1 ZZZZ")[0] is Heard.NOT_UNDERSTOOD
    assert world.hear(ADA, f"9 {ref}")[0] is Heard.NOT_UNDERSTOOD
    world.read(ended(one))
    assert world.hear(ADA, f"1 {ref}") == (Heard.ENDED, texts.ended(ref))
    assert world.actions() == []


def test_a_summary_cannot_be_answered(world: World) -> None:
    world.read(alert(mode="backfill"))
    world.after(seconds=11)
    world.after(minutes=2)
    assert world.told() == ["mia"]
    assert world.hear(NUMBERS["demo:mia"], f"1 {world.ref()}")[0] is Heard.NOT_UNDERSTOOD


def test_what_is_not_understood_is_answered_once_a_minute_and_stop_never(world: World) -> None:
    fixed = Heard.NOT_UNDERSTOOD, texts.NOT_UNDERSTOOD
    assert world.hear(ADA, "ok 👍") == fixed
    assert world.hear(ADA, "thanks") == (Heard.NOT_UNDERSTOOD, None)
    assert world.hear(NUMBERS["demo:ben"], "hello?") == fixed
    world.after(seconds=61)
    assert world.hear(ADA, "hello?") == fixed
    assert world.hear(NUMBERS["demo:mia"], "STOP") == (Heard.PROVIDERS_OWN, None)


def test_in_trial_nobody_else_is_answered(world: World, line: Line) -> None:
    world.staff(member("demo:ada"))
    object.__setattr__(world.settings, "notifier_trial", "on")
    assert line.text(ADA, "hello?") == (200, '<?xml version="1.0" encoding="UTF-8"?><Response />')


def test_no_number_of_a_sender_is_kept(world: World, line: Line) -> None:
    line.text("+447700900999", "1 ABCD")
    with world.database.read() as connection:
        kept = connection.execute(sa.select(tables.inbound)).mappings().one()
    assert "447700900999" not in str(dict(kept))


def test_anothers_account_says_nothing_of_our_messages_and_nothing_for_our_people(world: World, line: Line) -> None:
    path = f"/twilio/status/{texted(world)}"
    assert line.post(path, status("delivered"), token="theirs")[0] == 403
    inbound = {"MessageSid": "IN1", "From": ADA, "Body": f"1 {world.ref()}"}
    assert texts.NOT_UNDERSTOOD in line.post("/twilio/inbound", inbound, token="theirs")[1]
    assert line.notify("/notify/status", receipt("N1", world.provider.ledger[0].id, "delivered"), "the-others-token") == 403
    assert line.notify("/notify/inbound", received("N2", ADA, f"1 {world.ref()}"), "the-others-token") == 204
    assert world.states() == ["accepted"]
    assert world.actions() == []


def test_the_fixed_answer_is_not_given_so_often_that_networks_drop_it(world: World) -> None:
    answers = []
    for _ in range(58):
        answers.append(world.hear(ADA, "hello?")[1])
        world.clock.advance(timedelta(seconds=61))
    assert answers.count(texts.NOT_UNDERSTOOD) == FIXED_ANSWERS_AN_HOUR


class TestNotify:
    """What GOV.UK Notify posts."""

    def lost(self, world: World) -> str:
        """A message of which nobody knows whether it has been sent; its id."""
        world.provider.next("lost")
        return texted(world)

    def test_a_receipt_is_taken_and_never_goes_back(self, world: World, line: Line) -> None:
        message_id = self.lost(world)
        assert line.notify("/notify/status", receipt("N1", message_id, "delivered")) == 204
        for state in ("sending", "temporary-failure", "delivered"):
            assert line.notify("/notify/status", receipt("N1", message_id, state)) == 204
        assert world.states() == ["delivered"]
        [told] = [each for each in world.notifications() if each.state == "delivered"]
        assert (told.provider, told.provider_id) == ("notify", "N1")

    @pytest.mark.parametrize(("token", "scheme"), [
        (None, ""), ("wrong-but-long-enough", "Bearer"), (NOTIFY_TOKEN, "Basic"), (NOTIFY_TOKEN[:-1], "Bearer"), ("", "Bearer"),
        ("ü", "Bearer")])
    def test_without_the_right_token_nothing_is_believed(self, world: World, line: Line, token: str | None, scheme: str) -> None:
        message_id = self.lost(world)
        assert line.notify("/notify/status", receipt("N1", message_id, "delivered"), token, scheme) == 403
        assert line.notify("/notify/inbound", received("N2", ADA, f"1 {world.ref()}"), token, scheme) == 403
        assert world.states() == ["uncertain"]
        assert world.actions() == []
        assert "notifier_callbacks_total{provider=\"notify\",result=\"refused\"} 2.0" in line.request("GET", "/metrics").text

    def test_both_tokens_are_taken_while_they_are_being_changed(self, world: World, line: Line) -> None:
        assert line.notify("/notify/status", receipt("N1", self.lost(world), "delivered"), "the-next-token") == 204
        assert world.states() == ["delivered"]

    @pytest.mark.parametrize("about", [receipt("N1", None, "delivered"), receipt("N1", "0" * 32, "delivered"),
                                       receipt("N1", "\u00fc" * 90, "teleported")])
    def test_what_is_unknown_is_answered_and_changes_nothing(self, world: World, line: Line, about: object) -> None:
        self.lost(world)
        assert line.notify("/notify/status", about) == 204
        assert world.states() == ["uncertain"]

    def test_a_status_nobody_knows_of_a_message_that_is_known(self, world: World, line: Line) -> None:
        assert line.notify("/notify/status", receipt("N1", self.lost(world), "teleported")) == 204
        assert world.states() == ["uncertain"]

    @pytest.mark.parametrize("body", [
        b"", b"{", b"[]", b"null", b"\xff", {"id": 1}, {"id": "a\x00", "reference": None, "status": "x"},
        {"id": "x" * 65, "source_number": "1", "message": ""}])
    def test_what_cannot_be_read_is_said_so(self, world: World, line: Line, body: object) -> None:
        assert line.notify("/notify/status", body) == 400
        assert line.notify("/notify/inbound", body) == 400

    def test_a_body_that_is_too_large(self, line: Line) -> None:
        assert line.notify("/notify/status", b"x" * (LARGEST_BODY + 1)) == 413

    def test_a_reply_acts_once_and_is_answered_by_a_text(self, world: World, line: Line) -> None:
        texted(world)
        for _ in range(2):   # Notify posts again what we were slow to answer
            assert line.notify("/notify/inbound", received("N2", ADA, f"1 {world.ref().lower()}")) == 204
        [action] = world.actions()
        assert (action.action, action.via) == ("acknowledge", "sms")
        [answer] = line.answers.ledger
        assert (answer.address, answer.council) == (ADA, "demo")
        assert f"{world.ref()}: on it" in answer.body

    def test_what_is_not_understood_is_answered_once_and_stop_never(self, world: World, line: Line) -> None:
        for number, body in enumerate(["hello?", "hello??", "STOP"]):
            assert line.notify("/notify/inbound", received(f"N{number}", ADA, body)) == 204
        assert [each.body for each in line.answers.ledger] == [texts.NOT_UNDERSTOOD]

    def test_in_trial_nobody_else_is_answered(self, world: World, line: Line) -> None:
        object.__setattr__(world.settings, "notifier_trial", "on")
        assert line.notify("/notify/inbound", received("N1", ADA, "hello?")) == 204
        assert line.answers.calls == []

    def test_until_staff_are_known_it_is_to_come_again(self, world: World, line: Line) -> None:
        line.staff_read = False
        assert line.notify("/notify/inbound", received("N1", ADA, "hello?")) == 503


def test_health_readiness_and_metrics(line: Line) -> None:
    assert line.request("GET", "/healthz").json() == {"healthy": True, "reasons": []}
    assert line.request("GET", "/readyz").status_code == 200
    line.not_ready = ["staff_not_read"]
    assert line.request("GET", "/readyz").status_code == 503
    assert line.request("GET", "/readyz").json()["reasons"] == ["staff_not_read"]
    assert "notifier_possible_duplicates_total 0.0" in line.request("GET", "/metrics").text
    assert line.request("GET", "/docs").status_code == 404
