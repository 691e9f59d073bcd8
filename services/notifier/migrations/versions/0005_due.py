"""Indexes that hold what is due and what is under way, not a year of what is settled."""
from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_SMALLER = (("alert", ["storm_id"]), ("step", ["state", "look_at"]), ("step", ["state", "release_at"]), ("step", ["released_at"]))
_NEW = (("message", ["lease_until"]), ("message", ["look_again_at"]))


def upgrade() -> None:
    """Make them, some in place of those that hold every row."""
    for table, columns in _SMALLER:
        op.drop_index(_name(table, columns), table_name=table)
    for table, columns in (*_SMALLER, *_NEW):
        there = sa.text(f"{columns[-1]} IS NOT NULL")
        op.create_index(_name(table, columns), table, columns, sqlite_where=there, postgresql_where=there)
    op.create_index("ix_message_attempted_at", "message", ["attempted_at"])


def downgrade() -> None:
    """Make the earlier ones again."""
    op.drop_index("ix_message_attempted_at", table_name="message")
    for table, columns in (*_SMALLER, *_NEW):
        op.drop_index(_name(table, columns), table_name=table)
    for table, columns in _SMALLER:
        op.create_index(_name(table, columns), table, columns)


def _name(table: str, columns: list[str]) -> str:
    return "_".join(("ix", table, *columns))
