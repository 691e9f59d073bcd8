"""`keepintouch map` and `keepintouch template`: how an export is to be read."""
from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Annotated

import typer
import yaml

from keepintouch.check.blind import seeing
from keepintouch.files.building import NOTHING
from keepintouch.files.fields import FIELDS, KINDS, Kind
from keepintouch.files.mapping import Mapping
from keepintouch.files.mapping_text import as_yaml
from keepintouch.files.naming import PlainNames
from keepintouch.files.proposing import Proposal, propose
from keepintouch.files.reading import Reader
from keepintouch.files.tables import Layout, open_table, sheet_names
from keepintouch.runtime.clock import clock_from_env
from keepintouch.runtime.errors import UserError
from keepintouch.standards.policy import Policy
from keepintouch.standards.policy_file import SHIPPED, PolicyError, load_policy

KindArgument = Annotated[str, typer.Argument(metavar="|".join(KINDS), help="What the rows are about.")]


def map_file(
    file: Annotated[Path, typer.Argument(help="A CSV file or a workbook (XLSX).")],
    kind: Annotated[str | None, typer.Option(
        metavar="|".join(KINDS), help="What its rows are about, if the guess is wrong.")] = None,
    sheet: Annotated[str | None, typer.Option(help="Which sheet of a workbook with several.")] = None,
    header_row: Annotated[int | None, typer.Option(min=1, help="Row with the headings, if it is not found.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write it into this file (never over one that is there).")] = None,
    policy: Annotated[str, typer.Option(help="Id of the council's policy, or a YAML file: of it, rules that no column feeds are "
                                             "named.")] = "standard_8_week",
    policies_dir: Annotated[Path, typer.Option(envvar="POLICIES_DIR", show_default="the shipped ones",
                                               help="Folder in which policies are looked up by id.")] = SHIPPED,
) -> None:
    """Look at an export and propose a mapping for it: YAML, with every doubt marked CHECK. Nothing is sent anywhere."""
    layout = Layout(sheet=sheet, header_row=header_row)
    if sheet is None and any(name.strip().lower() == "list 9" for name in sheet_names(file)):
        raise UserError(f"{file}: is an Annex A, which needs no mapping: keepintouch check --annex-a, or keepintouch import "
                        "--format annex-a")
    with open_table(file, layout) as table:
        found = propose(table, None if kind is None else known_kind(kind), sheet)
    try:
        text = as_yaml(found, _unseen(file, layout, found, load_policy(policy, policies_dir)))
    except PolicyError as error:
        raise UserError(str(error)) from None
    if out is None:
        sys.stdout.write(text)
        return
    try:
        with out.open("x", encoding="utf-8") as to:
            to.write(text)
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror}") from None
    doubts = sum(map(len, found.doubts.values()))
    typer.echo(f"{out}: a mapping of {found.kind}; doubts to settle, marked CHECK: {doubts}", err=True)


def template(kind: KindArgument) -> None:
    """Print the headings that are understood without a mapping, and a row of examples, as CSV."""
    fields = FIELDS[known_kind(kind)].values()
    to = csv.writer(sys.stdout, lineterminator="\n")
    to.writerow(field.name for field in fields)
    to.writerow(field.example for field in fields)


def known_kind(kind: str) -> Kind:
    """A kind as it was given; UserError if there is none of that name."""
    if kind not in KINDS:
        raise UserError(f"{kind!r} is nothing that rows are about here: give {', '.join(KINDS)}")
    return kind


def _unseen(file: Path, layout: Layout, found: Proposal, policy: Policy) -> list[tuple[str, str]]:
    """Rules of the policy that rest on what no column of the file says, and why."""
    mapping = _as_mapping(found)
    if mapping is None:
        return []
    with open_table(file, layout) as table:
        try:
            unfed = Reader(table, mapping, PlainNames("council"), clock_from_env().now(), NOTHING, lenient=True).unfed
        except UserError:   # what is missing is among the doubts
            return []
    return list(dict.fromkeys((blind.rule, blind.why) for blind in seeing(policy, unfed)[1]
                              if blind.whole and blind.rule not in policy.cannot_see))


def _as_mapping(found: Proposal) -> Mapping | None:
    try:
        return Mapping.model_validate(yaml.safe_load(as_yaml(found)))
    except ValueError:
        return None
