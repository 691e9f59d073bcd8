"""Takes up new credentials when their files change (`SECRETS_DIR`), without a start."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from keepintouch.runtime.errors import UserError
from keepintouch.runtime.logs import get_logger
from keepintouch.runtime.settings import Secrets
from services.notifier.providers import Providers

PAUSE = 2.0
"""Seconds from one look to the next."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Renewal:
    """`build`: makes providers of what the environment says now; `renewed` is called when they are in use."""

    secrets: Secrets
    providers: Providers
    build: Callable[[], Providers]
    renewed: Callable[[], None]

    def run_once(self) -> None:
        """Look once. What is no good, or cannot be read, is said, and what was known before stays in use."""
        try:
            if not self.secrets.renew():
                return
            self.providers.become(self.build())
        except UserError as error:
            _log.error("credentials_not_renewed", exc_info=error)
            return
        _log.warning("credentials_renewed")
        self.renewed()
