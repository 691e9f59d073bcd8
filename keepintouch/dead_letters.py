"""Dead letters: read as they lie on their topic, sorted into groups, and judged anew before they go back. Pure."""
from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import orjson

from keepintouch.acceptance import Accepted, Refused, accept_event, accept_record
from keepintouch.runtime.kafka import Record
from keepintouch.runtime.topics import ALERT_ACTIONS, ALERTS, EVENTS, STAFF
from keepintouch.sources import Labels
from schemas.actions import AlertAction
from schemas.common import council_of
from schemas.dead_letters import DeadLetterHeaders, Reason
from schemas.events import Feed

REPLAYED_FROM = "replayed_from"
"""Header of a record that was sent again: `<partition>:<offset>` of its dead letter."""

NOT_REPLAYED = {
    ALERTS: "compacted, and an old record would stand for a newer one; contact_monitor publishes what changes by itself",
    STAFF: "compacted, and an old record would stand for a newer one; send it again from its source"}
"""Topics from which letters come that do not go back, and why."""
REPLAYED = frozenset({EVENTS, ALERT_ACTIONS})
"""Topics that letters go back to: on these a record more changes nothing that came later."""
_ELSEWHERE = "no topic that letters go back to"
_REMEDIES: dict[Reason, str] = {
    "key_mismatch": "; --fix-key sends such under the key that the value names",
    "unknown_council": "; add the council to the councils file",
    "future": "; later it may not be"}

Headers = tuple[tuple[str, bytes | None], ...]

_OURS = tuple(DeadLetterHeaders.model_fields)


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter: the record as it was, and what is said about it."""

    partition: int
    offset: int
    written_ms: int
    """When the letter was written, in milliseconds since 1970, by Kafka's clock."""
    key: bytes | None
    value: bytes | None
    headers: Headers
    """The original ones."""
    about: DeadLetterHeaders
    source: str | None
    """The sender as the record names it, in a header or in its value; None if it cannot be read."""

    @property
    def position(self) -> str:
        """Where it lies: `<partition>:<offset>`."""
        return f"{self.partition}:{self.offset}"


def letter_of(record: Record) -> Letter | None:
    """Read one record of the dead letters; None for what lacks the headers that a dead letter has."""
    last = {name: place for place, (name, _) in enumerate(record.headers) if name in _OURS}
    try:
        said = {name: (record.headers[place][1] or b"").decode() for name, place in last.items()}
        about = DeadLetterHeaders.model_validate(said | {name: int(said[name]) for name in ("partition", "offset")})
    except (KeyError, ValueError):   # among the latter ValidationError and UnicodeDecodeError
        return None
    ours = set(last.values())   # the original may have had headers of these names: the last of each is the one added
    headers = tuple(each for place, each in enumerate(record.headers) if place not in ours)
    return Letter(record.partition, record.offset, record.timestamp_ms, record.key, record.value, headers, about,
                  _source(record.value, headers))


def _source(value: bytes | None, headers: Headers) -> str | None:
    for name, said in headers:
        if name == "ce_source" and said:
            return said.decode(errors="replace")
    try:
        parsed = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return None
    source = parsed.get("source") if isinstance(parsed, dict) else None
    return source if isinstance(source, str) and source else None


@dataclass(frozen=True, slots=True)
class Which:
    """Which letters are meant: what is empty or None leaves nothing out."""

    labels: Labels
    reasons: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()
    """As they are, or as their labels are; `?` for a sender that cannot be read."""
    since: datetime | None = None

    def takes(self, letter: Letter) -> bool:
        """Whether a letter is among them."""
        if self.reasons and letter.about.reason not in self.reasons:
            return False
        if self.since is not None and letter.about.first_failed_at < self.since:
            return False
        return not self.sources or bool(self.sources & {letter.source or "?", self.label(letter)})

    def label(self, letter: Letter) -> str:
        """What to call a letter's sender where people look."""
        return self.labels.of(letter.source) or "?"


@dataclass(slots=True)
class Group:
    """Letters of one topic, reason and sender."""

    count: int
    first: datetime
    last: datetime
    detail: str
    """What is wrong with the newest of them."""
    positions: list[str] = field(default_factory=list)

    def add(self, letter: Letter) -> None:
        """Count one more."""
        at = letter.about.first_failed_at
        self.count += 1
        self.first = min(self.first, at)
        if at >= self.last:
            self.last, self.detail = at, letter.about.detail
        self.positions.append(letter.position)


def grouped(letters: Iterable[Letter], which: Which) -> dict[tuple[str, str, str], Group]:
    """Groups by topic, reason and the sender's label, the largest first."""
    groups: dict[tuple[str, str, str], Group] = {}
    for letter in letters:
        about = letter.about
        key = about.topic, about.reason, which.label(letter)
        if key not in groups:
            groups[key] = Group(0, about.first_failed_at, about.first_failed_at, about.detail)
        groups[key].add(letter)
    return dict(sorted(groups.items(), key=lambda each: (-each[1].count, each[0])))


@dataclass(frozen=True, slots=True)
class Replay:
    """A record that goes back to where it came from."""

    topic: str
    partition: int | None
    """None: by its key, as for any record."""
    key: bytes | None
    value: bytes | None
    headers: Headers


class Insist(StrEnum):
    """What a replay may do beyond sending what is right as it is."""

    FIX_KEY = "under the key that the value names"
    ANYWAY = "though it would be refused again"


@dataclass(slots=True)
class Plan:
    """What a replay would send, in the order in which it was first sent, and what it would leave, by why."""

    replays: list[Replay] = field(default_factory=list)
    left: Counter[str] = field(default_factory=Counter)


def plan(letters: Iterable[Letter], sent_before: Collection[str], now: datetime, councils: frozenset[str],
         insist: Collection[Insist] = ()) -> Plan:
    """Judge letters anew, by the councils there are now, and say what is to be done with each.

    `sent_before`: positions of those that were sent again already. `now` is aware.
    """
    found = Plan()
    for letter in sorted(letters, key=lambda each: (each.about.topic, each.about.partition, each.about.offset)):
        if letter.about.topic not in REPLAYED:
            found.left[f"of {letter.about.topic}: {NOT_REPLAYED.get(letter.about.topic, _ELSEWHERE)}"] += 1
        elif letter.position in sent_before:
            found.left["sent again before; --again sends such once more"] += 1
        elif isinstance(prepared := prepare(letter, now, councils, insist), Replay):
            found.replays.append(prepared)
        else:
            found.left[f"would be refused again as {prepared.reason}{_REMEDIES.get(prepared.reason, '')}"] += 1
    return found


def prepare(letter: Letter, now: datetime, councils: frozenset[str], insist: Collection[Insist] = ()) -> Replay | Refused:
    """The record to send again for a letter, or why it would be refused again. Its topic must be one of `REPLAYED`."""
    key, judged = letter.key, _judge(letter, letter.key or b"", now, councils)
    if isinstance(judged, Refused) and judged.reason == "key_mismatch" and Insist.FIX_KEY in insist:
        without = _judge(letter, None, now, councils)
        if not isinstance(without, Refused):
            key, judged = _key_of(without), without
    nothing = key is None and letter.value is None   # which nobody can send, or would miss
    if isinstance(judged, Refused) and (nothing or Insist.ANYWAY not in insist):
        return judged
    kept = tuple(each for each in letter.headers if each[0] != REPLAYED_FROM)
    return Replay(letter.about.topic, letter.about.partition if _is_everywhere(judged, key) else None, key, letter.value,
                  (*kept, (REPLAYED_FROM, letter.position.encode())))


def _judge(letter: Letter, key: bytes | None, now: datetime, councils: frozenset[str]) -> Accepted | AlertAction | Refused:
    """What the service that refused it would say of it now."""
    if letter.about.topic == EVENTS:
        return accept_event(letter.value, key, letter.headers, now, councils)
    action = accept_record(AlertAction, letter.value or b"", key, lambda read: str(read.alert_id))
    if isinstance(action, AlertAction) and council_of(action.actor_ref) not in councils:
        return Refused("schema", "actor_ref: its council is not in the councils file")
    return action


def _key_of(message: Accepted | AlertAction) -> bytes:
    if isinstance(message, AlertAction):
        return str(message.alert_id).encode()
    return (message.data.key if isinstance(message.data, Feed) else message.data.person_ref).encode()


def _is_everywhere(judged: Accepted | AlertAction | Refused, key: bytes | None) -> bool:
    """Whether it is one of many that went to every partition, and so must go back to its own: a manifest.

    Or what cannot be read and might be one: refs have no slash.
    """
    if isinstance(judged, Refused):
        return key is None or b"/" in key
    return isinstance(judged, Accepted) and isinstance(judged.data, Feed)
