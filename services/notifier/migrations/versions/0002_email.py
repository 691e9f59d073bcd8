"""What an e-mail needs beside a text: a subject."""
from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; texts have none."""
    op.add_column("message", sa.Column("subject", sa.String(200)))


def downgrade() -> None:
    """Remove it."""
    op.drop_column("message", "subject")
