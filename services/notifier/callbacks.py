"""What providers tell us: what became of a message, and what somebody texts back.

What is told is believed with a proof only (`proofs`), and is in the database before it is answered; telling it again changes
nothing. Every function returns the HTTP status to answer with.
"""
from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeVar

import sqlalchemy as sa
from pydantic import BaseModel, Field, ValidationError

from keepintouch.runtime.database import Database
from keepintouch.runtime.logs import get_logger
from services.notifier import outbox
from services.notifier.channels import Accepted, Channel, Outgoing, Seen, notify
from services.notifier.channels.twilio import state_of
from services.notifier.conversation import Heard, Text, hear
from services.notifier.metrics import Metrics
from services.notifier.outbox import Moment
from services.notifier.proofs import Form, NotifyTokens, TwilioSignatures
from services.notifier.publications import new_id
from services.notifier.tables import message

_log = get_logger(__name__)

_ID = r"[!-~]{1,64}"   # of a provider's; PostgreSQL, for one, takes no NUL in a text


class _Receipt(BaseModel):
    """What Notify posts of a message that was delivered or failed."""

    id: Annotated[str, Field(pattern=f"^{_ID}$")]
    reference: Annotated[str, Field(pattern=r"^[^\x00]*$")] | None
    status: str


class _Received(BaseModel):
    """What Notify posts of a text that came in."""

    id: Annotated[str, Field(pattern=f"^{_ID}$")]
    source_number: str
    message: str


_Posted = TypeVar("_Posted", _Receipt, _Received)
_MALFORMED = 400


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What the application needs to answer. `answer_by`: by council, what takes our answers to texts that Notify brings."""

    database: Database
    signatures: TwilioSignatures
    moment: Callable[[], Moment]
    is_manager: Callable[[str], bool]
    may_get: Callable[[str], bool]
    staff_read: Callable[[], bool]
    metrics: Metrics
    not_ready: Callable[[], Sequence[str]]
    unwell: Callable[[], Sequence[str]]
    tokens: NotifyTokens = field(default_factory=lambda: NotifyTokens({}))
    answer_by: Mapping[str, Channel] = field(default_factory=dict)

    def twilio_status(self, message_id: str, path: str, query: str, form: Form, signature: str | None) -> int:
        """Take what Twilio says of one of our messages; return the HTTP status to answer with."""
        signed_for = self.signatures.councils(path, query, form, signature)
        if not signed_for:
            return self._refuse("twilio", "status", "signature")
        state, sid, code = state_of(form.get("MessageStatus", "")), _sid(form), form.get("ErrorCode", "")[:16]
        seen = Seen(sid, state, code if code.isalnum() else None) if state is not None and sid else None
        return self._status("twilio", message_id.replace("\0", ""), seen, signed_for, "signature")

    def notify_status(self, authorization: str | None, body: bytes) -> int:
        """Take what Notify says of one of our messages; return the HTTP status to answer with."""
        shown_for = self.tokens.councils(authorization)
        if not shown_for:
            return self._refuse("notify", "status", "token")
        if (told := self._read(_Receipt, body)) is None:
            return _MALFORMED
        return self._status("notify", told.reference or "", notify.seen(told.id, told.status), shown_for, "token")

    def _status(self, provider: Literal["twilio", "notify"], message_id: str, seen: Seen | None, councils: frozenset[str],
                proof: str) -> int:
        result, known = outbox.Evidence.UNKNOWN, False
        with self.database.read() as connection:
            council = connection.scalar(sa.select(message.c.council).where(message.c.id == message_id[:64]))
        if council is not None and council not in councils:   # of another council's account
            return self._refuse(provider, "status", proof)
        if council is not None and seen is not None:
            known = True
            with self.database.write() as connection:
                result = outbox.evidence(connection, message_id, provider, seen, self.moment())
        self.metrics.callbacks.labels(provider, str(result)).inc()
        _log.info("callback", provider=provider, notification_id=message_id if known else None,
                  state=seen.state if seen is not None else None, reason=str(result))
        return 204

    def twilio_inbound(self, path: str, query: str, form: Form, signature: str | None) -> tuple[int, str | None]:
        """Do what a text asks for; return the HTTP status and the answer, if any."""
        signed_for = self.signatures.councils(path, query, form, signature)
        if not signed_for:
            return self._refuse("twilio", "inbound", "signature"), None
        code, _, answer = self._hear(
            Text("twilio", _sid(form), form.get("From", ""), form.get("Body", ""), signed_for))
        return code, answer

    def notify_inbound(self, authorization: str | None, body: bytes) -> tuple[int, Callable[[], None] | None]:
        """Do what a text asks for; return the HTTP status, and what is to be done once that is answered: our answer is a text."""
        shown_for = self.tokens.councils(authorization)
        if not shown_for:
            return self._refuse("notify", "inbound", "token"), None
        if (told := self._read(_Received, body)) is None:
            return _MALFORMED, None
        text = Text("notify", told.id, _e164(told.source_number), told.message, shown_for)
        code, heard, answer = self._hear(text)
        channel = next((self.answer_by[council] for council in sorted(shown_for) if council in self.answer_by), None)
        if answer is None or channel is None or heard is Heard.REPEATED:
            return 204 if code == 200 else code, None
        moment = self.moment()
        outgoing = Outgoing(new_id(), min(shown_for), "", text.sender, "answer", "", answer, moment.now)
        return 204, lambda: self._answer(channel, outgoing)

    def _hear(self, text: Text) -> tuple[int, Heard | None, str | None]:
        if not text.provider_id:
            return 204, None, None
        if not self.staff_read():   # whether a manager speaks decides how long a hold lasts
            return 503, None, None
        with self.database.write() as connection:
            heard, answer = hear(connection, text, self.is_manager, self.moment())
        self.metrics.replies.labels(str(heard)).inc()
        if heard is Heard.NOT_UNDERSTOOD and answer is None:
            self.metrics.answers_withheld.inc()
        _log.info("text_received", provider=text.provider, provider_id=text.provider_id, reason=str(heard))
        return 200, heard, answer if self.may_get(text.sender) else None

    def _answer(self, channel: Channel, outgoing: Outgoing) -> None:
        """Once, as well as it goes: what was asked for has been done, and is in the database."""
        outcome = channel.send(outgoing)
        if not isinstance(outcome, Accepted):
            _log.warning("answer_failed", council=outgoing.council, provider=channel.provider, reason=outcome.reason)

    def _read(self, kind: type[_Posted], body: bytes) -> _Posted | None:
        try:
            return kind.model_validate_json(body)
        except ValidationError:
            self.metrics.callbacks.labels("notify", "malformed").inc()
            return None

    def _refuse(self, provider: str, kind: str, reason: str) -> int:
        self.metrics.callbacks.labels(provider, "refused").inc()
        _log.warning("callback_refused", provider=provider, kind=kind, reason=reason)
        return 403


def _sid(form: Form) -> str:
    """Twilio's id of a message; empty for none, or what is none."""
    sid = form.get("MessageSid", "")
    return sid if re.fullmatch(_ID, sid) else ""


def _e164(number: str) -> str:
    """A number as Notify writes it (`447700900123`; a British one perhaps with 0), as we know it. What is none stays as it is."""
    if not re.fullmatch(r"[0-9]{7,15}", number):
        return number
    return f"+44{number[1:]}" if number.startswith("0") else f"+{number}"
