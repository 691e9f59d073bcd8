"""What people and workers are called in what is read: refs made with the council's key, or plain ones that need none."""
from __future__ import annotations

import base64
import re
import unicodedata
from typing import Protocol

from keepintouch.refs import LONGEST_CASE_ID, Kind, RefError, check_council

_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,32}")
_OPENING = "x--"


class Names(Protocol):
    """Makes refs of case ids; `keepintouch.refs.Refs` does, and `PlainNames`. Both raise RefError for the same ids."""

    @property
    def council(self) -> str:
        """Slug of the council."""
        ...

    def person(self, case_id: str) -> str:
        """The ref of a person's id."""
        ...

    def worker(self, case_id: str) -> str:
        """The ref of a worker's id."""
        ...


class PlainNames:
    """Refs that are the council's slug and the id as it stands, for what never leaves this machine.

    An id with characters that a ref may not have is written in base64url after `x--`; `case_id` turns every ref back.
    """

    def __init__(self, council: str) -> None:
        """For a council; RefError if that is no slug."""
        check_council(council)
        self.council = council

    def person(self, case_id: str) -> str:
        """The ref of a person's id. Raises RefError."""
        return f"{self.council}:{_local(case_id)}"

    def worker(self, case_id: str) -> str:
        """The ref of a worker's id. Raises RefError."""
        return f"{self.council}:{_local(case_id)}"

    def encode(self, case_id: str, kind: Kind) -> str:
        """The ref of an id of either kind. Raises RefError."""
        return self.person(case_id) if kind == "person" else self.worker(case_id)

    @staticmethod
    def case_id(ref: str) -> str:
        """The id that a ref was made of here."""
        local = ref.partition(":")[2]
        if not local.startswith(_OPENING):
            return local
        coded = local.removeprefix(_OPENING)
        return base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4)).decode()


def _local(case_id: str) -> str:
    text = unicodedata.normalize("NFC", case_id).strip()
    try:
        coded = text.encode()
    except UnicodeEncodeError:
        raise RefError("a case id must be text that can be written as UTF-8") from None
    if not 1 <= len(coded) <= LONGEST_CASE_ID:
        raise RefError(f"a case id has 1 to {LONGEST_CASE_ID} bytes without outer spaces; this one has {len(coded)}")
    if _PLAIN.fullmatch(text) and not text.startswith(_OPENING):
        return text
    return _OPENING + base64.urlsafe_b64encode(coded).rstrip(b"=").decode()
