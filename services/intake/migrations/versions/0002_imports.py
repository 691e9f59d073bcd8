"""The importer's tables. What the columns mean is said in `services.intake.imports_tables`."""
from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from keepintouch.runtime.database import Utc

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "imported",
        sa.Column("council", sa.String(32), nullable=False),
        sa.Column("feed", sa.String(64), nullable=False),
        sa.Column("item", sa.String(160), nullable=False),
        sa.Column("person_ref", sa.String(100), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("content", sa.LargeBinary(16), nullable=False),
        sa.Column("day", sa.Date),
        sa.Column("since", sa.Date),
        sa.Column("adviser_ref", sa.String(100)),
        sa.Column("recorded_at", Utc, nullable=False),
        sa.Column("published_at", Utc, nullable=False),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("gone", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("council", "feed", "item", name="pk_imported"),
    )
    op.create_index("ix_imported_council_feed_run", "imported", ["council", "feed", "run"])
    op.create_index("ix_imported_person_ref", "imported", ["person_ref"])
    op.create_table(
        "import_run",
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("council", sa.String(32), nullable=False),
        sa.Column("feed", sa.String(64), nullable=False),
        sa.Column("started_at", Utc, nullable=False),
        sa.Column("finished_at", Utc),
        sa.Column("counts", sa.JSON),
        sa.PrimaryKeyConstraint("run", name="pk_import_run"),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    """Drop both tables."""
    op.drop_table("import_run")
    op.drop_table("imported")
