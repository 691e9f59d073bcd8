"""What the board is told by its environment."""
from __future__ import annotations

import ipaddress
from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from keepintouch.councils import Councils, unsafe_addresses
from keepintouch.runtime.durations import AtLeastASecond
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.places import deploy_file
from keepintouch.runtime.topics import DEFAULT_APP_ID
from keepintouch.standards.policy_file import SHIPPED

GOVUK = Path("node_modules") / "govuk-frontend" / "dist" / "govuk"
STYLES = "govuk-frontend.min.css"


class BoardSettings(BaseSettings):
    """The board's own settings; those of Kafka and the clock are the same for all services."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    councils_file: Path = Field(deploy_file("councils.yaml"), description="the councils file")
    policies_dir: Path = Field(SHIPPED, description="where policies are looked up by id")
    contact_monitor_app_id: str = Field(DEFAULT_APP_ID, pattern=r"^[a-z0-9-]{1,64}$",
                                        description="whose changelog the people are read from")
    board_http_port: int = Field(8104, ge=0, le=65535, description="the pages, metrics and health")
    board_http_host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 inside a container")
    board_assets_dir: Path | None = Field(None, description="folder with GOV.UK Frontend's files (its dist/govuk); left out: "
                                                            "where `make setup` puts them")
    board_public_url: str | None = Field(None, description="the board's own address as a browser sees it; left out: `sign_in` of "
                                                           "the councils file, which must then be the same for all councils")
    council_keys_dir: Path = Field(Path("var/keys"), description="one file <council>.key each")
    oidc_issuer: str | None = Field(None, description="the council's sign-in: issuer of OpenID Connect, an https:// address")
    oidc_client_id: str | None = Field(None, description="the board's id there")
    oidc_client_secret: SecretStr | None = Field(None, description="its secret there")
    oidc_claim: str = Field("email", description="what of a sign-in is matched with staff: `email` with their address, any "
                                                 "other with their address, ref or id in the case system")
    forwarded_allow_ips: str = Field("127.0.0.1", description="addresses and networks, comma-separated, of the proxies whose "
                                     "X-Forwarded-For is believed: sign-ins are counted by the address it gives")
    board_figures_every: AtLeastASecond = Field(
        timedelta(seconds=60), description="how often the figures for managers are worked out, in real time")
    keepintouch_demo: Literal["0", "1"] = Field("0", description="1: allow what is unsafe outside a demo or a test")

    @field_validator("oidc_issuer", "board_public_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if not value:
            return None
        if not value.startswith(("http://", "https://")):
            raise ValueError("should be an address such as https://login.example.gov.uk")
        return value.rstrip("/")

    @field_validator("forwarded_allow_ips")
    @classmethod
    def _networks(cls, value: str) -> str:
        for each in filter(None, (each.strip() for each in value.split(","))):
            try:
                ipaddress.ip_network(each)
            except ValueError:
                raise ValueError(f"{each} is no address and no network: give such as 10.0.0.7 or 10.0.0.0/24") from None
        return value

    @field_validator("oidc_client_id", "oidc_client_secret")
    @classmethod
    def _not_empty(cls, value: str | SecretStr | None) -> str | SecretStr | None:
        return value or None

    @property
    def demo(self) -> bool:
        """Whether what is unsafe is allowed."""
        return self.keepintouch_demo == "1"

    @property
    def made_up_sign_in(self) -> bool:
        """Whether people sign in by choosing who they are: in a demo without a real sign-in only."""
        return self.demo and self.oidc_issuer is None


def public_url(settings: BoardSettings, councils: Councils) -> str:
    """The board's own address, without a trailing slash. Raises UserError where it is not said."""
    if settings.board_public_url is not None:
        return settings.board_public_url
    addresses = sorted({council.sign_in for council in councils.councils.values()})
    if len(addresses) > 1:
        raise UserError(f"{settings.councils_file}: councils have different sign_in addresses: set BOARD_PUBLIC_URL")
    return addresses[0]


def check_safe(settings: BoardSettings, councils: Councils) -> None:
    """Refuse what is unsafe outside a demo, or cannot work. Raises UserError with what to do."""
    given = {"OIDC_ISSUER": settings.oidc_issuer, "OIDC_CLIENT_ID": settings.oidc_client_id,
             "OIDC_CLIENT_SECRET": settings.oidc_client_secret}
    missing = [name for name, value in given.items() if value is None]
    if missing and not settings.made_up_sign_in:
        raise UserError(f"nobody could sign in: set {', '.join(missing)} (KEEPINTOUCH_DEMO=1 has made-up sign-ins)")
    own = public_url(settings, councils)
    if settings.demo:
        return
    for name, address in (("OIDC_ISSUER", settings.oidc_issuer), ("BOARD_PUBLIC_URL", own)):
        if address is not None and not address.startswith("https://"):
            raise UserError(f"{name} is plain http, which anybody on the way can read and forge: give an https:// address "
                            "(KEEPINTOUCH_DEMO=1 allows it in a demo)")
    if unsafe := unsafe_addresses(councils.councils):
        raise UserError(f"{settings.councils_file}: council {unsafe[0]}: sign_in: is plain http: give an https:// address "
                        "(KEEPINTOUCH_DEMO=1 allows it in a demo)")


def assets_dir(settings: BoardSettings) -> Path:
    """Where GOV.UK Frontend's files are. Raises UserError where they are not."""
    folder = settings.board_assets_dir or Path(__file__).resolve().parents[2] / GOVUK
    if not (folder / STYLES).is_file():
        raise UserError(f"{folder} holds no {STYLES}: run make setup, or set BOARD_ASSETS_DIR to govuk-frontend's dist/govuk")
    return folder
