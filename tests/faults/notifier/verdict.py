"""What a run came to, by the provider's ledger, the records published, and what is left in the database.

Whoever is due to hear of an alert must have heard; twice at most where the proof of the first was taken away, and then it must
say so; and nothing final may have changed.
"""
from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from schemas.notifications import FINAL_STATES, Notification

_HEARD = frozenset({"accepted", "sent", "delivered"})


class Fault(StrEnum):
    """What may be wrong."""

    LOST = "lost"
    """Nobody of those who were to hear of a step has."""
    DOUBLED = "doubled"
    """Somebody was told the same step of the same alerts twice, although the first could be seen to have gone out."""
    UNMARKED = "unmarked"
    """Somebody was told twice, for good reason, but nothing says so."""
    UNEXPLAINED = "unexplained"
    """A text went out of which no record says what it was about, or to somebody else than the record says."""
    LEFT_FINAL = "left_final"
    """Records about one message of a provider's left a final state."""
    UNSETTLED = "unsettled"
    """Something still waits that should not."""


class Text(Protocol):
    """One text the provider accepted."""

    @property
    def sid(self) -> str: ...
    @property
    def to(self) -> str: ...
    @property
    def body(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Due:
    """A step of an alert that was due, and the refs of those of whom one must have heard."""

    alert_id: str
    step: str
    chain: frozenset[str]


@dataclass(frozen=True, slots=True)
class Published:
    """One record of the notifications, in the order of its key."""

    key: str
    told: Notification


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    fault: Fault
    what: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """All that is wrong, and how many texts say the same as another for good reason."""

    findings: Sequence[Finding]
    texts: int
    possible_duplicates: int

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def count(self, fault: Fault) -> int:
        """How often something is wrong in this way."""
        return sum(each.fault is fault for each in self.findings)

    def __str__(self) -> str:
        shown = [f"{each.fault}: {each.what}" for each in self.findings[:12]]
        return "\n".join([f"{self.texts} texts, {self.possible_duplicates} possible duplicates, {len(self.findings)} findings",
                          *shown])


@dataclass(slots=True)
class _Judge:
    numbers: Mapping[str, str]
    findings: list[Finding] = field(default_factory=list)

    def find(self, fault: Fault, what: str) -> None:
        self.findings.append(Finding(fault, what))


def judge(due: Iterable[Due], ledger: Sequence[Text], published: Sequence[Published], numbers: Mapping[str, str], *,
          evidence_lost: frozenset[str] = frozenset(), unsettled: Mapping[str, int] | None = None) -> Verdict:
    """Judge a run. `numbers`: of each recipient's ref; `evidence_lost`: Refs of texts whose proof was taken away on purpose;
    `unsettled`: what still waits, by kind.
    """
    judging = _Judge(numbers)
    by_ref = _by_ref(published)
    texts: dict[str, list[Text]] = defaultdict(list)
    for text in ledger:
        texts[ref_of(text.body)].append(text)
    possible = _told_once(judging, texts, by_ref, evidence_lost)
    _nobody_forgotten(judging, due, texts, by_ref)
    _nothing_final_changed(judging, published)
    for kind, number in (unsettled or {}).items():
        if number:
            judging.find(Fault.UNSETTLED, f"{number} {kind}")
    return Verdict(judging.findings, len(ledger), possible)


def ref_of(body: str) -> str:
    """The Ref in a text; empty if there is none."""
    return body.partition("Ref ")[2].split(".")[0].split(" ")[0].strip()


def _by_ref(published: Sequence[Published]) -> dict[str, list[Published]]:
    found: dict[str, list[Published]] = defaultdict(list)
    for each in published:
        if each.told.ref is not None:
            found[each.told.ref].append(each)
    return found


def _told_once(judging: _Judge, texts: Mapping[str, Sequence[Text]], by_ref: Mapping[str, Sequence[Published]],
               evidence_lost: frozenset[str]) -> int:
    """Of each alert and step everybody is told once. Returns how many texts are possible duplicates for good reason."""
    possible = 0
    told: Counter[tuple[str, str, str]] = Counter()
    for ref, sent in texts.items():
        records = by_ref.get(ref, [])
        if not records or {judging.numbers.get(each.told.recipient_ref or "") for each in records} != {sent[0].to}:
            judging.find(Fault.UNEXPLAINED, f"{len(sent)} texts of Ref {ref}")
        if len({(each.to, each.body) for each in sent}) != 1:
            judging.find(Fault.UNEXPLAINED, f"texts of Ref {ref} differ")
        undelivered = {each.told.provider_id for each in records if each.told.state == "undelivered"}
        again = len([each for each in sent if each.sid not in undelivered]) - 1
        if again > (ref in evidence_lost):
            judging.find(Fault.DOUBLED, f"{len(sent)} texts of Ref {ref}")
        elif again > 0 and not any(each.told.possible_duplicate for each in records):
            judging.find(Fault.UNMARKED, f"Ref {ref}")
        possible += max(0, again)
        told.update({(each.key, each.told.step or "", each.told.recipient_ref or "") for each in records})
    for (alert, step, recipient), times in told.items():
        if times > 1:
            judging.find(Fault.DOUBLED, f"step {step} of {alert} told {recipient} by {times} messages")
    return possible


def _nobody_forgotten(judging: _Judge, due: Iterable[Due], texts: Mapping[str, Sequence[Text]],
                      by_ref: Mapping[str, Sequence[Published]]) -> None:
    heard: dict[tuple[str, str], set[str]] = defaultdict(set)
    for ref in texts:
        for each in by_ref.get(ref, []):
            if each.told.state in _HEARD:
                heard[each.key, each.told.step or ""].add(each.told.recipient_ref or "")
    for each_due in due:
        if not heard[each_due.alert_id, each_due.step] & each_due.chain:
            judging.find(Fault.LOST, f"step {each_due.step} of {each_due.alert_id}")


def _nothing_final_changed(judging: _Judge, published: Sequence[Published]) -> None:
    final: dict[tuple[str, str], str] = {}
    for each in published:
        if each.told.provider_id is None:
            continue
        place = each.key, each.told.provider_id
        if place in final and final[place] != each.told.state:
            judging.find(Fault.LEFT_FINAL, f"{final[place]} became {each.told.state}")
        if each.told.state in FINAL_STATES:
            final.setdefault(place, each.told.state)
