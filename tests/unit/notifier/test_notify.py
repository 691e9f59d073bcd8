"""GOV.UK Notify's own client library against the stand-in, over HTTP."""
import logging
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from keepintouch.runtime.errors import UserError
from keepintouch.runtime.ports import free_port
from services.notifier.channels import Accepted, Fault, LookUpFailedError, NotSent, Outcome, Outgoing, Refused, Seen, Uncertain
from services.notifier.channels.notify import NotifyChannel, NotifyService, seen
from services.notifier.settings import Environment
from tests.processes import until
from tests.standins.notify import EMAIL_TEMPLATE, KEY, SECRET, TEXT_TEMPLATE, Behaviour, NotifyStandIn
from tests.unit.notifier.world import World, alert

BASE = {"NOTIFY_API_KEY": KEY, "NOTIFY_TEXT_TEMPLATE": TEXT_TEMPLATE, "NOTIFY_EMAIL_TEMPLATE": EMAIL_TEMPLATE}
TEXT = Outgoing("0" * 32, "demo", "demo:ada", "+447700900001", "ladder", "K7QX",
                "1 young person needs contact. Ref K7QX. https://contact.example.gov.uk/a/K7QX", datetime.now(UTC))
MAIL = replace(TEXT, id="1" * 32, address="ada@example.gov.uk", channel="email", subject="Contact needed: Ref K7QX")
EVENING = datetime(2026, 3, 10, 22, 30, tzinfo=UTC)


@pytest.fixture
def notify() -> Iterator[NotifyStandIn]:
    with NotifyStandIn() as running:
        yield running


def channel(notify: NotifyStandIn, url: str | None = None, waits: float = 60, **more: str) -> NotifyChannel:
    service = NotifyService.of(Environment(BASE | more), "demo", {"sms", "email"})
    return NotifyChannel(service, timedelta(seconds=waits), url or notify.url, lambda: EVENING)


def test_a_text_is_accepted_with_our_id_as_its_reference(notify: NotifyStandIn) -> None:
    outcome = channel(notify).send(TEXT)
    [sent] = notify.ledger
    assert outcome == Accepted(sent.id, "accepted")
    assert (sent.kind, sent.to, sent.body, sent.reference) == ("sms", TEXT.address, TEXT.body, TEXT.id)


def test_an_email_has_a_subject(notify: NotifyStandIn) -> None:
    outcome = channel(notify).send(MAIL)
    [sent] = notify.ledger
    assert outcome == Accepted(sent.id, "accepted")
    assert (sent.kind, sent.to, sent.body, sent.subject) == ("email", MAIL.address, MAIL.body, MAIL.subject)


@pytest.mark.parametrize(("behaviour", "outcome", "messages"), [
    (Behaviour.BUSY, NotSent("notify_RateLimitError", timedelta(seconds=60)), 0),
    (Behaviour.TODAY_IS_OVER, NotSent("notify_TooManyRequestsError", timedelta(minutes=90)), 0),
    (Behaviour.TEAM_KEY, Refused("notify_BadRequestError", Fault.CONFIGURATION), 0),
    (Behaviour.TRIAL_MODE, Refused("notify_BadRequestError", Fault.CONFIGURATION), 0),
    (Behaviour.CLOCK, Refused("notify_AuthError", Fault.CONFIGURATION), 0),
    (Behaviour.MOVED, Refused("notify_302", Fault.CONFIGURATION), 0),
    (Behaviour.INTERNATIONAL, Refused("notify_BadRequestError", Fault.RECIPIENT), 0),
    (Behaviour.TOO_LONG, Refused("notify_BadRequestError", Fault.UNKNOWN), 0),
    (Behaviour.ERROR_500, Uncertain("notify_Exception"), 0),
    (Behaviour.ERROR_503, Uncertain("notify_Exception"), 0),
    (Behaviour.RESET, Uncertain("ConnectionError"), 0),
    (Behaviour.ERROR_500_AFTER_ACCEPTING, Uncertain("notify_Exception"), 1),
    (Behaviour.TIME_OUT_AFTER_ACCEPTING, Uncertain("ReadTimeout"), 1),
    (Behaviour.RESET_AFTER_ACCEPTING, Uncertain("ConnectionError"), 1),
    (Behaviour.NO_JSON, Uncertain("notify_201"), 1),
])
def test_how_calls_end(notify: NotifyStandIn, behaviour: Behaviour, outcome: Outcome, messages: int) -> None:
    notify.next(behaviour)
    assert channel(notify, waits=1 if behaviour is Behaviour.TIME_OUT_AFTER_ACCEPTING else 60).send(TEXT) == outcome
    until(lambda: len(notify.ledger) == messages)
    assert len(notify.requests) == 1   # the client library has not tried again of its own accord


@pytest.mark.parametrize("wrong", [replace(TEXT, address="+4477"), replace(TEXT, address="+44770090000x"),
                                   replace(MAIL, address="ada at example")])
def test_an_address_that_is_none_is_the_recipients_fault(notify: NotifyStandIn, wrong: Outgoing) -> None:
    assert channel(notify).send(wrong) == Refused("notify_ValidationError", Fault.RECIPIENT)


@pytest.mark.parametrize("more", [
    {"NOTIFY_API_KEY": KEY.replace(SECRET, SECRET[::-1])}, {"NOTIFY_TEXT_TEMPLATE": "5" * 36},
    {"NOTIFY_TEXT_TEMPLATE": EMAIL_TEMPLATE}])
def test_a_wrong_key_or_template_is_a_fault_of_configuration(notify: NotifyStandIn, more: dict[str, str]) -> None:
    outcome = channel(notify, None, 60, **more).send(TEXT)
    assert isinstance(outcome, Refused)
    assert outcome.fault is Fault.CONFIGURATION


def test_nobody_listening_is_definitely_not_sent_though_the_library_calls_it_a_503(notify: NotifyStandIn) -> None:
    assert channel(notify, f"http://127.0.0.1:{free_port()}").send(TEXT) == NotSent("ConnectionError")
    assert channel(notify, "http://no-such-host.invalid").send(TEXT) == NotSent("ConnectionError")


def test_somebody_who_never_answers_is_uncertain(notify: NotifyStandIn) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert channel(notify, f"http://127.0.0.1:{silent.getsockname()[1]}", 1).send(TEXT) == Uncertain("ReadTimeout")


def test_looking_for_a_message_by_its_reference(notify: NotifyStandIn) -> None:
    one = channel(notify)
    assert one.find(TEXT) == []
    one.send(MAIL)
    one.send(TEXT)
    assert [each.provider_id for each in one.find(TEXT)] == [notify.ledger[1].id]


def test_a_failed_look_up_says_so_and_what_notify_has_no_more_is_nothing(notify: NotifyStandIn) -> None:
    notify.list_fails = True
    with pytest.raises(LookUpFailedError, match="notify_Exception"):
        channel(notify).find(TEXT)
    with pytest.raises(LookUpFailedError, match="ConnectionError"):
        channel(notify, f"http://127.0.0.1:{free_port()}").find(TEXT)
    assert channel(notify).ask("0") is None


@pytest.mark.parametrize(("status", "found"), [
    ("created", Seen("x", "accepted")), ("sending", Seen("x", "accepted")), ("pending", Seen("x", "accepted")),
    ("sent", Seen("x", "sent")), ("delivered", Seen("x", "delivered")),
    ("permanent-failure", Seen("x", "undelivered", "permanent")),
    ("temporary-failure", Seen("x", "undelivered", "temporary")),
    ("technical-failure", Seen("x", "failed", "technical")), ("teleported", None)])
def test_what_notify_says_in_our_words(status: str, found: Seen | None) -> None:
    assert seen("x", status) == found


def test_asking_what_became_of_a_message(notify: NotifyStandIn) -> None:
    one = channel(notify)
    one.send(TEXT)
    notify.ledger[0].status = "permanent-failure"
    assert one.ask(notify.ledger[0].id) == Seen(notify.ledger[0].id, "undelivered", "permanent")


def test_timed_out_after_acceptance_it_is_found_and_not_sent_twice(world: World, notify: NotifyStandIn) -> None:
    notify.next(Behaviour.TIME_OUT_AFTER_ACCEPTING)
    world.delivery.channels = {("demo", "sms"): [channel(notify, waits=1)]}
    world.read(alert())
    world.after(minutes=1)
    until(lambda: notify.ledger)
    assert world.states() == ["uncertain"]
    world.after(minutes=10)
    assert world.states() == ["accepted"]
    assert len(notify.ledger) == 1
    assert len(notify.requests) == 1


def test_nothing_of_a_message_gets_into_logs(notify: NotifyStandIn, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        one = channel(notify)
        notify.next(Behaviour.TEAM_KEY)
        one.send(TEXT)
        one.find(TEXT)
    assert caplog.text == ""


def test_a_councils_own_service_goes_first() -> None:
    own = Environment(BASE | {"NOTIFY_API_KEY__NORTH_SHIRE": "x" + KEY, "NOTIFY_TEXT_TEMPLATE__NORTH_SHIRE": "mine"})
    service = NotifyService.of(own, "north-shire", {"sms"})
    assert service.api_key.get_secret_value() == "x" + KEY
    assert service.templates == {"sms": "mine"}


@pytest.mark.parametrize(("change", "named"), [
    ({"NOTIFY_API_KEY": ""}, "NOTIFY_API_KEY"), ({"NOTIFY_API_KEY": "half-a-key"}, "NOTIFY_API_KEY"),
    ({"NOTIFY_TEXT_TEMPLATE": ""}, "NOTIFY_TEXT_TEMPLATE"), ({"NOTIFY_EMAIL_TEMPLATE": ""}, "NOTIFY_EMAIL_TEMPLATE")])
def test_what_is_missing_is_named(change: dict[str, str], named: str) -> None:
    with pytest.raises(UserError, match=named) as caught:
        NotifyService.of(Environment(BASE | change), "demo", {"sms", "email"})
    assert "half-a-key" not in str(caught.value)
