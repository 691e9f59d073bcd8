"""What the notifier is told by its environment."""
from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from keepintouch.councils import SMOKE_COUNCIL, Councils, unsafe_addresses
from keepintouch.runtime.durations import AtLeastASecond, Duration
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.places import deploy_file

LEASE_MARGIN = timedelta(seconds=5)
"""A provider is called only while the lease lasts at least this much longer than the call may, or twice as long as that."""


class NotifierSettings(BaseSettings):
    """The notifier's own settings; those of Kafka and the clock are the same for all services.

    Credentials and senders may differ by council: `<NAME>__<COUNCIL>` goes before `<NAME>`, see `Environment`.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    councils_file: Path = Field(deploy_file("councils.yaml"), description="the councils file")
    notifier_http_port: int = Field(8102, ge=0, le=65535, description="metrics, health and the providers' callbacks")
    notifier_http_host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 inside a container")
    notifier_database_url: str = Field("sqlite:///var/notifier.db",
                                       description="sqlite:///PATH for one instance, or postgresql+psycopg://...")
    public_base_url: str | None = Field(None, description="the notifier's own address as a provider sees it, without a trailing "
                                                          "slash; left out: no callbacks, what became of a text is polled")
    twilio_base_url: str | None = Field(None, description="only to aim at a stand-in for Twilio")
    notify_base_url: str | None = Field(None, description="only to aim at a stand-in for GOV.UK Notify")
    notifier_trial: Literal["on", "off"] = Field("on", description="on: only NOTIFIER_TRIAL_ALLOW gets anything")
    notifier_trial_allow: Annotated[frozenset[str], NoDecode] = Field(
        frozenset(), description="numbers (E.164) and e-mail addresses that may get something in trial, comma-separated")
    notifier_gather: Duration = Field(timedelta(seconds=60), description="how long a release waits for what else falls due")
    notifier_http_timeout: AtLeastASecond = Field(timedelta(seconds=10), description="how long a provider may take to answer")
    notifier_lease: Duration = Field(timedelta(seconds=30), description="after this a message claimed by a dead worker is "
                                                                        "uncertain")
    notifier_uncertain_after: AtLeastASecond = Field(
        timedelta(seconds=90), description="from an attempt to the first look for it at the provider")
    notifier_look_again: AtLeastASecond = Field(
        timedelta(seconds=60), description="from one look to the next; two before a resend")
    notifier_poll_after: AtLeastASecond = Field(timedelta(minutes=30), description="after this without a callback we ask")
    notifier_hourly_cap: int = Field(60, ge=1, le=100, description="so many messages to one recipient in an hour at most; what "
                                                                   "is over it waits, and goes out as one")
    notifier_keep: Duration = Field(timedelta(days=400), ge=timedelta(days=90),
                                    description="how long what is settled stays in the database; 90d at least")
    notifier_console_file: Path | None = Field(None, description="where the console channel writes messages, one JSON a line; "
                                                                 "left out: standard error, as a phone would show them")
    keepintouch_demo: Literal["0", "1"] = Field("0", description="1: allow what is unsafe outside a demo or a test")

    @field_validator("public_base_url", "twilio_base_url", "notify_base_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if not value:
            return None
        if not value.startswith(("http://", "https://")):
            raise ValueError("should be an address such as https://notifier.example.gov.uk")
        return value.rstrip("/")

    @field_validator("notifier_trial", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("notifier_trial_allow", mode="before")
    @classmethod
    def _list(cls, value: object) -> object:
        return frozenset(filter(None, map(_plain, value.split(",")))) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _lease_outlasts_a_call(self) -> Self:
        if self.notifier_lease <= self.spare_for_a_call():
            raise ValueError(f"NOTIFIER_LEASE should be more than {LEASE_MARGIN.seconds}s longer than NOTIFIER_HTTP_TIMEOUT, or "
                             "more than twice as long")
        return self

    def spare_for_a_call(self, margin: timedelta = LEASE_MARGIN) -> timedelta:
        """What must be left of a lease where a provider is to be called."""
        return self.notifier_http_timeout + min(margin, self.notifier_http_timeout)

    @property
    def demo(self) -> bool:
        """Whether what is unsafe is allowed."""
        return self.keepintouch_demo == "1"

    def may_get(self, address: str) -> bool:
        """Whether anything may go to this number or e-mail address now."""
        return self.notifier_trial == "off" or _plain(address) in self.notifier_trial_allow


def _plain(address: str) -> str:
    """A number or e-mail address as two of them are compared: without spaces, in lower case."""
    return "".join(address.split()).casefold()


def check_safe(settings: NotifierSettings, councils: Councils) -> None:
    """Refuse what is unsafe outside a demo. Raises UserError with what to do."""
    if settings.demo:
        return
    for name, address in (("PUBLIC_BASE_URL", settings.public_base_url), ("TWILIO_BASE_URL", settings.twilio_base_url),
                          ("NOTIFY_BASE_URL", settings.notify_base_url)):
        if address is not None and not address.startswith("https://"):
            raise UserError(f"{name} is plain http, which anybody on the way can read and forge: give an https:// address "
                            "(KEEPINTOUCH_DEMO=1 allows it in a demo)")
    if unsafe := unsafe_addresses(councils.councils):
        raise UserError(f"{settings.councils_file}: council {unsafe[0]}: sign_in: is plain http: give an https:// address "
                        "(KEEPINTOUCH_DEMO=1 allows it in a demo)")
    for slug, council in sorted(councils.councils.items()):
        if "console" in council.channels.providers and slug != SMOKE_COUNCIL:
            raise UserError(f"{settings.councils_file}: council {slug}: channels: console sends nothing to anybody: name "
                            "twilio or another provider (KEEPINTOUCH_DEMO=1 allows it in a demo)")


class Environment:
    """Variables of which a council may have its own: `<NAME>__<COUNCIL>` (upper case, `-` as `_`) before `<NAME>`."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        """Read from `environ` whenever asked."""
        self._environ = environ

    def own(self, name: str, council: str) -> str | None:
        """What this council alone has."""
        return self._environ.get(f"{name}__{council.upper().replace('-', '_')}") or None

    def get(self, name: str, council: str) -> str | None:
        """The council's own value, else the common one; an empty one is none."""
        return self.own(name, council) or self._environ.get(name) or None

    def secret(self, name: str, council: str) -> SecretStr | None:
        """As `get`, wrapped so that it is never printed."""
        value = self.get(name, council)
        return SecretStr(value) if value is not None else None
