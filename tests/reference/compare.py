"""Hold the command against the model, world by world; as a program, for many of them.

    python -m tests.reference.compare POLICIES_FOLDER --worlds 20000 --minutes 20
"""

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from random import Random
from unittest.mock import patch

import yaml

from keepintouch.standards import policy_file

from .command import keepintouch
from .model import Facts, Policy, evaluate, folder, load_policy
from .random_policies import make_policies
from .worlds import World, make_world

PER_POLICY, MOST_SHOWN = 40, 10
POLICIES = Path(__file__).parents[1] / "conformance" / "policies"


def models(policies: Path) -> dict[str, Policy]:
    """Every policy of a folder, as the model reads it."""
    return {path.stem: load_policy(folder(policies), path.stem) for path in sorted(policies.glob("*.yaml"))}


def write_policies(documents: dict[str, Facts], policies: Path) -> dict[str, Policy]:
    """Write policies as files for the command, and return them as the model reads them."""
    for name, document in documents.items():
        (policies / f"{name}.yaml").write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False))
    return {name: load_policy(documents.__getitem__, name) for name in documents}


def difference(world: World, policies: Path, known: dict[str, Policy], work: Path,
               seen: Counter[str] | None = None) -> str | None:
    """What the command prints otherwise than the model, if anything."""
    previous: list[Facts] = []
    events, earlier = work / "events.jsonl", work / "open.jsonl"
    for number, step in enumerate(world.steps, 1):
        expected, refused = evaluate(step.lines, known[step.policy], step.as_of, previous)
        events.write_text("".join(line + "\n" for line in step.lines), newline="")
        earlier.write_text("".join(json.dumps(line) + "\n" for line in previous))
        ran = keepintouch("evaluate", "--policy", str(policies / f"{step.policy}.yaml"), "--as-of", step.as_of,
                          "--open", str(earlier), str(events))
        printed = [json.loads(line) for line in ran.out.splitlines()]
        reasons = [line.split(": ")[1] for line in ran.err.splitlines()]
        if (ran.status, printed, reasons) != (0, expected, refused):
            return (f"step {number} of\n{world}\n\nexpected {refused} and\n" + "\n".join(map(str, expected))
                    + f"\n\nbut exit status {ran.status}, {reasons} and\n" + "\n".join(map(str, printed)) + f"\n{ran.err}")
        if seen is not None:
            seen.update(line.get("end_reason") or line["status"] for line in expected if line["kind"] == "alert")
            seen.update("unknown" for line in expected if line["kind"] == "person" and line["unknown"])
            seen.update(refused)
        previous = expected
    return None


@contextmanager
def policies_read_once() -> Iterator[None]:
    """Let the command keep the policies it has loaded: reading YAML is the slowest part of a small run."""
    load = policy_file.load_policy
    with patch("keepintouch.cli.evaluate.load_policy", cache(load)):
        yield


def main() -> None:
    """A campaign: worlds by their seeds, half under the policies of a folder and half under random ones."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("policies", type=Path, nargs="?", default=POLICIES)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--worlds", type=int, default=1_000)
    parser.add_argument("--minutes", type=float, default=5)
    asked = parser.parse_args()
    until, seen, differ, fixed = time.monotonic() + asked.minutes * 60, Counter[str](), 0, models(asked.policies)
    with tempfile.TemporaryDirectory() as name, policies_read_once():
        for seed in range(asked.first, asked.first + asked.worlds):
            if seed % PER_POLICY == 0:
                work = Path(name, str(seed))
                work.mkdir()
                random_ones = write_policies(make_policies(Random(seed)), work)
            policies, known = (asked.policies, fixed) if seed % 2 else (work, random_ones)
            found = difference(make_world(Random(seed), known), policies, known, work, seen)
            seen["worlds"] += 1
            if found:
                differ += 1
                print(f"== seed {seed}: {found}", flush=True)
            if time.monotonic() > until or differ >= MOST_SHOWN:
                break
    print(f"{differ} worlds differ; {dict(seen)}")


if __name__ == "__main__":
    main()
