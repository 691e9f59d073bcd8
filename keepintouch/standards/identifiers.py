"""Record and event ids in little room: a canonical UUID takes 17 bytes, any other id is its text in UTF-8."""
from __future__ import annotations

from uuid import UUID

Packed = bytes

_UUID_MARK = b"\xff"  # no UTF-8 text begins with it
_UUID_LENGTH = 36


def pack(text: str) -> Packed:
    """The id in its smallest form; equal ids have equal forms."""
    if len(text) == _UUID_LENGTH and text[8] == "-" and text[23] == "-":
        try:
            packed = _UUID_MARK + bytes.fromhex(text.replace("-", ""))
        except ValueError:
            return text.encode()
        if len(packed) == 17 and unpack(packed) == text:
            return packed
    return text.encode()


def unpack(packed: Packed) -> str:
    """The id as its source wrote it."""
    return str(UUID(bytes=packed[1:])) if packed.startswith(_UUID_MARK) else packed.decode()
