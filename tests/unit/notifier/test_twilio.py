"""Twilio's own client library against the stand-in, over HTTP."""
import contextlib
import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from keepintouch.runtime.errors import UserError
from keepintouch.runtime.ports import free_port
from services.notifier import outbox
from services.notifier.channels import Accepted, Fault, LookUpFailedError, NotSent, Outcome, Outgoing, Refused, Seen, Uncertain
from services.notifier.channels.twilio import VALIDITY, TwilioAccount, TwilioChannel
from services.notifier.settings import Environment
from tests.certificates import self_signed
from tests.processes import until
from tests.standins.twilio import ACCOUNT, TOKEN, Behaviour, TwilioStandIn
from tests.unit.notifier.world import World, alert

BASE = {"TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": TOKEN, "TWILIO_FROM": "+447700900000"}
TEXT = Outgoing("0" * 32, "demo", "demo:ada", "+447700900001", "ladder", "K7QX",
                "1 young person needs contact. Ref K7QX. https://contact.example.gov.uk/a/K7QX", datetime.now(UTC))


@pytest.fixture
def twilio() -> Iterator[TwilioStandIn]:
    with TwilioStandIn() as running:
        yield running


def channel(twilio: TwilioStandIn, waits: float = 60, **more: str) -> TwilioChannel:
    return TwilioChannel(TwilioAccount.of(Environment(BASE | more), "demo"), timedelta(seconds=waits), "http://127.0.0.1:1",
                         twilio.url)


def test_accepted_with_our_id_in_the_callback_and_a_short_life(twilio: TwilioStandIn) -> None:
    outcome = channel(twilio).send(TEXT)
    [sent] = twilio.ledger
    assert outcome == Accepted(sent.sid, "accepted")
    assert (sent.to, sent.sender, sent.body) == (TEXT.address, "+447700900000", TEXT.body)
    assert sent.callback == f"http://127.0.0.1:1/twilio/status/{TEXT.id}"
    assert sent.fields["ValidityPeriod"] == str(int(VALIDITY.total_seconds()))


def test_a_messaging_service_goes_before_a_number(twilio: TwilioStandIn) -> None:
    channel(twilio, TWILIO_MESSAGING_SERVICE_SID="MG1").send(TEXT)
    assert twilio.ledger[0].fields["MessagingServiceSid"] == "MG1"
    assert "From" not in twilio.ledger[0].fields


@pytest.mark.parametrize(("behaviour", "outcome", "texts"), [
    (Behaviour.REFUSE_21211, Refused("twilio_21211", Fault.RECIPIENT), 0),
    (Behaviour.REFUSE_21610, Refused("twilio_21610", Fault.RECIPIENT), 0),
    (Behaviour.REFUSE_20003, Refused("twilio_20003", Fault.CONFIGURATION), 0),
    (Behaviour.REFUSE_21609, Refused("twilio_21609", Fault.UNKNOWN), 0),
    (Behaviour.BUSY_429, NotSent("twilio_20429", timedelta(seconds=1)), 0),
    (Behaviour.BUSY_503, NotSent("twilio_20503", timedelta(seconds=1)), 0),
    (Behaviour.ERROR_500, Uncertain("twilio_20500"), 0),
    (Behaviour.ERROR_500_AFTER_ACCEPTING, Uncertain("twilio_20500"), 1),
    (Behaviour.TIME_OUT_AFTER_ACCEPTING, Uncertain("ReadTimeout"), 1),
    (Behaviour.RESET_AFTER_ACCEPTING, Uncertain("ConnectionError"), 1),
])
def test_how_calls_end(twilio: TwilioStandIn, behaviour: Behaviour, outcome: Outcome, texts: int) -> None:
    twilio.next(behaviour)
    assert channel(twilio, 1 if behaviour is Behaviour.TIME_OUT_AFTER_ACCEPTING else 60).send(TEXT) == outcome
    until(lambda: len(twilio.ledger) == texts)
    assert len(twilio.requests) == 1   # the client library has not tried again of its own accord


def test_nobody_listening_is_definitely_not_sent(twilio: TwilioStandIn) -> None:
    nobody = replace_url(channel(twilio), f"http://127.0.0.1:{free_port()}")
    assert nobody.send(TEXT) == NotSent("ConnectionError")
    unknown = replace_url(channel(twilio), "http://no-such-host.invalid")
    assert unknown.send(TEXT) == NotSent("ConnectionError")


def test_somebody_who_never_answers_is_uncertain(twilio: TwilioStandIn) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        one = replace_url(channel(twilio, 1), f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert one.send(TEXT) == Uncertain("ReadTimeout")


def test_a_server_that_nobody_vouches_for_gets_nothing(twilio: TwilioStandIn, tmp_path: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(self_signed(tmp_path)[0])
    with socket.create_server(("127.0.0.1", 0)) as plain, context.wrap_socket(plain, server_side=True) as server:
        def greet() -> None:
            with contextlib.suppress(OSError):   # the client breaks it off
                server.accept()[0].close()

        thread = threading.Thread(target=greet)
        thread.start()
        assert replace_url(channel(twilio), f"https://127.0.0.1:{server.getsockname()[1]}").send(TEXT) == NotSent("SSLError")
        thread.join()


def test_the_wrong_password_is_a_fault_of_configuration(twilio: TwilioStandIn) -> None:
    assert channel(twilio, TWILIO_AUTH_TOKEN="wrong").send(TEXT) == Refused("twilio_20003", Fault.CONFIGURATION)


def test_looking_for_a_text_by_its_ref(twilio: TwilioStandIn) -> None:
    one = channel(twilio)
    assert one.find(TEXT) == []
    one.send(replace(TEXT, ref="ABCD", body="Ref ABCD. x"))
    one.send(TEXT)
    for _ in range(60):   # more than one page of others
        one.send(replace(TEXT, ref="WXYZ", body="Ref WXYZ. x"))
    assert [seen.provider_id for seen in one.find(TEXT)] == [twilio.ledger[1].sid]
    assert one.find(replace(TEXT, address="+447700900002")) == []


def test_a_failed_look_up_says_so(twilio: TwilioStandIn) -> None:
    twilio.list_fails = True
    with pytest.raises(LookUpFailedError, match="TwilioException"):
        channel(twilio).find(TEXT)
    with pytest.raises(LookUpFailedError, match="twilio_20404"):
        channel(twilio).ask("SM0")
    with pytest.raises(LookUpFailedError, match="ConnectionError"):
        replace_url(channel(twilio), f"http://127.0.0.1:{free_port()}").find(TEXT)


def test_asking_what_became_of_a_text(twilio: TwilioStandIn) -> None:
    one = channel(twilio)
    one.send(TEXT)
    twilio.ledger[0].status, twilio.ledger[0].error_code = "undelivered", 30003
    seen = one.ask(twilio.ledger[0].sid)
    assert seen is not None
    assert (seen.state, seen.code) == ("undelivered", "30003")


def test_timed_out_after_acceptance_it_is_found_and_not_sent_twice(world: World, twilio: TwilioStandIn) -> None:
    twilio.next(Behaviour.TIME_OUT_AFTER_ACCEPTING)
    world.delivery.channels = {("demo", "sms"): [channel(twilio, 1)]}
    world.read(alert())
    world.after(minutes=1)
    until(lambda: twilio.ledger)
    assert world.states() == ["uncertain"]
    world.after(minutes=10)
    assert world.states() == ["accepted"]
    assert len(twilio.ledger) == 1
    assert len(twilio.requests) == 1


def test_words_that_twilio_is_not_to_keep(world: World, twilio: TwilioStandIn) -> None:
    """They cannot be looked for, so the text goes out again; what a callback says of it is enough, though."""
    assert channel(twilio).account.retention == "retain"
    one = channel(twilio, TWILIO_CONTENT_RETENTION="retain", TWILIO_CONTENT_RETENTION__DEMO="Discard")
    world.delivery.channels = {("demo", "sms"): [one]}
    twilio.next(Behaviour.ERROR_500_AFTER_ACCEPTING)
    world.read(alert())
    world.after(minutes=1)
    world.after(minutes=10)
    assert world.states() == ["accepted"]
    assert [sent.fields["ContentRetention"] for sent in twilio.ledger] == ["discard"] * 2
    assert twilio.ledger[0].body == twilio.ledger[1].body
    assert [each.possible_duplicate for each in world.notifications()] == [False, False, True, True]
    twilio.next(Behaviour.ERROR_500_AFTER_ACCEPTING)
    world.read(alert("p2", adviser_ref="demo:ben", detected_at=world.clock.now()))
    world.after(seconds=61)
    [text] = twilio.to("+447700900002")
    with world.database.write() as connection:
        outbox.evidence(connection, str(text.callback).rpartition("/")[2], "twilio", Seen(text.sid, "sent"), world.moment())
    world.after(minutes=10)
    assert len(twilio.ledger) == 3


def test_retention_that_is_neither_is_named(twilio: TwilioStandIn) -> None:
    with pytest.raises(UserError, match="council demo: TWILIO_CONTENT_RETENTION: give retain or discard"):
        channel(twilio, TWILIO_CONTENT_RETENTION="no")


def test_nothing_of_a_text_gets_into_logs(twilio: TwilioStandIn, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("twilio.http_client").setLevel(logging.WARNING)
    with caplog.at_level(logging.INFO):
        one = channel(twilio)
        one.send(TEXT)
        one.find(TEXT)
    assert TEXT.address not in caplog.text
    assert TEXT.address.removeprefix("+") not in caplog.text


@pytest.mark.parametrize(("environ", "user", "sender"), [
    (BASE, ACCOUNT, (None, "+447700900000")),
    (BASE | {"TWILIO_API_KEY": "SK1", "TWILIO_API_SECRET": "s"}, "SK1", (None, "+447700900000")),
    (BASE | {"TWILIO_API_KEY": "SK1", "TWILIO_API_SECRET": "s", "TWILIO_ACCOUNT_SID__NORTH_SHIRE": "AC9",
             "TWILIO_AUTH_TOKEN__NORTH_SHIRE": "t"}, "AC9", (None, "+447700900000")),
    (BASE | {"TWILIO_MESSAGING_SERVICE_SID": "MG1"}, ACCOUNT, ("MG1", None)),
    (BASE | {"TWILIO_MESSAGING_SERVICE_SID": "MG1", "TWILIO_FROM__NORTH_SHIRE": "COUNCIL"}, ACCOUNT, (None, "COUNCIL")),
    (BASE | {"TWILIO_ACCOUNT_SID__NORTH_SHIRE": "AC9", "TWILIO_MESSAGING_SERVICE_SID__NORTH_SHIRE": "MG2"}, "AC9", ("MG2", None)),
])
def test_a_councils_own_credentials_and_sender_go_first(
        environ: dict[str, str], user: str, sender: tuple[str | None, str | None]) -> None:
    account = TwilioAccount.of(Environment(environ), "north-shire")
    assert account.user == user
    assert (account.service_sid, account.sender) == sender


@pytest.mark.parametrize("missing", ["TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_FROM"])
def test_what_is_missing_is_named(missing: str) -> None:
    with pytest.raises(UserError, match=missing):
        TwilioAccount.of(Environment({name: value for name, value in BASE.items() if name != missing}), "demo")


def replace_url(one: TwilioChannel, url: str) -> TwilioChannel:
    return TwilioChannel(one.account, one.timeout, one.callback_base, url)
