"""What the providers that are reached by HTTP have in common: how a call can fail, and what that means."""
from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import requests
from urllib3.exceptions import NewConnectionError

from services.notifier.channels import NotSent, Uncertain

CONNECT: Final = timedelta(seconds=3)
"""How long it may take to reach a provider: longer than a lost packet is repeated."""


def waits(timeout: timedelta) -> tuple[float, float]:
    """How long a call may take, as requests wants it: to connect, and for the answer; no longer than `timeout` together."""
    connect = min(CONNECT, timeout / 2)
    return connect.total_seconds(), (timeout - connect).total_seconds()


def failed(error: Exception) -> NotSent | Uncertain:
    """What a call that brought no answer, or none that can be read, means."""
    return NotSent(slug(error)) if never_left(error) else Uncertain(slug(error))


def never_left(error: Exception) -> bool:
    """Whether the failure came before anything of the request had been sent."""
    if isinstance(error, (requests.exceptions.ConnectTimeout, requests.exceptions.ProxyError)):
        return True
    # Of TLS only a certificate that is not believed: other errors may also come while the answer is read.
    return isinstance(error, requests.RequestException) and any(
        isinstance(each, (NewConnectionError, ssl.SSLCertVerificationError)) for each in _causes(error))


def retry_after(said: str | None) -> timedelta | None:
    """The seconds of a Retry-After, a day at most; None for none, or a date."""
    return timedelta(seconds=min(int(said), 86_400)) if said and said.isascii() and said.isdigit() else None


def slug(error: BaseException) -> str:
    """An error's kind: its text may hold numbers and addresses."""
    return type(error).__name__


def _causes(error: BaseException) -> Iterator[object]:
    """An error and what it wraps, as requests and urllib3 wrap: in the first argument, or in `reason`."""
    each: object = error
    while isinstance(each, BaseException):
        yield each
        each = getattr(each, "reason", None) or (each.args[0] if each.args else None)
