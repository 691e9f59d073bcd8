"""Journey 2: an adviser on leave, and what she comes back to."""
from __future__ import annotations

import re
from datetime import date, timedelta

import httpx
import pytest

from tests.integration.test_board import csrf
from tests.journeys.town import (
    ADA,
    BEN,
    BOARD,
    KIM,
    LABELS,
    MIA,
    MONITOR,
    NAMES,
    NOTIFIER,
    NUMBERS,
    ROB,
    SAM,
    SUE,
    Town,
    link_of,
    moment,
)
from tests.processes import until

pytestmark = pytest.mark.slow
MONDAY, TUESDAY, BACK = date(2026, 5, 11), date(2026, 5, 12), date(2026, 5, 20)
"""She is away from Tuesday, on which her people's visits become overdue, and back on Wednesday of the week after."""
SEEN = date(2026, 3, 12)


def plan_visit(client: httpx.Client, page: httpx.Response, label: str, day: date) -> httpx.Response:
    """Fill in and send the first form that plans a visit with somebody."""
    card = next(each for each in page.text.split('class="govuk-summary-card"')[1:] if f"{label}:" in each)
    form = next(each for each in re.findall(r"<form.*?</form>", card, re.DOTALL) if 'value="plan_visit"' in each)
    fields: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="([a-z]+)" value="([^"]*)">', form):
        fields.setdefault(name, []).append(value)
    answer = client.post("/actions", data=fields | {"action": "plan_visit", "until": day.isoformat()})
    assert "Saved: a visit is planned" in answer.text
    return answer


def test_her_cover_hears_and_on_her_return_all_is_hers_again(lancashire: Town) -> None:
    town = lancashire
    sam = f"/people/{town.refs.person(SAM)}"
    town.everybody()
    town.at(moment(MONDAY, "16:00"))
    town.start(MONITOR, BOARD)
    long_ago = moment(SEEN - timedelta(days=30))
    town.write(town.visit(SAM, ADA, moment(SEEN)), town.visit(KIM, ADA, moment(MONDAY - timedelta(days=9))),
               town.visit(ROB, BEN, moment(MONDAY - timedelta(days=5))))
    town.people(*(town.person(case, worker, long_ago, plan_reviewed_on=SEEN) for case, worker in
                  ((SAM, ADA), (KIM, ADA), (ROB, BEN))))
    # She says herself when she is away and who covers; nobody else need do anything.
    with town.browser(ADA) as hers, town.browser(BEN) as his:
        assert his.get(sam).status_code == 404
        said = hers.post("/leave", data={
            "csrf": csrf(hers.get("/leave")), "worker": town.refs.worker(ADA), "from": TUESDAY.isoformat(),
            "until": (BACK - timedelta(days=1)).isoformat(), "cover": town.refs.worker(BEN)})
        assert "Saved: away from" in said.text
    town.children.stop(MONITOR, BOARD)

    # Tuesday: her cover hears, and sees whose they are.
    town.at(moment(TUESDAY, "08:31"))
    town.start(MONITOR, NOTIFIER, BOARD)
    until(lambda: town.texts(BEN))
    [text] = town.texts(BEN)
    assert text.body.startswith("1 young person needs contact")
    with town.browser(BEN) as his:
        page = his.get(link_of(text))
        assert LABELS[SAM] in page.text
        assert NAMES[ADA] in page.text
        rows = re.findall(r"<tr.*?</tr>", his.get("/").text, re.DOTALL)
        assert [f"{NAMES[ADA]}’s" in row for row in rows if LABELS[SAM] in row] == [True]
        assert [f"{NAMES[BEN]}’s" in row for row in rows if LABELS[ROB] in row] == [False]
        plan_visit(his, page, LABELS[SAM], BACK - timedelta(days=1))
    town.children.stop(MONITOR, NOTIFIER, BOARD)
    assert town.texts(ADA) == []

    # The visit did not come about, and she is back: hers again, from the step at which it stood.
    town.at(moment(BACK, "08:31"))
    town.start(NOTIFIER, BOARD)
    until(lambda: town.texts(ADA))
    [hers_again] = town.texts(ADA)
    assert hers_again.body.startswith("1 young person needs contact")
    assert [town.texts(worker) for worker in (MIA, SUE)] == [[], []]   # the ladder did not run past her
    assert len(town.texts(BEN)) == 1
    with town.browser(ADA) as hers, town.browser(BEN) as his:
        assert LABELS[SAM] in hers.get(link_of(hers_again)).text
        assert f"{NAMES[BEN]} planned a visit" in hers.get(sam).text
        assert his.get(sam).status_code == 404
        assert LABELS[SAM] not in his.get("/").text
    assert {sent.to for sent in town.twilio.ledger} == {NUMBERS[ADA], NUMBERS[BEN]}
