"""Who works for a made-up council: advisers with caseloads and habits, those who left, managers, duty; all names are fiction."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import count, product
from math import ceil
from random import Random

from keepintouch.refs import Refs
from keepintouch.simulator.draw import between, shared_out, stream, working_from
from keepintouch.simulator.figures import Figures
from schemas.staff import Absence, Staff, Weekday

_FORENAMES = ("Hazel", "Rowan", "Wren", "Robin", "Ivy", "Ash", "Linnet", "Clover", "Bracken", "Heather", "Jay", "Olive",
              "Sorrel", "Aspen", "Fern", "Teasel", "Merle", "Briar", "Juniper", "Lark")
_SURNAMES = ("Fable", "Sonnet", "Chapter", "Riddle", "Ballad", "Saga", "Proverb", "Prologue", "Limerick", "Novella", "Rhyme",
             "Epilogue", "Parable", "Stanza", "Anecdote", "Legend", "Verse", "Fiction", "Preface", "Couplet")
_TEAMS = ("north", "central", "east", "south", "west", "coast", "valley", "moor")
_FULL: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri")
_DRAMA_NUMBERS = 1000
"""+447700900000 to +447700900999: what Ofcom keeps free for drama; nobody has them."""
_POOL = 6


@dataclass(frozen=True, slots=True)
class Adviser:
    """A personal adviser. `since` is the day they took over a leaver's caseload, None if they were always there."""

    ref: str
    team: int
    relies_on_texts: bool
    heavy: bool
    predecessor: str | None
    since: int | None


@dataclass(frozen=True, slots=True)
class Workforce:
    """Everybody who may write a record, by ref. `caseloads[i]` is how many people `advisers[i]` has."""

    advisers: tuple[Adviser, ...]
    caseloads: tuple[int, ...]
    teams: tuple[str, ...]
    managers: tuple[str, ...]           # by team
    duty: tuple[str, ...]               # they never meet anybody
    social_workers: tuple[str, ...]
    accommodation_staff: tuple[str, ...]
    others: tuple[str, ...]             # professionals and family
    staff: tuple[Staff, ...]


def made_up_names() -> Iterator[str]:
    """Names for as many as there are, no two alike."""
    for number in count(1):
        more = "" if number == 1 else f" {number}"
        yield from (f"{first} {last}{more}" for last, first in product(_SURNAMES, _FORENAMES))


def workforce(refs: Refs, seed: int, people: int, last_day: int, figures: Figures) -> Workforce:
    """Make up the workers of a council; the same for the same arguments. `last_day` is the last day of history."""
    rng = stream(seed, refs.council, "workforce")
    sizes = _caseloads(rng, people, figures)
    teams = tuple(_team_name(n) for n in range(ceil(len(sizes) / figures.team.value)))
    advisers = tuple(_adviser(rng, refs, n, heavy, len(teams), last_day, figures) for n, (_, heavy) in enumerate(sizes))
    managers = tuple(refs.worker(str(1101 + n)) for n in range(len(teams)))
    duty = refs.worker("1901")
    return Workforce(
        advisers=advisers, caseloads=tuple(shared_out(people, dict(enumerate(size for size, _ in sizes))).values()), teams=teams,
        managers=managers, duty=(duty, *_pool(refs, 1911)), social_workers=_pool(refs, 3001, max(_POOL, people // 60)),
        accommodation_staff=_pool(refs, 8001, max(_POOL, people // 40)), others=_pool(refs, 9001),
        staff=tuple(_staff(rng, refs, advisers, teams, managers, duty, last_day, figures)))


def _caseloads(rng: Random, people: int, figures: Figures) -> list[tuple[int, bool]]:
    sizes: list[tuple[int, bool]] = []
    while sum(size for size, _ in sizes) < people or not sizes:
        # The first advisers have ordinary caseloads: the cast is theirs.
        heavy = len(sizes) > 1 and rng.random() < figures.heavy.value
        sizes.append((between(rng, (figures.heavy_caseload if heavy else figures.caseload).value), heavy))
    return sizes


def _adviser(rng: Random, refs: Refs, n: int, heavy: bool, teams: int, last_day: int, figures: Figures) -> Adviser:
    steady = n <= 1
    relies = rng.random() < figures.relies_on_texts.value
    replaced = rng.random() < figures.replaced_in_a_year.value
    since = working_from(last_day - between(rng, (90, 330)))
    return Adviser(refs.worker(str(2001 + n)), n % teams, relies and not steady, heavy,
                   *((refs.worker(str(2501 + n)), since) if replaced and not steady else (None, None)))


def _pool(refs: Refs, first: int, size: int = _POOL) -> tuple[str, ...]:
    return tuple(refs.worker(str(first + n)) for n in range(size))


def _team_name(n: int) -> str:
    return _TEAMS[n] if n < len(_TEAMS) else f"team-{n + 1}"


class _Identities:
    """Names, numbers and addresses, none given twice; after a thousand people there are no more numbers."""

    def __init__(self, rng: Random, council: str) -> None:
        self._names = [f"{first} {last}" for first, last in product(_FORENAMES, _SURNAMES)]
        rng.shuffle(self._names)
        self._council, self._given = council, 0

    def next(self) -> tuple[str, str | None, str]:
        turn, n = divmod(self._given, len(self._names))
        name = self._names[n] + (f" {turn + 1}" if turn else "")
        mobile = f"+447700900{self._given:03d}" if self._given < _DRAMA_NUMBERS else None
        self._given += 1
        return name, mobile, f"{name.lower().replace(' ', '.')}@{self._council}.example"


def _staff(rng: Random, refs: Refs, advisers: tuple[Adviser, ...], teams: tuple[str, ...], managers: tuple[str, ...], duty: str,
           last_day: int, figures: Figures) -> list[Staff]:
    identities = _Identities(rng, refs.council)
    head = refs.worker("1001")

    def member(ref: str, role: str, team: str | None, manager: str | None, **more: object) -> Staff:
        name, mobile, email = identities.next()
        return Staff.model_validate({
            "worker_ref": ref, "council": refs.council, "role": role, "name": name, "mobile": mobile, "email": email,
            "team_ref": team, "manager_ref": manager, "channels": ["sms", "email"], "active": True} | more)

    found = [member(head, "service_manager", None, None), member(duty, "duty", None, head)]
    found += [member(ref, "manager", team, head) for ref, team in zip(managers, teams, strict=True)]
    for n, adviser in enumerate(advisers):
        colleague = _colleague(advisers, n)
        part_time = rng.random() < figures.part_time.value and n > 1 and colleague is not None
        more: dict[str, object] = {"works": list(_FULL[:3 if n % 2 else 4]), "cover_ref": colleague} if part_time else {}
        if n == len(advisers) - 1 and n > 1:
            more["absence"] = Absence.model_validate({
                "from": date.fromordinal(last_day - 3), "until": date.fromordinal(last_day + 10), "cover_ref": colleague})
        if n == len(advisers) - 2 and n > 1:
            more["mobile"] = None
        found.append(member(adviser.ref, "adviser", teams[adviser.team], managers[adviser.team], **more))
    found += [member(adviser.predecessor, "adviser", teams[adviser.team], managers[adviser.team], active=False)
              for adviser in advisers if adviser.predecessor]
    return found


def _colleague(advisers: tuple[Adviser, ...], n: int) -> str | None:
    """Another adviser of the team, if it has one."""
    here = [adviser.ref for at, adviser in enumerate(advisers) if adviser.team == advisers[n].team and at != n]
    return here[n % len(here)] if here else None
