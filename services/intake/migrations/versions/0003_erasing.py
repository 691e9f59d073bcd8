"""Whom to find when somebody is to be forgotten, how a key's ids are to be sent, and which topic was written to."""
from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from keepintouch.runtime.database import Utc

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns and tables. What was noted before cannot be told to be about somebody: it goes."""
    op.execute("DELETE FROM accepted")
    op.add_column("accepted", sa.Column("person", sa.LargeBinary(8)))
    op.create_index("ix_accepted_person", "accepted", ["person"])
    op.execute("DELETE FROM refusal")
    op.add_column("refusal", sa.Column("person", sa.LargeBinary(8)))
    op.add_column("api_key", sa.Column("refs", sa.String(16)))
    op.create_table(
        "erased",
        sa.Column("person_ref", sa.String(100), nullable=False),
        sa.Column("at", Utc, nullable=False),
        sa.Column("met_at", Utc, nullable=False),
        sa.Column("back", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("person_ref", name="pk_erased"),
    )
    op.create_table(
        "topic",
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("id", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_topic"),
    )


def downgrade() -> None:
    """Take them away again."""
    op.drop_table("topic")
    op.drop_table("erased")
    op.drop_column("api_key", "refs")
    op.drop_column("refusal", "person")
    op.drop_index("ix_accepted_person", "accepted")
    op.drop_column("accepted", "person")
