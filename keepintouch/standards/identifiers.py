"""Record and event ids in little room: a canonical UUID takes its 16 bytes, any other id is its text."""
from __future__ import annotations

from uuid import UUID

Packed = str | bytes

_UUID_LENGTH = 36


def pack(text: str) -> Packed:
    """The id in its smallest form; equal ids have equal forms."""
    if len(text) != _UUID_LENGTH or text[8] != "-" or text[23] != "-":
        return text
    try:
        raw = bytes.fromhex(text.replace("-", ""))
    except ValueError:
        return text
    return raw if len(raw) == 16 and unpack(raw) == text else text


def unpack(packed: Packed) -> str:
    """The id as its source wrote it."""
    return packed if isinstance(packed, str) else str(UUID(bytes=packed))
