"""What is published points at nobody."""

import csv
import io
from dataclasses import replace
from datetime import date
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from keepintouch.check.analysis import analyse
from keepintouch.check.comparing import compare
from keepintouch.check.disclosure import INSIDE, SMALLEST, Disclosure, published
from keepintouch.check.page import page
from keepintouch.check.screen import show
from keepintouch.check.tables import write_tables
from keepintouch.standards.policy_file import load_policy

from .town import TODAY, Town, a_few

SHOWN = Disclosure(True)


@given(st.integers(0, 60), st.integers(0, 60))
def test_no_small_group_and_no_small_rest(have: int, rest: int) -> None:
    count = SHOWN.count(have, have + rest)
    assert count is None or (count == have and (have == 0 or have >= SMALLEST) and (rest == 0 or rest >= SMALLEST))
    assert INSIDE.count(have, have + rest) == have


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=2, max_size=6))
def test_what_is_left_out_cannot_be_worked_out_from_the_total(pairs: list[tuple[int, int]]) -> None:
    cells = [(have, have + rest) for have, rest in pairs]
    hidden = [count is None for count in SHOWN.column(cells)]
    assert sum(hidden) != 1


def test_nobody_is_named_and_no_day_is_told() -> None:
    town = a_few(30)
    for number in range(30):
        town.names[f"town:p{number}"] = f"case-{number:06d}"
    report = town.report()
    disclosure = published(town.world.people)
    shown = page(report, disclosure, compare(report, load_policy("letter_2017"))) + page(report, published(town.world.people))
    assert "case-0" in page(report)
    assert "case-0" not in shown
    assert "town:w1" not in shown
    assert "28 Jan 2026" in page(report)
    assert "28 Jan 2026" not in shown


def test_tables_name_nobody_either(tmp_path: Path) -> None:
    town = a_few(30)
    write_tables(tmp_path, town.report(), published(town.world.people))
    told = "".join(path.read_text(encoding="utf-8-sig") for path in tmp_path.iterdir())
    assert "0000" not in told
    assert "town:" not in told
    people = list(csv.reader(io.StringIO((tmp_path / "people.csv").read_text(encoding="utf-8-sig"))))
    assert len(people) == 31
    for column in list(zip(*people[1:], strict=True))[1:]:
        assert all(column.count(value) >= SMALLEST for value in set(column))


def test_pseudonyms_are_new_each_time() -> None:
    refs = [f"town:p{number}" for number in range(40)]
    first, second = published(refs), published(refs)
    assert sorted(first.pseudonyms.values()) == sorted(second.pseudonyms.values())
    assert first.pseudonyms != second.pseudonyms


def test_a_list_of_fewer_than_five_is_not_shown() -> None:
    town = Town()
    for number in range(20):
        town.visit(town.person(f"p{number}", born_on=date(2006, 1, 1)), 10 if number > 2 else 200, announced=False)
    report = town.report()
    assert [len(each.listed) for each in report.rules if each.rule == "visit_overdue"] == [3]
    assert "The list is not shown" in page(report, published(town.world.people))
    assert "The list is not shown" not in page(report)


def test_of_how_few_a_rule_is_not_known_is_not_told() -> None:
    town = Town()
    for number in range(20):
        town.visit(town.person(f"p{number}", born_on=date(2006, 1, 1)), 10 if number > 2 else 200, announced=False)
    behind = replace(load_policy("standard_8_week"), feeds=frozenset({"visits"}))
    report = analyse(town.material(), behind, TODAY)
    assert report.unknown["visit_overdue"] == 3
    few = "not known for 3 young people, since a feed is behind"
    for disclosure, told in ((INSIDE, True), (published(town.world.people), False)):
        console = Console(file=io.StringIO(), width=200)
        show(console, report, disclosure)
        assert isinstance(console.file, io.StringIO)
        assert (few in page(report, disclosure), few in console.file.getvalue()) == (told, told)
