"""Every conformance case through the command's own code; see README.md for what a case is."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.reference import model
from tests.reference.command import Ran, keepintouch
from tests.reference.compare import models, policies_read_once

HERE = Path(__file__).parent
CASES = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((HERE / "cases").glob("*.json"))}
PRINTS = [name for name, case in CASES.items() if "refused" not in case]
MODELS = models(HERE / "policies")
REFUSED = [name for name, case in CASES.items() if "refused" in case]
WITH_STEPS, WITHOUT = "087-done-and-open-again", "100-not-accepted"

Case = dict[str, Any]


@dataclass
class Run:
    """A step of a case: what it expects, its policy, the lines of its input, and what the step before it printed."""

    step: Case
    policy: str
    lines: list[str]
    previous: list[Case]

    def arguments(self, work: Path) -> list[str]:
        events, earlier = work / "events.jsonl", work / "open.jsonl"
        events.write_text("".join(f"{line}\n" for line in self.lines), encoding="utf-8")
        earlier.write_text("".join(f"{json.dumps(line)}\n" for line in self.previous), encoding="utf-8")
        stated = ["evaluate", "--policy", str(HERE / "policies" / self.policy), "--as-of", self.step["as_of"]]
        return [*stated, *(["--open", str(earlier)] if self.previous else []), str(events)]


def runs(case: Case) -> Iterator[Run]:
    policy, lines, previous = case.get("policy", ""), list[str](), list[Case]()
    for step in case.get("steps", [case]):
        policy = step.get("policy", policy)
        lines += [event if isinstance(event, str) else json.dumps(event) for event in step["events"]]
        yield Run(step, policy, lines, previous)
        previous = step["expect"]


def printed(ran: Ran) -> list[Case]:
    return [json.loads(line) for line in ran.out.splitlines()]


@pytest.fixture(scope="module", autouse=True)
def _policies_read_once() -> Iterator[None]:
    with policies_read_once():
        yield


@pytest.mark.parametrize("name", PRINTS)
def test_the_command_prints_what_is_expected(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    for run in runs(case):
        ran = keepintouch(*run.arguments(tmp_path))
        assert (ran.status, printed(ran)) == (0, run.step["expect"]), case["why"]
        assert [line.split(": ")[1] for line in ran.err.splitlines()] == case.get("rejected", []) or "rejected" not in case


@pytest.mark.parametrize("name", REFUSED)
def test_a_policy_with_a_mistake_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    ran = keepintouch(*Run(case, case["policy"], [], []).arguments(tmp_path))
    assert (ran.status, ran.out, len(ran.err.splitlines())) == (2, "", 1), case["why"]
    assert [text for text in case["refused"] if text not in ran.err] == []


@pytest.mark.parametrize("name", PRINTS)
def test_the_model_agrees(name: str) -> None:
    """The second implementation, by which the command is judged on random worlds, is itself held to the cases."""
    case = CASES[name]
    for run in runs(case):
        expected, refused = model.evaluate(run.lines, MODELS[Path(run.policy).stem], run.step["as_of"], run.previous)
        assert expected == run.step["expect"], case["why"]
        assert refused == case.get("rejected", refused)


@pytest.mark.slow
@pytest.mark.parametrize("name", [WITH_STEPS, WITHOUT])
def test_the_installed_command_prints_the_same(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    for run in runs(case):
        ran = subprocess.run([Path(sys.executable).with_name("keepintouch"), *run.arguments(tmp_path)], check=True,
                             capture_output=True, text=True, encoding="utf-8", timeout=60)
        assert [json.loads(line) for line in ran.stdout.splitlines()] == run.step["expect"]


def test_there_are_as_many_as_the_readme_says() -> None:
    assert f"{len(CASES)} small worlds" in (HERE / "README.md").read_text(encoding="utf-8")
