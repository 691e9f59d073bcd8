"""Words that the terminal, the page and the tables share."""
from __future__ import annotations

from keepintouch.standards import sentences

from .analysis import Report
from .disclosure import Disclosure
from .measures import Measure
from .subject import Last, Subject

MEASURES: dict[Measure, str] = {
    Measure.IN_TOUCH: "In touch", Measure.MEANINGFUL: "In meaningful contact", Measure.SEEN: "Seen face to face"}
CHANNELS: dict[str, str] = {
    "face_to_face": "face to face", "video": "by video", "phone": "by phone", "text": "by text", "email": "by e-mail",
    "letter": "by letter", "social_media": "by social media", "other": "in another way"}
CUTS: dict[str, str] = {"team": "Team", "cohort": "Cohort", "age": "Age", "need": "Need"}
HIDDEN = "fewer than 5, or all but fewer than 5"
NOT_SHOWN = "–"


def percent(share: float) -> str:
    """`92.0 %`."""
    return f"{share:.1%}".replace("%", " %")


def share(have: int | None, of: int) -> str:
    """A count as a percentage; a dash where it is not shown or there is nobody."""
    return NOT_SHOWN if have is None or not of else percent(have / of)


def number(count: int | None) -> str:
    """A count with commas; a dash where it is not shown."""
    return NOT_SHOWN if count is None else f"{count:,}"


def people(count: int | None) -> str:
    """`1 young person`, `12 young people`, or that it is not shown."""
    return NOT_SHOWN if count is None else f"{count:,} young {'person' if count == 1 else 'people'}"


def times(count: int) -> str:
    """`once`, `twice`, `12 times`."""
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")


def meaning(report: Report, measure: Measure) -> str:
    """What a figure counts, as one sentence."""
    yardstick = report.yardstick
    if measure is Measure.SEEN:
        within = yardstick.within(measure).in_words()
        return f"Seen: face to face, anywhere, by someone of the council, within the last {within}."
    in_touch, meaningful = sentences.headlines(yardstick.policy)
    if measure is Measure.MEANINGFUL:
        return meaningful
    if yardstick.headline is yardstick.policy:
        return in_touch
    return f"{sentences.headlines(yardstick.headline)[0]} As {yardstick.headline.id} counts it."


def contact(last: Last | None, disclosure: Disclosure) -> str:
    """`3 Mar 2026, by phone, someone they had met`; `never`."""
    if last is None:
        return "never"
    how = sentences.PLACES.get(last.how) or CHANNELS.get(last.how, last.how)
    return f"{disclosure.day_in_words(last.day)}, {how}, {'someone they had met' if last.known else 'someone they had not met'}"


def evidence(subject: Subject, disclosure: Disclosure) -> str:
    """When somebody was last seen, spoken with and written to, and by whom, in one sentence."""
    return (f"Last seen: {contact(subject.last_seen, disclosure)}. By phone or video: {contact(subject.last_spoke, disclosure)}. "
            f"Written to: {contact(subject.last_written, disclosure)}.")
