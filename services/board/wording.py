"""Days, people, records and alerts in plain words. Pure; what pages show of any rule follows from its standard, not its name."""
from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from keepintouch.calendar import LONDON
from keepintouch.standards import sentences
from keepintouch.standards.ladder import Kind, Rung
from keepintouch.standards.person import Facts
from keepintouch.standards.policy import Needs, Standard, Start, Who
from keepintouch.standards.published import Evidence

ACTIONS = {
    "acknowledge": "is on it", "snooze": "asked to be reminded later", "plan_visit": "planned a visit",
    "seen_already": "has had contact already, not typed up yet", "not_mine": "said this person is not theirs",
    "refused": "was told that contact is refused", "review": "looked at this as a manager", "release": "released what was held"}
SAVED = {
    "acknowledge": "Saved: you are on it.", "snooze": "Saved: you will be reminded.", "plan_visit": "Saved: a visit is planned.",
    "seen_already": "Saved: contact has been made. The alert ends by itself when it is typed up in the case system.",
    "not_mine": "Saved: the manager hears of it now.", "refused": "Saved: contact was refused.",
    "review": "Saved: your review is recorded.", "release": "Saved: what was held goes out now."}
NOTES = {
    "supervision": "Talked about in supervision", "visit_arranged": "A visit has been arranged",
    "reallocated": "Moved to another adviser", "plan_changed": "The plan has been changed", "no_action": "Nothing is needed"}
SEVERITIES = {"critical": "Critical", "high": "High", "medium": "Medium", "low": "Low"}
ENDS = {
    "done": "put right", "no_longer_applies": "it does not apply any more",
    "recorded_late": "it had been done in time and was typed up late", "corrected": "a correction in the case system"}
STATES = {"ok": "Up to date", "due_soon": "Due soon", "overdue": "Overdue", "unknown": "Not known"}
COLOURS = {"ok": "green", "due_soon": "yellow", "overdue": "red", "unknown": "grey",
           "critical": "red", "high": "orange", "medium": "yellow", "low": "grey"}
TO = {"adviser": "the adviser", "manager": "the manager", "service_manager": "the service manager"}
MESSAGES = {
    "held": "held back", "merged": "put together with another message", "dropped": "not needed any more", "sending": "being sent",
    "accepted": "handed over", "sent": "sent", "delivered": "delivered", "undelivered": "could not be delivered",
    "failed": "failed", "uncertain": "perhaps gone out"}
_CHANNELS = {
    "face_to_face": "Meeting", "video": "Video call", "phone": "Phone call", "text": "Text message", "email": "E-mail",
    "letter": "Letter", "social_media": "Social media message", "other": "Other contact"}
_OUTCOMES = {
    "completed": "both sides took part", "no_reply": "no reply", "left_message": "left a message", "refused": "refused",
    "cancelled": "cancelled", "seen": "seen", "no_access": "nobody was there"}
_ROLES = {**sentences.ROLES, "accommodation_staff": "accommodation staff", "other_professional": "another professional",
          "family": "family"}


def day(value: date | int | None, today: date | None = None) -> str:
    """`Thu 3 March 2026`; without the year where it is that of `today`."""
    if value is None:
        return "–"
    on = date.fromordinal(value) if isinstance(value, int) else value
    year = "" if today is not None and on.year == today.year else f" {on.year}"
    return f"{on:%a} {on.day} {on:%B}{year}"


def short_day(value: int) -> str:
    """`3 Mar 2026`, for tables."""
    on = date.fromordinal(value)
    return f"{on.day} {on:%b} {on.year}"


def when(instant: datetime) -> str:
    """`Thu 3 March 2026, 14:05` in London."""
    local = instant.astimezone(LONDON)
    return f"{day(local.date())}, {local:%H:%M}"


def rule(name: str) -> str:
    """The name of a rule as a title."""
    return name.replace("_", " ").replace("-", " ").capitalize()


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 visit`, `2 visits`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def days_ago(value: int, today: int) -> str:
    """`today`, `yesterday`, `5 days ago`, `3 weeks ago`."""
    ago = today - value
    if ago <= 1:
        return "today" if ago <= 0 else "yesterday"
    return f"{ago} days ago" if ago < 21 else f"{ago // 7} weeks ago"


def record(kind: Kind) -> str:
    """What a record is: `Phone call from them: both sides took part`."""
    if kind.location is not None:
        where = sentences.PLACES.get(kind.location, kind.location)
        said = "unannounced" if kind.announced is False else ""
        alone = "alone" if kind.seen_alone else ""
        more = ", ".join(filter(None, (said, alone)))
        return f"Visit {where}{', ' + more if more else ''}: {_OUTCOMES[kind.outcome]}"
    name = _CHANNELS.get(kind.channel or "", "Contact")
    return f"{name}{' from them' if kind.direction == 'in' else ''}: {_OUTCOMES[kind.outcome]}"


def role(kind: Kind) -> str:
    """What the worker was to the person."""
    return _ROLES.get(kind.role, kind.role).removeprefix("a ").removeprefix("an ")


@dataclass(frozen=True, slots=True)
class Tries:
    """Of the attempts since the anchor, as the records have them: what would else be said twice, or of the wrong side."""

    unanswered: int = 0
    """Written messages to them without an answer."""
    theirs: int = 0
    """Attempts of theirs that reached nobody …"""
    theirs_on: int | None = None
    """… and the day of the last."""


NO_TRIES = Tries()


def what_is_wrong(standard: Standard, evidence: Evidence, anchor_on: int, facts: Facts | None, anchored: bool,
                  tries: Tries = NO_TRIES, today: date | None = None) -> str:
    """Why an alert is open, in a sentence or two; `anchored`: whether a record is its anchor."""
    if standard.needs is None:
        return _nothing_since(standard, day(anchor_on, today), facts)
    first = _not_done(standard, standard.needs, evidence, anchor_on, anchored, today)
    by_them = standard.despite is not None and standard.despite.direction == "in" and tries.theirs_on is not None
    if by_them:
        first = f"They tried to get in touch, last on {day(tries.theirs_on, today)}, and reached nobody. {first}"
    since = _since(evidence, tries, theirs=not by_them)
    return f"{first}{f'; {since}' if since else ''}."


def puts_right(standard: Standard) -> str:
    """What would end an alert: `A meeting or visit at which they were seen, once it is in the case system.`"""
    wanted = _NEW_DAY[standard.start] if standard.needs is None else _wanted(standard.needs)
    return f"{wanted[0].upper()}{wanted[1:]}, once it is in the case system."


_NEW_DAY = {
    Start.SUPPORTED_SINCE: "a change of what applies", Start.ADVISER_SINCE: "a personal adviser",
    Start.ACCOMMODATION_SINCE: "another home", Start.PLAN_REVIEWED_ON: "a new review of the pathway plan",
    Start.OFFER_MADE_ON: "a day on which they were told what support there is",
    Start.OPT_OUT_REVIEW_ON: "a new day by which their wish is to be looked at again"}


def _wanted(needs: Needs) -> str:
    words = {Rung.SEEN_AT_HOME: "a visit at home, at the placement or in custody at which they were seen",
             Rung.SEEN: "a meeting or visit at which they were seen",
             Rung.SPOKE: "a conversation by phone or video, or a meeting",
             Rung.MESSAGED: "contact in which both sides took part", Rung.ATTEMPTED: "an attempt at contact"}
    said = [words.get(needs.rung, "a record of contact")]
    if needs.roles is not None:
        said.append(f"by {sentences.either(sentences.ROLES[each] for each in sentences.ROLES if each in needs.roles)}")
    if needs.by is not Who.ANY:
        said.append("with their personal adviser" if needs.by is Who.ADVISER else "with someone they have met")
    if needs.announced is not None:
        said.append("announced" if needs.announced else "unannounced")
    if needs.seen_alone:
        said.append("alone")
    if needs.at is not None:
        said.append(sentences.either(sentences.PLACES[each] for each in sentences.PLACES if each in needs.at))
    return ", ".join(said)


def _nothing_since(standard: Standard, on: str, facts: Facts | None) -> str:
    match standard.start:
        case Start.ADVISER_SINCE:
            return f"They have had no personal adviser since {on}."
        case Start.PLAN_REVIEWED_ON:
            known = facts is None or facts.plan_reviewed_on is not None
            return (f"Their pathway plan was last reviewed on {on}." if known
                    else f"No review of their pathway plan is recorded since their support began on {on}.")
        case Start.OFFER_MADE_ON:
            known = facts is None or facts.offer_made_on is not None
            return (f"They were last told what support there is on {on}." if known
                    else f"It is not recorded that they were told what support there is since {on}.")
        case Start.OPT_OUT_REVIEW_ON:
            return f"Their wish not to be contacted was to be looked at again by {on}."
        case _:
            return f"{standard.text}: nothing recorded since {on}."


def _not_done(standard: Standard, needs: Needs, evidence: Evidence, anchor_on: int, anchored: bool, today: date | None) -> str:
    began = day(anchor_on, today)
    if needs.by is Who.ADVISER and needs.ever:
        return f"They have never met their personal adviser, who took over on {began}"
    _, messaged, spoke, seen, at_home = evidence.newest_days
    plain = needs.by is Who.ANY and needs.roles is None and needs.announced is None and not needs.seen_alone and needs.at is None
    if not plain:
        since = f"since {began}" if anchored else f"on record since {began}"
        return f"There has been no {_wanted(needs).removeprefix('a ').removeprefix('an ')}, {since}"
    on, verb = {
        Rung.SEEN_AT_HOME: (at_home, "Nobody has seen them at home"), Rung.SEEN: (seen, "Nobody has seen them"),
        Rung.SPOKE: (spoke, "Nobody has spoken with them"), Rung.MESSAGED: (messaged, "There has been no two-way contact"),
    }.get(needs.rung, (None, "There has been no contact"))
    return f"{verb} since {day(on, today)}" if on is not None else f"{verb} on record since {began}"


def _since(evidence: Evidence, tries: Tries, *, theirs: bool) -> str:
    said, written = [], evidence.written_since_anchor
    attempts = evidence.attempts_since_anchor - tries.unanswered - tries.theirs
    if written:
        said.append(f"{count(written, 'written message')} since")
    if tries.unanswered:
        said.append(f"{tries.unanswered} not answered" if tries.unanswered < written else
                    "not answered" if written == 1 else "none answered")
    if attempts > 0:
        said.append(f"{count(attempts, 'other attempt' if tries.unanswered else 'attempt')} without an answer")
    if theirs and tries.theirs:
        said.append(f"{count(tries.theirs, 'attempt')} of theirs that reached nobody")
    if evidence.strangers_only:
        said.append("all contact by people they had never met")
    return ", ".join(said)
