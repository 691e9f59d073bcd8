"""Erased people leave nothing; when a first look was last heard of; two messages may have the same id at a provider."""
from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from keepintouch.runtime.database import Utc

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Delete what erased people have left, and change tables."""
    alert = sa.table("alert", *map(sa.column, ("alert_id", "council", "person_ref")))
    step = sa.table("step", *map(sa.column, ("alert_id", "key", "state", "look_at")))
    erased = sa.select(alert.c.alert_id).where(alert.c.person_ref.is_(None))
    for table in (sa.table("line", sa.column("alert_id")), sa.table("act", sa.column("alert_id")), step, alert):
        op.execute(sa.delete(table).where(table.c.alert_id.in_(erased)))
    with op.batch_alter_table("alert") as changed:
        changed.alter_column("person_ref", existing_type=sa.String(100), nullable=False)
    with op.batch_alter_table("message") as message:
        message.drop_constraint("uq_message_provider_provider_id", type_="unique")
    op.drop_index("ix_provider_event_message_id", table_name="provider_event")
    with op.batch_alter_table("provider_event") as event:
        event.drop_constraint("uq_provider_event_provider_provider_id_status", type_="unique")
        event.create_unique_constraint("uq_provider_event_message_id_provider_provider_id_status",
                                       ["message_id", "provider", "provider_id", "status"])
    backfill = op.create_table(
        "backfill",
        sa.Column("council", sa.String(32), nullable=False),
        sa.Column("came_at", Utc, nullable=False),
        sa.PrimaryKeyConstraint("council", name="pk_backfill"),
    )
    waiting = (sa.select(alert.c.council, sa.literal(datetime.now(UTC), Utc)).distinct()
               .join(step, step.c.alert_id == alert.c.alert_id)
               .where(step.c.key == "backfill", step.c.state == "waiting", step.c.look_at.is_(None)))
    op.execute(sa.insert(backfill).from_select(["council", "came_at"], waiting))


def downgrade() -> None:
    """Change the tables back."""
    op.drop_table("backfill")
    with op.batch_alter_table("provider_event") as event:
        event.drop_constraint("uq_provider_event_message_id_provider_provider_id_status", type_="unique")
        event.create_unique_constraint("uq_provider_event_provider_provider_id_status", ["provider", "provider_id", "status"])
    op.create_index("ix_provider_event_message_id", "provider_event", ["message_id"])
    with op.batch_alter_table("message") as message:
        message.create_unique_constraint("uq_message_provider_provider_id", ["provider", "provider_id"])
    with op.batch_alter_table("alert") as alert:
        alert.alter_column("person_ref", existing_type=sa.String(100), nullable=True)
