"""E-mails by a mail server of the council.

Until the last line of the message has gone out nothing has been sent; if there is no answer after it, nobody knows, and a
mail server cannot be asked. What is then sent again has the same Message-ID, so that mail programs can show it once.
"""
from __future__ import annotations

import contextlib
import re
import smtplib
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parseaddr
from typing import Final
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from keepintouch.runtime.errors import UserError
from schemas.notifications import Provider
from services.notifier.channels import Accepted, Fault, NotSent, Outcome, Outgoing, Refused, Seen, Uncertain
from services.notifier.channels.http import slug
from services.notifier.settings import Environment

_PORTS = {"smtp": 587, "smtps": 465}
_POLICY = SMTP.clone(max_line_length=998)   # no line of ours is broken
_ENHANCED = re.compile(rb"5\.(\d{1,3})\.\d{1,3}\b")
_NO_SUCH_MAILBOX = (550, 551, 553)


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where a council hands over its e-mails, and who they are from. `wrapped`: TLS from the first byte."""

    host: str
    port: int
    wrapped: bool
    user: str | None
    password: SecretStr | None
    sender: Address

    @classmethod
    def of(cls, environment: Environment, council: str) -> MailServer:
        """Read SMTP_URL and SMTP_FROM. Raises UserError that names what is wrong, and never repeats it."""
        url, sender = environment.secret("SMTP_URL", council), environment.get("SMTP_FROM", council)
        if url is None or sender is None:
            raise UserError(f"council {council} sends by smtp: set {'SMTP_URL' if url is None else 'SMTP_FROM'}")
        try:
            split = urlsplit(url.get_secret_value())
            standard = _PORTS[split.scheme]
            port = split.port
            if not split.hostname or split.path.strip("/") or (split.username is None) != (split.password is None):
                raise ValueError
        except (ValueError, KeyError):
            raise UserError(f"council {council}: SMTP_URL: give smtp://user:password@host:port, or smtps:// for TLS from the "
                            "start, with special characters of user and password as %XX") from None
        try:
            name, spec = parseaddr(sender)
            address = Address(name, addr_spec=spec)
            if not (address.username and ("." in address.domain or address.domain == "localhost") and spec.isascii()):
                raise ValueError
        except (ValueError, MessageError, IndexError):
            raise UserError(f"council {council}: SMTP_FROM: give an address, or Name <address>") from None
        password = None if split.password is None else SecretStr(unquote(split.password))
        user = unquote(split.username or "") or None
        return cls(split.hostname, port or standard, split.scheme == "smtps", user, password, address)


class _StepError(Exception):
    """A step failed before the message had gone out: `args[0]` is the outcome."""


@dataclass(slots=True)
class SmtpChannel:
    """A mail server for one council. `plain`: a server without TLS is taken too, as in a demo."""

    server: MailServer
    timeout: timedelta
    plain: bool = False
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    provider: Final[Provider] = field(default="smtp", init=False)

    def send(self, message: Outgoing) -> Outcome:
        """Hand an e-mail over."""
        deadline = time.monotonic() + self.timeout.total_seconds()
        try:
            data = self._bytes(message)
        except (ValueError, MessageError, IndexError):
            return Refused("smtp_address", Fault.RECIPIENT)
        try:
            with self._connected(deadline) as smtp:
                _step(smtp, deadline, Fault.CONFIGURATION, smtp.docmd, "MAIL", f"FROM:<{self.server.sender.addr_spec}>")
                _step(smtp, deadline, Fault.RECIPIENT, smtp.docmd, "RCPT", f"TO:<{message.address}>")
                _step(smtp, deadline, Fault.UNKNOWN, smtp.docmd, "DATA", expected=354)
                _wait(smtp, deadline)
                smtp.send(data)
                return _answer(smtp, message)
        except _StepError as error:
            outcome: Outcome = error.args[0]
            return outcome
        except ssl.SSLCertVerificationError:
            return Refused("smtp_certificate", Fault.CONFIGURATION)
        except (OSError, smtplib.SMTPException) as error:
            return NotSent(slug(error))

    def find(self, message: Outgoing) -> list[Seen]:
        """A mail server cannot be asked."""
        return []

    def ask(self, provider_id: str) -> Seen | None:
        """Nor does it tell what became of an e-mail."""
        return None

    @contextlib.contextmanager
    def _connected(self, deadline: float) -> Iterator[smtplib.SMTP]:
        """Connected, greeted, encrypted and logged in."""
        server, wait = self.server, max(0.1, deadline - time.monotonic())
        ours = server.sender.domain   # rather than a look-up of our own name, for which nobody sets a limit
        smtp = (smtplib.SMTP_SSL(server.host, server.port, local_hostname=ours, timeout=wait, context=self.tls)
                if server.wrapped else smtplib.SMTP(server.host, server.port, local_hostname=ours, timeout=wait))
        try:
            _step(smtp, deadline, Fault.UNKNOWN, smtp.ehlo)
            if not server.wrapped and (smtp.has_extn("starttls") or not self.plain):
                if not smtp.has_extn("starttls"):
                    raise _StepError(Refused("smtp_no_tls", Fault.CONFIGURATION))
                _wait(smtp, deadline)
                smtp.starttls(context=self.tls)
                _step(smtp, deadline, Fault.UNKNOWN, smtp.ehlo)
            if server.user is not None and server.password is not None:
                _wait(smtp, deadline)
                self._log_in(smtp, server.user, server.password.get_secret_value())
            yield smtp
        finally:
            smtp.close()

    @staticmethod
    def _log_in(smtp: smtplib.SMTP, user: str, password: str) -> None:
        try:
            smtp.login(user, password)
        except smtplib.SMTPAuthenticationError as error:
            raise _StepError(_refusal(error.smtp_code, _said(error.smtp_error), Fault.CONFIGURATION)) from None
        except smtplib.SMTPNotSupportedError:
            raise _StepError(Refused("smtp_no_login", Fault.CONFIGURATION)) from None

    def _bytes(self, message: Outgoing) -> bytes:
        """As it goes over the wire, to its very last line. Raises ValueError for an address that is none."""
        recipient = Address(addr_spec=message.address)
        if not (message.address.isascii() and recipient.username and recipient.domain):
            raise ValueError
        mail = EmailMessage(_POLICY)
        mail["From"], mail["To"], mail["Subject"] = self.server.sender, recipient, message.subject or ""
        mail["Date"] = message.created_at
        mail["Message-ID"] = f"<{message.id}@{self.server.sender.domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.body, cte="7bit" if message.body.isascii() else "quoted-printable")
        text = bytes(mail)
        return re.sub(rb"(?m)^\.", b"..", text) + (b".\r\n" if text.endswith(b"\r\n") else b"\r\n.\r\n")


def _step(smtp: smtplib.SMTP, deadline: float, fault: Fault, command: Callable[..., tuple[int, bytes]], *words: str,
          expected: int = 250) -> None:
    _wait(smtp, deadline)
    code, said = command(*words)
    if code != expected and not (expected == 250 and 200 <= code < 300):
        raise _StepError(_refusal(code, said, fault))


def _wait(smtp: smtplib.SMTP, deadline: float) -> None:
    """The next answer must come before the deadline, which is for all of them."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    if smtp.sock is not None:
        smtp.sock.settimeout(left)


def _answer(smtp: smtplib.SMTP, message: Outgoing) -> Outcome:
    """What the server says after the last line: from here on no answer means that nobody knows."""
    try:
        code, said = smtp.getreply()
    except (OSError, smtplib.SMTPException) as error:
        return Uncertain(slug(error))
    return Accepted(message.id, "sent") if code == 250 else _refusal(code, said, Fault.UNKNOWN)


def _refusal(code: int, said: bytes, fault: Fault) -> Refused | NotSent:
    """Which outcome an answer is that is no consent. `fault`: whose it is, unless the answer knows better."""
    reason = f"smtp_{code}"
    if not 500 <= code < 600:
        return NotSent(reason)
    if fault is Fault.RECIPIENT:
        detail = _ENHANCED.match(said)   # RFC 3463: 5.1.x is about the address, 5.2.1 a mailbox that takes nothing any more
        if b"relay" in said.lower():     # we are not let through, whoever it is for
            fault = Fault.CONFIGURATION
        elif not (code in _NO_SUCH_MAILBOX if detail is None else detail[1] == b"1" or detail[0] == b"5.2.1"):
            fault = Fault.UNKNOWN
    return Refused(reason, fault)


def _said(said: bytes | str) -> bytes:
    return said.encode() if isinstance(said, str) else said
