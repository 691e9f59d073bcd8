"""Standards in plain English: what one asks for, of whom, and why a record counts or does not. Pure and total.

Phrases start in lower case and end without a stop, so that they join; `asks`, `waits`, `only_for`, `not_for` and `headlines`
are whole sentences.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .clocks import State, Why
from .conditions import Conditions
from .intervals import Interval, Unit
from .ladder import Rung
from .policy import Despite, Miss, Needs, Policy, Standard, Start, Who

LABELS: dict[str, str] = {
    "law": "an Act or a regulation asks for it",
    "council page": "the council's own public page or manual says so",
    "proposed": "neither: a proposal of this project, with what it rests on",
    "unverified": "its source was not read, or what it means is inferred: check it before relying on it",
}
"""How sure the basis of a standard is; each begins with one of these words and a colon."""

RUNG_WORDS: dict[Rung, str] = {
    Rung.NONE: "anything recorded, even what was cancelled",
    Rung.ATTEMPTED: "an attempt, answered or not",
    Rung.MESSAGED: "two-way contact of any kind",
    Rung.SPOKE: "a conversation by phone or video, or a meeting",
    Rung.SEEN: "being seen, anywhere",
    Rung.SEEN_AT_HOME: "being seen at home, at the placement or in custody",
}
"""What it takes to reach at least that rung."""

RUNG_EXACTLY: dict[Rung, str] = {
    Rung.NONE: "cancelled contact",
    Rung.ATTEMPTED: "failed attempt",
    Rung.MESSAGED: "exchange of messages",
    Rung.SPOKE: "conversation by phone or video",
    Rung.SEEN: "meeting away from home",
    Rung.SEEN_AT_HOME: "visit at home, at the placement or in custody",
}
"""A record of that rung exactly."""

BY_WORDS: dict[Who, str] = {
    Who.ANY: "anyone of the council", Who.KNOWN: "someone they had met", Who.ADVISER: "their personal adviser"}
"""By whom."""

START_WORDS: dict[Start, str] = {
    Start.SUPPORTED_SINCE: "the day their support began",
    Start.ADVISER_SINCE: "the day their personal adviser took over (or, without one, the last one left)",
    Start.ACCOMMODATION_SINCE: "the day they moved in",
    Start.PLAN_REVIEWED_ON: "the latest review of the pathway plan",
    Start.OFFER_MADE_ON: "the last time they were told what support there is",
    Start.OPT_OUT_REVIEW_ON: "the day on which the opt-out is to be looked at again",
}
"""The day a clock starts from."""

MISS_WORDS: dict[Miss, str] = {
    Miss.THIRD_PARTY: "it was not by the council",
    Miss.RUNG: "it is not that much contact",
    Miss.ROLE: "it was by someone in another role",
    Miss.LOCATION: "it was somewhere else",
    Miss.ANNOUNCED: "it is not recorded as announced or unannounced in the way this asks for",
    Miss.SEEN_ALONE: "it is not recorded as seen alone or not in the way this asks for",
    Miss.CHANNEL: "it was not written",
    Miss.DIRECTION: "it went the other way",
    Miss.STRANGER: "it was by someone they had not met",
    Miss.KNOWN: "it was by someone they had met",
    Miss.NOT_ADVISER: "it was not by the present personal adviser",
}
"""Why a record does not count."""

STATE_WORDS: dict[State, str] = {
    State.OK: "kept", State.DUE_SOON: "due soon", State.OVERDUE: "overdue", State.UNKNOWN: "not known"}
"""How a standard stands."""

WHY_WORDS: dict[Why, str] = {
    Why.SATISFIED_ONCE: "it has been done",
    Why.NOT_ENOUGH_MEANWHILE: "there has not been the other contact meanwhile that it is about",
    Why.NOT_YET: "its day is still to come",
    Why.PAST_ITS_DAY: "its day has passed",
    Why.FEEDS_BEHIND: "its day has passed, but the records up to it are not in yet",
    Why.CANNOT_SEE: "its day has passed, but the council's system does not record what would show it",
    Why.STAYS_OPEN: "it was overdue before, and no record in so far has changed that",
}
"""Why it stands so."""

ROLES: dict[str, str] = {
    "personal_adviser": "a personal adviser", "social_worker": "a social worker", "manager": "a manager",
    "duty": "a duty worker", "other_council": "another council's worker"}
PLACES: dict[str, str] = {
    "home": "at home", "placement": "at the placement", "custody": "in custody", "office": "at an office",
    "community": "out in the community", "hospital": "in hospital", "education": "where they study", "other": "somewhere else"}
HOMES: dict[str, str] = {
    "B": "with parents or relatives", "C": "in a children's home or other residential care", "D": "in semi-independent housing",
    "E": "in supported lodgings", "G": "abroad", "H": "where they were deported to", "K": "in ordinary lodgings",
    "R": "where nobody knows", "S": "nowhere fixed", "T": "in a foyer", "U": "independently",
    "V": "in emergency accommodation", "W": "in bed and breakfast", "X": "in custody", "Y": "in another kind of home",
    "Z": "with former foster carers"}
"""The letters of SSDA903 ACCOM, after "lives"."""
CATEGORIES: dict[str, str] = {
    "eligible": "eligible", "relevant": "relevant", "former_relevant": "former relevant", "qualifying": "qualifying",
    "none": "in no leaving-care category"}
CODES: dict[str, str] = {
    "YES": "in touch", "NO": "not in touch", "DIED": "died", "REFU": "refuses contact", "NREQ": "no longer requires services",
    "RHOM": "returned home"}
"""The codes of SSDA903 IN_TOUCH."""

RULE_WORDS: dict[str, str] = {
    "visit_overdue": "not seen for longer than the standard allows",
    "text_only": "only written to, and no conversation since",
    "strangers_only": "contact only by workers they had never met",
    "never_met": "has not met their personal adviser",
    "contact_overdue": "no two-way contact within the standard",
    "plan_review_overdue": "pathway plan not reviewed in time",
    "new_home_visit": "not seen soon after moving home",
    "unsuitable_home": "in an unsuitable or emergency home and not seen",
    "attempts_failing": "attempts keep failing",
    "opt_out_review_due": "a refusal is due to be looked at again",
    "unannounced_visit_due": "no unannounced visit in six months",
    "statutory_visit_overdue": "statutory visit overdue",
    "custody_visit_overdue": "not visited in custody",
    "unanswered_call": "their call was not answered",
    "no_adviser": "has no personal adviser",
    "annual_offer_due": "not told what support is on offer",
    "seen_alone_due": "not seen alone",
}
"""The rules of the shipped policies in a few words."""

_A_LIFE = 25 * 12
"""Months: nobody in scope has lived anywhere for longer, so such a window asks only whether the day of the move is recorded."""


def rule(name: str) -> str:
    """A rule in a few words; of a council's own rule, its name."""
    return RULE_WORDS.get(name, name.replace("_", " "))


def interval(length: Interval) -> str:
    """`8 weeks`."""
    return length.in_words()


def every(length: Interval) -> str:
    """`every 8 weeks`, `every month`; none at all is `at once`."""
    if length.count == 0:
        return "at once"
    words = length.in_words()
    return f"every {words.removeprefix('1 ')}" if length.count == 1 else f"every {words}"


def _within(length: Interval) -> str:
    return f"within {length.in_words()} of" if length.count else "on"


def either(words: Iterable[str], joint: str = "or") -> str:
    """`a, b or c`."""
    *first, last = words
    return f"{', '.join(first)} {joint} {last}" if first else last


def _accommodation(codes: tuple[str, ...]) -> str:
    return f"who lives {either(HOMES[code] for code in codes)} ({', '.join(codes)})"


def _moved_within(window: Interval) -> str:
    months = window.count if window.unit is Unit.MONTHS else 0
    if months >= _A_LIFE:
        return "whose day of moving in is recorded"
    return f"who moved in at most {window.in_words()} ago"


def _opted_out(value: bool | str) -> str:
    if value == "any":
        return "whether or not they have opted out"
    return "who has opted out" if value else "who has not opted out"


CONDITION_WORDS: dict[str, Callable[[Any], str]] = {
    "ages": lambda span: f"aged {span[0]}" + ("" if span[0] == span[1] else f" to {span[1]}"),
    "adviser": lambda wanted: "with a personal adviser" if wanted == "some" else "without a personal adviser",
    "categories": lambda categories: f"who is {either(CATEGORIES[c] for c in categories)}",
    "looked_after": lambda yes: "who is still looked after" if yes else "who is not looked after any more",
    "council_provided": lambda yes: "whose home the council provides" if yes else "whose home the council does not provide",
    "accommodation": _accommodation,
    "hostel": lambda yes: "who lives in a hostel" if yes else "who does not live in a hostel",
    "suitable": lambda yes: f"whose home is recorded as {'suitable' if yes else 'not suitable'}",
    "need": lambda needs: f"whose need is {either(needs)}",
    "moved_within": _moved_within,
    "in_touch": lambda codes: f"whose code is {either(f'{code} ({CODES[code]})' for code in codes)}",
    "no_face_to_face": lambda yes: "who has asked not to be seen for now" if yes else "who is willing to be seen",
    "opted_out": _opted_out,
}
"""Each condition a policy may state, in the order in which it is said; all follow "everyone"."""


def condition(name: str, value: object) -> str:
    """One condition, to follow "everyone": `aged 16 to 20`."""
    return CONDITION_WORDS[name](value)


def conditions(stated: Conditions, someone: str = "everyone") -> str:
    """All conditions together: `everyone aged 16 to 20 who is relevant and who lives in a hostel`."""
    given = dict(stated.stated)
    words = [condition(name, given[name]) for name in CONDITION_WORDS if name in given]
    who = [word for word in words if word.startswith(("who ", "whose "))]
    aside = [word for word in words if word.startswith("whether ")]
    plain = [word for word in words if word not in who and word not in aside]
    return ", ".join([" ".join([someone, *plain, *([" and ".join(who)] if who else [])]), *aside])


def whom(standard: Standard) -> str:
    """Whom a standard covers, in full. That nobody who has opted out is covered goes without saying."""
    covered = conditions(_only(standard, lambda name: True))
    return covered if standard.unless is None else f"{covered}, but not {conditions(standard.unless, 'anyone')}"


def group(standard: Standard) -> str:
    """The group of young people a standard belongs to: age, category, adviser, who provides the home."""
    return conditions(_only(standard, lambda name: name in _GROUPS))


def only_for(standard: Standard) -> str:
    """What narrows a standard down within its group, as one sentence; empty where nothing does."""
    narrowed = _only(standard, lambda name: name not in _GROUPS)
    if not narrowed.stated:
        return ""
    if narrowed.stated == (("opted_out", "any"),):
        return "Even for someone who has opted out."
    return f"For {conditions(narrowed, 'anyone')}."


def not_for(standard: Standard) -> str:
    """Whom a standard leaves out, as one sentence; empty where nobody."""
    return "" if standard.unless is None else f"Not for {conditions(standard.unless, 'anyone')}."


_GROUPS = frozenset({"ages", "categories", "adviser", "looked_after", "council_provided"})


def _only(standard: Standard, wanted: Callable[[str], bool]) -> Conditions:
    return Conditions(tuple((name, value) for name, value in standard.when.stated
                            if wanted(name) and (name, value) != ("opted_out", False)))


def need(needs: Needs) -> str:
    """Which record satisfies: `being seen, anywhere, by a social worker, alone`."""
    words = [RUNG_WORDS[needs.rung]]
    if needs.at is not None:
        words.append(either(PLACES[place] for place in PLACES if place in needs.at))
    joint = "by" if needs.rung >= Rung.SEEN else "with"
    if needs.roles is not None:
        words.append(f"{joint} {either(ROLES[role] for role in ROLES if role in needs.roles)}")
    if needs.by is not Who.ANY:
        words.append(f"{joint if needs.roles is None else 'who is'} {BY_WORDS[needs.by]}")
    if needs.announced is not None:
        words.append("announced" if needs.announced else "unannounced")
    if needs.seen_alone is not None:
        words.append("alone" if needs.seen_alone else "not alone")
    return ", ".join(words)


def despite(other: Despite) -> str:
    """The other contact meanwhile: `at least 2 written messages to them, answered or not, by people they had not met`."""
    one, aside, of = other.count == 1, "", ""
    if other.rung_is is not None:
        noun = RUNG_EXACTLY[other.rung_is]
    elif other.written and other.rung in (None, Rung.ATTEMPTED):
        noun, aside = "written message", ", answered or not"
    elif other.rung in (None, Rung.ATTEMPTED):
        noun = "contact or attempt"
    else:
        noun, of = "record", f", of {RUNG_WORDS[other.rung]}"
    words = [f"at least {other.count} {noun if one else _plural(noun)}"]
    if other.written and not aside:
        words.append("in writing")
    if other.direction is not None:
        words.append("to them" if other.direction == "out" else "from them")
    by = f"{aside and ','} by {'someone' if one else 'people'} they had not met" if other.by_stranger else ""
    return " ".join(words) + aside + by + of


_PLURALS = {"record": "records", "contact or attempt": "contacts or attempts", "exchange of": "exchanges of",
            "conversation by": "conversations by", "meeting away": "meetings away", "visit at": "visits at",
            "failed attempt": "failed attempts", "cancelled contact": "cancelled contacts",
            "written message": "written messages"}


def _plural(noun: str) -> str:
    return next(many + noun.removeprefix(one) for one, many in _PLURALS.items() if noun.startswith(one))


def start(day: Start) -> str:
    """The day a clock starts from."""
    return START_WORDS[day]


def miss(reason: Miss) -> str:
    """Why a record does not count."""
    return MISS_WORDS[reason]


def asks(standard: Standard) -> str:
    """What a standard asks for and from when, as one sentence."""
    began = start(standard.start)
    if standard.needs is None:
        clock = f"{every(standard.interval)}, from" if standard.recurring else _within(standard.interval)
        sentence = f"Due {clock} {began}"
    elif standard.recurring:
        counted = f", counted from the last time, or from {began} if that is later" if standard.interval.count else ""
        sentence = f"Asks for {need(standard.needs)}, {every(standard.interval)}{counted}"
    else:
        sentence = f"Asks for {need(standard.needs)}, {_within(standard.interval)} {began}"
        sentence += ", or at any time before" if standard.needs.ever else ""
    if standard.despite is not None:
        sentence += f"; only where there has been since then {despite(standard.despite)}"
    return f"{sentence}."


def waits(standard: Standard) -> str:
    """How long an alert waits after the due day, as one sentence; empty where it does not wait."""
    if standard.grace.count == 0:
        return ""
    return f"The alert waits {standard.grace.in_words()} more, so that what was done can be typed up."


def headlines(policy: Policy) -> tuple[str, str]:
    """What "in touch" and "in meaningful contact" mean under a policy, as two sentences."""
    return (f"In touch: {RUNG_WORDS[policy.in_touch.rung]} within the last {policy.in_touch.within.in_words()}.",
            f"In meaningful contact: seen, or spoken with by someone they had met, within the last "
            f"{policy.meaningful_within.in_words()}.")
