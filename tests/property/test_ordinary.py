"""What the quick reader takes, the thorough one accepts, and to the same effect: lines as they are sent, and mangled ones."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from random import Random

from hypothesis import given

from keepintouch.acceptance import FUTURE_ALLOWANCE, Accepted, accept_event
from keepintouch.standards import ordinary, stored
from keepintouch.standards.instants import microseconds
from keepintouch.standards.person import Person
from schemas.events import Contact, Feed, Visit
from tests.reference import worlds

from .worlds import RNGS, WORLDS, now_of, quick, thorough

ORDINARY = ("care.contact.v1", "care.visit.v1")


def lines_of(world: worlds.World, kinds: Iterable[str] = ()) -> list[bytes]:
    """Every line of the last step, or those of some kinds."""
    kinds = tuple(kinds)
    return [line.strip().encode() for line in world.steps[-1].lines if not kinds or any(f'"{kind}"' in line for kind in kinds)]


def check(value: bytes, key: bytes, now: datetime) -> bool:
    """Whether the quick reader takes a record; if so, the thorough one must, and it must mean the same."""
    found = ordinary.read(value, key, microseconds(now + FUTURE_ALLOWANCE))
    if found is None:
        return False
    said, source = found
    result = accept_event(value, key, (), now, None)
    assert isinstance(result, Accepted), (result, value)
    assert isinstance(result.data, Contact | Visit)
    assert (source, key) == (result.source, result.data.person_ref.encode()), value
    assert form(lambda person: person.take(said)) == form(lambda person: person.fold(result.event_id, result.data)), value
    return True


def form(told: Callable[[Person], bool]) -> bytes:
    person = Person()
    assert told(person)
    return stored.dump(person)


def subject_of(value: bytes) -> bytes:
    found = re.search(rb'"subject": "([^"\\]*)"', value)
    return b"lancs:p1" if found is None else found[1]


@thorough
@given(world=WORLDS)
def test_lines_as_they_are_sent(world: worlds.World) -> None:
    now = now_of(world.steps[-1])
    for value in lines_of(world):
        taken = check(value, subject_of(value), now)
        result = accept_event(value, subject_of(value), (), now, None)
        plain = value.isascii() and b"\\" not in value and b'"unknown"' not in value
        assert taken == (isinstance(result, Accepted) and result.type in ORDINARY and plain), value


@thorough
@given(world=WORLDS)
def test_a_person_told_quickly_is_the_one_told_thoroughly(world: worlds.World) -> None:
    """With voids, snapshots and erasures among them, ties, corrections and repeats."""
    now = now_of(world.steps[-1])
    quickly, thoroughly = dict[bytes, Person](), dict[bytes, Person]()
    for value in lines_of(world):
        key = subject_of(value)
        result = accept_event(value, key, (), now, None)
        if not isinstance(result, Accepted) or isinstance(result.data, Feed):
            continue
        changed = thoroughly.setdefault(key, Person()).fold(result.event_id, result.data)
        person = quickly.setdefault(key, Person())
        found = ordinary.read(value, key, microseconds(now + FUTURE_ALLOWANCE))
        assert changed == (person.take(found[0]) if found is not None else person.fold(result.event_id, result.data))
    for key, person in quickly.items():
        assert stored.dump(person) == stored.dump(thoroughly[key])


@quick
@given(world=WORLDS, rng=RNGS)
def test_mangled_lines(world: worlds.World, rng: Random) -> None:
    now = now_of(world.steps[-1])
    for value in lines_of(world, ORDINARY):
        for _ in range(12):
            mangled = value
            for _ in range(rng.choice([1, 1, 1, 2, 3])):
                mangled = rng.choice(MANGLERS)(rng, mangled)
            check(mangled, rng.choice([subject_of(value)] * 5 + [subject_of(mangled), b"lancs:p1", b""]), now)


@quick
@given(world=WORLDS, rng=RNGS)
def test_instants_however_they_are_written(world: worlds.World, rng: Random) -> None:
    now = now_of(world.steps[-1])
    for value in lines_of(world, ORDINARY):
        for _ in range(12):
            check(an_instant(rng, value), subject_of(value), now)


@quick
@given(rng=RNGS)
def test_instants_about_the_last_that_may_be(rng: Random) -> None:
    now = datetime.fromisoformat("2024-06-13T10:00:00.500000+01:00") + timedelta(microseconds=rng.randint(0, 10**12))
    for _ in range(20):
        late = (now + FUTURE_ALLOWANCE + timedelta(microseconds=rng.randint(-2, 2))).isoformat()
        value = json.dumps(a_contact(occurred_at=late)).encode()
        assert check(value, b"lancs:p1", now) == isinstance(accept_event(value, b"lancs:p1", (), now, None), Accepted)


def test_the_manglers_leave_enough_that_is_taken_and_enough_that_is_not() -> None:
    """Or the tests above would show nothing."""
    rng, now = Random(7), datetime.fromisoformat("2024-06-13T10:00:00+01:00")
    value = json.dumps(a_contact()).encode()
    taken = {mangle.__name__: Counter(check(mangle(rng, value), b"lancs:p1", now) for _ in range(400)) for mangle in MANGLERS}
    for name, count in taken.items():
        if name in ("with_a_byte_changed", "in_another_order", "with_a_field_doubled", "with_another_value", "an_instant"):
            assert count[True] >= 8, (name, count)
        if name != "in_another_order":
            assert count[False] >= 8, (name, count)


def a_contact(**data: object) -> dict[str, object]:
    return {"specversion": "1.0", "id": "e1", "source": "urn:case-system", "type": ORDINARY[0], "subject": "lancs:p1", "data": {
        "record_id": "r1", "person_ref": "lancs:p1", "occurred_at": "2024-06-01T10:00:00+01:00",
        "recorded_at": "2024-06-01T17:00:00Z", "worker_ref": "lancs:w1", "worker_role": "duty", "channel": "phone",
        "direction": "out", "outcome": "completed"} | data}


# How a line is mangled


def with_a_byte_changed(rng: Random, value: bytes) -> bytes:
    """Flipped, put in, or left out; control characters and quotes more often than others."""
    at = rng.randrange(len(value) + 1)
    byte = bytes([rng.choice([rng.randrange(256), rng.choice(b'\x00\x01\x1f\x7f\t\n\r "{}[],:\\/')])])
    match rng.randint(0, 3):
        case 0:
            return value[:at] + byte + value[at:]
        case 1:
            return value[:at] + value[at + rng.choice([1, 1, 1, 2, 5]):]
        case 2:
            return value[:at] + bytes([(value[at % len(value)] ^ (1 << rng.randrange(8)))]) + value[at + 1:]
        case _:
            return value[:at] + byte + value[at + 1:]


def _changed(value: bytes, change: Callable[[dict[str, object]], object]) -> bytes:
    """What a change leaves of an object of the event, if there still is one."""
    try:
        event = json.loads(value)
        changed = change(event)
        return json.dumps(event if changed is None else changed).encode()
    except (ValueError, TypeError, AttributeError, KeyError, IndexError):
        return value


def _part(rng: Random, event: dict[str, object]) -> dict[str, object]:
    data = event["data"]
    return event if rng.randint(0, 2) == 0 or not isinstance(data, dict) else data


def in_another_order(rng: Random, value: bytes) -> bytes:
    """Fields of the event and of its data."""
    def change(event: dict[str, object]) -> dict[str, object]:
        if isinstance(event["data"], dict):
            event["data"] = dict(rng.sample(sorted(event["data"].items()), len(event["data"])))
        return dict(rng.sample(sorted(event.items(), key=lambda item: item[0]), len(event)))

    return _changed(value, change)


def with_a_field_doubled(rng: Random, value: bytes) -> bytes:
    """The second as the first, or not."""
    fields = re.findall(rb'"[a-z_]+": (?:"[^"]*"|null|true|false)', value)
    if not fields:
        return value
    field, name = rng.choice(fields), rng.choice(fields).partition(b":")[0]
    doubled: bytes = field if rng.randint(0, 1) else name + b":" + field.partition(b":")[2]
    at = rng.choice([found.start() for found in re.finditer(rb'(?<=[{ ])"[a-z_]+":', value)] or [1])
    return value[:at] + doubled + b", " + value[at:]


def with_another_value(rng: Random, value: bytes) -> bytes:
    """Null, of another type, empty, a number of any size, an escape, beyond ASCII, too long, another word for the same."""
    def change(event: dict[str, object]) -> None:
        part = _part(rng, event)
        name = rng.choice([each for each in part if each != "data"])
        part[name] = rng.choice([
            None, True, 0, 1.0, -1, 10**30, 1e308, "", " ", [], {}, "x" * 128, "x" * 129, "\u00e9", "\U0001f4de", 'a"b', "a\\b",
            "a/b", "\x7f", "lancs:p1", "lancs:P-2", "lancs:p1\n", "LANCS:p1", "l:p", "lancs:" + "w" * 64, "lancs:" + "w" * 65,
            "1.0", "1.1", "care.visit.v1", "care.contact.v1", "care.contact.v2", "application/json",
            "application/json; charset=utf-8", "Application/JSON", "personal_adviser", "family", "seen", "completed", "in",
            "text", "home", part[name]])

    return _changed(value, change)


def with_a_field_more_or_less(rng: Random, value: bytes) -> bytes:
    """One that nobody knows, one of another kind of event, or one gone."""
    def change(event: dict[str, object]) -> None:
        part = _part(rng, event)
        if rng.randint(0, 1):
            del part[rng.choice(sorted(part))]
        else:
            name = rng.choice(["x", "", "time", "datacontenttype", "dataschema", "announced", "seen_alone", "channel"])
            part[name] = rng.choice([
                "application/json", None, True, "phone", "home", 3, {"a": [1, {"b": None}]}, "2024-06-01T10:00:00Z"])

    return _changed(value, change)


def spaced_otherwise(rng: Random, value: bytes) -> bytes:
    """White space is nothing, but not everything is white space."""
    space = rng.choice([b" ", b"\n", b"\r\n", b"\t", b"\x0b", b"\x0c", b"\xc2\xa0", b"\xef\xbb\xbf", b"\x00", b"//x\n"])
    places = [0, len(value), *(found.end() for found in re.finditer(rb'[{},:]', value))]
    at = rng.choice(places)
    return value[:at] + space + value[at:]


def an_instant(rng: Random, value: bytes) -> bytes:
    """One of its instants written in another way, be it one of RFC 3339 or none."""
    years = ["2024", "2023", "0000", "0001", "0002", "1969", "9999", "24", "02024", "-024", "٢٠٢٤"]
    day = rng.choice(["02-29", "06-01", "02-30", "13-01", "00-10", "12-31", "6-1", "0601", "W22-6", "153"])
    clock = rng.choice(["10:00:00", "23:59:59", "23:59:60", "24:00:00", "25:00:00", "10:60:00", "10:00", "10", "100000"])
    fraction = "" if rng.randint(0, 1) else rng.choice(".,;") + "".join(rng.choices("0123456789", k=rng.randint(0, 12)))
    zone = rng.choice(["Z", "z", "+00:00", "-00:00", "+0000", "+01", "+01:00", "-05:30", "+14:00", "+23:59", "-23:59", "+24:00",
                       "-24:00", "+00:60", "+01:75", "+99:99", "", " Z", "+01:00:00", "+01:00:30.5", "UTC", "+1:00", "−01:00"])
    text = (rng.choice(years if rng.randint(0, 2) == 0 else years[:1]) + rng.choice(["-", "-", "-", "-", "/", ""]) + day
            + rng.choice(["T", "T", "T", "t", " ", "_", "", "TT"]) + clock + fraction + zone)
    if rng.randint(0, 1):   # nearly right
        day = f"2024-0{rng.randint(1, 6)}-{rng.choice(['01', '29', '30', '31', '00'])}"
        text = f"{day}{rng.choice('Tt')}10:00:0{rng.randint(0, 9)}{fraction.replace(',', '.').replace(';', '.')}{zone}"
    text += rng.choice([""] * 12 + ["\n", " ", "\x00"])
    name = rng.choice([b"occurred_at", b"recorded_at"])
    written = json.dumps(text, ensure_ascii=False).encode()
    return re.sub(rb'("%s": )"[^"]*"' % name, lambda found: bytes(found[1]) + written, value)


MANGLERS = [with_a_byte_changed, in_another_order, with_a_field_doubled, with_another_value, with_a_field_more_or_less,
            spaced_otherwise, an_instant]
