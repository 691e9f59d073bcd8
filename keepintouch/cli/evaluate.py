"""`keepintouch evaluate`: hold a policy against a file of events, without any Kafka."""
from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import orjson
import typer
from pydantic import TypeAdapter, ValidationError

from keepintouch.acceptance import Accepted, Refused, accept_event
from keepintouch.calendar import london_day
from keepintouch.files.naming import PlainNames
from keepintouch.refs import RefError
from keepintouch.runtime.errors import UserError
from keepintouch.standards.ending import OpenAlert, end
from keepintouch.standards.evaluation import Evaluation, Finding, evaluate
from keepintouch.standards.person import Person
from keepintouch.standards.policy import Policy
from keepintouch.standards.policy_file import SHIPPED, PolicyError, load_policy
from keepintouch.standards.published import AlertKey
from keepintouch.standards.world import World
from schemas.alerts import alert_id
from schemas.common import Day, Instant
from services.intake.case_ids import event_with_refs

Line = dict[str, Any]

_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)
_DAY: TypeAdapter[date] = TypeAdapter(Day)
_TEXT: TypeAdapter[str] = TypeAdapter(str)


@dataclass(frozen=True, slots=True)
class OpenLine:
    """An open alert line of an earlier run."""

    line: Line
    alert: OpenAlert

    @property
    def key(self) -> AlertKey:
        """Rule and anchor day."""
        return self.alert.rule, self.alert.anchor_on


def evaluate_file(
    events: Annotated[str, typer.Argument(help="CloudEvents, one JSON a line; '-' or nothing: standard input.")] = "-",
    *,
    policy: Annotated[str, typer.Option(help="Id of a policy (see 'keepintouch policies list'), or a YAML file.")],
    as_of: Annotated[str, typer.Option(help="The instant of 'now', RFC 3339: 2026-03-02T09:00:00Z.")] = "",
    open: Annotated[Path | None, typer.Option("--open", help="Output of an earlier run: what was open then and has ended "
                                              "is printed with how it ended.")] = None,
    case_ids: Annotated[str | None, typer.Option(
        metavar="COUNCIL", help="The events have this council's own case ids where refs should be, as they are posted with Refs: "
                                "case-ids.")] = None,
    policies_dir: Annotated[Path, typer.Option(envvar="POLICIES_DIR", show_default="the shipped ones",
                                                help="Folder in which policies are looked up by id.")] = SHIPPED,
) -> None:
    """Print who is overdue under a policy, and how everyone stands, as JSON lines.

    First a line for each open alert (and, with --open, for each that has ended since), then one for each person:
    in scope, in touch, in meaningful contact, and the rules whose state is unknown. Events that are not accepted go to
    standard error, each with its reason.
    """
    now = _instant(as_of) if as_of else datetime.now(UTC)
    held = _load(policy, policies_dir)
    earlier = _open_lines(open) if open is not None else {}
    world = World()
    for accepted in _accepted(events, now, None if case_ids is None else _names(case_ids)):
        world.fold(accepted.event_id, accepted.data)
    for line in lines(world, held, london_day(now).toordinal(), earlier):
        sys.stdout.buffer.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))


def lines(world: World, policy: Policy, today: int, earlier: dict[str, list[OpenLine]]) -> Iterator[Line]:
    """The lines of a run: alerts by person, rule and anchor, then people."""
    people: list[Line] = []
    for ref in sorted(world.people):
        person, was_open = world.people[ref], earlier.get(ref, [])
        evaluation = evaluate(person, policy, today, world.marks_for(ref), [o.key for o in was_open])
        if evaluation is None:
            continue
        yield from _alert_lines(ref, person, evaluation, policy, was_open)
        people.append({"kind": "person", "person_ref": ref, "in_scope": evaluation.in_scope, "in_touch": evaluation.in_touch,
                       "meaningful": evaluation.meaningful, "unknown": list(evaluation.unknown)})
    yield from people


def _alert_lines(ref: str, person: Person, evaluation: Evaluation, policy: Policy, was_open: list[OpenLine]) -> list[Line]:
    found = {finding.key: _finding_line(ref, finding) for finding in evaluation.findings}
    for earlier in was_open:
        if earlier.key not in found:
            ending = end(earlier.alert, person, evaluation, policy)
            found[earlier.key] = earlier.line | {"status": ending.status, "end_reason": ending.reason,
                                                 "recording_lag_days": ending.recording_lag_days}
    return [found[key] for key in sorted(found)]


def _finding_line(ref: str, finding: Finding) -> Line:
    clock = finding.clock
    assert clock.due_on is not None
    assert clock.opens_on is not None
    anchor_on = date.fromordinal(clock.anchor_on).isoformat()
    return {"kind": "alert", "alert_id": str(alert_id(ref, finding.rule, anchor_on)), "person_ref": ref, "rule": finding.rule,
            "standard": clock.standard.id, "status": "open", "severity": finding.severity, "anchor_on": anchor_on,
            "due_on": date.fromordinal(clock.due_on).isoformat(), "opens_on": date.fromordinal(clock.opens_on).isoformat()}


def _instant(text: str) -> datetime:
    try:
        return _INSTANT.validate_python(text)
    except ValidationError:
        raise UserError(f"--as-of {text!r} is no instant: write it with an offset, as in 2026-03-02T09:00:00Z") from None


def _load(policy: str, folder: Path) -> Policy:
    try:
        return load_policy(policy, folder)
    except PolicyError as error:
        raise UserError(str(error)) from None


def _names(council: str) -> PlainNames:
    try:
        return PlainNames(council)
    except RefError as error:
        raise UserError(f"--case-ids {council!r}: {error}") from None


def _accepted(events: str, now: datetime, names: PlainNames | None) -> Iterator[Accepted]:
    path = None if events == "-" else Path(events)
    if path is not None and not _is_there(path):
        raise UserError(f"{events}: there is no such file of events")
    with nullcontext(sys.stdin.buffer) if path is None else path.open("rb") as file:
        for number, line in _numbered(file):
            told = line if names is None else _with_refs(line, names)
            result = told if isinstance(told, Refused) else accept_event(told, None, (), now, None)
            if isinstance(result, Accepted):
                yield result
            else:
                print(f"line {number}: {result.reason}: {result.detail}", file=sys.stderr)


def _with_refs(line: bytes, names: PlainNames) -> bytes | Refused:
    """An event with refs in the place of case ids; what is no event is left as it is, to be refused as any other."""
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError:
        return line
    if not isinstance(event, dict):
        return line
    told = event_with_refs(event, names)
    try:
        return told if isinstance(told, Refused) else orjson.dumps(told)
    except orjson.JSONEncodeError:   # what it reads may be deeper than what it writes
        return Refused("schema", "value: nested too deeply")


def _numbered(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers."""
    for number, line in enumerate(file, 1):
        if line := line.strip(b" \t\r\n"):
            yield number, line


def _is_there(path: Path) -> bool:
    """Whether it can be read from: a file, a pipe or a device."""
    return path.exists() and not path.is_dir()


def _open_lines(path: Path) -> dict[str, list[OpenLine]]:
    """The open alerts of an earlier output, by person; all other lines are passed over."""
    if not _is_there(path):
        raise UserError(f"{path}: there is no such file of earlier output")
    found: dict[str, list[OpenLine]] = {}
    for line in _objects(path.read_bytes().splitlines()):
        if line.get("kind") == "alert" and line.get("status") == "open":
            try:
                rule, standard, ref = (_TEXT.validate_python(line[name]) for name in ("rule", "standard", "person_ref"))
                anchor_on, due_on = (_DAY.validate_python(line[name]).toordinal() for name in ("anchor_on", "due_on"))
                orjson.dumps(line)   # as it will be if the alert has ended
            except (KeyError, ValidationError, orjson.JSONEncodeError):
                continue
            found.setdefault(ref, []).append(OpenLine(line, OpenAlert(rule, standard, anchor_on, due_on)))
    return found


def _objects(raw: Iterable[bytes]) -> Iterator[Line]:
    for line in raw:
        try:
            found = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if isinstance(found, dict):
            yield found
