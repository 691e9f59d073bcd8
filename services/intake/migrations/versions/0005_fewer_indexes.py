"""No indexes beside the key of what files said: every row of every file paid for them, and only rare work looked there."""
from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take them away."""
    op.drop_index("ix_imported_person_ref", "imported")
    op.drop_index("ix_imported_council_feed_run", "imported")


def downgrade() -> None:
    """Make them again."""
    op.create_index("ix_imported_council_feed_run", "imported", ["council", "feed", "run"])
    op.create_index("ix_imported_person_ref", "imported", ["person_ref"])
