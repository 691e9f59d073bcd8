"""Which kinds of record satisfy a standard or count beside it, and that a policy's file says so."""

from pathlib import Path
from typing import Any

import pytest

from keepintouch.standards.intervals import Interval
from keepintouch.standards.ladder import BY_COUNCIL, KINDS, Kind, Rung
from keepintouch.standards.policy import Despite, Miss, Needs, Who
from keepintouch.standards.policy_file import load_policy

POLICIES = Path(__file__).parents[2] / "conformance/policies"
CALL = Kind("personal_adviser", "completed", channel="phone")
TEXT = Kind("duty", "completed", channel="text")
VISIT = Kind("social_worker", "seen", location="home", announced=False, seen_alone=True)


def loaded(name: str) -> Any:
    return load_policy(str(POLICIES / f"test-{name}.yaml"))


@pytest.mark.parametrize(("needs", "kind", "miss"), [
    (Needs(Rung.SPOKE), CALL, None), (Needs(Rung.SEEN), CALL, Miss.RUNG), (Needs(Rung.SPOKE), VISIT, None),
    (Needs(Rung.NONE), Kind("duty", "cancelled", channel="text"), None),
    (Needs(Rung.NONE), Kind("family", "completed", channel="text"), Miss.THIRD_PARTY),
    (Needs(Rung.SPOKE, roles=frozenset({"personal_adviser"})), CALL, None),
    (Needs(Rung.SPOKE, roles=frozenset({"manager"})), CALL, Miss.ROLE), (Needs(Rung.SPOKE, roles=frozenset()), CALL, Miss.ROLE),
    (Needs(Rung.SEEN, at=frozenset({"home"})), VISIT, None), (Needs(Rung.SEEN, at=frozenset({"custody"})), VISIT, Miss.LOCATION),
    (Needs(Rung.SPOKE, at=frozenset({"home"})), CALL, Miss.LOCATION),
    (Needs(Rung.SEEN, announced=False), VISIT, None), (Needs(Rung.SEEN, announced=True), VISIT, Miss.ANNOUNCED),
    (Needs(Rung.SPOKE, announced=False), CALL, Miss.ANNOUNCED),
    (Needs(Rung.SEEN, seen_alone=True), VISIT, None), (Needs(Rung.SEEN, seen_alone=False), VISIT, Miss.SEEN_ALONE)])
def test_needs(needs: Needs, kind: Kind, miss: Miss | None) -> None:
    assert needs.miss(kind) is miss
    assert (miss is None) == (kind in {KINDS[number] for number in needs.kinds})


@pytest.mark.parametrize(("despite", "kind", "miss"), [
    (Despite(), CALL, None), (Despite(), Kind("duty", "cancelled", channel="text"), Miss.RUNG),
    (Despite(), Kind("duty", "no_reply", channel="text"), None),
    (Despite(), Kind("family", "seen", location="home"), Miss.THIRD_PARTY),
    (Despite(rung=Rung.MESSAGED), TEXT, None), (Despite(rung=Rung.SPOKE), TEXT, Miss.RUNG),
    (Despite(rung=Rung.NONE), Kind("duty", "cancelled", channel="text"), None),
    (Despite(rung_is=Rung.MESSAGED), TEXT, None), (Despite(rung_is=Rung.MESSAGED), CALL, Miss.RUNG),
    (Despite(rung_is=Rung.NONE), Kind("duty", "cancelled", channel="text"), None),  # then attempted is no longer the least
    (Despite(rung=Rung.SPOKE, rung_is=Rung.MESSAGED), TEXT, Miss.RUNG),
    (Despite(written=True), TEXT, None), (Despite(written=True), CALL, Miss.CHANNEL),
    (Despite(written=True), VISIT, Miss.CHANNEL),
    (Despite(direction="out"), CALL, None), (Despite(direction="in"), CALL, Miss.DIRECTION),
    (Despite(direction="out"), VISIT, None), (Despite(direction="in"), VISIT, Miss.DIRECTION)])
def test_despite(despite: Despite, kind: Kind, miss: Miss | None) -> None:
    assert despite.miss(kind) is miss
    assert (miss is None) == (kind in {KINDS[number] for number in despite.kinds})


def test_nothing_but_council_roles_ever_counts() -> None:
    assert Needs(Rung.NONE).kinds == Despite(rung=Rung.NONE).kinds == BY_COUNCIL


def test_what_the_files_say() -> None:
    text_only, strangers, *_ = (standard for standard in loaded("texts").standards)
    assert text_only.despite == Despite(rung=Rung.MESSAGED, written=True, count=3)
    assert strangers.despite == Despite(written=True, by_stranger=True, count=2)
    assert strangers.needs == Needs(Rung.SPOKE, by=Who.KNOWN)
    attempts = loaded("signals").standards[0]
    assert attempts.despite == Despite(rung_is=Rung.ATTEMPTED, direction="out", count=3)
    policy = loaded("strict")
    assert (policy.id, policy.version, policy.title) == ("test-strict", 3, "Tighter, and fed by nightly extracts")
    assert (policy.in_touch.rung, policy.in_touch.within) == (Rung.SPOKE, Interval.parse("8w"))


def test_the_standards_of_a_rule_in_the_order_of_the_list() -> None:
    policy = loaded("strict")
    assert [standard.id for standard in policy.rules["visit_overdue"]] == [
        "test-homes/visit_overdue/1", "test-homes/visit_overdue/2", "test-homes/visit_overdue/3", "test-strict/visit_overdue/1"]
    assert [standard.place for standard in policy.standards] == list(range(len(policy.standards)))
    assert policy.move_windows == {Interval.parse("28d")}
