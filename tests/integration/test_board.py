"""The board as a process: real Kafka, real HTTP, and the council's sign-in by a certified OpenID Connect provider."""
from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urljoin

import httpx
import orjson
import pytest

from keepintouch.publishing import to_json
from keepintouch.refs import new_key
from keepintouch.runtime import topics as t
from keepintouch.runtime.kafka import KafkaSettings, producer, read_to_end
from keepintouch.runtime.local_broker import LocalBroker
from keepintouch.runtime.ports import free_port
from keepintouch.runtime.supervisor import Child, Supervisor
from schemas.staff import Staff
from tests.processes import until
from tests.unit.board.world import PEOPLE, Arranged, Raw, arranged, councils_file

Topics = tuple[t.Topic, ...]
OIDC = Path(__file__).parents[1] / "standins" / "oidc_provider.mjs"


@dataclass
class Rig:
    """A board, and the topics around it."""

    kafka: KafkaSettings
    children: Supervisor
    folder: Path
    given: Arranged
    port: int = field(default_factory=free_port)
    more: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def write(self, *records: Raw) -> None:
        to = producer(self.kafka)
        for topic, key, value in records:
            to.send(topic, value=value, key=key)
        to.flush(timeout=30)
        to.close()

    def start(self) -> None:
        councils = councils_file(self.folder, sign_in=self.url)
        if not (self.folder / "keys").exists():
            new_key(self.folder / "keys", "lancashire", self.given.simulation.refs.key)
        environment = {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers, "KEEPINTOUCH_DEMO": "1", "COUNCILS_FILE": str(councils),
            "KEEPINTOUCH_CLOCK": f"{self.given.now.isoformat()}@{_real_now()}*1", "BOARD_HTTP_PORT": str(self.port),
            "COUNCIL_KEYS_DIR": str(self.folder / "keys")} | self.more
        self.children.start(Child("board", [sys.executable, "-m", "services.board"], self.folder / "board.log", environment,
                                  f"{self.url}/readyz"))
        self.children.wait_ready("board", within=120)

    def browser(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=60)

    def sign_in(self, client: httpx.Client, worker_ref: str) -> httpx.Response:
        """In a demo: choose who one is; ends on the page that was asked for."""
        page = client.get("/", follow_redirects=True)
        return client.post("/sign-in/as", data={"csrf": csrf(page), "worker": worker_ref}, follow_redirects=True)

    def on(self, topic: str) -> list[dict[str, object]]:
        return [orjson.loads(record.value) for record in read_to_end(self.kafka, topic) if record.value is not None]


def csrf(page: httpx.Response) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


def saved(client: httpx.Client, path: str, form: dict[str, str], says: str) -> None:
    """Send a form, and the same again for as long as Kafka takes too long to acknowledge it."""
    until(lambda: (answer := client.post(path, data=form, follow_redirects=True)).status_code != 503 and says in answer.text)


def _real_now() -> str:
    return datetime.now(UTC).isoformat()


@pytest.fixture
def rig(kafka: KafkaSettings, topics: Topics, children: Supervisor, tmp_path: Path) -> Iterator[Rig]:
    made = Rig(kafka, children, tmp_path, arranged(40))
    made.write(*made.given.records)
    yield made
    log = (tmp_path / "board.log").read_text()
    for ref in list(made.given.simulation.patterns)[:40]:
        assert ref not in log
    assert "Traceback" not in log


def adviser_with_alert(rig: Rig) -> tuple[str, dict[str, object]]:
    alert = next(each for each in (orjson.loads(value) for topic, _, value in rig.given.records if topic == t.ALERTS and value)
                 if each["status"] == "open" and each["adviser_ref"])
    return str(alert["adviser_ref"]), alert


def test_an_action_is_on_its_topic_before_the_page_says_so(rig: Rig) -> None:
    rig.start()
    adviser, alert = adviser_with_alert(rig)
    with rig.browser() as client:
        page = rig.sign_in(client, adviser)
        assert page.status_code == 200
        assert "My people" in page.text
        person = client.get(f"/people/{alert['person_ref']}")
        assert person.status_code == 200
        form = {"csrf": csrf(person), "once": "this-form-is-sent-twice", "alert": str(alert["alert_id"]), "action": "plan_visit",
                "until": (rig.given.now.date()).isoformat(), "back": f"/people/{alert['person_ref']}"}
        for _ in range(2):
            saved(client, "/actions", form, "Saved: a visit is planned")
    action, *again = rig.on(t.ALERT_ACTIONS)
    assert not [each for each in again if each["action_id"] != action["action_id"]]
    assert (action["action"], action["actor_ref"], action["via"]) == ("plan_visit", adviser, "board")
    until(lambda: {"viewed", "plan_visit"} <= {str(each["what"]) for each in rig.on(t.AUDIT)
                                              if each.get("person_ref") == alert["person_ref"]})


def test_pages_follow_the_topics(rig: Rig) -> None:
    """How soon is for `bench` to say."""
    rig.start()
    adviser, alert = adviser_with_alert(rig)
    path = f"/people/{alert['person_ref']}"
    with rig.browser() as client:
        rig.sign_in(client, adviser)
        assert str(alert["alert_id"]) in client.get(path).text
        ended = alert | {"status": "cleared", "sequence": 99, "ended_at": rig.given.now.isoformat(), "end_reason": "done"}
        rig.write((t.ALERTS, str(alert["alert_id"]).encode(), orjson.dumps(ended)))
        until(lambda: f'id="alert-{alert["alert_id"]}"' not in client.get(path).text)
        rig.write((PEOPLE, str(alert["person_ref"]).encode(), None))   # erased
        until(lambda: client.get(path).status_code == 404)


def test_leave_keeps_everything_else_in_the_record(rig: Rig) -> None:
    adviser, _ = adviser_with_alert(rig)
    before = next(each for each in rig.given.simulation.staff if each.worker_ref == adviser)
    rig.write((t.STAFF, adviser.encode(), orjson.dumps(orjson.loads(to_json(before)) | {"payroll": "a field of tomorrow"})))
    rig.start()
    today = rig.given.now.date()
    with rig.browser() as client:
        rig.sign_in(client, adviser)
        page = client.get("/leave")
        other = next(each for each in rig.given.simulation.staff if each.role == "manager")
        saved(client, "/leave", {"csrf": csrf(page), "worker": adviser, "from": today.isoformat(), "until": today.isoformat(),
                                 "cover": other.worker_ref}, "Saved: away from")
    last = [each for each in rig.on(t.STAFF) if each["worker_ref"] == adviser][-1]
    assert last["payroll"] == "a field of tomorrow"
    after = Staff.model_validate_json(orjson.dumps(last))
    assert after.absence is not None
    assert after.absence.cover_ref == other.worker_ref
    assert after.model_copy(update={"absence": before.absence}) == before


def test_while_kafka_is_away_pages_are_read_and_nothing_is_said_to_be_saved(rig: Rig, broker: LocalBroker) -> None:
    rig.start()
    adviser, alert = adviser_with_alert(rig)
    path = f"/people/{alert['person_ref']}"
    with rig.browser() as client:
        rig.sign_in(client, adviser)
        page = client.get(path)
        form = {"csrf": csrf(page), "once": "tried-while-kafka-is-away", "alert": str(alert["alert_id"]), "action": "acknowledge",
                "back": path}
        broker.kill()
        try:
            answer = client.post("/actions", data=form)
            assert answer.status_code == 503
            assert "Not saved" in answer.text
            assert "tried-while-kafka-is-away" in answer.text   # to be tried again, once
            until(lambda: "cannot be read just now" in client.get(path).text)
            assert [client.get(path).status_code for _ in range(20)] == [200] * 20
        finally:
            broker.start()
        until(lambda: client.post("/actions", data=form, follow_redirects=True).status_code == 200)
        until(lambda: "cannot be read just now" not in client.get(path).text)
    assert len({each["action_id"] for each in rig.on(t.ALERT_ACTIONS)}) == 1
    until(lambda: sum((each["what"], each.get("person_ref")) == ("viewed", alert["person_ref"])   # those of meanwhile, too
                      for each in rig.on(t.AUDIT)) > 20)


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")
class TestSignIn:
    """With the certified oidc-provider over HTTP: code, PKCE, ID token, user info."""

    @pytest.fixture
    def council(self, rig: Rig) -> Rig:
        port = free_port()
        rig.children.start(Child("oidc", ["node", str(OIDC), str(port), rig.url], rig.folder / "oidc.log", {},
                                 f"http://127.0.0.1:{port}/.well-known/openid-configuration"))
        rig.children.wait_ready("oidc", within=120)
        rig.more = {"OIDC_ISSUER": f"http://127.0.0.1:{port}", "OIDC_CLIENT_ID": "board",
                    "OIDC_CLIENT_SECRET": "a-secret-for-tests-only"}
        rig.start()
        return rig

    def test_staff_come_to_the_page_they_asked_for_and_others_are_told_why_not(self, council: Rig) -> None:
        adviser, alert = adviser_with_alert(council)
        known = next(each for each in council.given.simulation.staff if each.worker_ref == adviser)
        path = f"/people/{alert['person_ref']}"
        with council.browser() as client:
            page = log_in(client, council.url + path, (known.email or "").upper())
            assert page.status_code == 200
            assert str(page.url) == council.url + path
            assert known.name in page.text
            out = client.post("/sign-out", data={"csrf": csrf(page)})
            assert "You are signed out" in out.text
            assert client.get(path).status_code == 303
        with council.browser() as client:
            page = log_in(client, council.url + "/", "somebody.else@lancashire.example")
            assert page.status_code == 403
            assert "not on its list of staff" in page.text
        with council.browser() as client:
            page = log_in(client, council.url + "/", "unverified@lancashire.example")
            assert page.status_code == 403
            assert "has not verified" in page.text

    def test_an_answer_to_another_browser_leads_nowhere(self, council: Rig) -> None:
        adviser, _ = adviser_with_alert(council)
        known = next(each for each in council.given.simulation.staff if each.worker_ref == adviser)
        with council.browser() as mine, council.browser() as other:
            other.get("/")
            last = log_in(mine, council.url + "/", known.email or "", stop_at=f"{council.url}/sign-in/back")
            stolen = other.get(str(last.headers["location"]))
            assert stolen.status_code == 400
            assert "Signing in did not work" in stolen.text
            assert other.get("/").status_code == 303


def log_in(client: httpx.Client, start: str, login: str, stop_at: str | None = None) -> httpx.Response:
    """Follow redirects and the provider's own forms as a browser would, until a page of the board, or before one address."""
    answer = client.get(start)
    for _ in range(20):
        if answer.is_redirect:
            target = urljoin(str(answer.url), answer.headers["location"])
            if stop_at is not None and target.startswith(stop_at):
                return answer
            answer = client.get(target)
            continue
        form = re.search(r'<form[^>]*action="([^"]+)"[^>]*>(.*?)</form>', answer.text, re.DOTALL)
        if "/interaction/" not in str(answer.url) or form is None:
            return answer
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form[2]))
        fields = hidden | ({"login": login, "password": "any"} if 'name="login"' in form[2] else {})
        answer = client.post(urljoin(str(answer.url), form[1]), data=fields)
    raise AssertionError("it went round in circles")
