"""The gateway's tables: who may send what, what was accepted, what was not, and how far each feed is.

Nothing here names a young person: what was accepted is kept as hashes, of what was refused only the sender's own id of the
event, and what was wrong with which field. Tables of the file importer belong into the same `metadata`.
"""
from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from keepintouch.runtime.database import NAMES, Utc

metadata = sa.MetaData(naming_convention=NAMES)

_COUNCIL = sa.String(32)
_SOURCE = sa.String(200)

api_key: Final = sa.Table(
    "api_key", metadata,
    sa.Column("id", sa.String(16), primary_key=True, doc="the part of the key that may be shown"),
    sa.Column("hash", sa.LargeBinary(32), nullable=False, doc="SHA-256 of the whole key, which itself is nowhere"),
    sa.Column("council", _COUNCIL, nullable=False),
    sa.Column("sources", sa.JSON, nullable=False, doc="list of the names that events sent with it may have as their source"),
    sa.Column("made_at", Utc, nullable=False),
    sa.Column("revoked_at", Utc),
    sa.Column("refs", sa.String(16), doc="case-ids or pseudonyms: how people are called in what is sent with it; null: either"),
)

people_source: Final = sa.Table(
    "people_source", metadata,
    sa.Column("council", _COUNCIL, primary_key=True),
    sa.Column("source", _SOURCE, primary_key=True),
    sa.Column("since", Utc, nullable=False),
)
"""From where a council's people snapshots may come: whoever was first, until somebody says otherwise."""

accepted: Final = sa.Table(
    "accepted", metadata,
    sa.Column("statement", sa.LargeBinary(16), primary_key=True, doc="hash of council, source, id and recorded_at"),
    sa.Column("content", sa.LargeBinary(16), nullable=False, doc="hash of what was published"),
    sa.Column("day", sa.Date, nullable=False, index=True, doc="when, by the service's clock, in UTC"),
    sa.Column("person", sa.LargeBinary(8), index=True, doc="hash of the ref, by which it is found when the person is erased"),
    sqlite_with_rowid=False,
)

tally: Final = sa.Table(
    "tally", metadata,
    sa.Column("council", _COUNCIL, primary_key=True),
    sa.Column("source", _SOURCE, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True, doc="in UTC"),
    sa.Column("result", sa.String(32), primary_key=True, doc="accepted, repeated, dead_letter, or why refused"),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Index(None, "day"),
)

refusal: Final = sa.Table(
    "refusal", metadata,
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("council", _COUNCIL, nullable=False),
    sa.Column("source", _SOURCE, nullable=False),
    sa.Column("event_id", sa.String(200), doc="the sender's own, cut to this length; null: it had none"),
    sa.Column("at", Utc, nullable=False),
    sa.Column("reason", sa.String(32), nullable=False),
    sa.Column("detail", sa.Text, nullable=False, doc="which field, and what is wrong with it; never a value"),
    sa.Column("partition", sa.Integer, doc="of a dead letter: where it lies; null: refused at the door"),
    sa.Column("offset", sa.BigInteger),
    sa.Column("person", sa.LargeBinary(8), doc="hash of the ref where it could be read: see accepted"),
    sa.UniqueConstraint("partition", "offset"),
    sa.Index(None, "council", "source", "at"),
    sa.Index(None, "at"),
    sqlite_autoincrement=True,
)
"""What was wrong with single events: the newest of each source."""

erased: Final = sa.Table(
    "erased", metadata,
    sa.Column("person_ref", sa.String(100), primary_key=True),
    sa.Column("at", Utc, nullable=False, doc="what was recorded up to then is forgotten"),
    sa.Column("met_at", Utc, nullable=False, doc="when a file had them last"),
    sa.Column("back", sa.Boolean, nullable=False, doc="a snapshot recorded later has come since"),
)
"""Who was erased: the ref and the instant, and nothing else of them."""

topic: Final = sa.Table(
    "topic", metadata,
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("id", sa.String(64), nullable=False, doc="Kafka's own: another means that it was made anew"),
)
"""Which topic what was accepted is on."""

events_read: Final = sa.Table(
    "events_read", metadata,
    sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("next_offset", sa.BigInteger, nullable=False),
)
"""Up to where the events topic has been searched for erasures that others sent."""

reading: Final = sa.Table(
    "reading", metadata,
    sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("next_offset", sa.BigInteger, nullable=False),
)
"""Up to where the dead letters have been read."""

feed: Final = sa.Table(
    "feed", metadata,
    sa.Column("council", _COUNCIL, primary_key=True),
    sa.Column("feed", sa.String(64), primary_key=True),
    sa.Column("complete_through", sa.Date, nullable=False),
    sa.Column("records", sa.BigInteger, nullable=False),
    sa.Column("at", Utc, nullable=False, doc="when that was said"),
)
