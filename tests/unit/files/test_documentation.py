"""What the pages about files say holds."""
from __future__ import annotations

import re
from pathlib import Path

import pytest

from keepintouch.files.fields import FIELDS
from keepintouch.files.mapping import Mapping, load_mapping
from keepintouch.refs import Refs

DOCS = Path(__file__).parents[3] / "docs"
MAPPING = (DOCS / "reference" / "mapping.md").read_text(encoding="utf-8")
REFS = (DOCS / "reference" / "refs.md").read_text(encoding="utf-8")


def test_the_mapping_shown_loads_and_every_key_is_described(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", MAPPING, re.DOTALL)
    (tmp_path / "m.yaml").write_text(example, encoding="utf-8")
    assert load_mapping(tmp_path / "m.yaml").feed == "casenotes"
    first_cells = " ".join(line.split("|")[1] for line in MAPPING.splitlines() if line.startswith("| "))
    assert [name for name in Mapping.model_fields if f"`{name}`" not in first_cells] == []


@pytest.mark.parametrize("kind", ["people", "contacts", "visits"])
def test_every_field_is_said_to_be_needed_or_what_stands_in_for_it(kind: str) -> None:
    table = MAPPING.split("## What stands in")[1]
    silent = {"team_ref", "adviser_ref", "cohorts", "accommodation_code", "accommodation_suitable", "accommodation_since"}
    fields = {name for name in FIELDS[kind] if name not in silent}   # type: ignore[index]
    assert [name for name in sorted(fields) if f"`{name}`" not in table] == []


def test_the_test_vectors_hold() -> None:
    refs = Refs("lancashire", bytes(range(64)))
    vectors = re.findall(r"^\| `(.+?)` \| `(lancashire:\S+)` \| `(lancashire:\S+)` \|$", REFS, re.MULTILINE)
    assert len(vectors) == 3
    for case_id, person, worker in vectors:
        assert (refs.person(case_id), refs.worker(case_id)) == (person, worker)
        assert refs.who(worker) == ("worker", case_id)
