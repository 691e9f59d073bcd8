"""Prints texts and e-mails instead of sending them: for demos, and refused elsewhere.

With a file, every message is a line of JSON in it: `at` (the service's clock), `id`, `council`, `recipient_ref`, `channel`,
`template`, `ref`, `subject` (null for a text), `text`. Without one, standard error shows it as a phone would.
"""
from __future__ import annotations

import os
import sys
import textwrap
from pathlib import Path
from typing import Final

import orjson

from keepintouch.calendar import LONDON
from schemas.notifications import Provider
from services.notifier.channels import Accepted, Outcome, Outgoing, Seen

_WIDTH = 42


class ConsoleChannel:
    """Delivers at once."""

    provider: Final[Provider] = "console"

    def __init__(self, file: Path | None = None) -> None:
        """`file`: where the lines go, appended."""
        self._file = file
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)

    def send(self, message: Outgoing) -> Outcome:
        """Print or append it."""
        if self._file is None:
            print(_phone(message), file=sys.stderr, flush=True)
        else:
            shown = {"at": message.created_at, "id": message.id, "council": message.council,
                     "recipient_ref": message.recipient_ref, "channel": message.channel, "template": message.template,
                     "ref": message.ref, "subject": message.subject, "text": message.body}
            # One write of one line: whoever reads the file meanwhile sees whole messages only.
            descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(descriptor, orjson.dumps(shown) + b"\n")
            finally:
                os.close(descriptor)
        return Accepted(self._id(message), "delivered")

    def find(self, message: Outgoing) -> list[Seen]:
        """Look for it in the file; what was only printed cannot be found."""
        if self._file is None or not self._file.exists():
            return []
        return [Seen(self._id(message), "delivered") for line in self._file.read_bytes().splitlines()
                if orjson.loads(line)["id"] == message.id]

    def ask(self, provider_id: str) -> Seen | None:
        """Everything has been delivered."""
        return Seen(provider_id, "delivered")

    def _id(self, message: Outgoing) -> str:
        return f"console-{message.id}"


def _phone(message: Outgoing) -> str:
    by = "" if message.channel == "sms" else f" by {message.channel}"
    said = [*([message.subject] if message.subject else []), *message.body.splitlines()]
    lines = [f"to {message.recipient_ref}{by}, {message.created_at.astimezone(LONDON):%a %d %b %H:%M}"]
    for each in said:
        lines += ["", *textwrap.wrap(each, _WIDTH, break_long_words=True, break_on_hyphens=False)]
    edge = "-" * (_WIDTH + 2)
    return "\n".join([f".{edge}.", *(f"| {line:<{_WIDTH}} |" for line in lines), f"'{edge}'"])
