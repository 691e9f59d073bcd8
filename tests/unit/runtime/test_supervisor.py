import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from keepintouch.runtime.ports import free_port
from keepintouch.runtime.supervisor import Child, ChildFailed, Supervisor
from keepintouch.runtime.tether import tethered
from tests.processes import alive, until

SLEEP = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
SERVICE = """
import os
from pathlib import Path
from keepintouch.runtime.http import StatusServer
from keepintouch.runtime.stopping import stop_on_signals
stop, ready = stop_on_signals(), Path(os.environ["READY"])
with StatusServer(int(os.environ["PORT"]), not_ready=lambda: [] if ready.exists() else ["starting"]):
    stop.wait()
print("stopped in order")
"""


def child(tmp_path: Path, name: str, program: str, **more: object) -> Child:
    return Child(name, [sys.executable, "-c", program], tmp_path / f"{name}.log", **more)  # type: ignore[arg-type]


def said(tmp_path: Path, name: str) -> str:
    return (tmp_path / f"{name}.log").read_text()


def test_waits_until_a_service_is_ready_and_stops_it_in_order(tmp_path: Path) -> None:
    port, ready = free_port(), tmp_path / "ready"
    with Supervisor(stop_within=60) as supervisor:
        supervisor.start(child(tmp_path, "service", SERVICE, env={"PORT": str(port), "READY": str(ready)},
                               ready_url=f"http://127.0.0.1:{port}/readyz"))
        supervisor.wait_ready(meanwhile=ready.touch)
        assert ready.exists()
        pid = supervisor.pid("service")
        assert pid is not None
        supervisor.check()
    assert not alive(pid)
    assert said(tmp_path, "service") == "stopped in order\n"


def test_who_does_not_stop_is_killed(tmp_path: Path) -> None:
    with Supervisor(stop_within=0.3) as supervisor:
        supervisor.start(child(tmp_path, "stubborn", STUBBORN))
        supervisor.start(child(tmp_path, "frozen", SLEEP))
        until(lambda: "up" in said(tmp_path, "stubborn") and "up" in said(tmp_path, "frozen"))
        supervisor.signal("frozen", signal.SIGSTOP)
        pids = [supervisor.pid(name) for name in ("stubborn", "frozen")]
    assert not any(alive(pid) for pid in pids if pid)


def test_an_end_before_readiness_is_one_line_with_its_last_words(tmp_path: Path) -> None:
    with Supervisor() as supervisor:
        supervisor.start(child(tmp_path, "worker", "print('no key', flush=True); raise SystemExit(3)",
                               ready_url="http://127.0.0.1:1/readyz"))
        with pytest.raises(ChildFailed, match=r"worker ended \(exit status 3\): no key .*log: "):
            supervisor.wait_ready()


def test_not_ready_in_time(tmp_path: Path) -> None:
    with Supervisor() as supervisor:
        supervisor.start(child(tmp_path, "slow", SLEEP, ready_url="http://127.0.0.1:1/readyz"))
        until(lambda: "up" in said(tmp_path, "slow"))
        with pytest.raises(ChildFailed, match=r"slow was not ready within 0 s: up"):
            supervisor.wait_ready(within=0.1)


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with Supervisor() as supervisor:
        supervisor.start(Child("none", ["no-such-program"], tmp_path / "none.log", ready_url="http://127.0.0.1:1/"))
        with pytest.raises(ChildFailed, match="cannot run no-such-program"):
            supervisor.wait_ready()


def test_killed_and_started_again(tmp_path: Path) -> None:
    one = child(tmp_path, "one", SLEEP)
    with Supervisor() as supervisor:
        supervisor.start(one)
        first = supervisor.pid("one")
        with pytest.raises(ValueError, match="is running"):
            supervisor.start(one)
        supervisor.kill("one")
        assert supervisor.pid("one") is None
        with pytest.raises(ChildFailed, match="one ended"):
            supervisor.check()
        supervisor.start(one)
        assert supervisor.pid("one") not in (None, first)


PARENT = f"""
import sys, time
from pathlib import Path
from keepintouch.runtime.supervisor import Child, Supervisor
with Supervisor() as supervisor:
    supervisor.start(Child("orphan", [sys.executable, "-c", {SLEEP!r}], Path(sys.argv[1])))
    print(supervisor.pid("orphan"), flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_children_die_with_a_parent_that_is_killed(tmp_path: Path, how: signal.Signals) -> None:
    log = tmp_path / "orphan.log"
    with subprocess.Popen([sys.executable, "-c", PARENT, str(log)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True) as parent:
        try:
            assert parent.stdout is not None
            pid = int(parent.stdout.readline())
            until(lambda: log.exists() and "up" in log.read_text())
            parent.send_signal(how)
            parent.wait(60)
            until(lambda: not alive(pid))
        finally:
            parent.kill()


def test_a_tethered_command_whose_parent_is_already_gone_does_not_start(tmp_path: Path) -> None:
    command = tethered([sys.executable, "-c", f"open({str(tmp_path / 'ran')!r}, 'w')"])
    command[command.index(str(os.getpid()))] = "1" if os.getppid() != 1 else "2"
    assert subprocess.run(command, check=False).returncode == 1
    assert not (tmp_path / "ran").exists()


def test_a_second_signal_ends_a_service_that_does_not_stop(tmp_path: Path) -> None:
    program = ("import time; from keepintouch.runtime.stopping import stop_on_signals; s = stop_on_signals();"
               "print('up', flush=True); s.wait(); print('asked', flush=True); time.sleep(600)")
    with Supervisor() as supervisor:
        supervisor.start(child(tmp_path, "deaf", program))
        until(lambda: "up" in said(tmp_path, "deaf"))
        supervisor.signal("deaf", signal.SIGTERM)
        until(lambda: "asked" in said(tmp_path, "deaf"))
        supervisor.signal("deaf", signal.SIGTERM)
        until(lambda: supervisor.pid("deaf") is None)


def test_exit_on_signals_lets_with_blocks_clean_up(tmp_path: Path) -> None:
    program = """
import contextlib, time
from keepintouch.runtime.stopping import exit_on_signals
with exit_on_signals(), contextlib.ExitStack() as stack:
    stack.callback(print, 'cleaned', flush=True)
    print('up', flush=True)
    time.sleep(600)
"""
    with Supervisor(stop_within=60) as supervisor:   # SIGKILL would leave another status, and nothing cleaned
        supervisor.start(child(tmp_path, "tidy", program))
        until(lambda: "up" in said(tmp_path, "tidy"))
        supervisor.stop("tidy")
        with pytest.raises(ChildFailed, match="exit status 143"):
            supervisor.check("tidy")
    assert said(tmp_path, "tidy") == "up\ncleaned\n"
