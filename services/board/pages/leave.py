"""`/leave`: when somebody is away and who covers them; whose people would be nobody's."""
from __future__ import annotations

from datetime import date

from fastapi import APIRouter, HTTPException, Response

from services.board import wording
from services.board.access import may_set_leave
from services.board.actions import RefusedError, leave
from services.board.model.staff import Worker
from services.board.web import Form, SignedIn, Viewer, one, see

router = APIRouter()


@router.get("/leave")
def show(viewer: SignedIn, worker: str = "") -> Response:
    """One's own leave, or that of someone one manages; managers see besides who is away and who has nobody."""
    viewer.need("leave")
    with viewer.model.lock:
        return _page(viewer, _whose(viewer, worker))


@router.post("/leave")
def set_leave(viewer: SignedIn, form: Form) -> Response:
    """Write the leave, or its end, with everything else in the record as it was."""
    viewer.need("leave")
    with viewer.model.lock:
        whose = _whose(viewer, one(form, "worker"))
        cover = None if not one(form, "cover") else viewer.colleague(one(form, "cover"))
        own = whose.ref == viewer.worker.ref
        try:
            absence = None if one(form, "end") else leave(viewer.today, one(form, "from"), one(form, "until"), cover, whose)
        except RefusedError as error:
            typed = {name: one(form, name) for name in ("from", "until", "cover")}
            return _page(viewer, whose, str(error), status=400, typed=typed)
    viewer.board.desk.set_leave(viewer.worker, whose, absence, "/leave")
    viewer.session.said.append("Saved: this leave is taken back." if absence is None else
                               f"Saved: away from {_words(absence['from'])} to {_words(absence['until'])}.")
    return see("/leave" if own else f"/leave?worker={whose.ref}")


def _whose(viewer: Viewer, ref: str) -> Worker:
    whose = viewer.worker if not ref else viewer.colleague(ref)
    if not may_set_leave(viewer.worker, whose):
        raise HTTPException(404)
    return whose


def _page(viewer: Viewer, whose: Worker, error: str = "", *, status: int = 200, typed: dict[str, str] | None = None) -> Response:
    model, staff = viewer.model, viewer.model.staff
    mine = [each for each in staff.of_council(viewer.worker.council)
            if each.ref != viewer.worker.ref and may_set_leave(viewer.worker, each)]
    away = whose.absence if whose.absence is not None and whose.absence.last >= viewer.today else None
    covering = staff.covered_by(viewer.worker.ref, viewer.today)
    return viewer.render(
        "leave.html", status=status, whose=whose, own=whose.ref == viewer.worker.ref, error=error, away=away, mine=mine,
        colleagues=[each for each in staff.of_council(whose.council) if each.ref != whose.ref and each.role != "duty"],
        typed=typed or {}, cover=viewer.staff_name(away.cover_ref or whose.cover_ref) if away else "",
        usual=viewer.staff_name(whose.cover_ref) if whose.cover_ref else "", covering=covering,
        people={each.ref: len(model.people.of_advisers([each.ref])) for each in [whose, *mine, *covering]},
        away_now=[each for each in mine if each.away(viewer.today)],
        nobody=staff.without_cover([each for each in mine if model.people.of_advisers([each.ref])], viewer.today))


def _words(text: str) -> str:
    return wording.day(date.fromisoformat(text))
