"""A proposed mapping as YAML with its doubts beside it, for a person to read and change."""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

import yaml

from .proposing import Proposal, sort_of_type

CHECK = "# CHECK:"
"""Stands before each doubt."""


def as_yaml(found: Proposal, cannot_see: Iterable[tuple[str, str]] = ()) -> str:
    """The mapping; `cannot_see` are rules that no column feeds and why, for the council's policy."""
    return "\n".join(_lines(found, list(cannot_see))) + "\n"


def _lines(found: Proposal, cannot_see: list[tuple[str, str]]) -> Iterator[str]:
    count = sum(map(len, found.doubts.values()))
    yield f"# Proposed by keepintouch map. {count or 'No'} doubt{'' if count == 1 else 's'}" + (
        f": settle each {CHECK.removeprefix('# ')} and remove it." if count else ".")
    yield from _entry(found, "kind", found.kind)
    yield f"feed: {_quoted(found.feed)}                 # names its records and its manifest; keep it for ever"
    if found.sheet is not None:
        yield f"sheet: {_quoted(found.sheet)}"
    yield from _doubts(found, "dates")
    yield f"dates: [{', '.join(found.dates)}]"
    yield from _section(found, "widths", found.widths)
    yield from _doubts(found, "columns")
    yield "columns:"
    for name, heading in found.columns.items():
        source = _quoted(heading)
        if name in found.times:
            source = f"{{column: {source}, time: {_quoted(found.times[name])}}}"
        yield f"  {name}: {source}{_beside(found, f'columns.{name}')}"
    if found.types is not None:
        heading, meanings = found.types
        yield from ("types:", f"  column: {_quoted(heading)}", "  values:")
        by_sort = sorted(meanings.items(), key=lambda each: sort_of_type(found, each[1]))
        for sort, group in groupby(by_sort, key=lambda each: sort_of_type(found, each[1])):
            yield from _doubts(found, sort, "    ")
            for value, meaning in group:
                yield f"    {_quoted(value)}: {_flow(meaning)}{_note(found, f'types.{value}')}"
    if found.codes:
        yield "codes:"
        for name, codes in found.codes.items():
            yield from _doubts(found, f"codes.{name}", "  ")
            yield f"  {name}:"
            for value, meant in codes.items():
                yield f"    {_quoted(value)}: {_quoted(meant)}{_note(found, f'codes.{name}.{value}')}"
    yield from _section(found, "constants", found.constants)
    if found.unused:
        yield "# Not used (free text, names and addresses never are):"
        yield from (f"#   {heading}" for heading in found.unused)
    if cannot_see:
        yield "# No column says what these rules rest on. Unless another file does, name them in the council's policy:"
        yield "# cannot_see:"
        yield from (f"#   - {rule:28}# {why}" for rule, why in cannot_see)


def _section(found: Proposal, name: str, entries: Mapping[str, object]) -> Iterator[str]:
    if entries:
        yield f"{name}:"
        for key, value in entries.items():
            yield f"  {key}: {value}{_beside(found, f'{name}.{key}')}"


def _entry(found: Proposal, name: str, value: str) -> Iterator[str]:
    yield f"{name}: {value}{_beside(found, name)}"


def _doubts(found: Proposal, place: str, indent: str = "") -> Iterator[str]:
    for doubt in found.doubts.get(place, ()):
        yield f"{indent}{CHECK} {doubt}"


def _note(found: Proposal, place: str) -> str:
    note = found.notes.get(place)
    return f"   # {note}" if note else ""


def _beside(found: Proposal, place: str) -> str:
    doubts = found.doubts.get(place)
    return f"   {CHECK} {'; '.join(doubts)}" if doubts else ""


def _flow(meaning: dict[str, str] | str) -> str:
    if isinstance(meaning, str):
        return meaning
    return "{" + ", ".join(f"{name}: {_quoted(value)}" for name, value in meaning.items()) + "}"


def _quoted(text: str) -> str:
    """A text as YAML takes it for itself and nothing else."""
    return yaml.safe_dump(text, default_style=None, allow_unicode=True, width=10_000).removesuffix("...\n").strip()
