"""Who sees whom: the one place where it is decided, for every route. Pure.

An adviser sees the people whose adviser they are, and those they cover today. A manager sees besides the people of their team
and of the advisers whose manager they are. A service manager and duty see their council. Nobody sees another council's people.
Whoever and whatever is outside does not exist: 404.
"""
from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from services.board.model.people import People, Place
from services.board.model.staff import Staff, Worker

COUNCIL_WIDE = frozenset({"service_manager", "duty"})

PAGES: dict[str, frozenset[str]] = {
    "caseload": frozenset({"adviser", "manager", "service_manager", "duty"}),
    "team": frozenset({"manager", "service_manager", "duty"}),
    "council": frozenset({"service_manager", "duty"}),
    "held": frozenset({"manager", "service_manager", "duty"}),
    "audit": frozenset({"manager", "service_manager"}),
    "leave": frozenset({"adviser", "manager", "service_manager", "duty"}),
}
"""Which roles have which pages."""

MAY_RELEASE = frozenset({"service_manager", "duty"})
"""Who may release what a storm holds: who is asked to, or the council's fallback."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What one member of staff may see today."""

    council: str
    everybody: bool
    """All of the council."""
    advisers: frozenset[str]
    """Whose people …"""
    teams: frozenset[str]
    """… and those of which teams."""
    own: frozenset[str]
    """Of the advisers: themselves and those they cover."""

    def holds(self, place: Place) -> bool:
        """Whether a person may be seen."""
        if place.council != self.council:
            return False
        return self.everybody or place.adviser_ref in self.advisers or place.team_ref in self.teams

    def refs(self, people: People) -> frozenset[str]:
        """Everybody who may be seen."""
        if self.everybody:
            return people.of_council(self.council)
        found = people.of_advisers(self.advisers) | people.of_teams(self.council, self.teams)
        return frozenset(ref for ref in found if ref.startswith(f"{self.council}:"))

    def caseload(self, people: People) -> frozenset[str]:
        """Their own people, and those they cover today."""
        return frozenset(ref for ref in people.of_advisers(self.own) if ref.startswith(f"{self.council}:"))


def scope_of(worker: Worker, staff: Staff, day: date) -> Scope:
    """What an active member of staff may see on a day."""
    covered = frozenset(each.ref for each in staff.covered_by(worker.ref, day) if each.council == worker.council)
    own = covered | {worker.ref}
    advisers, teams = own, frozenset[str]()
    if worker.role == "manager":
        advisers |= {each.ref for each in staff.led_by(worker.ref) if each.council == worker.council}
        teams = frozenset() if worker.team_ref is None else frozenset({worker.team_ref})
    return Scope(worker.council, worker.role in COUNCIL_WIDE, advisers, teams, own)


def may_set_leave(worker: Worker, whose: Worker) -> bool:
    """Whether someone may say when a member of staff is away: themselves, their manager, or the service manager."""
    if whose.council != worker.council or not whose.active:
        return False
    if worker.ref == whose.ref or worker.role == "service_manager":
        return True
    return worker.role == "manager" and (whose.manager_ref == worker.ref
                                         or (whose.team_ref is not None and whose.team_ref == worker.team_ref))
