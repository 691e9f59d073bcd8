"""What the gateway is told by its environment."""
from __future__ import annotations

import ipaddress
from datetime import timedelta
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from keepintouch.councils import Councils, unsafe_addresses
from keepintouch.runtime.durations import AtLeastASecond, Duration
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.places import deploy_file
from schemas.dead_letters import MAX_VALUE_BYTES


class IntakeSettings(BaseSettings):
    """The gateway's own settings; those of Kafka and the clock are the same for all services."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    councils_file: Path = Field(deploy_file("councils.yaml"), description="which councils there are")
    council_keys_dir: Path = Field(Path("var/keys"), description="one file `<council>.key` each, made by `keepintouch keys new`; "
                                                                 "needed for what is sent with case ids")
    intake_http_port: int = Field(8103, ge=0, le=65535, description="the API, metrics and health")
    intake_http_host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 inside a container")
    intake_tls_certfile: Path | None = Field(None, description="PEM file of the certificate to answer https with; left out: http")
    intake_tls_keyfile: Path | None = Field(None, description="PEM file of its key")
    intake_behind_tls: Literal["0", "1"] = Field("0", description="1: a proxy in front speaks https, and only it reaches us")
    intake_database_url: str = Field("sqlite:///var/intake.db",
                                     description="sqlite:///PATH for one instance, or postgresql+psycopg://...")
    intake_largest_body: int = Field(8 * 1024 * 1024, ge=MAX_VALUE_BYTES, description="bytes of one request at most")
    intake_events_per_minute: int = Field(600_000, ge=1, description="events, or other requests, for each API key")
    intake_kafka_timeout: AtLeastASecond = Field(timedelta(seconds=10), description="how long Kafka may take before a post is "
                                                                                    "answered 503")
    intake_keep: Duration = Field(timedelta(days=30), description="how long it is remembered what was accepted and refused")
    keepintouch_demo: Literal["0", "1"] = Field("0", description="1: allow what is unsafe outside a demo or a test")

    @field_validator("intake_tls_certfile", "intake_tls_keyfile")
    @classmethod
    def _readable(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError(f"there is no file {value}")
        return value

    @field_validator("intake_keep")
    @classmethod
    def _a_day(cls, value: timedelta) -> timedelta:
        if value < timedelta(days=1):
            raise ValueError("give 1d or more")
        return value

    @model_validator(mode="after")
    def _both_files(self) -> Self:
        if (self.intake_tls_certfile is None) != (self.intake_tls_keyfile is None):
            raise ValueError("INTAKE_TLS_CERTFILE and INTAKE_TLS_KEYFILE belong together: give both or none")
        return self

    @property
    def demo(self) -> bool:
        """Whether what is unsafe is allowed."""
        return self.keepintouch_demo == "1"


def check_safe(settings: IntakeSettings, councils: Councils, keys: int) -> None:
    """Refuse what is unsafe outside a demo; `keys`: how many API keys there are. Raises UserError with what to do."""
    if settings.demo:
        return
    if unsafe := unsafe_addresses(councils.councils):
        raise UserError(f"{settings.councils_file}: council {unsafe[0]}: sign_in: is plain http: give an https:// address "
                        "(KEEPINTOUCH_DEMO=1 allows it in a demo)")
    if not (settings.intake_tls_certfile or settings.intake_behind_tls == "1" or _only_this_machine(settings.intake_http_host)):
        raise UserError(f"INTAKE_HTTP_HOST={settings.intake_http_host} would take API keys over plain http, which anybody on the "
                        "way can read: set INTAKE_TLS_CERTFILE and INTAKE_TLS_KEYFILE, or INTAKE_BEHIND_TLS=1 behind a proxy "
                        "that speaks https (KEEPINTOUCH_DEMO=1 allows it in a demo)")
    if not keys:
        raise UserError("there is no API key, so nobody could send anything: make one with 'keepintouch sources new COUNCIL "
                        "--source NAME' (KEEPINTOUCH_DEMO=1 lets anybody in)")


def _only_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
