"""How quick the board is: pages for two hundred people at once, what has changed on a reload, a restart, and its memory.

Pages are of a council of a thousand (its own core for the board); a restart reads twenty thousand people and two hundred
thousand alerts and actions; memory is with ninety thousand people, all of them looked at.
"""
from __future__ import annotations

import contextlib
import http.client
import re
import sys
import threading
import time
import urllib.parse
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import orjson

from keepintouch.runtime.kafka import KafkaSettings, producer
from keepintouch.runtime.ports import free_port
from keepintouch.runtime.topics import ALERT_ACTIONS, ALERTS, NOTIFICATIONS, STAFF, load_topics, people_changelog
from schemas.actions import AlertAction
from schemas.alerts import Alert, alert_id
from schemas.notifications import Notification
from schemas.staff import Staff
from tests.unit.board.world import Arranged, arranged, councils_file

from . import machine
from .delays import spread
from .events import NOW, PARTITIONS, partition_of
from .kafka import broker, fill
from .known import History, Known
from .rates import Row
from .worker import Worker, Workers, WrongRun, workers

COUNCIL = "lancashire"
_COUNTS = {topic.name: topic.partitions for topic in load_topics(partitions=PARTITIONS, replication=1)}
_CONNECTIONS = 24
_WEIGHTS = {"caseload": 38, "person": 32, "landing": 15, "team": 8, "list": 5, "council": 2}
"""Pages in a hundred: mostly advisers, by a text or by themselves."""
_REFS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_RELOAD_EVERY = 0.05
_DETAIL = {"met_adviser": True, "written_since_anchor": 3, "attempts_since_anchor": 1, "strangers_only": False}

Written = tuple[str, bytes, bytes]


def board(people: int, users: int, per_second: float, seconds: int, restart_people: int, records: int, large: int) -> Row:
    """All of it, each on a Kafka of its own."""
    return {"people": people, "users": users, "per_second": per_second, **_pages(people, users, per_second, seconds),
            "restart_people": restart_people, "restart_records": records, **_restart(restart_people, records),
            "large": large, **_memory(large), "wrong": []}


def _pages(people: int, users: int, per_second: float, seconds: int) -> Row:
    given = arranged(people)
    council = _Council(given)
    with TemporaryDirectory(prefix="bench-") as folder, broker() as settings, workers(settings, Path(folder)) as at:
        _fill(settings, council.records())
        worker = _start(settings, Path(folder), at, "board", given.now)
        ready = at.wait_ready(worker)
        at.wait_idle(worker)
        signed_in = _sign_in(worker.port, [ref for ref, _ in zip(cycle(council.staff_refs), range(users), strict=False)])
        views = list(islice(council.views(signed_in), int(per_second * seconds)))
        _view(worker.port, views[:100], per_second)   # the first of everybody is worked out then
        with _Changes(settings, worker.port, council, signed_in) as changes:
            usage = machine.Usage(worker.pid, machine.LAST)
            took = _view(worker.port, views, per_second)
            cpu, others = usage.so_far()
        all_ms = [1000 * each for _, each in took]
        by_page = defaultdict(list)
        for page, each in took:
            by_page[page].append(1000 * each)
        return {"views": len(took), **spread("view", all_ms), "ready_1k_s": round(ready, 2),
                "cpu_ms_a_view": round(1000 * cpu / len(took), 1), "others_s": round(others, 1),
                "view_p50_ms_by_page": {page: round(median(each), 1) for page, each in sorted(by_page.items())},
                "changes": len(changes.delays), **spread("change", [1000 * each for each in changes.delays])}


def _restart(people: int, records: int) -> Row:
    known = Known(NOW, people)
    with TemporaryDirectory(prefix="bench-") as folder, broker() as settings, workers(settings, Path(folder)) as at:
        fill(settings, people_changelog(), known.stored(History(NOW - timedelta(days=3)), people))
        _fill(settings, _alerts_and_actions(known, people, records // 2))
        worker = _start(settings, Path(folder), at, "board", NOW)
        seconds = at.wait_ready(worker, every=0.01)
        cpu = machine.cpu_seconds(worker.pid)
        _count_people(worker, people)
        return {"ready_s": round(seconds, 2), "ready_cpu_s": round(cpu, 2)}


def _memory(people: int) -> Row:
    known = Known(NOW, people)
    with TemporaryDirectory(prefix="bench-") as folder, broker() as settings, workers(settings, Path(folder)) as at:
        fill(settings, people_changelog(), known.stored(History(NOW - timedelta(days=3)), people))
        worker = _start(settings, Path(folder), at, "board", NOW, figures_every="3600s")
        seconds = at.wait_ready(worker)
        at.wait("everybody looked at", lambda: worker.metric("board_people_in_scope"), every=1.0)
        at.wait_idle(worker)
        _count_people(worker, people)
        return {"ready_90k_s": round(seconds, 2), "mib": round(machine.resident_bytes(worker.pid) / 2**20)}


@dataclass(slots=True)
class _Council:
    """What is on the topics, and who looks at what."""

    given: Arranged
    draw: Random = field(default_factory=lambda: Random(7))
    alerts: list[Alert] = field(default_factory=list)
    texts: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Refs of texts by recipient."""
    people: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Open alerts' people by adviser."""
    roles: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        newest = {key: value for topic, key, value in self.given.records if topic == ALERTS and value is not None}
        self.alerts = [alert for value in newest.values() if (alert := Alert.model_validate_json(value)).status == "open"]
        for alert in self.alerts:
            if alert.adviser_ref is not None:
                self.people[alert.adviser_ref].append(alert.person_ref)
        active = [member for member in self.given.simulation.staff if member.active]
        self.roles = {member.worker_ref: member.role for member in active}

    @property
    def staff_refs(self) -> list[str]:
        """Of those who look: advisers with people, managers, the service manager."""
        return [ref for ref, role in self.roles.items() if role != "duty" and (role != "adviser" or self.people[ref])]

    def records(self) -> Iterator[Written]:
        """Everything, and for each adviser some texts of three alerts."""
        yield from ((topic, key, value) for topic, key, value in self.given.records if value is not None)
        for adviser in [ref for ref in self.people if ref in self.roles]:
            mine = [alert for alert in self.alerts if alert.adviser_ref == adviser][:12]
            for start in range(0, len(mine), 3):
                ids = [alert.alert_id for alert in mine[start:start + 3]]
                ref = "".join(self.draw.choices(_REFS, k=8))
                self.texts[adviser].append(ref)
                note = Notification(notification_id=ref, alert_ids=ids, recipient_ref=adviser, ref=ref, step="1", channel="sms",
                                    provider="console", template="ladder", state="delivered",
                                    at=self.given.now - timedelta(hours=1))
                yield from ((NOTIFICATIONS, str(each).encode(), note.model_dump_json().encode()) for each in ids)

    def views(self, cookies: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str, str]]:
        """One page after another: which it is, its path, and the cookie of who looks."""
        by_role: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for who, cookie in cookies:
            by_role[self.roles[who]].append((who, cookie))
        while True:
            page = self.draw.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
            role = {"team": "manager", "list": "manager", "council": "service_manager"}.get(page, "adviser")
            who, cookie = self.draw.choice(by_role[role])
            yield page, self._path(page, who), cookie

    def _path(self, page: str, who: str) -> str:
        match page:
            case "person":
                return f"/people/{self.draw.choice(self.people[who])}"
            case "landing":
                return f"/a/{self.draw.choice(self.texts[who])}"
            case "team":
                return "/team"
            case "list":
                return "/team?show=gap"
            case "council":
                return "/council"
        return "/"


class _Changes:
    """Meanwhile alerts change on the topic, one after another, and somebody reloads until they see it; a context manager."""

    def __init__(self, settings: KafkaSettings, port: int, council: _Council, cookies: Sequence[tuple[str, str]]) -> None:
        self.delays: list[float] = []
        self._settings, self._port = settings, port
        self._cookie = next(cookie for who, cookie in cookies if council.roles[who] == "service_manager")
        self._alerts = council.alerts
        self._stopping, self._failed = threading.Event(), list[Exception]()
        self._thread = threading.Thread(target=self._run, name="changes", daemon=True)

    def __enter__(self) -> _Changes:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        if self._failed:
            raise WrongRun(str(self._failed[0]))

    def _run(self) -> None:
        try:
            with contextlib.closing(producer(self._settings, linger_ms=0)) as to:
                line = _Line(self._port)
                for alert in self._alerts:
                    if self._stopping.wait(0.2):
                        return
                    ended = alert.model_copy(update={"status": "cleared", "sequence": alert.sequence + 1, "end_reason": "done",
                                                     "ended_at": datetime.now(UTC)})
                    key = str(alert.alert_id)
                    to.send(ALERTS, ended.model_dump_json().encode(), key.encode()).get(timeout=10)
                    written = time.monotonic()
                    while f'id="alert-{key}"'.encode() in line.get(f"/people/{alert.person_ref}", self._cookie):
                        if time.monotonic() - written > 30:
                            raise WrongRun("a change was not seen within 30 s")
                        time.sleep(_RELOAD_EVERY)
                    self.delays.append(time.monotonic() - written)
        except Exception as error:
            self._failed.append(error)


class _Line:
    """One connection that is kept."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def get(self, path: str, cookie: str) -> bytes:
        """A page; WrongRun where it does not come."""
        self._connection.request("GET", path, headers={"Cookie": cookie})
        answer = self._connection.getresponse()
        said = answer.read()
        if answer.status != 200:
            raise WrongRun(f"answered {answer.status} to a page")
        return said

    def sign_in(self, worker_ref: str) -> str:
        """Sign in as somebody, by the demo's own sign-in; returns the cookie."""
        self._connection.request("GET", "/sign-in")
        answer = self._connection.getresponse()
        found, cookie = re.search(rb'name="csrf" value="([^"]+)"', answer.read()), _cookie(answer)
        if found is None:
            raise WrongRun("there was no page to sign in on")
        form = urllib.parse.urlencode({"csrf": found[1].decode(), "worker": worker_ref})
        self._connection.request("POST", "/sign-in/as", form, {"Cookie": cookie,
                                                               "Content-Type": "application/x-www-form-urlencoded"})
        answer = self._connection.getresponse()
        answer.read()
        return _cookie(answer)


def _cookie(answer: http.client.HTTPResponse) -> str:
    return (answer.getheader("Set-Cookie") or "").partition(";")[0]


def _sign_in(port: int, refs: Sequence[str]) -> list[tuple[str, str]]:
    line = _Line(port)
    return [(ref, line.sign_in(ref)) for ref in refs]


def _view(port: int, views: Sequence[tuple[str, str, str]], per_second: float) -> list[tuple[str, float]]:
    """Each page, and the seconds from when it was due to its last byte, so that one that had to wait counts as slow."""
    begin, took, failed = time.monotonic() + 0.5, [("", 0.0)] * len(views), list[Exception]()
    numbers, turn = iter(range(len(views))), threading.Lock()

    def run() -> None:
        line = _Line(port)
        try:
            while not failed:
                with turn:
                    number = next(numbers, None)
                if number is None:
                    return
                page, path, cookie = views[number]
                due = begin + number / per_second
                time.sleep(max(0.0, due - time.monotonic()))
                line.get(path, cookie)
                took[number] = page, time.monotonic() - due
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=run, daemon=True) for _ in range(_CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise WrongRun(str(failed[0]))
    return took


def _start(settings: KafkaSettings, folder: Path, at: Workers, name: str, now: datetime, figures_every: str = "60s") -> Worker:
    """A board whose clock shows `now` at its start."""
    port = free_port()
    councils, started = councils_file(folder, sign_in=f"http://127.0.0.1:{port}"), time.time()
    env = {"KAFKA_BOOTSTRAP_SERVERS": settings.bootstrap_servers, "KEEPINTOUCH_DEMO": "1", "COUNCILS_FILE": str(councils),
           "BOARD_HTTP_PORT": str(port), "BOARD_FIGURES_EVERY": figures_every, "COUNCIL_KEYS_DIR": str(folder / "keys"),
           "KEEPINTOUCH_CLOCK": f"{now.isoformat()}@{datetime.fromtimestamp(started, UTC).isoformat()}*1"}
    return Worker(name, at.run(name, [sys.executable, "-m", "services.board"], env), port, started)


def _fill(settings: KafkaSettings, records: Iterable[Written]) -> None:
    by_topic: dict[str, list[tuple[int, tuple[bytes, bytes]]]] = defaultdict(list)
    for topic, key, value in records:
        by_topic[topic].append((partition_of(key, _COUNTS[topic]), (key, value)))
    for topic, each in by_topic.items():
        fill(settings, topic, each)


def _alerts_and_actions(known: Known, people: int, pairs: int) -> Iterator[Written]:
    """Of everybody in turn an alert, of which most have ended, and what somebody did about it."""
    for worker in range(people // 15 + 1):
        ref = known.council.worker(worker)
        member = Staff(worker_ref=ref, council=COUNCIL, role="adviser", name="x", channels=["sms"], active=True)
        yield STAFF, ref.encode(), member.model_dump_json(by_alias=True).encode()
    for number in range(pairs):
        ref, anchor = known.council.ref(number % people), (NOW - timedelta(days=100 + number // people)).date()
        ended = number // people > 0
        adviser, opened = known.council.worker(number % people // 15), NOW - timedelta(days=30 + number // people)
        name = str(alert_id(ref, "visit_overdue", anchor.isoformat()))
        said: dict[str, Any] = {
            "alert_id": name, "person_ref": ref, "council": COUNCIL, "rule": "visit_overdue", "severity": "high", "mode": "live",
            "standard": "standard_8_week/visit_overdue/1", "status": "open", "sequence": 1, "anchor_on": anchor,
            "due_on": anchor + timedelta(days=56), "opens_on": opened.date(), "adviser_ref": adviser, "team_ref": "t",
            "policy": {"id": "standard_8_week", "version": 1}, "evidence": [], "detected_at": opened, "detail": _DETAIL}
        if ended:
            said |= {"status": "cleared", "sequence": 2, "ended_at": opened + timedelta(days=7), "end_reason": "done"}
        yield ALERTS, name.encode(), orjson.dumps(said)
        action = AlertAction(action_id=f"a{number}", alert_id=UUID(name), action="acknowledge", actor_ref=adviser,
                             at=opened + timedelta(hours=1), via="board")
        yield ALERT_ACTIONS, name.encode(), action.model_dump_json(exclude_none=True).encode()


def _count_people(worker: Worker, people: int) -> None:
    held = round(sum(worker.metric("board_people_known").values()))
    if held != people:
        raise WrongRun(f"{held} people held, not {people}")
