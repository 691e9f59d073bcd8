"""What the services' code says of itself, for holding deployments against it."""
from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from pydantic import AliasChoices
from pydantic_settings import BaseSettings

from keepintouch.cli import app
from keepintouch.runtime.kafka import KafkaSettings

ROOT = Path(__file__).resolve().parents[3]
SERVICES = {"contact_monitor": 8101, "notifier": 8102, "intake": 8103, "board": 8104}
"""Each service and the port it has unless told otherwise."""

_READ_ELSEWHERE = re.compile(
    r"SECRETS_DIR|KEEPINTOUCH_(DEMO|CLOCK)|COUNCIL_KEYS_DIR|TWILIO_[A-Z_]+|NOTIFY_[A-Z_]+|SMTP_(URL|FROM)")
"""Read by other means than a class of settings: common to all, or different by council."""


def settings_class(service: str) -> type[BaseSettings]:
    """The class of a service's settings."""
    module = importlib.import_module(f"services.{service}.settings")
    return next(kind for kind in vars(module).values() if inspect.isclass(kind) and issubclass(kind, BaseSettings)
                and kind.__module__ == module.__name__)


def variables(service: str) -> set[str]:
    """Names of the environment variables that a service's settings are read from."""
    return {name for kind in (settings_class(service), KafkaSettings) for name in _names(kind)}


def knows(service: str, variable: str) -> bool:
    """Whether a service reads an environment variable."""
    return variable in variables(service) or bool(_READ_ELSEWHERE.fullmatch(variable))


def port_variable(service: str) -> str:
    """The variable that sets a service's port."""
    return f"{service.upper()}_HTTP_PORT"


def not_in_the_command_line(words: Sequence[str]) -> list[str]:
    """Of `words` behind `keepintouch`: the command or the options that it does not have."""
    command: Any = typer.main.get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    if hasattr(command, "commands") and words and not words[0].startswith("-"):
        return [words[0]]
    options = {"--help"} | {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    return [word for word in words if word.startswith("--") and word.partition("=")[0].rstrip(".,;:)") not in options]


def _names(kind: type[BaseSettings]) -> set[str]:
    found = set()
    for name, field in kind.model_fields.items():
        alias = field.validation_alias
        if isinstance(alias, AliasChoices):
            found |= {choice for choice in alias.choices if isinstance(choice, str)}
        else:
            found.add(alias if isinstance(alias, str) else f"{kind.model_config.get('env_prefix', '')}{name}".upper())
    return found
