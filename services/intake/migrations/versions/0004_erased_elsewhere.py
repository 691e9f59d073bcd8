"""Up to where the events topic has been searched for erasures that others sent."""
from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "events_read",
        sa.Column("partition", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("partition", name="pk_events_read"),
    )


def downgrade() -> None:
    """Take it away again."""
    op.drop_table("events_read")
