"""What storms, weekly messages and audits need to remember."""
from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from keepintouch.runtime.database import Utc

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add tables, columns and indexes."""
    op.create_table(
        "appeal",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("council", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("begun_at", Utc, nullable=False),
        sa.Column("grown_at", Utc, nullable=False),
        sa.Column("look_at", Utc),
        sa.Column("reason", sa.String(32)),
        sa.Column("message_id", sa.String(32)),
        sa.Column("counts", sa.JSON, nullable=False),
        sa.Column("about", sa.JSON, nullable=False),
        sa.Column("ended_at", Utc),
        sa.Column("ended_by", sa.String(100)),
        sa.PrimaryKeyConstraint("id", name="pk_appeal"),
    )
    op.create_index("ix_appeal_council_kind_ended_at", "appeal", ["council", "kind", "ended_at"])
    op.create_index("ix_appeal_message_id", "appeal", ["message_id"])
    op.create_table(
        "weekly",
        sa.Column("recipient_ref", sa.String(100), nullable=False),
        sa.Column("week", sa.Date, nullable=False),
        sa.Column("made_at", Utc, nullable=False),
        sa.Column("message_id", sa.String(32)),
        sa.PrimaryKeyConstraint("recipient_ref", "week", name="pk_weekly"),
    )
    op.add_column("alert", sa.Column("storm_id", sa.String(32)))
    op.add_column("alert", sa.Column("ladder_from", Utc))
    op.create_index("ix_alert_storm_id", "alert", ["storm_id"])
    op.create_index("ix_step_released_at", "step", ["released_at"])
    op.add_column("message", sa.Column("counts", sa.JSON))


def downgrade() -> None:
    """Remove them."""
    with op.batch_alter_table("message") as table:
        table.drop_column("counts")
    op.drop_index("ix_step_released_at", table_name="step")
    op.drop_index("ix_alert_storm_id", table_name="alert")
    with op.batch_alter_table("alert") as table:
        table.drop_column("ladder_from")
        table.drop_column("storm_id")
    op.drop_table("weekly")
    op.drop_index("ix_appeal_message_id", table_name="appeal")
    op.drop_index("ix_appeal_council_kind_ended_at", table_name="appeal")
    op.drop_table("appeal")
