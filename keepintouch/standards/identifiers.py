"""Record and event ids in little room: a canonical UUID is its 16 bytes, any other id its text in UTF-8."""
from __future__ import annotations

from uuid import UUID

Packed = bytes

_TEXT_MARK = b"\xff"
"""Before a text that would be as long as a UUID; no UTF-8 text begins with it."""
_UUID_LENGTH, _UUID_BYTES = 36, 16


def pack(text: str) -> Packed:
    """The id in its smallest form; equal ids have equal forms."""
    if len(text) == _UUID_LENGTH and text[8] == "-" and text[23] == "-":
        try:
            packed = bytes.fromhex(text.replace("-", ""))
        except ValueError:
            return text.encode()
        if len(packed) == _UUID_BYTES and str(UUID(bytes=packed)) == text:
            return packed
    encoded = text.encode()
    return _TEXT_MARK + encoded if len(encoded) == _UUID_BYTES else encoded


def unpack(packed: Packed) -> str:
    """The id as its source wrote it."""
    return str(UUID(bytes=packed)) if len(packed) == _UUID_BYTES else packed.removeprefix(_TEXT_MARK).decode()
