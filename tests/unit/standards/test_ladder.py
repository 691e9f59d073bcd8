"""How much contact a record is: every kind of contact and visit has its rung."""

import pytest

from keepintouch.standards.ladder import BY_COUNCIL, KINDS, MEETINGS, ROLES, RUNG_OF, Kind, Rung, kind_of
from schemas.events import Contact, Visit

WRITTEN = ["text", "email", "letter", "social_media"]
COUNCIL = ["personal_adviser", "social_worker", "manager", "duty", "other_council"]

AT = "2024-05-15T11:00:00Z"
STATED = {"record_id": "r1", "person_ref": "lancashire:p1", "recorded_at": AT, "occurred_at": AT}


@pytest.mark.parametrize(("channel", "rung"), [
    ("face_to_face", Rung.SEEN), ("video", Rung.SPOKE), ("phone", Rung.SPOKE), ("other", Rung.MESSAGED),
    *[(channel, Rung.MESSAGED) for channel in WRITTEN]])
def test_contacts(channel: str, rung: Rung) -> None:
    def of(outcome: str) -> Rung:
        return Kind("duty", outcome, channel=channel).rung

    assert of("completed") is rung
    assert of("cancelled") is Rung.NONE
    assert {of(outcome) for outcome in ("no_reply", "left_message", "refused")} == {Rung.ATTEMPTED}


@pytest.mark.parametrize(("location", "rung"), [
    ("home", Rung.SEEN_AT_HOME), ("placement", Rung.SEEN_AT_HOME), ("custody", Rung.SEEN_AT_HOME), ("office", Rung.SEEN),
    ("community", Rung.SEEN), ("hospital", Rung.SEEN), ("education", Rung.SEEN), ("other", Rung.SEEN)])
def test_visits(location: str, rung: Rung) -> None:
    def of(outcome: str) -> Rung:
        return Kind("duty", outcome, location=location).rung

    assert of("seen") is rung
    assert of("cancelled") is Rung.NONE
    assert {of(outcome) for outcome in ("no_access", "refused")} == {Rung.ATTEMPTED}


def test_written_is_by_text_email_letter_or_social_media() -> None:
    assert sorted({kind.channel for kind in KINDS.values() if kind.written}, key=str) == sorted(WRITTEN)


def test_council_roles_and_third_parties() -> None:
    assert {KINDS[number].role for number in BY_COUNCIL} == set(COUNCIL)
    assert set(ROLES) - set(COUNCIL) == {"accommodation_staff", "other_professional", "family"}


def test_a_meeting_is_seeing_each_other_whoever_it_was() -> None:
    assert {KINDS[number].role for number in MEETINGS} == set(ROLES)
    assert {RUNG_OF[number] for number in MEETINGS} == {Rung.SEEN, Rung.SEEN_AT_HOME}
    assert {KINDS[number].outcome for number in MEETINGS} == {"completed", "seen"}


def test_there_is_a_number_for_every_kind_and_a_kind_for_every_number() -> None:
    assert len(KINDS) == len(set(KINDS.values())) == 8 * 8 * 2 * 5 + 8 * 8 * 4 * 3 * 3
    assert all(0 <= number < 1 << 16 for number in KINDS)


def test_the_numbers_are_those_of_the_stored_form() -> None:
    """They are in every changelog: whoever changes one of them must say so by another version of the stored form."""
    call = Contact.model_validate({**STATED, "worker_role": "social_worker", "channel": "phone", "direction": "in",
                                   "outcome": "no_reply"})
    visit = Visit.model_validate({**STATED, "worker_role": "family", "location": "custody", "outcome": "refused",
                                  "announced": False, "seen_alone": True})
    assert kind_of(call) == 1 << 8 | 2 << 4 | 1 << 3 | 1
    assert kind_of(visit) == 1 << 15 | 7 << 11 | 2 << 7 | 2 << 4 | 1 << 2 | 2
    assert KINDS[kind_of(call)] == Kind("social_worker", "no_reply", "in", "phone")
    assert KINDS[kind_of(visit)] == Kind("family", "refused", location="custody", announced=False, seen_alone=True)


def test_visits_go_out() -> None:
    assert {kind.direction for kind in KINDS.values() if kind.location is not None} == {"out"}
