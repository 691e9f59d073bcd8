"""Run by alembic inside the transaction that `keepintouch.runtime.database.migrate` has begun."""
from __future__ import annotations

from alembic import context

from services.notifier.database import VERSION_TABLE
from services.notifier.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True,
                  version_table=VERSION_TABLE)
with context.begin_transaction():
    context.run_migrations()
