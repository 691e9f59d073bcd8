"""Case ids ↔ refs: pseudonyms that only who holds the council's key can turn back.

A ref is `<council>:` and base64url without padding of AES-SIV (RFC 5297, 512-bit key) of the case system's id, with the
council and then `person` or `worker` as associated data. It is deterministic: the same id always gives the same ref.
"""
from __future__ import annotations

import base64
import binascii
import os
import re
import unicodedata
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

Kind = Literal["person", "worker"]
KEY_BYTES = 64
LONGEST_CASE_ID = 32
"""Bytes of UTF-8; with the 16 bytes of the synthetic IV they make 64 characters, the most that a ref may have."""
_IV_BYTES = 16
_COUNCIL = re.compile(r"[a-z0-9-]{2,32}")
_REF = re.compile(r"([a-z0-9-]{2,32}):([A-Za-z0-9_-]{1,64})")


class RefError(ValueError):
    """A case id, ref or key that cannot be used. The message says what to do, and repeats neither id, ref nor key."""


@dataclass(frozen=True, slots=True)
class Refs:
    """One council's key in use. Raises RefError for a key that is not 64 bytes or a council that is not a slug."""

    council: str
    key: bytes = field(repr=False)
    _siv: AESSIV = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_council(self.council)
        if len(self.key) != KEY_BYTES:
            raise RefError(f"a council's key has {KEY_BYTES} bytes, this one has {len(self.key)}")
        object.__setattr__(self, "_siv", AESSIV(self.key))

    def person(self, case_id: str) -> str:
        """The `person_ref` of a case id; RefError if the id is empty or longer than 32 bytes."""
        return self.encode(case_id, "person")

    def worker(self, case_id: str) -> str:
        """The `worker_ref` of a worker's id in the case system; RefError if it is empty or longer than 32 bytes."""
        return self.encode(case_id, "worker")

    def encode(self, case_id: str, kind: Kind) -> str:
        """The ref of a case id (NFC, outer spaces removed, leading zeros kept)."""
        sealed = self._siv.encrypt(_canonical(case_id), self._about(kind))
        return f"{self.council}:{base64.urlsafe_b64encode(sealed).rstrip(b'=').decode()}"

    def decode(self, ref: str, kind: Kind) -> str:
        """The case id of a ref made with this key; RefError if it was not, or for another council or kind."""
        council = council_of(ref)
        if council != self.council:
            raise RefError(f"that ref is of the council {council}, not of {self.council}")
        local = ref.partition(":")[2]
        try:
            sealed = base64.b64decode(local + "=" * (-len(local) % 4), altchars=b"-_", validate=True)
        except binascii.Error:
            raise _not_ours(council, kind) from None
        if len(sealed) <= _IV_BYTES or base64.urlsafe_b64encode(sealed).rstrip(b"=").decode() != local:
            raise _not_ours(council, kind)
        try:
            return self._siv.decrypt(sealed, self._about(kind)).decode()
        except InvalidTag:
            raise _not_ours(council, kind) from None

    def who(self, ref: str) -> tuple[Kind, str]:
        """What a ref is of, and its case id; RefError if it was not made with this key."""
        for kind in get_args(Kind):
            with suppress(RefError):
                return kind, self.decode(ref, kind)
        raise _not_ours(council_of(ref), "person or worker")

    def _about(self, kind: Kind) -> list[bytes]:
        return [self.council.encode(), kind.encode()]


def check_council(council: str) -> None:
    """Raise RefError unless this can be a council's slug (it becomes a file name)."""
    if not _COUNCIL.fullmatch(council):
        raise RefError("a council is written with 2 to 32 of a-z, 0-9 and -")


def council_of(ref: str) -> str:
    """The council a ref belongs to; RefError if this cannot be a ref."""
    found = _REF.fullmatch(ref)
    if found is None:
        raise RefError("that is not a ref: one looks like <council>:<letters, digits, - and _>")
    return found[1]


def key_file(directory: Path, council: str) -> Path:
    """Where a council's key is kept; RefError if this cannot be a council's slug."""
    check_council(council)
    return directory / f"{council}.key"


def new_key(directory: Path, council: str, key: bytes | None = None) -> Path:
    """Make a council's key (random, unless one is given) and return its file, which only its owner may read.

    Never overwrites: refs made with the key that is there could not be turned back any more. RefError says so.
    """
    path = key_file(directory, council)
    key = os.urandom(KEY_BYTES) if key is None else key
    text = base64.b64encode(Refs(council, key).key) + b"\n"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise RefError(f"{path} is there already and is not overwritten: its refs could not be turned back") from None
    except OSError as error:
        raise RefError(f"{path} cannot be written: {error.strerror}") from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise RefError(f"{path} cannot be written: {error.strerror}") from None
    return path


def load_key(directory: Path, council: str) -> Refs:
    """Read a council's key; RefError if there is none at hand or it is damaged."""
    path = key_file(directory, council)
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise RefError(f"the key of {council} is not at hand: {path} is missing (COUNCIL_KEYS_DIR says where keys are)") from None
    except OSError as error:
        raise RefError(f"{path} cannot be read: {error.strerror}") from None
    try:
        return Refs(council, base64.b64decode(text.strip(), validate=True))
    except ValueError:
        raise RefError(f"{path} does not hold a key: {KEY_BYTES} bytes in base64 are expected") from None


def _canonical(case_id: str) -> bytes:
    try:
        text = unicodedata.normalize("NFC", case_id).strip().encode()
    except UnicodeEncodeError:
        raise RefError("a case id must be text that can be written as UTF-8") from None
    if not 1 <= len(text) <= LONGEST_CASE_ID:
        raise RefError(f"a case id has 1 to {LONGEST_CASE_ID} bytes without outer spaces; this one has {len(text)}")
    return text


def _not_ours(council: str, kind: str) -> RefError:
    return RefError(f"that is no {kind} ref made with the key of {council} that is at hand")
