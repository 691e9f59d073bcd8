"""Who works for a council, as the Standard Safeguarding Dataset has it: `ssd_professionals`, with their teams' ids.

An adviser stands in other tables by id, by staff id or by name; here each of them leads to the one id, a name only where one
person has it.
"""
from __future__ import annotations

import re
from collections.abc import Callable, Container, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from .joining import by_id, id_in, is_empty, place_of, with_columns
from .mapping import plain
from .rows import Cell, Row
from .tables import Table

COLUMNS = ("[Listed]", "[Name]", "[Role]", "[Team]")
"""Columns that `with_teams` adds."""

_ROLES = (("service_manager", r"service manager|head of|director"), ("manager", r"manager|team lead"))
_SOCIAL_WORKER = re.compile(r"social worker", re.IGNORECASE)

Tables = Callable[[str], AbstractContextManager[Table]]
"""Opens a table of the dataset by its name. Raises UserError."""


@dataclass(frozen=True, slots=True)
class Professionals:
    """The ids of workers by how else they are named."""

    ids: dict[str, str] = field(default_factory=dict)

    def id_of(self, named: str) -> str:
        """The id of who is named so; what is not known stays as it is."""
        return self.ids.get(plain(named)) or named


def professionals(tables: Tables) -> Professionals:
    """Read the table. Raises UserError."""
    named: dict[str, set[str]] = {}
    own: dict[str, str] = {}
    with tables("ssd_professionals") as table:
        others = [place_of(table, each) for each in ("prof_staff_id", "prof_professional_name")]
        for id_, row in by_id(table, place_of(table, "prof_professional_id")):
            own[plain(id_)] = id_
            for name in filter(None, (id_in(row, at) for at in others)):
                named.setdefault(plain(name), set()).add(id_)
    return Professionals({name: next(iter(ids)) for name, ids in named.items() if len(ids) == 1} | own)


def teams(tables: Tables) -> dict[str, str]:
    """Ids of teams by their names, and by themselves; two of one name are nobody's. Raises UserError."""
    found: dict[str, set[str]] = {}
    with tables("ssd_department") as table:
        name_at = place_of(table, "dept_team_name")
        for id_, row in by_id(table, place_of(table, "dept_team_id")):
            for name in filter(None, (id_, id_in(row, name_at))):
                found.setdefault(plain(name), set()).add(id_)
    return {name: next(iter(ids)) for name, ids in found.items() if len(ids) == 1}


def with_teams(table: Table, advisers: Container[str], workers: Container[str], team_ids: dict[str, str]) -> Table:
    """The table of professionals with `COLUMNS`; listed is who is a care leaver's adviser, or worker but no social worker."""
    name, title, team = (place_of(table, each) for each in (
        "prof_professional_name", "prof_professional_job_title", "prof_professional_department"))

    def adds(id_: str, row: Row) -> Sequence[Cell]:
        job = "" if title is None else str(row.cells[title])
        listed = id_ in advisers or (id_ in workers and not _SOCIAL_WORKER.search(job))
        role = next((role for role, words in _ROLES if re.search(words, job, re.IGNORECASE)), "adviser")
        shown = id_ if name is None or is_empty(row.cells[name]) else row.cells[name]
        in_team = id_in(row, team)
        return ["yes" if listed else "no", shown, role, team_ids.get(plain(in_team), in_team)]

    return with_columns(table, place_of(table, "prof_professional_id"), COLUMNS, adds)
