"""`/audit`: who looked at whom, and did what."""
from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from fastapi import APIRouter, Response

from services.board import wording
from services.board.model.people import Place
from services.board.model.records import Look
from services.board.web import SignedIn, Viewer
from services.board.who import Who

router = APIRouter()
SHOWN = 200


@dataclass(frozen=True, slots=True)
class Row:
    """One entry."""

    when: str
    actor: str
    what: str
    who: Who | None
    ref: str | None
    page: str


@router.get("/audit")
def audit(viewer: SignedIn, actor: str = "") -> Response:
    """The newest entries: of the whole council for a service manager, about their own people and staff for a manager."""
    viewer.need("audit")
    with viewer.model.lock:
        staff = viewer.model.staff.of_council(viewer.worker.council)
        if actor:
            viewer.colleague(actor)
        shown = islice((look for look in reversed(viewer.model.looks)
                        if (not actor or look.actor_ref == actor) and _may_see(viewer, look)), SHOWN)
        rows = [_row(viewer, look) for look in shown]
        viewer.looked()
        return viewer.render("audit.html", rows=rows, staff=staff, actor=actor, most=SHOWN)


def looks_at(viewer: Viewer, ref: str, most: int = 10) -> list[Row]:
    """Who looked at one person lately."""
    found = islice((look for look in reversed(viewer.model.looks) if look.person_ref == ref), most)
    return [_row(viewer, look) for look in found]


def _may_see(viewer: Viewer, look: Look) -> bool:
    worker = viewer.worker
    if not look.actor_ref.startswith(f"{worker.council}:"):
        return False
    if worker.role == "service_manager" or look.actor_ref == worker.ref:
        return True
    if look.person_ref is None:
        return look.actor_ref in viewer.scope.advisers
    place = viewer.model.people.place(look.person_ref)
    return viewer.scope.holds(place or Place(look.person_ref, None, None))


def _row(viewer: Viewer, look: Look) -> Row:
    known = look.person_ref is not None and viewer.model.people.place(look.person_ref) is not None
    return Row(wording.when(look.at), viewer.staff_name(look.actor_ref),
               "looked" if look.what == "viewed" else wording.ACTIONS.get(look.what, look.what.replace("_", " ")),
               viewer.who(look.person_ref) if known and look.person_ref else None, look.person_ref if known else None,
               look.page.partition("/people/")[0] + ("a person's page" if "/people/" in look.page else ""))
