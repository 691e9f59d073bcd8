"""`/a/REF`: the alerts of one text, and what may be done about them; and `/actions`, where every such form goes."""
from __future__ import annotations

import re

from fastapi import APIRouter, HTTPException, Response

from services.board import wording
from services.board.actions import Wish
from services.board.model.records import Alert
from services.board.pages.common import alert_view, alert_views, coming_days
from services.board.web import Form, SignedIn, Viewer, local, one, see

router = APIRouter()
FORMS_SHOWN = 30
"""Alerts of one text with their answers beside them; the others are answered on their person's page, or a telephone would load
for long: only summaries to managers have more."""
_REF = re.compile(r"[A-Z2-9]{4,8}")


@router.get("/a/{ref}")
def landing(ref: str, viewer: SignedIn) -> Response:
    """Exactly the alerts of that text, the worst first."""
    with viewer.model.lock:
        alerts = alerts_of_text(viewer, ref.upper())
        views = alert_views(viewer, alerts)
        viewer.looked(*dict.fromkeys(alert.person_ref for alert in alerts))
        return viewer.render("landing.html", ref=ref.upper(), views=views, open=[v for v in views if v.alert.is_open],
                             people=len({v.alert.person_ref for v in views if v.alert.is_open}),
                             days=coming_days(viewer.today), most_forms=FORMS_SHOWN, later=coming_days(viewer.today, 1),
                             key=viewer.board.who.has_key(viewer.worker.council),
                             labels=viewer.board.who.has_labels(viewer.worker.council))


@router.post("/actions")
def act(viewer: SignedIn, form: Form) -> Response:
    """Do what a form asks for, about one alert or several."""
    back = local(one(form, "back"))
    with viewer.model.lock:
        alerts = [viewer.alert(each) for each in dict.fromkeys(form.get("alert", []))]
    action = one(form, "action")
    wish = Wish(action, alerts, one(form, "once"), one(form, "until"), one(form, "note_code"), back)
    viewer.board.desk.act(viewer.worker, wish)
    with viewer.model.lock:
        viewer.session.said.append(_saved(viewer, action, alerts))
    return see(back)


def alerts_of_text(viewer: Viewer, ref: str) -> list[Alert]:
    """The alerts of a text that may be seen; 404 where there are none."""
    note = viewer.model.log.text(ref) if _REF.fullmatch(ref) else None
    known = [] if note is None else [viewer.model.alerts.get(each) for each in note.alert_ids]
    alerts = [alert for alert in known if alert is not None and viewer.may_see(alert)]
    if not alerts:
        raise HTTPException(404)
    return alerts


def _saved(viewer: Viewer, action: str, alerts: list[Alert]) -> str:
    said = wording.SAVED.get(action, "Saved.")
    if len({alert.person_ref for alert in alerts}) == 1 and action not in ("release", "review"):
        if action == "plan_visit" and all(_planned_before(viewer, each) for each in alerts):
            said += " One was planned before: messages wait for the first plan only."
        said += f" {alert_view(viewer, viewer.model.alerts.get(alerts[0].alert_id, alerts[0])).next}"
    return said.strip()


def _planned_before(viewer: Viewer, alert: Alert) -> bool:
    return sum(each.action == "plan_visit" for each in viewer.model.actions_about(alert.alert_id)) > 1
