"""Runbooks: what they tell whoever is woken to type can be typed, and asks for what there is."""
from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from keepintouch.runtime.http import StatusServer
from tests.unit.deploy.told import ROOT, SERVICES, not_in_the_command_line

RUNBOOKS = ROOT / "docs" / "runbooks"


def test_runbooks_look_at_metrics_that_there_are() -> None:
    known = set(re.findall(r"`([a-z_]+)`", (ROOT / "docs" / "reference" / "metrics.md").read_text()))
    for path in RUNBOOKS.glob("*.md"):
        named = set(re.findall(rf"\b((?:{'|'.join(SERVICES)})_[a-z_]+)", path.read_text()))
        assert {re.sub("_bucket$", "", name) for name in named} <= known, path.name


_SAID = re.compile(r"^((?:look|why|ask|logs|kit|again)\b.*)$|`((?:why|again|logs|kit|ask) [^`]+)`", re.MULTILINE)
TYPED = {path.stem: [first or second for first, second in _SAID.findall(path.read_text())] for path in RUNBOOKS.glob("*.md")}


@pytest.mark.parametrize("page", TYPED)
def test_what_runbooks_say_to_type_can_be_typed(page: str, tmp_path: Path) -> None:
    """Services, commands of ours and queries: each is known, or whoever is woken is told of a mistake of ours."""
    typed = [shlex.split(line, comments=True) for line in TYPED[page]]
    assert len(typed) > 2
    queries = [words[1] for words in typed if words[0] == "ask"]
    for words in typed:
        if words[0] in ("why", "again", "logs"):
            assert words[1] in SERVICES, words
        elif words[0] == "kit":
            assert not_in_the_command_line(words[1:]) == [], words
    rules = tmp_path / "typed.yml"
    rules.write_text(yaml.safe_dump({"groups": [{"name": "typed", "rules": [
        {"record": f"typed:{place}:query", "expr": query} for place, query in enumerate(queries)]}]}))
    done = subprocess.run(["promtool", "check", "rules", rules], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("where", "line", "runs"), [
    ("compose", "look", "docker compose --project-directory ROOT ps --all"),
    ("compose", "ask up",
     "docker compose --project-directory ROOT exec -T prometheus promtool query instant http://localhost:9090 up"),
    ("compose", "why intake", "docker compose --project-directory ROOT exec -T intake python -c"),
    ("compose", "logs board", "docker compose --project-directory ROOT logs --no-log-prefix --since 1h board"),
    ("compose", "again board", "docker compose --project-directory ROOT up --detach --no-deps --force-recreate board"),
    ("compose", "kit topics list", "docker compose --project-directory ROOT run --rm operator topics list"),
    ("kubernetes", "look", "kubectl --namespace keep-in-touch get pods"),
    ("kubernetes", "ask up", "kubectl exec -n monitoring prometheus-0 -- promtool query instant http://localhost:9090 up"),
    ("kubernetes", "why contact_monitor", "kubectl --namespace keep-in-touch exec pod/one -- python -c"),
    ("kubernetes", "logs contact_monitor 5m",
     "kubectl --namespace keep-in-touch logs --selector app.kubernetes.io/name=contact-monitor --since 5m --tail -1"),
    ("kubernetes", "again contact_monitor", "kubectl --namespace keep-in-touch rollout restart deployment/contact-monitor"),
    ("kubernetes", "kit topics list",
     "kubectl --namespace keep-in-touch exec --stdin --tty deployment/operator -- python -m keepintouch topics list")])
def test_the_short_commands_run_what_they_stand_for(where: str, line: str, runs: str, tmp_path: Path) -> None:
    for program in ("docker", "kubectl"):
        (tmp_path / program).write_text(f"""#!/bin/sh
echo {program} "$@" >> {tmp_path}/ran
case "$*" in
  *--output\\ name) echo pod/one ;;
  *logs*) echo '{{"level":"info","event":"quiet"}}'; echo '{{"level":"error","event":"loud"}}'; echo notifier: a line ;;
esac
""")
        (tmp_path / program).chmod(0o755)
    done = subprocess.run(["bash", "-c", f". scripts/on-call.sh {where}; {line}"], cwd=ROOT, text=True, capture_output=True,
                          check=False, env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert done.stderr == ""
    assert runs.replace("ROOT", str(ROOT)) in (tmp_path / "ran").read_text()
    if line.startswith("logs"):
        assert done.stdout.splitlines() == ['{"level":"error","event":"loud"}', "notifier: a line"]


def test_why_says_what_a_service_waits_for(tmp_path: Path) -> None:
    """The program that it runs inside the container, on a service that is not ready."""
    program = subprocess.run(["bash", "-c", '. scripts/on-call.sh; printf %s "$_oncall_why"'], cwd=ROOT, text=True,
                             capture_output=True, check=True).stdout
    with StatusServer(0, not_ready=lambda: ["staff_not_read"]) as server:
        done = subprocess.run([sys.executable, "-c", program], text=True, capture_output=True, check=False,
                              env={"NOTIFIER_HTTP_PORT": str(server.port)})
    assert done.stdout.splitlines() == ['{"ready":false,"reasons":["staff_not_read"]}', '{"healthy":true,"reasons":[]}']
