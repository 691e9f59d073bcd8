"""What case systems say, on `care.events.v1`: CloudEvents 1.0 whose `data` is one of the models here.

`subject` is the `person_ref` (of a feed's manifest: its key). Nothing here is free text, a name or an address.
"""
from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field

from .common import Council, Count, Day, Instant, Message, PersonRef, RecordId, Slug, WorkerRef

Category = Literal["eligible", "relevant", "former_relevant", "qualifying", "none"]
InTouchCode = Literal["YES", "NO", "DIED", "REFU", "NREQ", "RHOM"]
AccommodationCode = Literal["B", "C", "D", "E", "G", "H", "K", "R", "S", "T", "U", "V", "W", "X", "Y", "Z"]
Need = Literal["standard", "enhanced", "high"]
CouncilRole = Literal["personal_adviser", "social_worker", "manager", "duty", "other_council"]
ThirdPartyRole = Literal["accommodation_staff", "other_professional", "family"]
WorkerRole = Literal[CouncilRole, ThirdPartyRole]
Channel = Literal["face_to_face", "video", "phone", "text", "email", "letter", "social_media", "other"]
WrittenChannel = Literal["text", "email", "letter", "social_media"]
Direction = Literal["out", "in"]
ContactOutcome = Literal["completed", "no_reply", "left_message", "refused", "cancelled"]
Location = Literal["home", "placement", "custody", "office", "community", "hospital", "education", "other"]
VisitOutcome = Literal["seen", "no_access", "refused", "cancelled"]

COUNCIL_ROLES: tuple[str, ...] = get_args(CouncilRole)
WRITTEN_CHANNELS: tuple[str, ...] = get_args(WrittenChannel)


class Accommodation(Message):
    """Where a young person lives, as coded in the national return SSDA903 (table OC3, column ACCOM)."""

    code: AccommodationCode | None = Field(None, description=(
        "letter of SSDA903 ACCOM: B parents or relatives, C community home or residential, D semi-independent, E supported "
        "lodgings, G gone abroad, H deported, K ordinary lodgings, R not known, S no fixed abode, T foyer, U independent, "
        "V emergency (night shelter, emergency hostel), W bed and breakfast, X custody, Y other, Z former foster carers; "
        "null: not known"))
    suitable: bool | None = Field(None, description="suitability digit of ACCOM: 1 is true, 2 is false; null: not known")
    council_provided: bool = Field(description="provided by the council under s.23B or s.24B Children Act 1989")
    hostel: bool = Field(description="a hostel of any kind; no ACCOM code says so by itself")
    since: Day | None = Field(None, description="first day at this home")


class Person(Message):
    """`care.person.v1`: a full snapshot of what the case system holds about one person. The newest `recorded_at` holds."""

    person_ref: PersonRef
    recorded_at: Instant = Field(description="when the case system last changed this")
    born_on: Day = Field(description="date of birth")
    category: Category = Field(description=(
        "leaving-care category of the Children Act 1989: eligible (Sch.2 para.19B), relevant (s.23A), former relevant (s.23C), "
        "qualifying (s.24); none: out of scope"))
    supported_since: Day = Field(description="no clock starts before this day")
    in_touch: InTouchCode | None = Field(None, description=(
        "SSDA903 IN_TOUCH as held: REFU refuses contact, NREQ no longer requires services, RHOM returned home"))
    in_touch_since: Day | None = Field(None, description="when that code was set")
    opt_out_review_on: Day | None = Field(None, description="when a refusal, not-required or returned-home is looked at again")
    adviser_ref: WorkerRef | None = Field(None, description="current personal adviser")
    adviser_since: Day | None = Field(None, description="since when that adviser, or no one, has held the case")
    team_ref: str | None = Field(None, description="team that holds the case")
    accommodation: Accommodation | None = Field(None, description="null: not recorded")
    need: Need = Field(description="level of need as the council grades it")
    plan_reviewed_on: Day | None = Field(None, description="latest pathway-plan review")
    offer_made_on: Day | None = Field(None, description="last time told what support is on offer (from 21)")
    no_face_to_face_until: Day | None = Field(None, description="the young person's own recorded wish, with its last day")
    looked_after: bool = Field(description="still looked after (16-17)")
    cohorts: list[Slug] = Field(description="groups that the figures are cut by, and nothing else: uasc, disabled, parent, ...")


class Contact(Message):
    """`care.contact.v1`: one contact or attempt, by whatever channel, either way."""

    record_id: RecordId
    person_ref: PersonRef
    recorded_at: Instant = Field(description="when it was typed into the case system")
    occurred_at: Instant = Field(description="when it took place")
    worker_ref: WorkerRef | None = Field(None, description="who had the contact; null: not recorded, so a stranger")
    worker_role: WorkerRole = Field(description="what the worker was to the person then")
    channel: Channel = Field(description="text, email, letter and social_media count as written")
    direction: Direction = Field(description="out: from the worker; in: from the young person")
    outcome: ContactOutcome = Field(description="completed: both sides took part")


class Visit(Message):
    """`care.visit.v1`: one visit, made or attempted."""

    record_id: RecordId
    person_ref: PersonRef
    recorded_at: Instant = Field(description="when it was typed into the case system")
    occurred_at: Instant = Field(description="when it took place")
    worker_ref: WorkerRef | None = Field(None, description="who visited; null: not recorded, so a stranger")
    worker_role: WorkerRole = Field(description="what the worker was to the person then")
    location: Location = Field(description="where; home, placement and custody count as seen at home")
    outcome: VisitOutcome = Field(description="seen: the young person was seen")
    announced: bool | None = Field(None, description="false: unannounced; null: not recorded")
    seen_alone: bool | None = Field(None, description="null: not recorded")


class RecordVoided(Message):
    """`care.record-voided.v1`: that contact or visit was entered in error."""

    record_id: RecordId
    person_ref: PersonRef
    recorded_at: Instant = Field(description="when the case system voided it")


class PersonErased(Message):
    """`care.person-erased.v1`: forget this person and every statement about them recorded up to now."""

    person_ref: PersonRef
    recorded_at: Instant = Field(description="statements recorded up to this instant are forgotten, whenever they arrive")


class Feed(Message):
    """`care.feed.v1`: a feed's manifest: everything up to this day is in. Written to every partition."""

    council: Council
    feed: Slug = Field(description="name of the feed in that council")
    complete_through: Day = Field(description="the last day that is in completely")
    records: Count = Field(description="how many records the extract had")
    recorded_at: Instant = Field(description="when the extract was made")

    @property
    def key(self) -> str:
        """Kafka key and CloudEvents subject."""
        return f"feed:{self.council}/{self.feed}"


EventData = Person | Contact | Visit | RecordVoided | PersonErased | Feed

EventType = Literal["care.person.v1", "care.contact.v1", "care.visit.v1", "care.record-voided.v1", "care.person-erased.v1",
                    "care.feed.v1"]

EVENT_TYPES: dict[EventType, type[EventData]] = {
    "care.person.v1": Person, "care.contact.v1": Contact, "care.visit.v1": Visit,
    "care.record-voided.v1": RecordVoided, "care.person-erased.v1": PersonErased, "care.feed.v1": Feed,
}


_TYPE_OF: dict[type[EventData], EventType] = {model: name for name, model in EVENT_TYPES.items()}


class CloudEvent(Message):
    """The envelope, CloudEvents 1.0 in structured JSON; `id` is unique per `source`."""

    specversion: Literal["1.0"] = Field("1.0", description="version of CloudEvents")
    id: Annotated[str, Field(min_length=1, description="unique per source; the same again is the same event")]
    source: Annotated[str, Field(min_length=1, description="URI-reference of the case system or feed")]
    type: EventType = Field(description="kind and major version of the data")
    subject: str = Field(description="the person_ref; of a manifest its key")
    datacontenttype: Literal["application/json"] = Field("application/json", description="readers ignore parameters")
    data: EventData = Field(description="the message itself")


def envelope(data: EventData, *, id: str, source: str) -> CloudEvent:
    """Wrap a message for `care.events.v1`."""
    subject = data.key if isinstance(data, Feed) else data.person_ref
    return CloudEvent(id=id, source=source, type=_TYPE_OF[type(data)], subject=subject, data=data)


