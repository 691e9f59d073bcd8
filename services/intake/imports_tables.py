"""The importer's tables: what files said, as hashes, so that only what has changed is published again.

No index but the key: each would cost every row of every file more than a look through a million rows, now and then, takes.
"""
from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from keepintouch.runtime.database import Utc
from services.intake.tables import metadata

_COUNCIL = sa.String(32)
_FEED = sa.String(64)

imported: Final = sa.Table(
    "imported", metadata,
    sa.Column("council", _COUNCIL, primary_key=True),
    sa.Column("feed", _FEED, primary_key=True),
    sa.Column("item", sa.String(160), primary_key=True, doc="record id of a contact or visit; of a person the ref"),
    sa.Column("person_ref", sa.String(100), nullable=False),
    sa.Column("kind", sa.String(8), nullable=False, doc="contact, visit or person"),
    sa.Column("content", sa.LargeBinary(16), nullable=False, doc="hash of what was published last"),
    sa.Column("day", sa.Date, doc="of a contact or visit: when, in London"),
    sa.Column("since", sa.Date, doc="of a person: the supported_since that was published"),
    sa.Column("adviser_ref", sa.String(100), doc="of a person"),
    sa.Column("recorded_at", Utc, nullable=False, doc="of what was published last"),
    sa.Column("published_at", Utc, nullable=False),
    sa.Column("run", sa.Integer, nullable=False, doc="the last run whose file had it"),
    sa.Column("gone", sa.Boolean, nullable=False, doc="voided, or a person no longer in the file"),
)

import_run: Final = sa.Table(
    "import_run", metadata,
    sa.Column("run", sa.Integer, primary_key=True),
    sa.Column("council", _COUNCIL, nullable=False),
    sa.Column("feed", _FEED, nullable=False),
    sa.Column("started_at", Utc, nullable=False),
    sa.Column("finished_at", Utc, doc="null: broken off"),
    sa.Column("counts", sa.JSON, doc="what became of its rows"),
    sqlite_autoincrement=True,
)
