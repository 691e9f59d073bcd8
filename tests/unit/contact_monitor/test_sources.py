"""Which sources send bad records, and what they are called where everybody looks."""
from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepintouch.refs import Refs
from keepintouch.sources import HIDDEN, LONGEST, Labels
from services.contact_monitor.sources import LEAST, MOST_SOURCES, OTHERS, PAGE_ABOVE, UNKNOWN, WINDOW, BadRatios

COUNCILS = frozenset({"lancashire", "west-sussex"})
LCS = "urn:lcs/lancashire"


def ratios() -> BadRatios:
    return BadRatios(COUNCILS)


class TestRatios:
    def test_only_the_newest_thousand_count(self) -> None:
        found = ratios()
        for _ in range(60):
            found.note_bad(LCS)
        found.note_good(LCS, WINDOW - 60)
        assert found.ratios()[LCS] == 0.06 > PAGE_ABOVE
        found.note_good(LCS, 10)
        assert found.ratios()[LCS] == 0.05, "ten of the bad ones are older than the newest thousand"
        found.note_good(LCS, WINDOW)
        assert found.ratios()[LCS] == 0

    def test_good_ones_may_be_told_one_by_one_or_a_batch_at_a_time(self) -> None:
        batches, singly = ratios(), ratios()
        for round_ in range(300):
            batches.note_good(LCS, 7)
            for _ in range(7):
                singly.note_good(LCS)
            if round_ % 3 == 0:
                batches.note_bad(LCS)
                singly.note_bad(LCS)
        assert batches.ratios() == singly.ratios()
        assert 0.04 < batches.ratios()[LCS] < 0.05

    def test_one_bad_record_alone_pages_nobody_but_a_small_feed_all_bad_does(self) -> None:
        found = ratios()
        found.note_bad(LCS)
        assert found.ratios()[LCS] == 1 / LEAST < PAGE_ABOVE
        for _ in range(9):
            found.note_bad(LCS)
        assert found.ratios()[LCS] == 10 / LEAST > PAGE_ABOVE

    def test_all_bad_is_one(self) -> None:
        found = ratios()
        for _ in range(3 * WINDOW):
            found.note_bad(LCS)
        assert found.ratios()[LCS] == 1

    def test_sources_are_told_apart(self) -> None:
        found = ratios()
        found.note_good("urn:good", 2_000)
        for _ in range(2_000):
            found.note_bad("urn:bad")
        assert found.ratios() == {UNKNOWN: 0, "urn:good": 0, "urn:bad": 1}

    @pytest.mark.parametrize("nobody", [None, ""])
    def test_what_nobody_signed_is_told_of_the_records_of_all(self, nobody: str | None) -> None:
        found = ratios()
        for _ in range(30):
            found.note_bad(nobody)
        found.note_good(LCS, 170)
        assert found.ratios() == {UNKNOWN: 30 / 200, LCS: 0}
        for _ in range(WINDOW):
            found.note_bad(LCS)
        assert found.ratios() == {UNKNOWN: 0, LCS: 1}, "a feed that has long been mended leaves no page behind"

    def test_sources_beyond_the_most_are_counted_together(self) -> None:
        found = ratios()
        for number in range(MOST_SOURCES):
            found.note_good(f"urn:{number}")
        for number in range(5_000):
            found.note_bad(f"urn:flood:{number}")
        told = found.ratios()
        assert len(told) == MOST_SOURCES + 2
        assert told[OTHERS] == 1
        found.note_bad("urn:7")
        assert found.ratios()["urn:7"] > 0, "who came before is still told apart"

    def test_a_sender_that_names_each_person_is_one_source(self) -> None:
        found = ratios()
        for number in range(WINDOW):
            found.note_bad(f"urn:lcs:lancashire:p{number}")
        assert found.ratios() == {UNKNOWN: 0, f"urn:lcs:lancashire:{HIDDEN}": 1}


AROUND = "abcdefghijklmnoprstuvwxyzABC:/._-%&= \n\x00ß"
REF = Refs("lancashire", bytes(64)).person("4711")


class TestLabels:
    labels = Labels(COUNCILS)

    @pytest.mark.parametrize(("source", "label"), [
        (None, ""), ("", ""),
        ("urn:case-system", "urn:case-system"),
        ("https://lcs.example.gov.uk/export", "https://lcs.example.gov.uk/export"),
        ("urn:lcs/lancashire/visits_v2", "urn:lcs/lancashire/visits_v2"),
        ("urn:keep-in-touch:simulator:made-up", "urn:keep-in-touch:simulator:made-up"),
        ("Fall äußerst & co", "Fall__u_erst___co"),
        ('x"} 1\nforged{a="', "x___1_forged_a__"),
        ("%0a%7b", "__"),
        ("a" * 70, "a" * LONGEST),
        ("urn:uuid:0b2e6f0e-6f0a-4a3e-9a70-111111111111", "urn:uuid:0b2e6f0e-6f0a-4a3e-9a70-111111111111"),
        ("lancashire:p001", "lancashire:hidden"),
        ("urn:lcs:lancashire:p001/export", "urn:lcs:lancashire:hidden/export"),
        ("urn:lancashire:lancashire:p001", "urn:lancashire:hidden"),
        ("urn:West-Sussex:4711", "urn:West-Sussex:hidden"),
        ("urn:x-lancashire:4711", "urn:x-lancashire:hidden"),
        ("lancashire%3Ap001", "lancashire:hidden"),
        ("lancashire%253Ap001", "lancashire:hidden"),
        ("https://lcs/?who=lancashire:p001&x", "https://lcs/_who_lancashire:hidden_x"),
    ])
    def test_are_plain_and_hide_who(self, source: str | None, label: str) -> None:
        assert self.labels.of(source) == label

    @pytest.mark.parametrize("around", ["{}", "urn:lcs:{}", "https://lcs/{}/x", "{}{}", "who={}"])
    @pytest.mark.parametrize("ref", [REF, REF.partition(":")[2], REF.replace("lancashire", "elsewhere"), REF.replace(":", "%3a")])
    def test_hide_refs_made_with_a_key_even_without_their_council(self, around: str, ref: str) -> None:
        label = self.labels.of(around.format(ref, ref))
        assert HIDDEN in label
        assert not re.search(r"[A-Za-z0-9_-]{16,}", label)

    @given(st.text(alphabet="q0123456789", min_size=1, max_size=64), st.text(alphabet=AROUND), st.text(alphabet=AROUND))
    def test_never_hold_what_follows_a_council(self, local: str, before: str, after: str) -> None:
        label = self.labels.of(f"{before}lancashire:{local}{after}")
        assert re.fullmatch(r"[A-Za-pr-z:/._-]{0,64}", label)

    def test_without_councils_there_is_nothing_to_hide_after(self) -> None:
        assert Labels(()).of("lancashire:p001") == "lancashire:p001"
