"""The loader of policies: what it accepts, what a child inherits, and that each mistake names file, standard and field."""
from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest

from keepintouch.standards.intervals import Interval
from keepintouch.standards.ladder import Rung
from keepintouch.standards.policy import Despite, Needs, Start, Who
from keepintouch.standards.policy_file import SHIPPED, PolicyError, load_policy, policy_ids

DOCS = Path(__file__).parents[3] / "docs"
HEAD = "id: p\nversion: 1\ntitle: P\n"
STANDARD = "- rule: contact_overdue\n  text: Two-way contact\n  basis: council\n  severity: low\n"
CLOCK = "  needs: {rung: messaged}\n  every: 8w\n"


def write(folder: Path, text: str, name: str = "p.yaml") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def one(text: str) -> str:
    """A policy file with one standard, whose further lines are given."""
    return f"{HEAD}standards:\n{STANDARD}{text}"


def indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in dedent(text).strip().splitlines())


def refused(path: str, folder: Path = SHIPPED) -> tuple[str, ...]:
    with pytest.raises(PolicyError) as caught:
        load_policy(path, folder)
    assert str(caught.value) == caught.value.problems[0]
    assert all("\n" not in problem for problem in caught.value.problems)
    return caught.value.problems


class TestWhatIsRead:
    def test_a_standard_with_every_key(self, tmp_path: Path) -> None:
        policy = load_policy(write(tmp_path, one(indented("""
            when: {ages: [16, 20], in_touch: ["NO", REFU], moved_within: 2w, opted_out: any}
            unless: {accommodation: [X], need: [high]}
            needs: {rung: seen, by: known, roles: [duty, manager], announced: false, seen_alone: true, at: [home, custody]}
            from: accommodation_since
            every: 20wd
            despite: {rung_is: attempted, channel: written, direction: out, by: stranger, count: 3}
            grace: 3d
            """))))
        standard, = policy.standards
        assert (standard.id, standard.place, standard.rule, standard.text) == ("p/contact_overdue/1", 0, "contact_overdue",
                                                                                "Two-way contact")
        assert (standard.basis, standard.severity, standard.start) == ("council", "low", Start.ACCOMMODATION_SINCE)
        assert dict(standard.when.stated) == {"ages": (16, 20), "in_touch": ("NO", "REFU"),
                                              "moved_within": Interval.parse("2w"), "opted_out": "any"}
        assert standard.unless is not None
        assert dict(standard.unless.stated) == {"accommodation": ("X",), "need": ("high",)}
        assert standard.needs == Needs(Rung.SEEN, Who.KNOWN, frozenset({"duty", "manager"}), False, True,
                                       frozenset({"home", "custody"}))
        assert standard.despite == Despite(None, Rung.ATTEMPTED, True, "out", True, 3)
        assert (str(standard.interval), standard.recurring, str(standard.grace)) == ("20wd", True, "3d")
        assert policy.move_windows == {Interval.parse("2w")}

    def test_what_is_left_out_has_its_default(self, tmp_path: Path) -> None:
        policy = load_policy(write(tmp_path, one("  within: 0d\n")))
        standard, = policy.standards
        assert dict(standard.when.stated) == {"opted_out": False}
        assert (standard.unless, standard.needs, standard.despite) == (None, None, None)
        assert (standard.start, str(standard.interval), standard.recurring, standard.grace.count) == (
            Start.SUPPORTED_SINCE, "0d", False, 0)
        assert (policy.in_touch.rung, str(policy.in_touch.within)) == (Rung.MESSAGED, "3m")
        assert (str(policy.meaningful_within), str(policy.warn), policy.feeds, policy.cannot_see) == (
            "8w", "7d", frozenset(), frozenset())

    def test_an_empty_unless_excludes_nobody(self, tmp_path: Path) -> None:
        assert load_policy(write(tmp_path, one("  unless: {}\n  every: 1w\n"))).standards[0].unless is None

    def test_an_opt_out_in_unless_is_only_what_is_stated(self, tmp_path: Path) -> None:
        unless = load_policy(write(tmp_path, one("  unless: {hostel: true}\n  every: 1w\n"))).standards[0].unless
        assert unless is not None
        assert unless.stated == (("hostel", True),)

    def test_standards_of_one_rule_are_numbered_in_their_file(self, tmp_path: Path) -> None:
        write(tmp_path, one(CLOCK))
        child = write(tmp_path, f"id: q\nversion: a\ntitle: Q\nextends: p\nstandards:\n{(STANDARD + CLOCK) * 2}", "q.yaml")
        policy = load_policy(child)
        assert [standard.id for standard in policy.standards] == [
            "p/contact_overdue/1", "q/contact_overdue/1", "q/contact_overdue/2"]
        assert [standard.place for standard in policy.standards] == [0, 1, 2]
        assert (policy.id, policy.version, list(policy.rules)) == ("q", "a", ["contact_overdue"])

    def test_a_policy_without_standards_of_its_own(self, tmp_path: Path) -> None:
        assert load_policy(write(tmp_path, HEAD + "extends: letter_2017\nstandards: []\n")).standards == (
            load_policy("letter_2017").standards)


class TestInheritance:
    def family(self, folder: Path, grandparent: str = "", parent: str = "", child: str = "") -> str:
        write(folder, f"id: g\nversion: 1\ntitle: G\n{grandparent}standards:\n{STANDARD}{CLOCK}", "g.yaml")
        write(folder, f"id: m\nversion: 1\ntitle: M\nextends: g\n{parent}standards:\n"
                      + (STANDARD + CLOCK).replace("contact_overdue", "visit_overdue"), "m.yaml")
        return write(folder, f"id: c\nversion: 1\ntitle: C\nextends: m\n{child}standards: []\n", "c.yaml")

    def test_what_the_system_cannot_see_adds_up(self, tmp_path: Path) -> None:
        child = self.family(tmp_path, "cannot_see: [contact_overdue]\n", child="cannot_see: [visit_overdue]\n")
        assert load_policy(child).cannot_see == {"contact_overdue", "visit_overdue"}
        assert load_policy(str(tmp_path / "m.yaml")).cannot_see == {"contact_overdue"}

    def test_only_a_rule_of_the_files_own_effective_list_can_be_unseen(self, tmp_path: Path) -> None:
        problem, = refused(self.family(tmp_path, "cannot_see: [visit_overdue]\n"))
        assert problem == (f"{tmp_path / 'g.yaml'}: field cannot_see: no standard has the rule 'visit_overdue'; "
                           "the rules are contact_overdue")

    def test_single_values_come_from_the_nearest_that_states_them(self, tmp_path: Path) -> None:
        policy = load_policy(self.family(
            tmp_path, "in_touch: {rung: spoke, within: 1m}\nmeaningful: {within: 1w}\nwarn: 3d\nfeeds: [visits]\n",
            "in_touch: {within: 6w}\nwarn: 0d\n", "feeds: []\n"))
        assert (policy.in_touch.rung, str(policy.in_touch.within)) == (Rung.SPOKE, "6w")
        assert (str(policy.meaningful_within), str(policy.warn), policy.feeds) == ("1w", "0d", frozenset())

    def test_the_folder_beside_the_file_goes_before_the_policies_folder(self, tmp_path: Path) -> None:
        beside, folder = tmp_path / "beside", tmp_path / "folder"
        beside.mkdir()
        folder.mkdir()
        write(folder, one(CLOCK).replace("Two-way contact", "From the folder"), "base.yaml")
        child = write(beside, "id: c\nversion: 1\ntitle: C\nextends: base\nstandards: []\n", "c.yaml")
        assert load_policy(child, folder).standards[0].text == "From the folder"
        write(beside, one(CLOCK).replace("Two-way contact", "From beside"), "base.yaml")
        assert load_policy(child, folder).standards[0].text == "From beside"

    def test_a_parent_from_the_policies_folder_has_its_own_parents_there(self, tmp_path: Path) -> None:
        beside, folder = tmp_path / "beside", tmp_path / "folder"
        beside.mkdir()
        folder.mkdir()
        write(folder, one(CLOCK).replace("Two-way contact", "From the folder"), "grandparent.yaml")
        write(folder, "id: parent\nversion: 1\ntitle: P\nextends: grandparent\nstandards: []\n", "parent.yaml")
        child = write(beside, "id: c\nversion: 1\ntitle: C\nextends: parent\nstandards: []\n", "c.yaml")
        write(beside, one(CLOCK).replace("Two-way contact", "Another of that name"), "grandparent.yaml")
        assert load_policy(child, folder).standards[0].text == "From the folder"

    def test_by_id_only_the_policies_folder_counts(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        write(tmp_path, one(CLOCK))
        assert refused("p")[0].startswith("there is no policy 'p' in")
        assert load_policy("p", tmp_path).id == "p"


class TestMistakes:
    @pytest.mark.parametrize(("lines", "said"), [
        ("every: 8w\nwithin: 7d", "field every, within: a standard needs a clock: either every or within"),
        ("grace: 1d", "field every, within: a standard needs a clock: either every or within"),
        ("every: 8 weeks",
         "field every: '8 weeks' is no interval: write 7d (days), 8w (weeks), 2m (months) or 20wd (working days)"),
        ("every: 99999wd", "field every: '99999wd' is no interval"),
        ("every: 8", "field every:"),
        ("within: 7d\ngrace: -1d", "field grace: '-1d' is no interval"),
        ("every: 8w\nwhen: {moved_within: soon}", "field when.moved_within: 'soon' is no interval"),
        ("every: 8w\nneeds: {rung: met}",
         "field needs.rung: 'met' is no rung: one of none, attempted, messaged, spoke, seen, seen_at_home"),
        ("every: 8w\nneeds: {by: known}", "field needs.rung: Field required"),
        ("every: 8w\nneeds: {rung: seen, ever: true}", "field every, within: needs.ever goes only with within"),
        ("every: 8w\nneeds: {rung: seen, roles: [family]}", "field needs.roles[1]: Input should be"),
        ("every: 8w\nneeds: {rung: seen, at: [home, pub]}", "field needs.at[2]: Input should be"),
        ("every: 8w\nevery_so_often: true", "field every_so_often: there is no such field here"),
        ("every: 8w\nwhen: {age: [16, 17]}", "field when.age: there is no such field here"),
        ("every: 8w\nwhen: {ages: [16]}", "field when.ages:"),
        ("every: 8w\nwhen: {ages: [16, old]}", "field when.ages[2]:"),
        ("every: 8w\nwhen: {in_touch: [NO, REFU]}",
         'field when.in_touch[1]: YAML reads this as false; put it in quotes: "NO", "YES"'),
        ("every: 8w\nwhen: {in_touch: [YES]}", 'field when.in_touch[1]: YAML reads this as true; put it in quotes: "NO", "YES"'),
        ("every: 8w\nunless: {hostel: maybe}", "field unless.hostel: Input should be a valid boolean"),
        ("every: 8w\nwhen: {opted_out: sometimes}", "field when.opted_out:"),
        ("every: 8w\nwhen: {opted_out: yes please}", "field when.opted_out:"),
        ("every: 8w\ndespite: {count: 0}", "field despite.count: Input should be greater than or equal to 1"),
        ("every: 8w\ndespite: {channel: text}", "field despite.channel: Input should be 'written'"),
        ("every: 8w\nfrom: birth", "field from: Input should be"),
    ])
    def test_in_a_standard_names_file_standard_and_field(self, tmp_path: Path, lines: str, said: str) -> None:
        path = write(tmp_path, one(indented(lines)))
        problem = refused(path)[0]
        assert problem.startswith(f"{path}: standard 1 (contact_overdue): {said}"), problem

    def test_all_mistakes_are_said_at_once(self, tmp_path: Path) -> None:
        path = write(tmp_path, f"{HEAD}warm: 7d\nstandards:\n{STANDARD}  every: soon\n{STANDARD}  within: never\n")
        assert sorted(problem.split(": field ")[0].removeprefix(path) + " " + problem.split(": field ")[1].split(":")[0]
                      for problem in refused(path)) == [
            " warm", ": standard 1 (contact_overdue) every", ": standard 2 (contact_overdue) within"]

    def test_a_standard_without_a_name_goes_by_its_number(self, tmp_path: Path) -> None:
        nameless = "- text: T\n  basis: b\n  severity: low\n  every: 1w\n"
        path = write(tmp_path, f"{HEAD}standards:\n{STANDARD}{CLOCK}{nameless}- nothing\n")
        problems = refused(path)
        assert problems[0] == f"{path}: standard 2: field rule: Field required"
        assert problems[1].startswith(f"{path}: standard 3: field ")

    @pytest.mark.parametrize(("text", "said"), [
        ("id: p\nversion: 1\nstandards: []\n", "field title: Field required"),
        ("id: P p\nversion: 1\ntitle: T\nstandards: []\n", "field id:"),
        ("id: p\nversion: 18446744073709551616\ntitle: T\nstandards: []\n", "field version: Input should be less than"),
        ("id: p\nversion: 2026-02-30\ntitle: T\nstandards: []\n", "line 2: 2026-02-30 cannot be read (day is out of range"),
        ("? [id]\n: p\n", "line 1: a key should be a word"),
        (f"{HEAD}standard: []\nstandards: []\n", "field standard: there is no such field here"),
        (f"{HEAD}in_touch: {{rung: text}}\nstandards: []\n", "field in_touch.rung: 'text' is no rung"),
        (f"{HEAD}meaningful: 8w\nstandards: []\n", "field meaningful:"),
        (f"{HEAD}warn: a while\nstandards: []\n", "field warn: 'a while' is no interval"),
        (f"{HEAD}feeds: visits\nstandards: []\n", "field feeds:"),
        (f"{HEAD}cannot_see: [never_met]\nstandards: []\n",
         "field cannot_see: no standard has the rule 'never_met'; the rules are none"),
        (f"{HEAD}extends: nobody\nstandards: []\n", "field extends: there is no nobody.yaml beside it or in "),
        (f"{HEAD}extends: p\nstandards: []\n", "field extends: p is among those that it extends: a cycle"),
        (f"{HEAD}title: Again\nstandards: []\n", "line 4: 'title' is stated twice"),
        (f"{HEAD}standards: []\n  bad: [\n", "line 5: "),
        ("- just\n- a list\n", "a policy is a mapping with id, version, title and standards"),
        ("", "a policy is a mapping with id, version, title and standards"),
    ])
    def test_in_the_file_names_file_and_field(self, tmp_path: Path, text: str, said: str) -> None:
        path = write(tmp_path, text)
        assert refused(path)[0].startswith(f"{path}: {said}")

    def test_a_key_stated_twice_within_a_standard(self, tmp_path: Path) -> None:
        path = write(tmp_path, one("  every: 8w\n  when: {hostel: true, hostel: false}\n"))
        assert refused(path)[0] == f"{path}: line 10: 'hostel' is stated twice"

    def test_policies_that_extend_each_other(self, tmp_path: Path) -> None:
        for name, other in (("a", "b"), ("b", "c"), ("c", "a")):
            write(tmp_path, f"id: {name}\nversion: 1\ntitle: T\nextends: {other}\nstandards: []\n", f"{name}.yaml")
        assert refused(str(tmp_path / "a.yaml")) == (
            f"{tmp_path / 'c.yaml'}: field extends: a is among those that it extends: a cycle",)

    def test_a_mistake_in_a_parent_names_the_parent(self, tmp_path: Path) -> None:
        parent = write(tmp_path, one("  every: soon\n"))
        child = write(tmp_path, "id: c\nversion: 1\ntitle: C\nextends: p\nstandards: []\n", "c.yaml")
        assert refused(child)[0].startswith(f"{parent}: standard 1 (contact_overdue): field every:")

    def test_what_is_not_there(self, tmp_path: Path) -> None:
        assert refused(str(tmp_path / "none.yaml")) == (f"{tmp_path / 'none.yaml'}: there is no such policy file",)
        assert refused("none", tmp_path) == (f"there is no policy 'none' in {tmp_path}: it has none",)
        assert "lancashire, letter_2017" in refused("lancashir")[0]

    def test_what_is_not_text(self, tmp_path: Path) -> None:
        (tmp_path / "p.yaml").write_bytes(b"id: \xff\xfe")
        assert refused(str(tmp_path / "p.yaml"))[0].startswith(f"{tmp_path / 'p.yaml'}: is not UTF-8 text")


class TestTheDocumentation:
    def test_the_example_of_the_how_to_loads(self, tmp_path: Path) -> None:
        text = (DOCS / "how-to" / "write-a-policy.md").read_text(encoding="utf-8")
        example, unseen = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
        path = write(tmp_path, example, "exampleshire.yaml")
        assert len(load_policy(path).standards) == int(re.findall(r"warnings: (\d+) standards, 2 of its own", text)[0])
        path = write(tmp_path, f"{HEAD}extends: letter_rules\n{unseen}standards: []\n")
        assert load_policy(path).cannot_see == {"unannounced_visit_due", "seen_alone_due"}

    def test_the_example_of_the_reference_loads(self, tmp_path: Path) -> None:
        text = (DOCS / "reference" / "policies.md").read_text(encoding="utf-8")
        example, = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
        assert load_policy(write(tmp_path, f"{HEAD}standards:\n{example}")).standards[0].rule == "visit_overdue"

    def test_every_key_is_in_the_reference(self) -> None:
        text = (DOCS / "reference" / "policies.md").read_text(encoding="utf-8")
        keys = {key for path in SHIPPED.glob("*.yaml")
                for key in re.findall(r"[{ ,]([a-z_]+): ", re.sub(r'#.*|"[^"]*"|text: .*', "", path.read_text(encoding="utf-8")))}
        assert len(keys) > 30
        assert [key for key in sorted(keys) if f"`{key}" not in text] == []


def test_the_shipped_ids_are_the_names_of_their_files() -> None:
    assert [load_policy(policy_id).id for policy_id in policy_ids()] == policy_ids()


def test_a_condition_that_says_nothing_is_not_stated(tmp_path: Path) -> None:
    said, nothing = (load_policy(write(tmp_path, one(f"  when: {{{when}}}\n{CLOCK}"))).standards[0].when
                     for when in ("opted_out: false, ages: [16, 20]", "opted_out: , ages: [16, 20], need: "))
    assert said == nothing
