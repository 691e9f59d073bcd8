"""A mail server on a free loopback port (aiosmtpd), with a ledger of every e-mail it took; it misbehaves on demand."""
from __future__ import annotations

import asyncio
import ssl
from collections import deque
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as POLICY
from pathlib import Path
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword

from keepintouch.runtime.ports import free_port

USER, PASSWORD = "notifier", "stand-in:password"
VANISH_BEFORE_ANSWERING, HANG_BEFORE_ANSWERING = "vanish", "hang"


@dataclass
class MailStandIn:
    """Use as a context manager. `certificate`: a key and certificate for STARTTLS, or with `wrapped` for TLS from the start.

    Each of the queues `rcpt` and `data` says how that step answers next: a line such as `550 5.1.1 no such user`, or one of
    the two ways not to answer; after that all is taken.
    """

    certificate: Path | None = None
    wrapped: bool = False
    hang_seconds: float = 120.0   # longer than anybody waits
    sender_refused: str | None = None
    ledger: list[EmailMessage] = field(default_factory=list)
    rcpt: deque[str] = field(default_factory=deque)
    data: deque[str] = field(default_factory=deque)

    def __enter__(self) -> Self:
        context = None
        if self.certificate is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(self.certificate)
        self.port = free_port()
        self._controller = Controller(
            self, "127.0.0.1", self.port, ready_timeout=60, server_hostname="localhost",
            ssl_context=context if self.wrapped else None, tls_context=None if self.wrapped else context,
            auth_require_tls=not self.wrapped, authenticator=self._authenticate)
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    def url(self, password: str = PASSWORD, *, login: bool = True) -> str:
        """For SMTP_URL."""
        who = f"{USER}:{password.replace(':', '%3A')}@" if login else ""
        return f"{'smtps' if self.wrapped else 'smtp'}://{who}127.0.0.1:{self.port}"

    @staticmethod
    def _authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: LoginPassword) -> AuthResult:
        return AuthResult(success=given == LoginPassword(USER.encode(), PASSWORD.encode()), handled=False)

    async def handle_MAIL(self, _server: SMTP, _session: Any, envelope: Envelope, address: str, _options: Any) -> str:   # noqa: N802 – its name for it
        if self.sender_refused is not None:
            return self.sender_refused
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, _server: SMTP, _session: Any, envelope: Envelope, address: str, _options: Any) -> str:   # noqa: N802
        if self.rcpt:
            return self.rcpt.popleft()
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Any, envelope: Envelope) -> str:   # noqa: N802
        answer = self.data.popleft() if self.data else "250 OK"
        if answer[0] in "45":
            return answer
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, EmailMessage, policy=POLICY)
        self.ledger.append(mail)
        if answer == VANISH_BEFORE_ANSWERING:
            assert server.transport is not None
            server.transport.abort()   # type: ignore[attr-defined]
        elif answer == HANG_BEFORE_ANSWERING:
            await asyncio.sleep(self.hang_seconds)
        return "250 OK"
