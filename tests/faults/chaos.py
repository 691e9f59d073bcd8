"""Many faults for some minutes, then the verdict: `python -m tests.faults.chaos --seed N --minutes M`.

The seed decides what is sent and which faults come when. What it meets then is for the machine to say, so a seed that has failed
need not fail again at once. Exit status 1 if the verdict is bad; the workers' logs, and all topics, are then in `build/chaos`.
"""
from __future__ import annotations

import argparse
import pickle
import shutil
import sys
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from random import Random

from keepintouch.runtime.errors import UserError
from keepintouch.runtime.stopping import FAIL_STOP_STATUS, exit_on_signals

from .faults import plan
from .stage import FIRST_DAY, NAMES, NotAtRest, Run, Stage

FOLDER = Path("build") / "chaos"
PEOPLE, A_SECOND, DAY, SESSION = 400, 60, 25.0, 5.0
"""How many people, how many records a second, how many real seconds a day takes and a session lasts."""
_BACKLOG = 0.2
_LOOK = 0.1
_MEND_WITHIN = 240.0
_EXPECTED = {-9, 2, FAIL_STOP_STATUS}
"""How a worker may end by itself: killed by us; no broker at its start; fail-stop."""


def main() -> int:
    """Run, say what happens, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="what is sent, and which faults come when")
    parser.add_argument("--minutes", type=float, default=10.0)
    asked = parser.parse_args()
    shutil.rmtree(FOLDER, ignore_errors=True)
    with exit_on_signals(), Stage(FOLDER) as stage, stage.run(
            asked.seed, PEOPLE, day=DAY, session=f"{SESSION:.0f}s", folder=FOLDER) as run:
        return Chaos(run, asked.seed, asked.minutes * 60).run()


class Chaos:
    """One run of it."""

    def __init__(self, run: Run, seed: int, seconds: float) -> None:
        self._run, self._seed, self._seconds = run, seed, seconds
        self._rng = Random(f"days/{seed}")
        self._began = time.monotonic()
        self._day = 0
        """How many days have been sent."""

    def run(self) -> int:
        """All of it; returns the exit status."""
        run = self._run
        self._say(f"seed {self._seed}, {self._seconds / 60:g} minutes: {PEOPLE} people, {A_SECOND} records a second, "
                  f"a day every {DAY:g} s")
        run.send(run.generator.roster())
        for name in NAMES:
            run.crew.start(name)
        faults = plan(Random(f"faults/{self._seed}"), self._seconds, SESSION)
        while (passed := time.monotonic() - self._began) < self._seconds:
            self._send_what_is_due(passed)
            while faults and faults[0].at <= passed:
                self._say(faults[0].what)
                faults.pop(0).do(run)
            self._tend()
            time.sleep(_LOOK)
        return self._end()

    def _send_what_is_due(self, passed: float) -> None:
        """A day's records at its beginning, spread over it; now and then all at once, and more of them."""
        if passed < self._day * DAY:
            return
        backlog = self._rng.random() < _BACKLOG
        about = round(A_SECOND * DAY) * (4 if backlog else 1)
        records = self._run.generator.day(FIRST_DAY + timedelta(days=self._day), about)
        self._run.send(records, within=0 if backlog else DAY)
        self._day += 1
        self._say(f"day {self._day}: {len(records)} records{', all at once' if backlog else ''}")

    def _tend(self) -> None:
        for ended in self._run.crew.tend():
            self._say(f"  {ended.name} has ended ({ended.how}) and is started again")

    def _end(self) -> int:
        run = self._run
        self._say("no more faults: everything is mended, and comes to rest")
        try:
            verdict = run.end_and_look_again(_MEND_WITHIN)
        except NotAtRest as error:
            return self._bad(str(error))
        self._say(f"at rest; {run.feeder.acknowledged} records acknowledged, {run.feeder.unacknowledged} not")
        endings = Counter(ended.how for ended in run.crew.ended)
        strange = [ended.how for ended in run.crew.ended if ended.status not in _EXPECTED]
        print(f"endings: {dict(endings)}{f', and this is strange: {strange}' if strange else ''}")
        print(verdict)
        if strange or not verdict.good:
            return self._bad("what is on the topics is not what should be" if not verdict.good else "endings of other kinds")
        print("nothing lost, nothing invented")
        return 0

    def _bad(self, why: str) -> int:
        (FOLDER / "topics.pickle").write_bytes(pickle.dumps(self._run.watch.read()))
        print(f"BAD: {why}. The logs and all topics are in {FOLDER}; run it again with --seed {self._seed}")
        return 1

    def _say(self, what: str) -> None:
        print(f"{time.monotonic() - self._began:7.1f} s  {self._run.today}  {what}", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        print(f"chaos: {error}", file=sys.stderr)
        sys.exit(2)
