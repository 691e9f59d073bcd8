"""What headings and values of exports usually mean. Guesses: `keepintouch map` proposes them, and a person decides."""
from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import cast

from keepintouch.yaml_file import read_yaml

from .fields import Kind
from .mapping import slug_like

NOTE_TYPES = ("case_note_type", "casenote_type", "note_type", "contact_type", "type_of_contact")
"""Headings of a column that only files of contacts have."""
TYPES = (*NOTE_TYPES, "event_type", "type", "visit_type")
"""Headings of a column that says several fields at once."""
TIMES = ("time", "contact_time", "time_of_contact", "event_time", "visit_time", "start_time")
"""Headings of the time of day."""

_CHANNELS = (
    ("video", r"video|teams|zoom|skype|virtual"), ("phone", r"phone|call|\btel\b|voice ?mail"),
    ("text", r"\btexts?\b|sms|whats ?app|instant message"), ("email", r"e-?mail"),
    ("letter", r"letter|\bpost(ed|al|card)?\b"),
    ("social_media", r"social media|facebook|messenger|instagram|snapchat"),
    ("face_to_face", r"face[ -]?to[ -]?face|f2f|in person|meeting|drop[ -]?in|office appointment"))
_LOCATIONS = (("home", r"home|accommodation|address|flat"), ("placement", r"placement|statutory|stvl"),
              ("custody", r"prison|custod|yoi"),
              ("office", r"office"), ("hospital", r"hospital"), ("education", r"school|college|universit"),
              ("community", r"communit|caf[eé]"))
_FAILED = re.compile(r"no (reply|answer|response|access)|unanswered|did not (attend|answer)|\bdna\b|fail|attempt|unsuccess"
                     r"|not (in|seen|home)|unable", re.IGNORECASE)
_MESSAGE_LEFT = re.compile(r"left (a )?(message|voice ?mail)|voice ?mail left|message left", re.IGNORECASE)
_REFUSED = re.compile(r"refus|declin", re.IGNORECASE)
_CANCELLED = re.compile(r"cancel|postpone|rearrang", re.IGNORECASE)
_IN = re.compile(r"\bfrom\b|received|incoming|inbound", re.IGNORECASE)
_VISIT = re.compile(r"visit", re.IGNORECASE)
_DONE = re.compile(r"success|complet|spoke|seen|held|attended|replied|answered|yes|^y$", re.IGNORECASE)


@cache
def headings() -> dict[Kind, dict[str, list[str]]]:
    """By kind and field: how its heading may be spelt, the likeliest first, as `slug_like` has it."""
    return cast(dict[Kind, dict[str, list[str]]], read_yaml(Path(__file__).with_name("headings.yaml")))


def field_of(kind: Kind, heading: str) -> tuple[str, int] | None:
    """The field that a heading most likely is of, and how likely (0 is best)."""
    spelt = slug_like(heading)
    found = [(names.index(spelt), name) for name, names in headings()[kind].items() if spelt in names]
    return (min(found)[1], min(found)[0]) if found else None


def type_meaning(value: str) -> dict[str, str] | None:
    """What a case-note type most likely says; None: no idea."""
    if _VISIT.search(value):
        return {"as": "visit", "location": location_of(value) or "other", "outcome": visit_outcome(value) or "seen"}
    channel = channel_of(value)
    if channel is None:
        return None
    found = {"channel": channel, "direction": "in" if _IN.search(value) else "out"}
    if (outcome := contact_outcome(value)) is not None:
        found["outcome"] = outcome
    return found


def channel_of(value: str) -> str | None:
    """The channel that a value most likely names."""
    return next((channel for channel, words in _CHANNELS if re.search(words, value, re.IGNORECASE)), None)


def location_of(value: str) -> str | None:
    """The place that a value most likely names."""
    return next((place for place, words in _LOCATIONS if re.search(words, value, re.IGNORECASE)), None)


def contact_outcome(value: str) -> str | None:
    """The outcome of a contact that a value most likely names."""
    for outcome, words in (("left_message", _MESSAGE_LEFT), ("refused", _REFUSED), ("cancelled", _CANCELLED),
                           ("no_reply", _FAILED), ("completed", _DONE)):
        if words.search(value):
            return outcome
    return None


def visit_outcome(value: str) -> str | None:
    """The outcome of a visit that a value most likely names."""
    for outcome, words in (("refused", _REFUSED), ("cancelled", _CANCELLED), ("no_access", _FAILED), ("seen", _DONE)):
        if words.search(value):
            return outcome
    return None
