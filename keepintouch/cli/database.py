"""`keepintouch database`: which revision a service's tables have, and back to an earlier one before an earlier version starts."""
from __future__ import annotations

import contextlib
from collections.abc import Iterator
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keepintouch.runtime.errors import UserError
from keepintouch.runtime.settings import load_settings

from .common import Yes, ask, need_a_terminal

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Engine

app = typer.Typer(name="database", help="The tables of a service: their revision, and the way back to an earlier one.",
                  no_args_is_help=True)


class Service(StrEnum):
    """Services that have tables."""

    NOTIFIER = "notifier"
    INTAKE = "intake"


_Service = Annotated[Service, typer.Argument(help="Whose; the database is where its settings say.")]


@app.command()
def revision(service: _Service) -> None:
    """Print the revision that a service's tables have, and the one that this version of the program wants."""
    with _tables(service) as (config, found):
        typer.echo(f"found {found or 'none'}, this version wants {_script(config).get_current_head()}")


@app.command()
def downgrade(service: _Service, to: Annotated[str, typer.Argument(help="A revision, such as 0002.")], yes: Yes = False) -> None:
    """Take a service's tables back to a revision, for an earlier version of the program. Stop the service and back up first.

    What only the newer version keeps is lost with it.
    """
    from alembic import command
    from alembic.util import CommandError

    need_a_terminal(yes)
    with _tables(service) as (config, found):
        try:
            target = _script(config).get_revision(to)
            earlier = {each.revision for each in _script(config).iterate_revisions(found or "base", "base")}
        except CommandError:
            target, earlier = None, set()
        if target is None or target.revision not in earlier:
            raise UserError(f"the tables of {service} are at {found or 'none'}, and {to} is not a revision before it that this "
                            "version knows")
        ask(f"take the tables of {service} from {found} back to {target.revision}?", yes)
        command.downgrade(config, target.revision)
        typer.echo(f"{service}: now at {target.revision}")


@contextlib.contextmanager
def _tables(service: Service) -> Iterator[tuple[Config, str | None]]:
    """Alembic's configuration, connected in a transaction, and the revision found."""
    try:
        import sqlalchemy as sa
        from alembic.config import Config
        from alembic.migration import MigrationContext

        from keepintouch.runtime.database import address, opening
    except ImportError:
        raise UserError(f"the {service}'s packages are not installed here: pip install 'keep-in-touch[{service}]'") from None
    module = import_module(f"services.{service}.settings")
    settings: Any = load_settings(getattr(module, f"{service.capitalize()}Settings"))
    config = Config()
    config.set_main_option("script_location", str(Path(str(module.__file__)).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    setting = f"{service.upper()}_DATABASE_URL"
    engine = sa.create_engine(address(getattr(settings, f"{service}_database_url"), setting))
    with opening(setting), _disposed(engine), engine.begin() as connection:
        config.attributes["connection"] = connection
        named = {"version_table": import_module(f"services.{service}.database").VERSION_TABLE}
        yield config, MigrationContext.configure(connection, opts=named).get_current_revision()


@contextlib.contextmanager
def _disposed(engine: Engine) -> Iterator[None]:
    try:
        yield
    finally:
        engine.dispose()


def _script(config: Config) -> Any:
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(config)
