"""HTML and SVG as text, with everything escaped that does not come from here."""
from __future__ import annotations

from collections.abc import Iterable
from html import escape


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = str | int | None | Iterable["Child"]
"""What may stand in an element: text (escaped unless it is Html), numbers, nothing, or several of these."""

_VOID = frozenset({"meta", "br", "col", "hr"})
_CONTROL = {code: None for code in (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
            if chr(code) not in "\t\n"}
"""Characters that no HTML may hold, or that turn the direction of the text around."""


def tag(name: str, /, *children: Child, **attributes: object) -> Html:
    """An element. `class_` is written `class`, other underscores become hyphens; an attribute that is None is left out."""
    inside = "".join(_written(attribute.rstrip("_").replace("_", "-"), value)
                     for attribute, value in attributes.items() if value is not None)
    opened = f"<{name}{inside}>"
    return Html(opened if name in _VOID else f"{opened}{_flat(children)}</{name}>")


def joined(*children: Child) -> Html:
    """Several elements or texts in a row."""
    return Html(_flat(children))


def _written(name: str, value: object) -> str:
    return f' {name}="{_clean(str(value))}"'


def _flat(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Html):
        return child
    if isinstance(child, (str, int)):
        return _clean(str(child))
    return "".join(map(_flat, child))


def _clean(text: str) -> str:
    return escape(text.translate(_CONTROL).encode("utf-8", "replace").decode())
