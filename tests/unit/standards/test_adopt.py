"""What was published and is not in the state is gone on from; and how far that was looked for is part of the state."""
from __future__ import annotations

from datetime import UTC, datetime

import pytest

from keepintouch.calendar import london_day
from keepintouch.standards import ledger, published, stored
from keepintouch.standards.evaluation import evaluate
from keepintouch.standards.person import Person
from keepintouch.standards.policy import Policy
from keepintouch.standards.policy_file import load_policy
from schemas.alerts import Alert

from .told import REF, contact, person, visit

NOW = datetime(2024, 7, 20, 12, tzinfo=UTC)
POLICY = load_policy("standard_8_week")


def settled(someone: Person, policy: Policy = POLICY, now: datetime = NOW) -> list[Alert]:
    """What evaluating them publishes."""
    evaluation = evaluate(someone, policy, london_day(now).toordinal(), {}, ledger.open_keys(someone))
    assert evaluation is not None
    published = ledger.settle(REF, someone, evaluation, policy, ledger.policy_mark(policy), now)
    return [each.alert for each in published if each.alert is not None]


def test_what_was_published_is_known_again_as_it_was() -> None:
    someone = person(contact("2024-03-01"), visit("2024-02-01"), contact("2024-05-01", "text"))
    published = settled(someone)
    assert published
    again = person()
    assert all(ledger.adopt(again, alert) for alert in published)
    assert someone.ledger is not None
    assert again.ledger is not None
    assert again.ledger.open == someone.ledger.open
    assert not any(ledger.adopt(again, alert) for alert in published), "once is enough"


def test_an_ending_is_known_again_and_a_newer_number_holds() -> None:
    someone = person()
    opened = settled(someone)
    someone.fold("e9", visit("2024-07-19"))
    ended = [alert for alert in settled(someone) if alert.ended_at is not None]
    assert ended
    again = person()
    for alert in (*opened, *ended, *opened):
        ledger.adopt(again, alert)
    assert someone.ledger is not None
    assert again.ledger is not None
    assert {entry.key for entry in again.ledger.ended} == {entry.key for entry in someone.ledger.ended}
    assert {entry.key for entry in again.ledger.open} == {entry.key for entry in someone.ledger.open}


def test_who_is_only_known_by_alerts_is_evaluated_as_for_the_first_time() -> None:
    (alert, *_) = settled(person())
    someone = person()
    ledger.adopt(someone, alert.model_copy(update={"mode": "live", "sequence": 7}))
    published = settled(someone)
    modes = {each.alert_id: (each.mode, each.sequence) for each in published}
    assert modes.pop(alert.alert_id, ("live", 7)) == ("live", 7), "nothing of it has changed"
    assert {mode for mode, _ in modes.values()} <= {"backfill"}


def test_nothing_applies_any_more_and_in_the_end_nothing_is_remembered() -> None:
    someone = person()
    opened = settled(someone)
    closed = ledger.close(REF, someone, NOW, london_day(NOW).toordinal())
    assert {(p.alert.status, p.alert.end_reason) for p in closed if p.alert} == {("cleared", "no_longer_applies")}
    assert len(closed) == len(opened)
    assert ledger.close(REF, someone, NOW, london_day(NOW).toordinal()) == []
    gone = ledger.close(REF, someone, NOW, london_day(NOW).toordinal() + published.REMEMBERED_DAYS)
    assert {(p.alert_id, p.alert) for p in gone} == {(alert.alert_id, None) for alert in opened}
    assert ledger.close(REF, Person(), NOW, 1) == []


def test_a_position_is_stored() -> None:
    assert stored.load_position(stored.dump_position(12_000_000_000)) == 12_000_000_000
    for wrong in (b"", b"\x09" + bytes(8), bytes(9), stored.dump_position(1)[:-1]):
        with pytest.raises(stored.StoredFormError):
            stored.load_position(wrong)


@pytest.mark.parametrize(("key", "is_person"), [(REF.encode(), True), (b"feed:lancashire/visits", False),
                                                (stored.POSITION_KEY, False), (b"feed:p1", True)])
def test_what_a_key_of_the_changelog_is_about(key: bytes, is_person: bool) -> None:
    assert stored.is_person(key) is is_person
