"""Reads one cell as an id, a code, yes or no, a number: strictly, and saying what is wrong where it cannot be.

A spreadsheet turns `000123` into 123 and long ids into 1.23E+15. The first can be put right by a width, the second cannot.
"""
from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from .dates import Unreadable
from .mapping import REJECT, plain, slug_like
from .rows import Cell

LONGEST_TEXT = 200
"""Characters of a name, a team or an address."""

ANYTHING_ELSE = "*"
"""Among the codes of a column of yes and no: what any other value means."""
YES = frozenset({"yes", "y", "true", "1", "t"})
NO = frozenset({"no", "n", "false", "0", "f"})

_EXCEL_TEXT = re.compile(r'="([^"]*)"')
_ROUNDED = re.compile(r"\d(\.\d+)?e\+?\d+", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LETTER_AND_DIGIT = re.compile(r"\(?([B-EGHKR-Z])\)?\s*(\d)?(?![A-Z0-9])", re.IGNORECASE)
_HOMES = (
    ("Z", r"former foster|staying put"), ("B", r"\bparents?\b|\brelatives\b"), ("C", r"community home|residential care"),
    ("D", r"semi[- ]independent"), ("E", r"supported lodgings"), ("G", r"gone abroad"), ("H", r"deported"),
    ("K", r"ordinary lodgings"), ("R", r"residence not know|whereabouts (not|un)known"), ("S", r"no fixed abode|homeless"),
    ("T", r"foyer"), ("U", r"independ[ae]nt living|university accommodation"), ("V", r"emergency accommodation"),
    ("W", r"bed and breakfast"), ("X", r"custody|young offender"), ("Y", r"other accommodation"))
"""Letters of ACCOM by the words that councils write instead; the first that fits."""
_PREFIX = re.compile(r"\(?[a-z0-9]{1,2}\s*[).:-]\s*(?=\S)", re.IGNORECASE)
_SLUG = re.compile(r"[a-z0-9_-]{1,64}")
_SPACERS = re.compile(r"[\s().-]")
_UK_MOBILE = re.compile(r"(?:0|\+?44|0044)?(7\d{9})")
_E164 = re.compile(r"\+[1-9]\d{6,14}")
_EXACT = 2 ** 53
"""Beyond it a spreadsheet's numbers are rounded."""


def as_text(cell: Cell) -> str:
    """What a cell says as text: a whole number without its point. Raises Unreadable for formulas and damaged characters."""
    if isinstance(cell, str):
        text = cell.strip()
        if text.startswith("="):
            if (quoted := _EXCEL_TEXT.fullmatch(text)) is None:
                raise Unreadable("is a formula, not its result: save the file with results")
            text = quoted[1].strip()
        if "\ufffd" in text or (not text.isprintable() and _CONTROL.search(text)):
            raise Unreadable("has characters that are damaged: the file's encoding may be another")
        return text
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, int | float):
        if cell != cell or abs(cell) >= _EXACT:
            raise Unreadable("is a number that the spreadsheet has rounded: format the column as text before it is filled")
        return str(int(cell)) if cell == int(cell) else str(cell)
    raise Unreadable("is a date or time")


def case_id(cell: Cell, width: int | None) -> str:
    """The case system's id in a cell, with the zeros that a spreadsheet took off where the width is known."""
    text = as_text(cell)
    if not text.isdigit():   # as nearly all are
        if _ROUNDED.fullmatch(text):
            raise Unreadable("is a number that a spreadsheet has rounded: format the column as text before it is filled")
        if (isinstance(cell, float) and "." in text) or re.fullmatch(r"\d+\.0+", text):
            raise Unreadable("is a number with a point, not an id: format the column as text")
    if width is not None and text.isascii() and text.isdigit():
        if len(text) > width:
            raise Unreadable(f"has more than the {width} digits that `widths` in the mapping says")
        return text.rjust(width, "0")
    return text


def flag(cell: Cell, codes: Mapping[str, str]) -> bool | None:
    """Yes or no; None where the mapping says that the value means neither."""
    text = _meant(plain(as_text(cell)), codes)
    if text in YES:
        return True
    if text in NO:
        return False
    if not text:
        return None
    if ANYTHING_ELSE in codes:
        return codes[ANYTHING_ELSE] == "yes"
    raise Unreadable("is neither yes nor no: say in the mapping what it means (`codes`)")


def code(cell: Cell, codes: Mapping[str, str], options: Mapping[str, str]) -> str | None:
    """One of the options: by the mapping's codes, else as it is spelt; None where the mapping says that it means nothing.

    `options` are by their spelling as `slug_like` has it.
    """
    text = as_text(cell)
    if (meant := codes.get(plain(text), codes.get(plain(_PREFIX.sub("", text, count=1))))) is not None:
        return _not_rejected(meant) or None
    found = options.get(slug_like(text)) or options.get(slug_like(_PREFIX.sub("", text, count=1)))
    if found is None:
        raise Unreadable("is not known: say in the mapping what it means (`codes`)")
    return found


def some(cell: Cell, codes: Mapping[str, str], options: Mapping[str, str]) -> list[str]:
    """Some of the options, in the order given."""
    parts = [code(part, codes, options) for part in re.split(r"[;,/|\s]+", as_text(cell)) if part]
    return list(dict.fromkeys(part for part in parts if part is not None))


def home(cell: Cell, codes: Mapping[str, str]) -> tuple[str | None, bool | None]:
    """A code of SSDA903 ACCOM: its letter, and what its digit says of suitability. `0` is no information."""
    text = as_text(cell)
    text = _not_rejected(codes.get(plain(text), text))
    if text in ("", "0"):
        return None, None
    found = _LETTER_AND_DIGIT.match(text)
    if found is not None:
        return found[1].upper(), {"1": True, "2": False}.get(found[2])
    letter = next((letter for letter, words in _HOMES if re.search(words, text, re.IGNORECASE)), None)
    if letter is None:
        raise Unreadable("is no accommodation code of the national return: say in the mapping what it means (`codes`)")
    return letter, None


def _meant(text: str, codes: Mapping[str, str]) -> str:
    """By the mapping's codes, with or without a prefix such as `a)`; else without it."""
    bare = _PREFIX.sub("", text, count=1)
    return _not_rejected(codes.get(text, codes.get(bare, bare)))


def _not_rejected(meant: str) -> str:
    if meant == REJECT:
        raise Unreadable("is a value that the mapping rejects (`codes`): say there what it means")
    return meant


def slugs(cell: Cell) -> list[str]:
    """Short names; `Care leaver (UASC)` becomes `care_leaver_uasc`."""
    found = [slug_like(part)[:64] for part in re.split(r"[;,|]", as_text(cell))]
    return list(dict.fromkeys(each for each in found if _SLUG.fullmatch(each)))


def text(cell: Cell) -> str:
    """A short text."""
    found = " ".join(as_text(cell).split())
    if len(found) > LONGEST_TEXT:
        raise Unreadable(f"has over {LONGEST_TEXT} characters")
    return found


def mobile(cell: Cell) -> str:
    """A mobile number in E.164, the zero that a spreadsheet took off put back."""
    found = _SPACERS.sub("", as_text(cell))
    if (british := _UK_MOBILE.fullmatch(found)) is not None:
        return f"+44{british[1]}"
    if found.startswith("00"):
        found = "+" + found[2:]
    if _E164.fullmatch(found) is None:
        raise Unreadable("is no mobile number: write 07700 900123, or +44...")
    return found


def by_spelling(options: Iterable[str]) -> dict[str, str]:
    """Options by how they are spelt in exports."""
    found = {slug_like(option): option for option in options}
    if "personal_adviser" in found:
        found |= {"personal_advisor": "personal_adviser", "pa": "personal_adviser"}
    if "completed" in found:
        found |= {"complete": "completed"}
    return found
