"""The database of the gateway and the importer: `INTAKE_DATABASE_URL`."""
from __future__ import annotations

from pathlib import Path

from keepintouch.runtime import database
from keepintouch.runtime.database import Database

MIGRATIONS = Path(__file__).parent / "migrations"
SETTING = "INTAKE_DATABASE_URL"
VERSION_TABLE = "intake_version"
"""Not alembic's own name: one PostgreSQL database may serve the notifier too."""


def open_database(url: str) -> Database:
    """Connect and bring the tables up to date. Raises UserError if that cannot be done."""
    return database.open_database(url, SETTING, MIGRATIONS)
