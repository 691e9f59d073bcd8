"""`keepintouch policies`: what a user sees, and with which exit status."""
from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from keepintouch.cli import app
from keepintouch.cli.policy_yaml import effective_yaml
from keepintouch.standards.policy import Policy
from keepintouch.standards.policy_file import SHIPPED, load_policy, policy_ids

STANDARD = ("- rule: contact_overdue\n  text: Two-way contact every three weeks\n  basis: 'proposed: an example'\n"
            "  severity: low\n  needs: {rung: messaged}\n")


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner(env={"POLICIES_DIR": None}).invoke(app, ["policies", *arguments], env=environment)


def write(folder: Path, text: str, name: str = "p") -> str:
    path = folder / f"{name}.yaml"
    path.write_text(f"id: {name}\nversion: 1\ntitle: An example\n{text}", encoding="utf-8")
    return str(path)


def unnamed(policy: Policy) -> list[object]:
    """What a policy comes to, apart from the ids of its standards and its own name."""
    return [policy.in_touch, policy.meaningful_within, policy.warn, policy.feeds, policy.cannot_see,
            *({**vars(standard), "id": None} for standard in policy.standards)]


class TestList:
    def test_one_line_for_each_with_tabs_between(self) -> None:
        result = run("list")
        lines = [line.split("\t") for line in result.stdout.splitlines()]
        assert result.exit_code == 0
        assert lines[0] == ["id", "version", "title", "extends", "standards"]
        assert [line[0] for line in lines[1:]] == policy_ids()
        assert ["lancashire", "1", "Lancashire", "standard_8_week", str(len(load_policy("lancashire").standards))] in lines
        assert ["letter_2017", "1", "The headline of 2017", "", "2"] in lines

    def test_of_another_folder(self, tmp_path: Path) -> None:
        write(tmp_path, f"standards:\n{STANDARD}  every: 3w\n")
        for result in (run("list", POLICIES_DIR=str(tmp_path)), run("list", "--policies-dir", str(tmp_path))):
            assert result.stdout.splitlines()[1:] == ["p\t1\tAn example\t\t1"]

    def test_a_folder_without_policies_is_one_clear_line(self, tmp_path: Path) -> None:
        result = subprocess.run([sys.executable, "-c", "from keepintouch.cli import main; main()", "policies", "list"],
                                env=os.environ | {"POLICIES_DIR": str(tmp_path)}, capture_output=True, text=True, check=False)
        assert result.returncode == 2
        assert result.stderr == (f"keepintouch: there is no policy in {tmp_path}: put <id>.yaml there, "
                                 "or leave POLICIES_DIR unset\n")
        assert result.stdout == ""

    def test_one_that_cannot_be_loaded_does_not_hide_the_others(self, tmp_path: Path) -> None:
        write(tmp_path, f"standards:\n{STANDARD}  every: 3w\n")
        broken = write(tmp_path, f"standards:\n{STANDARD}  every: soon\n", "q")
        result = run("list", POLICIES_DIR=str(tmp_path))
        assert result.exit_code == 2
        assert "p\t1\tAn example" in result.stdout
        assert result.stderr.startswith(f"keepintouch: {broken}: standard 1 (contact_overdue): field every: 'soon' is no ")

    def test_a_table_on_a_terminal(self) -> None:
        ours, theirs = pty.openpty()
        with subprocess.Popen([sys.executable, "-c", "from keepintouch.cli import main; main()", "policies", "list"],
                              stdout=theirs, stdin=theirs, env=os.environ | {"TERM": "xterm", "COLUMNS": "120"}) as process:
            os.close(theirs)
            shown = b""
            try:
                while part := os.read(ours, 65536):
                    shown += part
            except OSError:  # how Linux says that the other end is closed
                pass
            finally:
                os.close(ours)
            assert process.wait(30) == 0
        assert "│ lancashire" in shown.decode()


class TestShow:
    @pytest.mark.parametrize("policy_id", policy_ids())
    def test_what_is_shown_is_a_policy_that_comes_to_the_same(self, policy_id: str, tmp_path: Path) -> None:
        policy = load_policy(policy_id)
        path = tmp_path / "shown.yaml"
        path.write_text(effective_yaml(policy), encoding="utf-8")
        assert unnamed(load_policy(str(path))) == unnamed(policy)

    def test_everything_that_can_be_stated_is_shown(self, tmp_path: Path) -> None:
        stated = write(tmp_path, (
            "in_touch: {rung: seen, within: 5w}\nmeaningful: {within: 9d}\nwarn: 1wd\nfeeds: [b, a]\n"
            f"cannot_see: [contact_overdue]\nstandards:\n{STANDARD[:STANDARD.rindex('  needs')]}"
            '  when: {in_touch: ["NO", "YES"], moved_within: 2w, opted_out: any, ages: [16, 17]}\n'
            "  unless: {opted_out: false, suitable: true}\n"
            "  needs: {rung: seen, by: adviser, roles: [duty], announced: true, seen_alone: false, at: [home], ever: true}\n"
            "  within: 3wd\n  from: opt_out_review_on\n"
            "  despite: {rung: spoke, channel: written, direction: in, by: stranger, count: 2}\n  grace: 1m\n"))
        shown = write(tmp_path, "", "shown")
        Path(shown).write_text(run("show", stated).stdout, encoding="utf-8")
        assert unnamed(load_policy(shown)) == unnamed(load_policy(stated))

    def test_says_where_each_standard_comes_from(self) -> None:
        result = run("show", "lancashire")
        assert result.exit_code == 0
        assert re.findall(r"^  # (.*)$", result.stdout, re.MULTILINE) == [s.id for s in load_policy("lancashire").standards]
        assert "  # statutory_minimum/new_home_visit/1\n  - rule: new_home_visit\n" in result.stdout

    def test_a_policy_that_is_not_there(self) -> None:
        result = run("show", "lancashir")
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith(f"keepintouch: there is no policy 'lancashir' in {SHIPPED}: it has blackpool, ")
        assert result.stderr.count("\n") == 1

    def test_a_policy_without_standards(self, tmp_path: Path) -> None:
        result = run("show", write(tmp_path, "standards: []\n"))
        assert result.stdout.endswith("standards: []\n")


class TestLint:
    @pytest.mark.parametrize("policy_id", policy_ids())
    def test_the_shipped_ones_are_clean(self, policy_id: str) -> None:
        result = run("lint", policy_id)
        assert result.exit_code == 0
        count = len(load_policy(policy_id).standards)
        assert result.stdout.startswith(f"{policy_id}: no mistakes, 0 warnings: {count} standards, ")

    def test_every_mistake_is_printed_and_the_status_is_2(self, tmp_path: Path) -> None:
        path = write(tmp_path, f"warm: 7d\nstandards:\n{STANDARD}  every: soon\n"
                               f"{STANDARD}  within: 3w\n  when: {{in_touch: [NO]}}\n")
        result = run("lint", path)
        assert (result.exit_code, result.stdout) == (2, "")
        assert sorted(result.stderr.splitlines()) == [
            f"keepintouch: {path}: field warm: there is no such field here",
            f"keepintouch: {path}: standard 1 (contact_overdue): field every: 'soon' is no interval: "
            "write 7d (days), 8w (weeks), 2m (months) or 20wd (working days)",
            f'keepintouch: {path}: standard 2 (contact_overdue): field when.in_touch[1]: YAML reads this as false; '
            'put it in quotes: "NO", "YES"']

    def warned(self, path: str, *arguments: str) -> list[str]:
        result = run("lint", path, *arguments)
        assert result.exit_code == 0
        *warnings, last = result.stdout.splitlines()
        assert f"{path}: no mistakes, {len(warnings)} warning" in last
        return [warning.removeprefix(f"{path}: warning: ") for warning in warnings]

    @pytest.mark.parametrize("basis", ["council", "law", "heard somewhere: yes", "Law: SI 1"])
    def test_a_basis_without_a_label(self, tmp_path: Path, basis: str) -> None:
        path = write(tmp_path, f"standards:\n{STANDARD}  every: 3w\n".replace("'proposed: an example'", f'"{basis}"'))
        assert self.warned(path) == ["standard contact_overdue/1: field basis: begin with one of 'law', 'council page', "
                                     "'proposed', 'unverified' and a colon"]

    def test_ages_the_wrong_way_round(self, tmp_path: Path) -> None:
        path = write(tmp_path, f"standards:\n{STANDARD}  every: 3w\n  when: {{ages: [20, 16]}}\n{STANDARD}  every: 3w\n"
                               "  unless: {ages: [18, 17]}\n")
        assert self.warned(path) == [
            "standard contact_overdue/1: field when.ages: 20 is above 16: nobody is of such an age",
            "standard contact_overdue/2: field unless.ages: 18 is above 17: nobody is of such an age"]

    def test_a_standard_that_never_binds(self, tmp_path: Path) -> None:
        path = write(tmp_path, f"standards:\n{STANDARD}  every: 3w\n{STANDARD}  every: 4w\n{STANDARD}  every: 2w\n"
                               f"{STANDARD}  every: 1m\n{STANDARD}  every: 5w\n  when: {{hostel: true}}\n"
                               f"{STANDARD.replace('low', 'high')}  every: 6w\n")
        assert self.warned(path) == [
            "standard contact_overdue/2: never binds: p/contact_overdue/1 asks the same of the same people no later"]

    def test_a_looser_copy_of_what_is_inherited(self, tmp_path: Path) -> None:
        path = write(tmp_path, f"extends: standard_8_week\nstandards:\n{STANDARD}  every: 9w\n"
                               "  when: {adviser: some}\n  grace: 2wd\n")
        assert self.warned(path) == ["standard contact_overdue/1: never binds: standard_8_week/contact_overdue/1 asks the same "
                                     "of the same people no later"]

    def test_an_id_that_is_not_the_files_name(self, tmp_path: Path) -> None:
        path = Path(write(tmp_path, "standards: []\n")).rename(tmp_path / "other.yaml")
        assert self.warned(str(path)) == ["field id: 'p' is not the name of the file: others can extend it only as 'other'"]

    def test_an_id_that_is_taken(self, tmp_path: Path) -> None:
        path = write(tmp_path, "standards: []\n", "lancashire")
        assert self.warned(path) == [f"field id: there is a policy 'lancashire' in {SHIPPED} too"]
        assert self.warned(path, "--policies-dir", str(tmp_path)) == []


class TestExplain:
    def test_says_what_applies_to_whom_and_why(self) -> None:
        result = run("explain", "standard_8_week")
        assert result.exit_code == 0
        lines = result.stdout.splitlines()
        assert lines[0] == "Eight-week standard (standard_8_week, version 1)"
        assert "In touch: two-way contact of any kind within the last 3 months." in lines
        start = lines.index("Everyone with a personal adviser:")
        group = lines[start:lines.index("", start)]
        at = group.index("  - Seen at least every eight weeks.")
        assert group[at:at + 6] == [
            "  - Seen at least every eight weeks.",
            "    For anyone who is willing to be seen.",
            "    Not for anyone who lives abroad, where they were deported to or in custody (G, H, X).",
            "    Asks for being seen, anywhere, every 8 weeks, counted from the last time, or from the day their support began "
            "if that is later.",
            "    The alert waits 2 working days more, so that what was done can be typed up.",
            "    [visit_overdue, medium] proposed: the norm of the councils whose pages were read"]
        assert "Everyone who is relevant or former relevant and whose home the council provides:" in lines

    def test_every_standard_is_in_it_once(self) -> None:
        for policy_id in policy_ids():
            result = run("explain", policy_id)
            standards = load_policy(policy_id).standards
            assert result.stdout.count("\n  - ") == len(standards)
            assert all(f"  - {standard.text}.\n" in result.stdout for standard in standards)
            assert all(f"[{standard.rule}, {standard.severity}] {standard.basis}\n" in result.stdout for standard in standards)

    def test_no_control_codes_where_there_is_no_terminal(self) -> None:
        assert "\x1b" not in run("explain", "lancashire").stdout

    def test_what_the_council_cannot_see_and_waits_for(self, tmp_path: Path) -> None:
        path = write(tmp_path, f"feeds: [visits, contacts]\ncannot_see: [contact_overdue]\nstandards:\n{STANDARD}  every: 3w\n")
        lines = run("explain", path).stdout.splitlines()
        assert 'Not recorded here, so "not known" and never overdue: contact_overdue.' in lines
        assert "An alert waits until these feeds are in up to its day: contacts, visits." in lines

    def test_text_in_square_brackets_is_text(self, tmp_path: Path) -> None:
        path = write(tmp_path, f"standards:\n{STANDARD.replace('three weeks', '[bold]three[/bold] weeks')}  every: 3w\n")
        assert "  - Two-way contact every [bold]three[/bold] weeks." in run("explain", path).stdout.splitlines()

    def test_a_mistake_is_one_line_and_status_2(self, tmp_path: Path) -> None:
        result = run("explain", str(tmp_path / "none.yaml"))
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr == f"keepintouch: {tmp_path / 'none.yaml'}: there is no such policy file\n"


def test_without_a_command_it_says_what_there_is() -> None:
    shown = run("--help").stdout
    assert all(command in shown for command in ("list", "show", "lint", "explain"))


@pytest.mark.parametrize("command", [["show", "p.yaml"], ["list", "--policies-dir", "."], ["explain", "p.yaml"]])
def test_letters_that_a_code_page_lacks_are_printed_too(command: list[str], tmp_path: Path) -> None:
    path = Path(write(tmp_path, f"standards:\n{STANDARD}  every: 3w\n"))
    path.write_text(path.read_text(encoding="utf-8").replace("An example", "For Ynys Môn and Łódź"), encoding="utf-8")
    ran = subprocess.run([sys.executable, "-m", "keepintouch", "policies", *command], cwd=tmp_path, capture_output=True,
                         env=os.environ | {"PYTHONIOENCODING": "cp1252"}, check=False)
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert "Ynys Môn and Łódź" in ran.stdout.decode()
