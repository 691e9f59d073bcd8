"""`/held`: messages that wait for a service manager because there were too many at once, and what trial mode held."""
from __future__ import annotations

from collections import Counter

from fastapi import APIRouter, Response

from services.board.access import MAY_RELEASE
from services.board.pages.common import alert_views
from services.board.web import SignedIn

router = APIRouter()
SHOWN = 100


@router.get("/held")
def held(viewer: SignedIn) -> Response:
    """What is in the releases that are held, and the button that lets them go."""
    viewer.need("held")
    with viewer.model.lock:
        model = viewer.model
        alerts = viewer.open_alerts(viewer.scope.refs(model.people) | frozenset(
            alert.person_ref for alert in model.alerts.values() if viewer.may_see(alert)))
        mine = {alert.alert_id: alert for alert in alerts}
        storm, trial = (model.log.held(mine, reason) for reason in ("storm", "trial"))
        in_storm = [mine[each] for each, _ in storm]
        viewer.looked()
        return viewer.render(
            "held.html", storm=in_storm, people=len({alert.person_ref for alert in in_storm}),
            rules=Counter(alert.rule for alert in in_storm).most_common(),
            recipients=Counter(viewer.staff_name(note.recipient_ref) for _, note in storm).most_common(),
            since=min((note.at for _, note in storm), default=None), views=alert_views(viewer, in_storm[:SHOWN]),
            may_release=viewer.worker.role in MAY_RELEASE, trial=len(trial),
            trial_recipients=Counter(viewer.staff_name(note.recipient_ref) for _, note in trial).most_common())
