"""What must come out of a run, and whether it has: the same events reckoned in this process, once for each version of it."""
from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import orjson

import bench
import keepintouch
import schemas
from keepintouch.standards import stored

from .events import NOW, Shape, halves
from .reckoning import Reckoning, fingerprint, open_alerts

_ENGINE = ("standards/**/*", "acceptance.py", "calendar.py")


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known of each person after some events, and what is open at `events.NOW`."""

    events: int
    people: Mapping[bytes, bytes]
    """Fingerprints."""
    open: frozenset[bytes]
    """Keys on the alerts topic."""

    def differences(self, states: Mapping[bytes, bytes | None], alerts: Mapping[bytes, bytes | None]) -> list[str]:
        """What is wrong with the last record of each key of the changelog and of the alerts topic; empty if nothing is."""
        people = {key: value for key, value in states.items() if value is not None and stored.is_person(key)}
        wrong = []
        if people.keys() != self.people.keys():
            wrong.append(f"{len(people)} states, not {len(self.people)}")
        loaded = {key: stored.load(value) for key, value in people.items()}
        if other := sum(fingerprint(person) != self.people.get(key) for key, person in loaded.items()):
            wrong.append(f"{other} states are not what their events say")
        if stale := sum(stored.header(value).due_on == stored.DUE_NOW for value in people.values()):
            wrong.append(f"{stale} people were not evaluated")
        held = {each for key, person in loaded.items() for each in open_alerts(key, person)}
        told = {key for key, value in alerts.items() if value is not None and orjson.loads(value)["status"] == "open"}
        for name, found in (("in states", held), ("on their topic", told)):
            if found != self.open:
                wrong.append(f"alerts open {name}: {len(found - self.open)} invented, {len(self.open - found)} missing")
        return wrong


def truths(shape: Shape) -> tuple[Truth, Truth]:
    """After the first half of the events, and after all of them."""
    first, second = halves(shape)
    file = first.folder.parent / f"truth-{_engine_mark()}"
    if not file.exists():
        reckoning = Reckoning()
        found = tuple(_reckon(reckoning, half.all()) for half in (first, second))
        file.write_bytes(pickle.dumps(found))
    both: tuple[Truth, Truth] = pickle.loads(file.read_bytes())
    return both


def _reckon(reckoning: Reckoning, events: Iterable[tuple[int, tuple[bytes, bytes]]]) -> Truth:
    reckoning.fold_all((event for _, event in events), NOW)
    for key in reckoning.people:
        reckoning.evaluate(key, NOW)
    people = reckoning.people
    return Truth(reckoning.accepted, {key: fingerprint(person) for key, person in people.items()},
                 frozenset(each for key, person in people.items() for each in open_alerts(key, person)))


def _engine_mark() -> str:
    """Changes with whatever may change the answer."""
    ours, said, here = (Path(str(package.__file__)).parent for package in (keepintouch, schemas, bench))
    files = sorted([*(file for pattern in _ENGINE for file in ours.glob(pattern)), *said.glob("*.py"), here / "reckoning.py"])
    mark = blake2b(digest_size=6)
    for file in files:
        if file.suffix in (".py", ".yaml"):
            mark.update(file.read_bytes())
    return mark.hexdigest()
