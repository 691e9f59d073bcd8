"""Looks at a file and proposes a mapping, with its doubts: what a person must settle before it is used.

What is proposed is read off the headings and the values; nothing of a value is repeated but codes (types, outcomes and the
like), never an id, a name or a note.
"""
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from . import cells, guesses
from .dates import SERIAL, Dates, Unreadable
from .fields import COLUMNS, FIELDS, KINDS, Kind, Shape
from .mapping import BLANKS, REJECT, plain, slug_like
from .rows import Cell, Row
from .tables import Table

LOOKED_AT = 20_000
"""Rows at most."""
MOST_CODES = 60
"""More different values than this are no codes."""

_FORMATS = ("yyyy-mm-dd", "dd/mm/yyyy", "dd-mm-yyyy", "dd.mm.yyyy", "dd mon yyyy", "dd-mon-yyyy", "mm/dd/yyyy", "dd/mm/yy",
            "dd-mon-yy", "yyyymmdd", SERIAL)
_SWAPPED = {"dd/mm/yyyy": "mm/dd/yyyy", "mm/dd/yyyy": "dd/mm/yyyy"}
"""One file is written in one of them: to read what does not fit as the other would be to guess."""
_SURE = 2
"""Headings more than any other kind has."""
_SLASHED = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-]\d{2,4}")


@dataclass(slots=True)
class Proposal:
    """A mapping as it might be, and what is doubtful about it. `doubts` are by the place in the mapping."""

    kind: Kind
    feed: str
    sheet: str | None = None
    dates: list[str] = field(default_factory=list)
    widths: dict[str, int] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    times: dict[str, str] = field(default_factory=dict)
    types: tuple[str, dict[str, dict[str, str] | str]] | None = None
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    doubts: dict[str, list[str]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    """What stands beside a value about which there is a doubt, by the place in the mapping."""
    unused: list[str] = field(default_factory=list)
    """Headings that feed nothing."""

    def doubt(self, place: str, what: str) -> None:
        """Note a doubt; the same again is the same doubt."""
        if what not in self.doubts.setdefault(place, []):
            self.doubts[place].append(what)


def propose(table: Table, kind: Kind | None = None, sheet: str | None = None) -> Proposal:
    """A mapping for a table; `kind` None: found out from its headings."""
    rows = [row for row in islice(table.rows, LOOKED_AT) if isinstance(row, Row)]
    chosen, sure = (kind, True) if kind is not None else _kind(table)
    found = Proposal(chosen, slug_like(table.path.stem)[:64] or chosen, sheet)
    if not sure:
        found.doubt("kind", f"guessed from the headings; the others are {', '.join(each for each in KINDS if each != chosen)}")
    places = _columns(found, table.headings)
    visits = _types(found, table.headings, rows, places)
    if visits:
        _columns_of_visits(found, table.headings, places)
    _dates(found, rows, places)
    _times(found, table.headings, rows)
    _widths(found, rows, places)
    _codes(found, rows, visits, places)
    _gaps(found)
    types = [found.types[0]] if found.types is not None else []
    used = {plain(heading) for heading in [*found.columns.values(), *found.times.values(), *types]}
    found.unused = [heading for heading in table.headings if heading and plain(heading) not in used]
    return found


def _kind(table: Table) -> tuple[Kind, bool]:
    """What the rows are about by the headings, and whether nothing else comes near."""
    headings = [heading for heading in table.headings if heading]
    scores: dict[Kind, int] = {}
    for kind in KINDS:
        scores[kind] = len({name[0] for heading in headings if (name := guesses.field_of(kind, heading)) is not None})
    spelt = [slug_like(heading) for heading in headings]
    if any(each in guesses.NOTE_TYPES for each in spelt):   # some of its rows may be visits, and have what these have
        of_visits = {name[0] for heading in headings if (name := guesses.field_of("visits", heading)) is not None}
        scores["contacts"] += _SURE + len(of_visits - FIELDS["contacts"].keys())
    elif any(each in guesses.TYPES for each in spelt):
        scores["contacts"] += 1
    scores["visits"] += any("visit" in heading.casefold() for heading in headings)
    best, second = sorted(KINDS, key=lambda kind: -scores[kind])[:2]
    return best, scores[best] - scores[second] >= _SURE


def _columns(found: Proposal, headings: Sequence[str]) -> dict[str, int]:
    """The place of the column of each field."""
    best: dict[str, tuple[int, int]] = {}
    for at, heading in enumerate(headings):
        guess = guesses.field_of(found.kind, heading)
        if guess is not None and (guess[0] not in best or guess[1] < best[guess[0]][0]):
            best[guess[0]] = (guess[1], at)
    places = {name: best[name][1] for name in FIELDS[found.kind] if name in best}
    found.columns = {name: headings[at] for name, at in places.items()}
    doubled = Counter(plain(heading) for heading in headings)
    for name, heading in found.columns.items():
        if doubled[plain(heading)] > 1:
            found.doubt(f"columns.{name}", "the file has this column more than once: rename the others")
        elif best[name][0] > 12:
            found.doubt(f"columns.{name}", "a guess")
    for heading in headings:
        if slug_like(heading) in guesses.TIMES and "occurred_at" in places:
            found.times["occurred_at"] = heading
            break
    return places


def _columns_of_visits(found: Proposal, headings: Sequence[str], places: dict[str, int]) -> None:
    """Add the columns, in a file of contacts, that say what only visits have."""
    for at, heading in enumerate(headings):
        guess = guesses.field_of("visits", heading)
        if guess is not None and guess[0] not in FIELDS[found.kind] and guess[0] not in places and at not in places.values():
            places[guess[0]] = at
            found.columns[guess[0]] = heading


def _types(found: Proposal, headings: Sequence[str], rows: Sequence[Row], places: dict[str, int]) -> list[Row]:
    """Propose what the types say; the rows that are visits by that."""
    at = next((headings.index(each) for name in guesses.TYPES for each in headings if slug_like(each) == name), None)
    if found.kind != "contacts" or at is None or "channel" in places:
        return []
    meanings: dict[str, dict[str, str] | str] = {}
    for value, count in _values(rows, at).most_common(MOST_CODES + 1)[:MOST_CODES]:
        guess = guesses.type_meaning(value)
        meanings[value] = guess or "reject"
        if guess is None:
            found.doubt("types.reject", "not known: say of each what it is, or `skip`")
            found.notes[f"types.{value}"] = f"{count} rows"
        elif "outcome" not in guess and guess["channel"] == "phone" and "outcome" not in places:
            found.doubt("types.phone", "did they talk? say `outcome` of each: completed, no_reply or left_message")
        elif guess.get("as") == "visit":
            found.doubt("types.visit", "are these visits, made where it says, and was somebody seen? change location or outcome "
                        "where not")
    found.types = headings[at], meanings
    visits = {value for value, meaning in meanings.items() if isinstance(meaning, dict) and "as" in meaning}
    return [row for row in rows if _code(row.cells[at]) in visits]


def sort_of_type(found: Proposal, meaning: Mapping[str, str] | str) -> str:
    """Which of the groups, about each of which one doubt may be, a type belongs to."""
    if isinstance(meaning, str):
        return "types.reject"
    if meaning.get("as") == "visit":
        return "types.visit"
    unsaid = meaning["channel"] == "phone" and "outcome" not in meaning and "outcome" not in found.columns
    return "types.phone" if unsaid else "types"


def _dates(found: Proposal, rows: Sequence[Row], places: dict[str, int]) -> None:
    at = [place for name, place in places.items() if COLUMNS[found.kind][name].shape in (Shape.DAY, Shape.INSTANT)]
    written = [cell for row in rows for place in at if not _empty(cell := row.cells[place])]
    texts = list(dict.fromkeys(cell.strip() for cell in written if isinstance(cell, str)))
    numbers = any(isinstance(cell, int | float) and not isinstance(cell, bool) for cell in written)
    _formats(found, [*texts, *([45_000] if numbers else [])])
    found.dates = found.dates or ["yyyy-mm-dd", "dd/mm/yyyy"]
    if "mm/dd/yyyy" in found.dates:
        found.doubt("dates", "the month stands before the day, as in America: look at one you know")
    slashed = [(int(match[1]), int(match[2])) for text in texts if (match := _SLASHED.match(text))]
    if slashed and all(first <= 12 and second <= 12 for first, second in slashed):
        found.doubt("dates", "no day in it is after the 12th, so day and month may be the other way round: look at one you know")
    if any(each.endswith(("/yy", "-yy")) for each in found.dates):
        found.doubt("dates", "years of two digits: 00 to 60 are read as 2000 to 2060")
    if SERIAL in found.dates:
        found.doubt("dates", "numbers as spreadsheets keep days: format those columns as dates if you can")


def _formats(found: Proposal, left: list[Cell]) -> None:
    """Propose the fewest formats that read these days, never both of two that swap day and month."""
    while left:
        swapped = [_SWAPPED[each] for each in found.dates if each in _SWAPPED]
        best = max((each for each in _FORMATS if each not in swapped), key=lambda format_: sum(map(_reads(format_), left)))
        rest = [cell for cell in left if not _reads(best)(cell)]
        if len(rest) == len(left):
            found.doubt("dates", f"in none of the usual formats, so that their rows will be rejected: {len(rest)} of the values")
            if any(_reads(each)(cell) for each in swapped for cell in rest):
                found.doubt("dates", "some have day and month the other way round, as spreadsheets leave them: export it anew")
            return
        found.dates.append(best)
        left = rest


def _times(found: Proposal, headings: Sequence[str], rows: Sequence[Row]) -> None:
    """Look whether the times of day can be read."""
    dates = Dates(("yyyy-mm-dd",))
    for name, heading in found.times.items():
        at, wrong = headings.index(heading), 0
        for cell in (row.cells[at] for row in rows):
            try:
                dates.instant("2026-01-01", None if _empty(cell) else cell)
            except Unreadable:
                wrong += 1
        if wrong:
            found.doubt(f"columns.{name}", f"{wrong} of the times are not written as hh:mm, so that their rows will be rejected; "
                        "without `time` each is taken to be at noon")


def _reads(format_: str) -> Callable[[Cell], bool]:
    dates = Dates((format_,))

    def read(cell: Cell) -> bool:
        try:
            dates.day(cell)
        except Unreadable:
            return False
        return True
    return read


def _widths(found: Proposal, rows: Sequence[Row], places: dict[str, int]) -> None:
    for name, what in (("person_ref", "person"), ("worker_ref", "worker"), ("adviser_ref", "worker")):
        if name not in places:
            continue
        written = [row.cells[places[name]] for row in rows if not _empty(row.cells[places[name]])]
        lengths = {len(text) for cell in written if (text := _id(cell)).isdigit()}
        if lengths and (any(isinstance(cell, int | float) for cell in written) or 1 < len(lengths) <= 3):
            found.widths[what] = max([*lengths, found.widths.get(what, 0)])
            found.doubt(f"widths.{what}", f"ids here have {_range(lengths)} digits: a spreadsheet may have taken "
                        "zeros off. Say how many digits they have in the case system, or leave this out if they differ there too")


def _range(numbers: set[int]) -> str:
    return f"{min(numbers)} to {max(numbers)}" if len(numbers) > 1 else str(min(numbers))


def _id(cell: Cell) -> str:
    try:
        return cells.case_id(cell, None)
    except Unreadable:
        return ""


def _codes(found: Proposal, rows: Sequence[Row], visits: Sequence[Row], places: dict[str, int]) -> None:
    guess: dict[str, Callable[[str], str | None]] = {
        "channel": guesses.channel_of, "location": guesses.location_of,
        "outcome": guesses.visit_outcome if found.kind == "visits" else guesses.contact_outcome}
    for name, at in places.items():
        shape, options = COLUMNS[found.kind][name].shape, cells.by_spelling(COLUMNS[found.kind][name].options)
        if shape not in (Shape.CODE, Shape.FLAG):
            continue
        values = _values(rows if name in FIELDS[found.kind] else visits, at)
        unknown = [value for value in values if not _understood(name, shape, value, options)]
        if len(unknown) > MOST_CODES:
            found.doubt(f"columns.{name}", f"has {len(unknown)} different values that are no codes: is it the right column?")
            continue
        for value in unknown:
            meant = guess[name](value) if name in guess else None
            found.codes.setdefault(name, {})[value] = meant or (REJECT if name in ("outcome", "channel") else "")
            found.notes[f"codes.{name}.{value}"] = f"{'a guess' if meant else 'not known'}, {values[value]} rows"
        if unknown:
            wanted = "yes, no" if shape is Shape.FLAG else ", ".join(dict.fromkeys(options.values()))
            found.doubt(f"codes.{name}", f"values that are not known by themselves: each means one of {wanted}; \"\" if nothing "
                        "is recorded; reject if its rows are to be listed" + (", or skip" if shape is Shape.CODE else ""))


def _understood(name: str, shape: Shape, value: str, options: dict[str, str]) -> bool:
    try:
        if name == "accommodation_code":
            cells.home(value, {})
        elif shape is Shape.FLAG:
            cells.flag(value, {})
        else:
            cells.code(value, {}, options)
    except Unreadable:
        return False
    return True


def _gaps(found: Proposal) -> None:
    meanings = found.types[1].values() if found.types is not None else ()
    fed = found.columns.keys() | {name for meaning in meanings if isinstance(meaning, dict) for name in meaning}
    missing = [name for name, each in FIELDS[found.kind].items() if each.needed and name not in fed]
    for name in missing:
        found.doubt("columns", f"nothing was found for {name}, and without it nothing can be read")
    if len(missing) > 1:
        found.doubt("columns", "are these the headings? If they are in another row: --header-row; if the rows are about "
                    "something else: --kind")
    if found.kind in ("contacts", "visits") and "worker_role" not in fed:
        found.constants["worker_role"] = "personal_adviser"
        found.doubt("constants.worker_role", "taken where the worker is neither in the staff list nor the person's adviser: is "
                    "that so, or are there others (duty, social_worker, accommodation_staff)?")
    if found.kind in ("contacts", "visits") and "record_id" not in fed:
        found.doubt("columns", "no column with the records' own ids: without one, two records of one person, worker, time and "
                    "channel are taken for one, and a record whose time is corrected is taken for another")


def _values(rows: Sequence[Row], at: int) -> Counter[str]:
    found = Counter[str]()
    for row in rows:
        if not _empty(row.cells[at]):
            found[_code(row.cells[at])] += 1
    found.pop("", None)
    return found


def _code(cell: Cell) -> str:
    """A value as a code; empty for what cannot be read."""
    try:
        return " ".join(cells.as_text(cell).split())[:80]
    except Unreadable:
        return ""


def _empty(cell: Cell) -> bool:
    return isinstance(cell, str) and plain(cell) in BLANKS
