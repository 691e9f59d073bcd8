"""What was accepted and what was not: looked up before an event is published, and told to whom it belongs."""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from services.intake.tables import accepted, feed, people_source, refusal, tally

ACCEPTED, REPEATED, DEAD_LETTER = "accepted", "repeated", "dead_letter"
"""Results that are counted; any other is the reason of a refusal."""
KEPT_REFUSALS = 1_000
"""Of each source so many are kept with what was wrong; all are counted."""
LONGEST_NAME = 200
_AT_ONCE = 500

Where = tuple[str, str]
"""Council and source."""


def fit(text: str) -> str:
    """What a sender calls something, as a table can hold it and an answer show it."""
    text = text[:LONGEST_NAME]
    return text if text.isprintable() else "".join(each if each.isprintable() else "?" for each in text)


def insert(connection: Connection, table: sa.Table) -> Any:
    """An insert of this engine, which can say what to do about what is there already."""
    return _insert(connection.dialect.name, table)


def _insert(dialect: str, table: sa.Table) -> Any:
    return (sqlite.insert if dialect == "sqlite" else postgresql.insert)(table)


# Three statements are executed for every post: to make them anew would cost more than to execute them.
_KNOWN = sa.select(accepted.c.statement, accepted.c.content).where(
    accepted.c.statement.in_(sa.bindparam("statements", expanding=True)))


@cache
def _remembering(dialect: str) -> Any:
    return _insert(dialect, accepted).on_conflict_do_nothing()


@cache
def _counting(dialect: str) -> Any:
    add = _insert(dialect, tally)
    return add.on_conflict_do_update(index_elements=list(tally.primary_key), set_={"count": tally.c.count + add.excluded.count})


def known(connection: Connection, statements: Iterable[bytes]) -> dict[bytes, bytes]:
    """The content of those statements that were accepted before."""
    found: dict[bytes, bytes] = {}
    for chunk in _chunks(statements):
        rows = connection.execute(_KNOWN, {"statements": chunk})
        found.update((row.statement, row.content) for row in rows)
    return found


def remember(connection: Connection, statements: Mapping[bytes, tuple[bytes, bytes | None]], day: date) -> None:
    """Note statements that Kafka has: their content, and whom they are about (see `erasing.whose`)."""
    rows = [{"statement": statement, "content": content, "day": day, "person": person}
            for statement, (content, person) in statements.items()]
    if rows:
        connection.execute(_remembering(connection.dialect.name), rows)


def count(connection: Connection, results: Mapping[tuple[Where, str], int], day: date) -> None:
    """Add to what each source sent on a day, by result."""
    rows = [{"council": council, "source": source, "day": day, "result": result, "count": number}
            for ((council, source), result), number in sorted(results.items())]   # sorted: two of us never wait for one another
    if rows:
        connection.execute(_counting(connection.dialect.name), rows)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One event that was not accepted."""

    council: str
    source: str
    event_id: str | None
    at: datetime
    reason: str
    detail: str
    partition: int | None = None
    """Of a dead letter; None: refused at the door."""
    offset: int | None = None
    person: bytes | None = None
    """Whom it is about, where that could be read (see `erasing.whose`)."""


def refuse(connection: Connection, refusals: Sequence[Refusal]) -> None:
    """Note what was wrong; a dead letter that was noted before is not noted again."""
    rows = [{name: getattr(each, name) for name in Refusal.__slots__} for each in refusals]
    if rows:
        connection.execute(insert(connection, refusal).on_conflict_do_nothing(), rows)


def note_feed(connection: Connection, council: str, name: str, complete_through: date, records: int, at: datetime) -> None:
    """Note how far a feed is; a day before that it had reached changes nothing, as with the monitor."""
    add = insert(connection, feed).values(council=council, feed=name, complete_through=complete_through, records=records, at=at)
    connection.execute(add.on_conflict_do_update(
        index_elements=list(feed.primary_key), where=feed.c.complete_through <= add.excluded.complete_through,
        set_={"complete_through": add.excluded.complete_through, "records": add.excluded.records, "at": add.excluded.at}))


def feeds(connection: Connection) -> list[tuple[str, str, date]]:
    """Council, feed and the last day that is in completely."""
    return [(row.council, row.feed, row.complete_through) for row in connection.execute(sa.select(feed))]


def people_sources(connection: Connection, council: str) -> frozenset[str]:
    """From where snapshots of a council's people may come; empty: nobody has sent any yet."""
    return frozenset(connection.scalars(sa.select(people_source.c.source).where(people_source.c.council == council)))


def all_people_sources(connection: Connection) -> dict[str, list[str]]:
    """The same of every council, in order."""
    found: dict[str, list[str]] = {}
    for row in connection.execute(sa.select(people_source).order_by(people_source.c.council, people_source.c.source)):
        found.setdefault(row.council, []).append(row.source)
    return found


def may_send_people(connection: Connection, council: str, source: str, now: datetime) -> bool:
    """Whether a source may send snapshots of a council's people; the first that asks is the one from then on.

    Two sources would contradict one another: of two snapshots the newest wins, whatever it leaves out. Needs a transaction that
    may write.
    """
    if not people_sources(connection, council):
        connection.execute(insert(connection, people_source).values(council=council, source=source, since=now)
                           .on_conflict_do_nothing())
    return source in people_sources(connection, council)


def set_people_sources(connection: Connection, council: str, sources: Iterable[str], now: datetime) -> None:
    """Say from where snapshots of a council's people may come."""
    connection.execute(sa.delete(people_source).where(people_source.c.council == council))
    rows = [{"council": council, "source": source, "since": now} for source in sorted(set(sources))]
    if rows:
        connection.execute(sa.insert(people_source), rows)


def totals(connection: Connection, council: str, sources: Iterable[str] | None, since: date) -> dict[str, Counter[str]]:
    """What each source sent since a day, by result; `sources`: None for all."""
    which = [tally.c.council == council, tally.c.day >= since, *([] if sources is None else [tally.c.source.in_(sources)])]
    found: dict[str, Counter[str]] = {}
    for row in connection.execute(sa.select(tally.c.source, tally.c.result, sa.func.sum(tally.c.count).label("number"))
                                  .where(*which).group_by(tally.c.source, tally.c.result)):
        found.setdefault(row.source, Counter())[row.result] = int(row.number)
    return found


def newest(connection: Connection, council: str, sources: Iterable[str] | None, since: datetime, limit: int) -> list[Refusal]:
    """What was not accepted since an instant, the newest first."""
    which = [refusal.c.council == council, refusal.c.at >= since, *([] if sources is None else [refusal.c.source.in_(sources)])]
    rows = connection.execute(sa.select(refusal).where(*which).order_by(refusal.c.at.desc(), refusal.c.seq.desc()).limit(limit))
    return [Refusal(**{name: getattr(row, name) for name in Refusal.__slots__}) for row in rows]


def forget(connection: Connection, before: datetime) -> None:
    """Forget what is of the days before an instant, and of each source's refusals all but the newest."""
    for table in (accepted, tally):
        connection.execute(sa.delete(table).where(table.c.day < before.astimezone(UTC).date()))
    places = connection.execute(sa.select(refusal.c.council, refusal.c.source).distinct()).all()
    for council, source in places:
        mine = sa.and_(refusal.c.council == council, refusal.c.source == source)
        last = connection.scalar(sa.select(refusal.c.seq).where(mine).order_by(refusal.c.seq.desc())
                                 .offset(KEPT_REFUSALS - 1).limit(1)) or 0
        connection.execute(sa.delete(refusal).where(mine, sa.or_(refusal.c.seq < last, refusal.c.at < before)))


def _chunks(statements: Iterable[bytes]) -> Iterator[list[bytes]]:
    rest = iter(statements)
    while chunk := list(islice(rest, _AT_ONCE)):
        yield chunk
