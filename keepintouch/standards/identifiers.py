"""Record and event ids in little room: a canonical UUID is its 16 bytes, any other id its text in UTF-8.

An event id may have any length, and there is one for each of a person's records: of a very long one its beginning and a hash are
kept, or a person would fit into no message.
"""
from __future__ import annotations

from hashlib import sha256

Packed = bytes

_TEXT_MARK = b"\xff"
"""Before a text that would be as long as a UUID; no UTF-8 text begins with it."""
_UUID_LENGTH, _UUID_BYTES = 36, 16
_LONGEST, _BEGINNING = 256, 192
"""Characters of an id that is kept whole, and those kept of a longer one, before the 64 of its hash."""


def pack(text: str) -> Packed:
    """The id in its smallest form; equal ids have equal forms, and different ids different ones."""
    if len(text) > _LONGEST:
        text = text[:_BEGINNING] + sha256(text.encode()).hexdigest()
    if len(text) == _UUID_LENGTH and text[8] == text[13] == text[18] == text[23] == "-":
        digits = text.replace("-", "")
        try:
            packed = bytes.fromhex(digits)
        except ValueError:
            return text.encode()
        if packed.hex() == digits:
            return packed
    encoded = text.encode()
    return _TEXT_MARK + encoded if len(encoded) == _UUID_BYTES else encoded


def unpack(packed: Packed) -> str:
    """The id as its source wrote it; of one longer than 256 characters the first 192 and a hash."""
    return _written(packed) if len(packed) == _UUID_BYTES else packed.removeprefix(_TEXT_MARK).decode()


def _written(packed: bytes) -> str:
    """A UUID as text; `uuid.UUID` takes ten times as long."""
    digits = packed.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
