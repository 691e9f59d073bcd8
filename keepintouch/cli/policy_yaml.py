"""A policy written out as YAML, with all that it inherits."""
from __future__ import annotations

from typing import Any

import yaml

from keepintouch.standards.conditions import Conditions
from keepintouch.standards.intervals import NONE
from keepintouch.standards.ladder import Rung
from keepintouch.standards.policy import Despite, Needs, Policy, Standard, Start, Who


def effective_yaml(policy: Policy) -> str:
    """A policy with all that it inherits, as a YAML file that loads by itself; a comment before each standard is its id."""
    head = {"id": policy.id, "version": policy.version, "title": policy.title, "extends": None,
            "in_touch": {"rung": _rung(policy.in_touch.rung), "within": str(policy.in_touch.within)},
            "meaningful": {"within": str(policy.meaningful_within)}, "warn": str(policy.warn),
            "feeds": sorted(policy.feeds), "cannot_see": sorted(policy.cannot_see)}
    parts = [_dump(head), "standards:\n" if policy.standards else "standards: []\n"]
    for standard in policy.standards:
        parts.append(f"  # {standard.id}\n")
        parts.extend(f"  {line}\n" for line in _dump([_written(standard)]).splitlines())
    return "".join(parts)


def _written(standard: Standard) -> dict[str, Any]:
    """A standard as a policy file states it; what is left out has its default."""
    stated: dict[str, Any] = {"rule": standard.rule, "text": standard.text, "basis": standard.basis,
                              "severity": standard.severity}
    when = Conditions(tuple(pair for pair in standard.when.stated if pair != ("opted_out", False)))
    stated |= {"when": _conditions(when)} if when.stated else {}
    stated |= {"unless": _conditions(standard.unless)} if standard.unless is not None else {}
    stated |= {"needs": _needs(standard.needs)} if standard.needs is not None else {}
    stated |= {"from": standard.start.value} if standard.start is not Start.SUPPORTED_SINCE else {}
    stated["every" if standard.recurring else "within"] = str(standard.interval)
    stated |= {"despite": _despite(standard.despite)} if standard.despite is not None else {}
    stated |= {"grace": str(standard.grace)} if standard.grace != NONE else {}
    return stated


def _conditions(conditions: Conditions) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else str(value) if name == "moved_within" else value
            for name, value in conditions.stated}


def _needs(needs: Needs) -> dict[str, Any]:
    stated: dict[str, Any] = {"rung": _rung(needs.rung)}
    stated |= {"by": needs.by.value} if needs.by is not Who.ANY else {}
    stated |= {name: sorted(value) for name in ("roles", "at") if (value := getattr(needs, name)) is not None}
    stated |= {name: value for name in ("announced", "seen_alone") if (value := getattr(needs, name)) is not None}
    return stated | ({"ever": True} if needs.ever else {})


def _despite(despite: Despite) -> dict[str, Any]:
    stated: dict[str, Any] = {name: _rung(value) for name in ("rung", "rung_is") if (value := getattr(despite, name)) is not None}
    stated |= {"channel": "written"} if despite.written else {}
    stated |= {"direction": despite.direction} if despite.direction is not None else {}
    stated |= {"by": "stranger"} if despite.by_stranger else {}
    return stated | {"count": despite.count}


def _rung(rung: Rung) -> str:
    return rung.name.lower()


class _Flow(yaml.SafeDumper):
    """YAML in which what stands within a standard is on one line, as policies are written."""

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
        nested = "rule" not in mapping and "standards" not in mapping and "title" not in mapping
        return super().represent_mapping(tag, mapping, flow_style=nested)

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        return super().represent_sequence(tag, sequence, flow_style=not (sequence and isinstance(sequence[0], dict)))


def _dump(value: object) -> str:
    return yaml.dump(value, Dumper=_Flow, sort_keys=False, allow_unicode=True, width=10_000)
