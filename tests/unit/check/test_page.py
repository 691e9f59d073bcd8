"""The report as a page: complete in itself, nothing from the files is taken for markup, the same numbers as in words."""

import re
from html.parser import HTMLParser
from typing import ClassVar

import pytest

from keepintouch.check.charts import Line, lines_chart
from keepintouch.check.comparing import compare
from keepintouch.check.markup import Html, joined, tag
from keepintouch.check.material import Rejected
from keepintouch.check.page import page
from keepintouch.check.worklist import worklist
from keepintouch.standards.policy_file import load_policy

from .town import TODAY, Town, a_few

HOSTILE = "\"><script>alert(1)</script><img src=x onerror='alert(2)'>\x00\u202e&amp;"


class Parsed(HTMLParser):
    """Every element and attribute of a page, and whether elements are closed in order."""

    VOID: ClassVar = {"meta", "br", "col", "hr"}

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def values(self, name: str) -> list[str]:
        return [value or "" for found, value in self.attributes if found == name]


@pytest.fixture(scope="module")
def town() -> Town:
    return a_few(30)


def test_it_loads_nothing_and_runs_nothing(town: Town) -> None:
    report = town.report()
    parsed = Parsed(page(report, comparison=compare(report, load_policy("letter_2017"))))
    assert not {"script", "img", "link", "iframe", "object", "base", "form"} & set(parsed.tags)
    assert not [name for name, _ in parsed.attributes if name.startswith("on") or name in ("src", "xlink:href")]
    assert all(value.startswith("#") for value in parsed.values("href"))
    assert "url(" not in page(report)
    assert "@import" not in page(report)


def test_whatever_stands_in_the_files_is_shown_as_it_is_and_never_as_markup() -> None:
    town = a_few()
    town.person("evil", HOSTILE, team_ref=HOSTILE, adviser_ref="town:evil-worker")
    town.names["town:evil-worker"] = HOSTILE
    report = town.report(rejected=(Rejected(HOSTILE, 3, HOSTILE, HOSTILE, HOSTILE),), notes=(HOSTILE,))
    shown = page(report, comparison=compare(report, load_policy("letter_2017")))
    parsed = Parsed(shown)
    assert not {"script", "img"} & set(parsed.tags)
    assert not [name for name, _ in parsed.attributes if name.startswith("on")]
    assert any("<script>alert(1)</script>" in text for text in parsed.texts)
    assert "\x00" not in shown
    assert "\u202e" not in shown
    listed = Parsed(worklist(HOSTILE, report.subjects, TODAY, "https://lcs.example/{id}"))
    assert not {"script", "img"} & set(listed.tags)
    links = [value for value in listed.values("href") if value[0] != "#"]
    assert all(value.startswith("https://lcs.example/") and "<" not in value for value in links)


def test_every_picture_has_words_and_every_table_a_caption_and_headings(town: Town) -> None:
    shown = page(town.report())
    parsed = Parsed(shown)
    charts = re.findall(r'<svg role="img" aria-labelledby="(\S+) (\S+)"', shown)
    assert len(charts) == 2
    ids = parsed.values("id")
    assert len(ids) == len(set(ids))
    assert all(name in ids for chart in charts for name in chart)
    assert parsed.tags.count("table") == parsed.tags.count("caption") == parsed.tags.count("thead")
    assert parsed.tags.count("th") == parsed.values("scope").count("col") + parsed.values("scope").count("row")
    assert all(value[1:] in ids for value in parsed.values("href"))
    assert parsed.tags.count("h1") == 1
    assert 'lang="en-GB"' in shown


def test_the_figures_are_in_it(town: Town) -> None:
    report = town.report()
    shown = "".join(Parsed(page(report)).texts)
    assert f"{len(report.gap)} young people are in touch by the headline but not in meaningful contact" in shown
    assert "66.7 %" in shown
    assert "In meaningful contact: seen, or spoken with by someone they had met, within the last 8 weeks." in shown
    assert "000003" in shown


def test_an_empty_town_is_a_page_too() -> None:
    assert "Nobody in the files is in scope" in page(Town().report())


def test_a_line_has_a_gap_where_there_is_no_figure_and_labels_do_not_cover_each_other() -> None:
    lines = [Line("one", "#000", None, [None, 0.5, None, 0.4]), Line("two", "#111", "2 2", [0.1, 0.2, 0.3, 0.41])]
    shown = lines_chart("c", "Title", "Words", ["a", "", "", "d"], lines)
    assert shown.count("<polyline") == 3
    places = [float(y) for y in re.findall(r'font-weight="bold"[^>]*|y="([0-9.]+)" fill="#', shown) if y]
    assert abs(places[0] - places[1]) >= 18


def test_text_is_escaped_unless_it_is_markup_already() -> None:
    assert tag("p", "<b>", Html("<i>x</i>"), ["a", None, 3], class_="x\"y", hidden=None) == \
        '<p class="x&quot;y">&lt;b&gt;<i>x</i>a3</p>'
    assert joined("a", tag("br")) == "a<br>"
