"""`keepintouch policies`: which policies there are, what is in one, whether a file is right, and what it says in English."""
from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from keepintouch.runtime.errors import UserError
from keepintouch.standards import sentences
from keepintouch.standards.policy import Policy, Standard
from keepintouch.standards.policy_file import SHIPPED, PolicyError, load_policy, policy_ids
from keepintouch.yaml_file import read_yaml
from schemas.alerts import SEVERITIES

from .policy_yaml import effective_yaml

app = typer.Typer(no_args_is_help=True, help="Look at contact standards: list, show, check and explain policies.")

PoliciesDir = Annotated[Path, typer.Option("--policies-dir", envvar="POLICIES_DIR", show_default="the shipped ones",
                                           help="Folder in which policies are looked up by id.")]
PolicyArgument = Annotated[str, typer.Argument(metavar="ID", help="Id of a policy, or a YAML file.")]


@app.command("list")
def list_policies(policies_dir: PoliciesDir = SHIPPED) -> None:
    """List the policies of the folder: id, version, title, what each extends, how many standards it comes to."""
    rows: list[tuple[str, ...]] = []
    problems: list[str] = []
    for policy_id in policy_ids(policies_dir):
        try:
            policy = load_policy(policy_id, policies_dir)
        except PolicyError as error:
            problems.extend(error.problems)
        else:
            extends = str(_raw(policies_dir / f"{policy_id}.yaml").get("extends") or "")
            rows.append((policy_id, str(policy.version), policy.title, extends, str(len(policy.standards))))
    if not rows and not problems:
        raise UserError(f"there is no policy in {policies_dir}: put <id>.yaml there, or leave POLICIES_DIR unset")
    _print_table(("id", "version", "title", "extends", "standards"), rows)
    if problems:
        _refuse(problems)


@app.command("show")
def show_policy(policy: PolicyArgument, policies_dir: PoliciesDir = SHIPPED) -> None:
    """Print the whole policy as one YAML file, with what it inherits; a comment says where each standard comes from."""
    print(effective_yaml(_load(policy, policies_dir)), end="")


@app.command("lint")
def lint_policy(
        file: Annotated[str, typer.Argument(metavar="FILE", help="The YAML file, or the id of a policy.")],
        policies_dir: PoliciesDir = SHIPPED) -> None:
    """Check a policy file: print every mistake (exit status 2) and what looks wrong though it can be loaded."""
    policy = _load(file, policies_dir)
    found = list(warnings(policy, Path(file), policies_dir))
    for warning in found:
        print(f"{file}: warning: {warning}")
    own = sum(standard.id.startswith(f"{policy.id}/") for standard in policy.standards)
    print(f"{file}: no mistakes, {len(found)} warning{'' if len(found) == 1 else 's'}: "
          f"{len(policy.standards)} standards, {own} of its own")


@app.command("explain")
def explain_policy(policy: PolicyArgument, policies_dir: PoliciesDir = SHIPPED) -> None:
    """Say in plain English what applies to whom, and where each standard comes from."""
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    for style, indent, line in explanation(_load(policy, policies_dir)):
        console.print(" " * indent + f"[{style}]{escape(line)}[/{style}]" if style else " " * indent + escape(line))


def explanation(policy: Policy) -> Iterator[tuple[str, int, str]]:
    """The lines of an explanation: style, indent, text."""
    yield "bold", 0, f"{policy.title} ({policy.id}, version {policy.version})"
    yield from (("", 0, line) for line in sentences.headlines(policy))
    yield "", 0, ("Nobody under 16, from 25 on or in no leaving-care category is covered, and nobody who has opted out until the "
                  "opt-out is to be looked at again, unless it says so. Of several standards of one rule the earliest counts.")
    if policy.cannot_see:
        yield "", 0, f"Not recorded here, so \"not known\" and never overdue: {', '.join(sorted(policy.cannot_see))}."
    if policy.feeds:
        yield "", 0, f"An alert waits until these feeds are in up to its day: {', '.join(sorted(policy.feeds))}."
    groups: dict[str, list[Standard]] = {}
    for standard in policy.standards:
        groups.setdefault(sentences.group(standard), []).append(standard)
    for group, standards in groups.items():
        yield "", 0, ""
        yield "bold", 0, f"{group[0].upper()}{group[1:]}:"
        for standard in standards:
            yield "", 2, f"- {standard.text}."
            for line in (sentences.only_for(standard), sentences.not_for(standard), sentences.asks(standard),
                         sentences.waits(standard)):
                if line:
                    yield "", 4, line
            yield "dim", 4, f"[{standard.rule}, {standard.severity}] {standard.basis}"


def warnings(policy: Policy, path: Path, folder: Path) -> Iterator[str]:
    """What looks wrong in a policy's own standards though it can be loaded, one line each."""
    if path.suffix in (".yaml", ".yml") and path.stem != policy.id:
        yield f"field id: {policy.id!r} is not the name of the file: others can extend it only as {path.stem!r}"
    if path.is_file() and (shadowed := folder / f"{policy.id}.yaml").is_file() and not shadowed.samefile(path):
        yield f"field id: there is a policy {policy.id!r} in {folder} too"
    for place, standard in enumerate(policy.standards):
        if not standard.id.startswith(f"{policy.id}/"):
            continue
        where = f"standard {standard.id.removeprefix(f'{policy.id}/')}"
        if standard.basis.partition(":")[0] not in sentences.LABELS or ":" not in standard.basis:
            yield f"{where}: field basis: begin with one of {', '.join(f'{label!r}' for label in sentences.LABELS)} and a colon"
        for field, stated in (("when", standard.when), ("unless", standard.unless)):
            ages = dict(stated.stated).get("ages") if stated is not None else None
            if ages is not None and ages[0] > ages[1]:
                yield f"{where}: field {field}.ages: {ages[0]} is above {ages[1]}: nobody is of such an age"
        if tighter := next((other for other in policy.standards[:place] if _always_first(other, standard)), None):
            yield f"{where}: never binds: {tighter.id} asks the same of the same people no later"


def _always_first(earlier: Standard, later: Standard) -> bool:
    """Whether an earlier standard asks the same of the same people in no more time. Only plain cases are seen."""
    same = ("rule", "when", "unless", "needs", "start", "despite", "recurring")
    return (all(getattr(earlier, name) == getattr(later, name) for name in same)
            and earlier.interval.unit is later.interval.unit and earlier.interval.count <= later.interval.count
            and earlier.grace.unit is later.grace.unit and earlier.grace.count <= later.grace.count
            and SEVERITIES.index(earlier.severity) >= SEVERITIES.index(later.severity))


def _load(policy: str, folder: Path) -> Policy:
    try:
        return load_policy(policy, folder)
    except PolicyError as error:
        _refuse(error.problems)


def _raw(path: Path) -> dict[str, Any]:
    raw = read_yaml(path)
    return raw if isinstance(raw, dict) else {}


def _refuse(problems: Sequence[str]) -> NoReturn:
    """Print every problem on standard error and end with status 2."""
    for problem in problems:
        print(f"keepintouch: {problem}", file=sys.stderr)
    raise typer.Exit(2)


def _print_table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """A table on a terminal; lines with tabs elsewhere."""
    if not sys.stdout.isatty():
        for row in (head, *rows):
            print("\t".join(row))
        return
    table = Table(*head)
    for row in rows:
        table.add_row(*map(escape, row))
    Console().print(table)
