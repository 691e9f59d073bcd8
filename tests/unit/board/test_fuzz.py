"""Whatever is asked of the board, and whatever a form says: one of its pages answers, fenced, in a sentence; never a 500."""
from __future__ import annotations

from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from services.board.app import make_app
from services.board.settings import BoardSettings
from services.board.web import SECURITY

from .world import OWN_URL, Browser, Stage, arranged, stage

QUIET = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
ROLES = ("adviser", "manager", "service_manager")
EXPECTED = {200, 303, 400, 403, 404, 405, 409}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    found = stage(tmp_path_factory.mktemp("board"), arranged(40))
    found.board.posts.most = found.board.sign_ins.most = 10**9
    return found


def check(answer: httpx.Response) -> None:
    assert answer.status_code in EXPECTED, (answer.request.method, answer.request.url, answer.status_code)
    assert {name: answer.headers.get(name) for name in SECURITY} == SECURITY
    assert "Traceback" not in answer.text
    if answer.headers.get("content-type", "").startswith("text/html"):
        assert "– Keep in Touch</title>" in answer.text
        assert "<h1" in answer.text


def operations(method: str) -> list[str]:
    """The paths the application answers with this method, as its own description has them."""
    return [path for path, of in described().items() if method in of]


def described() -> dict[str, Any]:
    # Routes do not depend on what is behind them.
    app = make_app(None, BoardSettings(keepintouch_demo="1"), b"", b"", None)  # type: ignore[arg-type]
    paths: dict[str, Any] = app.openapi()["paths"]
    return paths


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("path", [path for path in operations("get") if path not in ("/healthz", "/readyz", "/metrics")])
def test_any_address_is_answered_with_a_page(made: Stage, path: str, role: str) -> None:
    browser = Browser(made)
    browser.sign_in(made.staff(role))
    api = schemathesis.openapi.from_dict(made.app.openapi())
    modes = list(GenerationMode) if role == "manager" else [GenerationMode.POSITIVE]

    @QUIET
    @given(data=st.data())
    def ask(data: st.DataObject) -> None:
        case = data.draw(api[path]["GET"].as_strategy(generation_mode=data.draw(st.sampled_from(modes))))
        sent = requests.Request(**case.as_transport_kwargs(base_url=OWN_URL)).prepare()
        check(browser.get((sent.url or "").removeprefix(OWN_URL)))

    ask()


TEXTS = st.text(max_size=12) | st.sampled_from([
    "", "0", "2017-03-02", "9999-12-31", "-1", "lancashire:", "\x00", "NaN", "//evil.example", "/\t/evil.example"])


@pytest.mark.parametrize("path", operations("post"))
def test_any_form_is_answered_with_a_sentence(made: Stage, path: str) -> None:
    alert = next(each.alert_id for each in made.model.alerts.values() if each.is_open)
    fields = st.fixed_dictionaries({}, optional={
        "alert": st.lists(TEXTS | st.just(alert), max_size=3),
        "action": TEXTS | st.sampled_from(["acknowledge", "snooze", "plan_visit", "review", "release", "not_mine"]),
        "until": TEXTS, "note_code": TEXTS, "back": TEXTS, "once": TEXTS | st.just("a-form-sent-only-once"), "csrf": TEXTS,
        "worker": TEXTS | st.just(made.staff("adviser")), "from": TEXTS, "cover": TEXTS | st.just(made.staff("manager")),
        "end": TEXTS})

    @settings(QUIET, max_examples=80)
    @given(form=fields, role=st.sampled_from(ROLES))
    def send(form: dict[str, Any], role: str) -> None:
        browser = Browser(made)
        browser.sign_in(made.staff(role))
        answer = browser.post(path, **form)
        check(answer)
        target = answer.headers.get("location", "/")
        assert target.startswith("/")
        assert not target.startswith(("//", "/\\"))

    send()
