"""`keepintouch evaluate` as its user sees it: what goes in and out, and what it says about mistakes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.reference.command import Ran, keepintouch

CONFORMANCE = Path(__file__).parents[2] / "conformance"
POLICIES = CONFORMANCE / "policies"
PLAIN = str(POLICIES / "test-plain.yaml")
NOW = "2024-06-13T11:00:00+01:00"


def events(name: str) -> list[str]:
    """The input of a conformance case."""
    case = json.loads(next((CONFORMANCE / "cases").glob(f"{name}-*.json")).read_text(encoding="utf-8"))
    return [json.dumps(event) for event in case["events"]]


def text(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def run(*arguments: str, stdin: bytes = b"") -> Ran:
    return keepintouch("evaluate", *arguments, stdin=stdin)


def rules(ran: Ran) -> list[str]:
    return [line["rule"] for line in map(json.loads, ran.out.splitlines()) if line["kind"] == "alert"]


@pytest.mark.parametrize("source", [[], ["-"], ["FILE"]])
def test_events_come_from_a_file_or_from_standard_input(source: list[str], tmp_path: Path) -> None:
    told = text(events("002"))
    (tmp_path / "events.jsonl").write_bytes(told)
    where = [str(tmp_path / "events.jsonl") if name == "FILE" else name for name in source]
    ran = run("--policy", PLAIN, "--as-of", NOW, *where, stdin=told)
    assert (ran.status, ran.err, rules(ran)) == (0, "", ["contact_overdue"])


def test_of_nothing_nothing_is_printed() -> None:
    assert run("--policy", PLAIN, "--as-of", NOW) == Ran(0, "", "")


def test_a_policy_by_its_id_is_a_shipped_one_or_in_the_folder_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("--policy", "standard_8_week", "--as-of", NOW).status == 0
    assert run("--policy", "test-homes", "--as-of", NOW, "--policies-dir", str(POLICIES)).status == 0
    monkeypatch.setenv("POLICIES_DIR", str(POLICIES))
    ran = run("--policy", "test-homes", "--as-of", NOW, stdin=text(events("002")))
    assert rules(ran) == ["contact_overdue", "never_met"]


def test_what_a_policy_file_extends_is_looked_up_beside_it_and_then_in_the_folder(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("id: own\nversion: 1\ntitle: Own\nextends: test-plain\nstandards: []\n")
    assert run("--policy", str(own), "--as-of", NOW).status == 2
    ran = run("--policy", str(own), "--as-of", NOW, "--policies-dir", str(POLICIES), stdin=text(events("002")))
    assert rules(ran) == ["contact_overdue"]
    (tmp_path / "test-plain.yaml").write_text("id: test-plain\nversion: 1\ntitle: Nothing\nstandards: []\n")
    ran = run("--policy", str(own), "--as-of", NOW, "--policies-dir", str(POLICIES), stdin=text(events("002")))
    assert rules(ran) == []


def test_without_as_of_it_is_now() -> None:
    """The people of the cases are grown up by now, and out of scope."""
    ran = run("--policy", PLAIN, stdin=text(events("002")).replace(b"2005-03-10", b"1995-03-10"))
    assert [json.loads(line)["in_scope"] for line in ran.out.splitlines()] == [False]


def test_lines_that_are_not_accepted_are_named_with_their_number_and_the_rest_goes_on() -> None:
    first, *others = events("002")
    mistaken = first.replace('"need": "standard"', '"need": "a secret"')
    ran = run("--policy", PLAIN, "--as-of", NOW, stdin=text([first, "", "{", mistaken, *others]))
    assert (ran.status, rules(ran)) == (0, ["contact_overdue"])
    assert [line.split(": ")[:2] for line in ran.err.splitlines()] == [["line 3", "not_json"], ["line 4", "schema"]]
    assert "secret" not in ran.err, "what was given is never repeated"


def test_events_may_have_a_case_systems_own_ids() -> None:
    """Refs are then made of them as at the gateway, and what could not be one there is refused here."""
    mine = [line.replace("lancashire:", "") for line in events("002")]
    lines = [*mine, "[]", '"x"', "{", json.dumps(json.loads(mine[0]) | {"subject": "another"}), events("002")[0]]
    ran = run("--policy", PLAIN, "--as-of", NOW, "--case-ids", "lancashire", stdin=text(lines))
    assert (ran.status, ran.out) == (0, run("--policy", PLAIN, "--as-of", NOW, stdin=text(events("002"))).out)
    assert [line.split(": ")[1:3] for line in ran.err.splitlines()] == [
        ["not_cloudevent", "value"], ["not_cloudevent", "value"], ["not_json", "value"], ["schema", "subject"],
        ["schema", "data.person_ref"]]


class TestOpen:
    """What an earlier run had open."""

    def earlier(self, tmp_path: Path, lines: list[Any]) -> str:
        path = tmp_path / "earlier.jsonl"
        path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
        return str(path)

    def alert(self, **changes: Any) -> dict[str, Any]:
        return {"kind": "alert", "alert_id": "7a", "person_ref": "lancashire:p001", "rule": "contact_overdue",
                "standard": "test-plain/contact_overdue/1", "status": "open", "severity": "low", "anchor_on": "2024-05-01",
                "due_on": "2024-05-29", "opens_on": "2024-05-30"} | changes

    def test_what_has_ended_repeats_its_line(self, tmp_path: Path) -> None:
        line = self.alert()
        ran = run("--policy", PLAIN, "--as-of", NOW, "--open", self.earlier(tmp_path, [line]), stdin=text(events("001")))
        ended, *_ = map(json.loads, ran.out.splitlines())
        assert ended == line | {"status": "withdrawn", "end_reason": "recorded_late", "recording_lag_days": 0}

    @pytest.mark.parametrize(("changes", "ending"), [
        ({"anchor_on": "2024-05-14", "due_on": "2024-06-11"}, ("withdrawn", "recorded_late", 0)),   # the call was the day after
        ({"anchor_on": "2024-05-14", "due_on": "2024-05-15"}, ("withdrawn", "recorded_late", 0)),
        ({"anchor_on": "2024-05-14", "due_on": "2024-05-14"}, ("cleared", "done", None)),
        ({"anchor_on": "2024-05-15", "rule": "plan_review_overdue"}, ("withdrawn", "corrected", None)),
        ({"anchor_on": "2024-05-01", "rule": "plan_review_overdue"}, ("withdrawn", "corrected", None)),  # the very from day
        ({"anchor_on": "2024-04-30", "rule": "plan_review_overdue"}, ("cleared", "done", None)),
        ({"rule": "no_adviser"}, ("cleared", "no_longer_applies", None)),
        ({"rule": "unheard_of"}, ("cleared", "no_longer_applies", None)),
    ])
    def test_how_it_ended(self, changes: dict[str, Any], ending: tuple[str, str, int | None], tmp_path: Path) -> None:
        earlier = self.earlier(tmp_path, [self.alert(**changes)])
        ran = run("--policy", PLAIN, "--as-of", "2024-06-12T11:00:00+01:00", "--open", earlier, stdin=text(events("001")))
        ended = json.loads(ran.out.splitlines()[0])
        assert (ended["status"], ended["end_reason"], ended["recording_lag_days"]) == ending

    def test_whatever_is_no_open_alert_is_passed_over(self, tmp_path: Path) -> None:
        lines = ["{not json", "[]", "17", "", self.alert(status="cleared"), self.alert(kind="person"), self.alert(anchor_on=None),
                 self.alert(due_on="soon"), self.alert(rule=["x"]), self.alert(person_ref=["x"]), self.alert(standard=1),
                 json.dumps(self.alert()).replace('"7a"', "[" * 400 + "]" * 400),
                 {"kind": "alert", "status": "open"}, self.alert(person_ref="lancashire:nobody")]
        ran = run("--policy", PLAIN, "--as-of", NOW, "--open", self.earlier(tmp_path, lines), stdin=text(events("001")))
        assert (ran.status, ran.err, rules(ran)) == (0, "", ["contact_overdue"])

    def test_a_line_given_twice_ends_once(self, tmp_path: Path) -> None:
        lines = [self.alert(), self.alert()]
        ran = run("--policy", PLAIN, "--as-of", NOW, "--open", self.earlier(tmp_path, lines), stdin=text(events("001")))
        assert len(rules(ran)) == 2, "that one, and the one that is open now"


@pytest.mark.parametrize(("arguments", "said"), [
    (["--policy", "no-such", "--as-of", NOW], "there is no policy 'no-such'"),
    (["--policy", "no-such.yaml", "--as-of", NOW], "no-such.yaml: there is no such policy file"),
    (["--policy", PLAIN, "--as-of", NOW, "--case-ids", "A b"], "a council is written with"),
    (["--policy", PLAIN, "--as-of", "yesterday"], "--as-of 'yesterday' is no instant"),
    (["--policy", PLAIN, "--as-of", "2024-06-13T11:00:00"], "is no instant: write it with an offset"),
    (["--policy", PLAIN, "--as-of", NOW, "no-such.jsonl"], "no-such.jsonl: there is no such file"),
    (["--policy", PLAIN, "--as-of", NOW, "--open", "no-such.jsonl"], "no-such.jsonl: there is no such file"),
    (["--policy", str(CONFORMANCE / "refused/bad-interval.yaml"), "--as-of", NOW], "field every"),
])
def test_a_mistake_is_one_line_and_exit_status_2(arguments: list[str], said: str) -> None:
    ran = run(*arguments)
    assert (ran.status, ran.out, len(ran.err.splitlines())) == (2, "", 1)
    assert said in ran.err


def test_a_file_need_not_be_a_regular_one() -> None:
    plain = run("--policy", PLAIN, "--as-of", NOW, stdin=text(events("002")))
    ran = run("--policy", PLAIN, "--as-of", NOW, "--open", "/dev/null", stdin=text(events("002")))
    assert (ran.status, ran.out) == (0, plain.out)
    assert (run("--policy", PLAIN, "--as-of", NOW, "/dev/null").status, plain.out != "") == (0, True)


def test_without_a_policy_it_says_what_is_missing() -> None:
    ran = run("--as-of", NOW)
    assert (ran.status, ran.out) == (2, "")
    assert "--policy" in ran.err


def test_what_is_nested_too_deeply_is_a_line_that_is_not_accepted() -> None:
    event = events("002")[0].replace('"specversion"', '"x": ' + "[" * 400 + "]" * 400 + ', "specversion"')
    ran = run("--policy", PLAIN, "--as-of", NOW, "--case-ids", "here", stdin=text([event]))
    assert (ran.status, ran.out, ran.err) == (0, "", "line 1: schema: value: nested too deeply\n")


def test_a_disk_that_is_full_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_bytes(text(events("002")))
    command: list[str | Path] = [Path(sys.executable).with_name("keepintouch"), "evaluate", "--policy", PLAIN, "--as-of", NOW,
                                 tmp_path / "events.jsonl"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (2, b"keepintouch: No space left on device\n")


def test_whoever_stops_reading_gets_no_traceback() -> None:
    told = text(events("002") * 3)
    command: list[str | Path] = [Path(sys.executable).with_name("keepintouch"), "evaluate", "--policy", PLAIN, "--as-of", NOW]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
        _, err = process.communicate(told, timeout=60)
    assert err == b""


def test_days_at_the_ends_of_the_calendar_are_days() -> None:
    told = text(events("002"))
    for before, after in [("2005-03-10", "0001-01-01"), ("2023-03-10", "9999-12-31"), ("2024-05-01", "0001-01-01")]:
        stdin = told.replace(before.encode(), after.encode())
        ran = run("--policy", str(POLICIES / "test-strict.yaml"), "--as-of", NOW, stdin=stdin)
        assert (ran.status, ran.err) == (0, "")
        assert len(ran.out.splitlines()) >= 1
