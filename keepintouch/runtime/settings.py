"""Reading settings from the environment, with one clear line when they cannot be read."""

import os
import re
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import TypeVar

from pydantic import AliasChoices, ValidationError
from pydantic_settings import BaseSettings

from keepintouch.runtime.errors import UserError

Settings = TypeVar("Settings", bound=BaseSettings)

_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")


def load_settings(kind: type[Settings]) -> Settings:
    """Build `kind` from the environment. Raises UserError that names the variables (a secret is never repeated)."""
    take_secrets()
    try:
        return kind()
    except ValidationError as error:
        lines = (f"{variable(kind, str(e['loc'][0])) if e['loc'] else kind.__name__}: {_text(e['msg'])}"
                 for e in error.errors(include_input=False, include_url=False))
        raise UserError("; ".join(lines)) from None


def take_secrets(environ: MutableMapping[str, str] = os.environ) -> None:
    """Set what files in the folder `SECRETS_DIR` say, each named like its variable; what is set, and not empty, stays.

    So do Docker and Kubernetes hand secrets over: where they are shown neither to `docker inspect` nor in a process list.
    Raises UserError for a folder or file that cannot be read.
    """
    for name, said in _secrets(environ).items():
        if not environ.get(name):
            environ[name] = said


class Secrets:
    """What the files of `SECRETS_DIR` say while a service runs; begins with what `take_secrets` has taken."""

    def __init__(self, environ: MutableMapping[str, str] = os.environ) -> None:
        """In place of what the files said before goes what they say now; what was set otherwise stays."""
        self._environ = environ
        self._taken = {name: said for name, said in _secrets(environ).items() if environ.get(name) == said}
        self._seen = self._taken

    def renew(self) -> bool:
        """Take over what is new, once two looks running find the same: whoever writes a file may not have come to its end.

        Whether anything was. Raises UserError as `take_secrets` does.
        """
        found = {name: said for name, said in _secrets(self._environ).items()
                 if name in self._taken or not self._environ.get(name)}
        seen, self._seen = self._seen, found
        if found == self._taken or found != seen:
            return False
        for name in self._taken.keys() - found.keys():
            self._environ.pop(name, None)
        self._environ.update(found)
        self._taken = found
        return True


def _secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """What each file of the folder says."""
    folder = environ.get("SECRETS_DIR")
    if not folder:
        return {}
    try:
        return {file.name: file.read_text(encoding="utf-8").rstrip("\r\n") for file in sorted(Path(folder).iterdir())
                if _VARIABLE.fullmatch(file.name)}   # Kubernetes has links of its own beside them
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UserError(f"SECRETS_DIR: {getattr(error, 'filename', None) or folder} cannot be read ({reason}): let the "
                        "service's user read the folder and its files") from None


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
