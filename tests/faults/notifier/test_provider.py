"""What providers do wrong, seen from one notifier that is at work all the while."""
from __future__ import annotations

from collections.abc import Iterator

import pytest

from schemas.alerts import Alert
from tests.faults.notifier.scenes import MARKS
from tests.faults.notifier.stage import ONE_STEP, Stage, adviser
from tests.processes import until
from tests.standins.twilio import Behaviour, post_signed

pytestmark = [*MARKS, pytest.mark.stage(ladder=ONE_STEP)]


def test_taken_but_not_answered_in_time_it_is_found_not_sent_again(service: Stage, of: int) -> None:
    one = meets(service, of, Behaviour.TIME_OUT_AFTER_ACCEPTING)
    until(lambda: "accepted" in service.story(one))
    assert service.story(one) == ["sending", "uncertain", "accepted"]
    service.only_text(of)


def test_the_same_with_an_answer_that_breaks_off_or_is_an_error(service: Stage, of: int) -> None:
    for behaviour in (Behaviour.RESET_AFTER_ACCEPTING, Behaviour.ERROR_500_AFTER_ACCEPTING):
        before = len(service.texts(of))
        one = meets(service, of, behaviour)
        until(lambda one=one: "accepted" in service.story(one))   # type: ignore[misc]
        assert service.story(one) == ["sending", "uncertain", "accepted"]
        assert len(service.texts(of)) == before + 1


def test_not_taken_it_is_sent_again_after_two_looks_and_says_so(service: Stage, of: int) -> None:
    one = meets(service, of, Behaviour.RESET)
    until(lambda: "accepted" in service.story(one))
    assert service.story(one) == ["sending", "uncertain", "sending", "accepted"]
    service.only_text(of)
    [last] = {each.told.possible_duplicate for each in service.published()
              if each.key == str(one.alert_id) and each.told.state == "accepted"}
    assert last


def test_with_every_proof_lost_it_is_sent_once_more_and_counted(service: Stage, of: int) -> None:
    """Callback, list and answer: nothing says that it went out. It says the same with the same Ref."""
    before = service.metric("notifier_possible_duplicates_total")
    service.twilio.hidden.add(service.numbers[adviser(of)])
    one = meets(service, of, Behaviour.TIME_OUT_AFTER_ACCEPTING)
    until(lambda: service.texts(of))
    service.lose_evidence_of(service.texts(of)[0])
    until(lambda: "accepted" in service.story(one))
    first, second = service.texts(of)
    assert first.body == second.body
    assert service.story(one) == ["sending", "uncertain", "sending", "accepted"]
    assert service.metric("notifier_possible_duplicates_total") == before + 1


@pytest.mark.parametrize("behaviour", [Behaviour.BUSY_429, Behaviour.BUSY_429_NO_HINT, Behaviour.BUSY_503])
def test_told_to_wait_it_waits_and_nothing_is_in_doubt(service: Stage, of: int, behaviour: Behaviour) -> None:
    one = meets(service, of, behaviour, behaviour)
    until(lambda: "accepted" in service.story(one))
    assert set(service.story(one)) == {"sending", "accepted"}
    service.only_text(of)


def test_out_of_order_for_a_while_it_tells_everybody_afterwards(service: Stage) -> None:
    """Errors of which nobody knows what they mean: every one is looked for; nothing goes out twice."""
    those = [service.next_adviser() for _ in range(4)]
    alerts = [meets(service, of, *[Behaviour.ERROR_500] * 2) for of in those]
    until(lambda: all("accepted" in service.story(one) for one in alerts))
    assert [len(service.texts(of)) for of in those] == [1] * 4


def test_not_there_for_a_while_nothing_is_in_doubt(service: Stage, of: int) -> None:
    uncertain, not_sent = (service.metric("notifier_attempts_total", outcome=outcome) for outcome in ("uncertain", "not_sent"))
    service.twilio.close_door()
    try:
        one = service.open(of)
        until(lambda: service.metric("notifier_attempts_total", outcome="not_sent") >= not_sent + 2)
        until(lambda: service.story(one) == ["sending"])
    finally:
        service.twilio.listen()
    until(lambda: "accepted" in service.story(one))
    assert service.metric("notifier_attempts_total", outcome="uncertain") == uncertain
    service.only_text(of)


@pytest.mark.parametrize("behaviour", [Behaviour.REFUSE_21211, Behaviour.REFUSE_21610])
def test_a_number_that_takes_nothing_is_given_up_and_the_manager_hears(service: Stage, of: int, behaviour: Behaviour) -> None:
    one = meets(service, of, behaviour, to="demo:mia")
    until(lambda: "accepted" in service.story(one))
    assert service.texts(of) == []
    second = service.open(of, ("1", "demo:mia"))   # and from now on at once
    until(lambda: "accepted" in service.story(second))
    assert service.story(second) == ["sending", "accepted"]
    code = behaviour.value.removeprefix("refuse_")
    assert service.rows("SELECT reason FROM unreachable WHERE address = :number", number=service.numbers[adviser(of)]) == [
        (f"twilio_{code}",)]


def test_a_landline_is_given_up_when_it_turns_out_to_be_one(service: Stage, of: int) -> None:
    one = service.open(of, ("1", "demo:mia"))
    sent = service.only_text(of)
    assert service.twilio.call_back(sent, "undelivered", 30006) == 204
    until(lambda: service.story(one) == ["sending", "accepted", "undelivered", "sending", "accepted"])
    assert len(service.texts(of)) == 1


def test_a_handset_out_of_reach_is_tried_once_more(service: Stage, of: int) -> None:
    service.open(of)
    first = service.only_text(of)
    assert service.twilio.call_back(first, "undelivered", 30003) == 204
    until(lambda: len(service.texts(of)) == 2)
    assert service.texts(of)[1].body == first.body


def test_delivered_before_it_was_answered_it_stays_delivered(service: Stage, of: int) -> None:
    one = meets(service, of, Behaviour.CALL_BACK_FIRST)
    until(lambda: "delivered" in service.story(one))
    assert service.story(one) == ["sending", "delivered"]


def test_told_again_and_in_any_order_it_stays_what_it_was(service: Stage, of: int) -> None:
    one = service.open(of)
    sent = service.only_text(of)
    until(lambda: "accepted" in service.story(one))
    for status in ("delivered", "sent", "delivered", "queued", "undelivered", "failed", "read"):
        assert service.twilio.call_back(sent, status) == 204
    sent.status = "delivered"
    until(lambda: "delivered" in service.story(one))
    assert service.story(one) == ["sending", "accepted", "delivered"]


def test_only_the_provider_itself_is_believed(service: Stage, of: int) -> None:
    one = service.open(of)
    sent = service.only_text(of)
    assert sent.callback is not None
    fields = {"MessageSid": sent.sid, "MessageStatus": "failed", "To": sent.to, "ErrorCode": "30006", "Empty": ""}
    before = service.metric("notifier_callbacks_total", result="refused")
    assert post_signed(sent.callback, fields, None)[0] == 403
    assert post_signed(sent.callback, fields, "another token")[0] == 403
    assert post_signed(sent.callback, fields, signed_url=sent.callback.replace("http:", "https:"))[0] == 403
    assert post_signed(sent.callback + "?a=b", fields, signed_url=sent.callback)[0] == 403
    assert service.metric("notifier_callbacks_total", result="refused") == before + 4
    assert service.twilio.call_back(sent, "sent") == 204   # with a blank field in it
    until(lambda: "sent" in service.story(one))
    assert service.story(one) == ["sending", "accepted", "sent"]


def test_replies_act_only_as_commands_from_the_number_the_text_went_to(service: Stage, of: int) -> None:
    one = service.open(of)
    sent = service.only_text(of)
    ref = sent.body.partition("Ref ")[2][:4]
    stranger = service.numbers[adviser(service.next_adviser())]
    nonsense = ["ok", "👍", f"1{ref}!", "1", ref, f"7 {ref}", "1 ZZZZ", "", "DROP TABLE alert", "1 " * 400, f"1 {ref} please"]
    answers = [service.reply(sent, body, sid=f"IN{of}-{number}") for number, body in enumerate(nonsense)]
    answers += [service.reply(sent, f"1 {ref}", sid=f"IN{of}-s{number}", sender=stranger) for number in range(5)]
    assert {status for status, _ in answers} == {200}
    said = [body for _, body in answers if "<Message>" in body]
    assert len(said) == 2   # one to each number: it does not chat
    assert not [body for body in said if ref in body or "young" in body]
    assert service.rows("SELECT 1 FROM act WHERE alert_id = :one", one=str(one.alert_id)) == []
    for _ in range(2):   # the same text, delivered again
        assert f"{ref}: on it" in service.reply(sent, f" 1  {ref.lower()} ", sid=f"IN{of}-yes")[1]
    assert service.reply(sent, "STOP", sid=f"IN{of}-stop")[1].count("<Message>") == 0
    assert service.rows("SELECT action, via FROM act WHERE alert_id = :one", one=str(one.alert_id)) == [("acknowledge", "sms")]


def test_a_flood_of_replies_is_answered_once(service: Stage, of: int) -> None:
    service.open(of)
    sent = service.only_text(of)
    answers = [service.reply(sent, "who is this?", sid=f"IN{of}-{number}")[1] for number in range(20)]
    assert sum("<Message>" in each for each in answers) == 1


@pytest.fixture(autouse=True)
def _nothing_is_left_to_misbehave(service: Stage) -> Iterator[None]:
    yield
    assert not any(service.twilio._scripts.values())


def meets(service: Stage, of: int, *behaviours: Behaviour, to: str | None = None) -> Alert:
    """An alert opens, and the calls to text the adviser meet these."""
    service.twilio.next_to(service.numbers[adviser(of)], *behaviours)
    return service.open(of, ("1", to or adviser(of)))
