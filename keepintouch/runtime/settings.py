"""Reading settings from the environment, with one clear line when they cannot be read."""

from typing import TypeVar

from pydantic import AliasChoices, ValidationError
from pydantic_settings import BaseSettings

from keepintouch.runtime.errors import UserError

Settings = TypeVar("Settings", bound=BaseSettings)


def load_settings(kind: type[Settings]) -> Settings:
    """Build `kind` from the environment. Raises UserError that names the variables (a secret is never repeated)."""
    try:
        return kind()
    except ValidationError as error:
        lines = (f"{variable(kind, str(e['loc'][0])) if e['loc'] else kind.__name__}: {_text(e['msg'])}"
                 for e in error.errors(include_input=False, include_url=False))
        raise UserError("; ".join(lines)) from None


def variable(kind: type[BaseSettings], field: str) -> str:
    """Return the environment variable that `field` of `kind` is read from (the first, if there are several)."""
    known = kind.model_fields.get(field)
    alias = known.validation_alias if known else None
    if isinstance(alias, AliasChoices):
        alias = alias.choices[0] if isinstance(alias.choices[0], str) else None
    if isinstance(alias, str):
        return alias
    return (field if known is None else f"{kind.model_config.get('env_prefix', '')}{field}").upper()


def _text(message: str) -> str:
    return message.removeprefix("Value error, ")
