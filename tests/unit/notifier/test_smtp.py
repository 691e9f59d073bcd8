"""E-mails handed over to a real mail server on loopback."""
import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from keepintouch.runtime.errors import UserError
from keepintouch.runtime.ports import free_port
from services.notifier.channels import Accepted, Fault, NotSent, Outcome, Outgoing, Refused, Uncertain
from services.notifier.channels.smtp import MailServer, SmtpChannel
from services.notifier.settings import Environment
from tests.certificates import self_signed
from tests.standins.mail import HANG_BEFORE_ANSWERING, USER, VANISH_BEFORE_ANSWERING, MailStandIn

FROM = "Keep in Touch <contact@example.gov.uk>"
MAIL = Outgoing("0" * 32, "demo", "demo:ada", "ada@example.gov.uk", "ladder", "K7QX",
                "1 young person needs contact.\n.\n.. Ref K7QX: https://contact.example.gov.uk/a/K7QX\n", datetime.now(UTC),
                "email", "Contact needed: Ref K7QX")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def server(files: tuple[Path, Path]) -> Iterator[MailStandIn]:
    with MailStandIn(files[0]) as running:
        yield running


@pytest.fixture
def trusted(files: tuple[Path, Path]) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=files[1])


def channel(url: str, trusted: ssl.SSLContext, *, plain: bool = False, waits: float = 60) -> SmtpChannel:
    return SmtpChannel(MailServer.of(Environment({"SMTP_URL": url, "SMTP_FROM": FROM}), "demo"), timedelta(seconds=waits), plain,
                       trusted)


def test_an_email_goes_out_encrypted_with_our_id_in_its_message_id(server: MailStandIn, trusted: ssl.SSLContext) -> None:
    one = channel(server.url(), trusted)
    assert one.send(MAIL) == Accepted(MAIL.id, "sent")
    assert one.send(MAIL) == Accepted(MAIL.id, "sent")   # as after an uncertain one
    first, again = server.ledger
    assert first["Message-ID"] == again["Message-ID"] == f"<{MAIL.id}@example.gov.uk>"
    assert first["From"] == FROM
    assert first["To"] == MAIL.address
    assert first["Subject"] == MAIL.subject
    assert first["Auto-Submitted"] == "auto-generated"
    assert first.get_content().replace("\r\n", "\n") == MAIL.body
    assert first.as_bytes() == again.as_bytes()


def test_tls_from_the_first_byte(files: tuple[Path, Path], trusted: ssl.SSLContext) -> None:
    with MailStandIn(files[0], wrapped=True) as server:
        assert channel(server.url(), trusted).send(MAIL) == Accepted(MAIL.id, "sent")
        assert len(server.ledger) == 1


def test_a_server_that_nobody_vouches_for_gets_nothing(server: MailStandIn) -> None:
    assert channel(server.url(), ssl.create_default_context()).send(MAIL) == Refused("smtp_certificate", Fault.CONFIGURATION)
    assert server.ledger == []


def test_without_tls_nothing_is_sent_but_in_a_demo(trusted: ssl.SSLContext) -> None:
    with MailStandIn() as server:
        url = server.url(login=False)
        assert channel(url, trusted).send(MAIL) == Refused("smtp_no_tls", Fault.CONFIGURATION)
        assert server.ledger == []
        assert channel(url, trusted, plain=True).send(MAIL) == Accepted(MAIL.id, "sent")


def test_in_a_demo_too_tls_is_used_where_it_is_offered(server: MailStandIn) -> None:
    one = channel(server.url(), ssl.create_default_context(), plain=True)
    assert one.send(MAIL) == Refused("smtp_certificate", Fault.CONFIGURATION)


def test_the_wrong_password_is_a_fault_of_configuration(server: MailStandIn, trusted: ssl.SSLContext) -> None:
    assert channel(server.url("wrong"), trusted).send(MAIL) == Refused("smtp_535", Fault.CONFIGURATION)


def test_a_sender_that_is_refused_is_a_fault_of_configuration(server: MailStandIn, trusted: ssl.SSLContext) -> None:
    server.sender_refused = "553 5.7.1 not your address"
    assert channel(server.url(), trusted).send(MAIL) == Refused("smtp_553", Fault.CONFIGURATION)


@pytest.mark.parametrize(("rcpt", "outcome"), [
    ("550 5.1.1 no such user", Refused("smtp_550", Fault.RECIPIENT)),
    ("550 unknown", Refused("smtp_550", Fault.RECIPIENT)),
    ("550 5.2.1 mailbox disabled", Refused("smtp_550", Fault.RECIPIENT)),
    ("552 5.2.2 mailbox full", Refused("smtp_552", Fault.UNKNOWN)),
    ("550 5.7.1 not from you", Refused("smtp_550", Fault.UNKNOWN)),
    ("554 5.7.1 Relay access denied", Refused("smtp_554", Fault.CONFIGURATION)),
    ("450 4.2.0 greylisted", NotSent("smtp_450")),
])
def test_how_a_recipient_is_refused(server: MailStandIn, trusted: ssl.SSLContext, rcpt: str, outcome: Outcome) -> None:
    server.rcpt.append(rcpt)
    assert channel(server.url(), trusted).send(MAIL) == outcome
    assert server.ledger == []


@pytest.mark.parametrize(("data", "outcome", "mails"), [
    ("451 try later", NotSent("smtp_451"), 0),
    ("554 5.7.1 spam", Refused("smtp_554", Fault.UNKNOWN), 0),
    (VANISH_BEFORE_ANSWERING, Uncertain("SMTPServerDisconnected"), 1),
    (HANG_BEFORE_ANSWERING, Uncertain("SMTPServerDisconnected"), 1),
])
def test_after_the_last_line_no_answer_is_uncertain(
        server: MailStandIn, trusted: ssl.SSLContext, data: str, outcome: Outcome, mails: int) -> None:
    server.data.append(data)
    assert channel(server.url(), trusted, waits=5 if data == HANG_BEFORE_ANSWERING else 60).send(MAIL) == outcome
    assert len(server.ledger) == mails


def test_before_it_no_answer_means_not_sent(trusted: ssl.SSLContext) -> None:
    assert channel(f"smtp://127.0.0.1:{free_port()}", trusted).send(MAIL) == NotSent("ConnectionRefusedError")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        one = channel(f"smtp://127.0.0.1:{silent.getsockname()[1]}", trusted, waits=1)
        assert one.send(MAIL) == NotSent("SMTPServerDisconnected")


@pytest.mark.parametrize("address", ["ada", "ada@", "ada@x\r\nRCPT TO:<eve@example.com>", "ädä@example.gov.uk", "a b@c.d", ""])
def test_what_is_no_address_is_never_put_to_the_server(server: MailStandIn, trusted: ssl.SSLContext, address: str) -> None:
    outcome = channel(server.url(), trusted).send(replace(MAIL, address=address))
    assert outcome == Refused("smtp_address", Fault.RECIPIENT)


def test_it_can_neither_be_looked_for_nor_asked_about(server: MailStandIn, trusted: ssl.SSLContext) -> None:
    one = channel(server.url(), trusted)
    one.send(MAIL)
    assert one.find(MAIL) == []
    assert one.ask(MAIL.id) is None


@pytest.mark.parametrize(("url", "where"), [
    ("smtp://mail.example.gov.uk", ("mail.example.gov.uk", 587, False, None)),
    ("smtps://mail.example.gov.uk/", ("mail.example.gov.uk", 465, True, None)),
    (f"smtp://{USER}%40x:a%2Fb@10.0.0.1:25", ("10.0.0.1", 25, False, f"{USER}@x")),
])
def test_the_address_of_the_server(url: str, where: tuple[str, int, bool, str | None]) -> None:
    made = MailServer.of(Environment({"SMTP_URL": url, "SMTP_FROM": FROM}), "demo")
    assert (made.host, made.port, made.wrapped, made.user) == where
    assert made.password is None or made.password.get_secret_value() == "a/b"


def test_a_sender_on_this_machine_is_an_address() -> None:
    made = MailServer.of(Environment({"SMTP_URL": "smtp://h:1", "SMTP_FROM": "kit@localhost"}), "demo")
    assert str(made.sender) == "kit@localhost"


@pytest.mark.parametrize(("environ", "named"), [
    ({"SMTP_URL": ""}, "set SMTP_URL"), ({"SMTP_FROM": ""}, "set SMTP_FROM"), ({"SMTP_URL": "mail:25"}, "SMTP_URL: give"),
    ({"SMTP_URL": "smtp://hush@h:1"}, "SMTP_URL: give"), ({"SMTP_URL": "smtp://u:hush@h:x"}, "SMTP_URL: give"),
    ({"SMTP_URL": "http://u:hush@h:1"}, "SMTP_URL: give"), ({"SMTP_FROM": "contact"}, "SMTP_FROM: give")])
def test_what_is_missing_or_wrong_is_named(environ: dict[str, str], named: str) -> None:
    with pytest.raises(UserError, match=named) as caught:
        MailServer.of(Environment({"SMTP_URL": "smtp://h:1", "SMTP_FROM": FROM} | environ), "demo")
    assert "hush" not in str(caught.value)


def test_a_councils_own_server_goes_first() -> None:
    own = Environment({"SMTP_URL": "smtp://common:1", "SMTP_FROM": FROM, "SMTP_URL__NORTH_SHIRE": "smtp://own:1",
                       "SMTP_FROM__NORTH_SHIRE": "x@north.gov.uk"})
    made = MailServer.of(own, "north-shire")
    assert (made.host, made.sender.addr_spec) == ("own", "x@north.gov.uk")
