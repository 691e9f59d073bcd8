"""The gateway's tables. What the columns mean is said in `services.intake.tables`."""
from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from keepintouch.runtime.database import Utc

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "api_key",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.Column("council", sa.String(32), nullable=False),
        sa.Column("sources", sa.JSON, nullable=False),
        sa.Column("made_at", Utc, nullable=False),
        sa.Column("revoked_at", Utc),
        sa.PrimaryKeyConstraint("id", name="pk_api_key"),
    )
    op.create_table(
        "people_source",
        sa.Column("council", sa.String(32), nullable=False),
        sa.Column("source", sa.String(200), nullable=False),
        sa.Column("since", Utc, nullable=False),
        sa.PrimaryKeyConstraint("council", "source", name="pk_people_source"),
    )
    op.create_table(
        "accepted",
        sa.Column("statement", sa.LargeBinary(16), nullable=False),
        sa.Column("content", sa.LargeBinary(16), nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.PrimaryKeyConstraint("statement", name="pk_accepted"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_accepted_day", "accepted", ["day"])
    op.create_table(
        "tally",
        sa.Column("council", sa.String(32), nullable=False),
        sa.Column("source", sa.String(200), nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("result", sa.String(32), nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("council", "source", "day", "result", name="pk_tally"),
    )
    op.create_index("ix_tally_day", "tally", ["day"])
    op.create_table(
        "refusal",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("council", sa.String(32), nullable=False),
        sa.Column("source", sa.String(200), nullable=False),
        sa.Column("event_id", sa.String(200)),
        sa.Column("at", Utc, nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("partition", sa.Integer),
        sa.Column("offset", sa.BigInteger),
        sa.PrimaryKeyConstraint("seq", name="pk_refusal"),
        sa.UniqueConstraint("partition", "offset", name="uq_refusal_partition_offset"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_refusal_council_source_at", "refusal", ["council", "source", "at"])
    op.create_index("ix_refusal_at", "refusal", ["at"])
    op.create_table(
        "reading",
        sa.Column("partition", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("partition", name="pk_reading"),
    )
    op.create_table(
        "feed",
        sa.Column("council", sa.String(32), nullable=False),
        sa.Column("feed", sa.String(64), nullable=False),
        sa.Column("complete_through", sa.Date, nullable=False),
        sa.Column("records", sa.BigInteger, nullable=False),
        sa.Column("at", Utc, nullable=False),
        sa.PrimaryKeyConstraint("council", "feed", name="pk_feed"),
    )


def downgrade() -> None:
    """Remove all tables."""
    for table in ("feed", "reading", "refusal", "tally", "accepted", "people_source", "api_key"):
        op.drop_table(table)
