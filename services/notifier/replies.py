"""Refs of texts, and what staff may text back. Pure but for the randomness of a new Ref."""
from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

REF_LENGTHS = range(4, 9)
_LETTERS = "BCDFGHJKLMNPQRSTVWXYZ23456789"   # of A-Z and 2-9 those without vowels: a Ref never is a word
_COMMAND = re.compile(r"([1-49])([A-Z2-9]{4,8})")

Word = Literal["acknowledge", "seen_already", "not_mine", "refused", "release"]
_WORDS: dict[str, Word] = {"1": "acknowledge", "2": "seen_already", "3": "not_mine", "4": "refused", "9": "release"}

_PROVIDERS_OWN = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT", "START", "UNSTOP",
                            "HELP", "INFO"})


class NoCommand(StrEnum):
    """Why a text is no command."""

    PROVIDERS_OWN = "providers_own"   # STOP and the like: the provider deals with them, and we stay silent
    NOT_UNDERSTOOD = "not_understood"


@dataclass(frozen=True, slots=True)
class Command:
    """What is to be done about the alerts of one text."""

    action: Word
    ref: str


def read_reply(body: str) -> Command | NoCommand:
    """Read `1 K7QX` and the like; letter case and spaces do not matter, everything else does."""
    words = body.upper().split()
    if words and words[0].strip(".!,") in _PROVIDERS_OWN:
        return NoCommand.PROVIDERS_OWN
    found = _COMMAND.fullmatch("".join(words))
    return Command(_WORDS[found[1]], found[2]) if found else NoCommand.NOT_UNDERSTOOD


def new_ref(length: int) -> str:
    """A random Ref of that many characters."""
    return "".join(secrets.choice(_LETTERS) for _ in range(length))
