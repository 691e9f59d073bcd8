"""To whom it leads when somebody has gone; and an index for the counts of each council."""
from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from keepintouch.runtime.database import Utc

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table and the index."""
    op.create_table(
        "last_known",
        sa.Column("worker_ref", sa.String(100), nullable=False),
        sa.Column("council", sa.String(32), nullable=False),
        sa.Column("team_ref", sa.String(100)),
        sa.Column("manager_ref", sa.String(100)),
        sa.Column("gone_at", Utc),
        sa.PrimaryKeyConstraint("worker_ref", name="pk_last_known"),
    )
    op.create_index("ix_message_council_state", "message", ["council", "state"])


def downgrade() -> None:
    """Remove them."""
    op.drop_index("ix_message_council_state", table_name="message")
    op.drop_table("last_known")
