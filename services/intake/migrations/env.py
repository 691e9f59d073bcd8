"""Run by alembic inside the transaction that `keepintouch.runtime.database.migrate` has begun."""
from __future__ import annotations

from alembic import context

import services.intake.imports_tables  # noqa: F401 -- so that all tables are known
from services.intake.database import VERSION_TABLE
from services.intake.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True,
                  version_table=VERSION_TABLE)
with context.begin_transaction():
    context.run_migrations()
