"""Each council's providers, built once from the councils file and the environment; and how we know their callbacks."""
from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from keepintouch.councils import Council, Councils
from keepintouch.runtime.errors import UserError
from schemas.staff import MessageChannel
from services.notifier.channels import Channel
from services.notifier.channels.console import ConsoleChannel
from services.notifier.channels.notify import BASE_URL, NotifyChannel, NotifyService
from services.notifier.channels.smtp import MailServer, SmtpChannel
from services.notifier.channels.twilio import TwilioAccount, TwilioChannel
from services.notifier.settings import Environment, NotifierSettings

_SHORTEST_TOKEN = 10   # Notify takes no shorter one


@dataclass(frozen=True, slots=True)
class Providers:
    """`channels`: by council and channel (sms, email), the providers in order of preference; the rest by council alone."""

    channels: dict[tuple[str, str], Sequence[Channel]] = field(default_factory=dict)
    twilio_tokens: dict[str, Sequence[SecretStr]] = field(default_factory=dict)
    """What Twilio signs with: the auth tokens of the account, two while they are being changed."""
    notify_tokens: dict[str, Sequence[SecretStr]] = field(default_factory=dict)
    """What Notify shows: two as well while they are being changed."""

    notify: dict[str, Channel] = field(default_factory=dict)
    """By council, Notify for texts: what answers those that Notify brings."""

    def become(self, other: Providers) -> None:
        """Let all that have these have the others: of the same councils, with other credentials."""
        self.channels.update(other.channels)
        self.twilio_tokens.update(other.twilio_tokens)
        self.notify_tokens.update(other.notify_tokens)
        self.notify.update(other.notify)


def build(settings: NotifierSettings, councils: Councils, environment: Environment) -> Providers:
    """Build what the councils file names. Raises UserError that names the council and what is missing."""
    built = Providers()
    console: list[ConsoleChannel] = []   # one for all, and only if it is named: it makes its file's folder
    for slug, council in councils.councils.items():
        if not council.channels.providers:
            raise UserError(f"{settings.councils_file}: council {slug}: channels: name at least one provider")
        named: dict[str, Channel] = {}
        for provider in sorted(council.channels.providers):
            if provider == "console":
                console = console or [ConsoleChannel(_console_file(settings))]
                named[provider] = console[0]
            else:
                named[provider] = _MAKERS[provider](built, settings, environment, slug, council)
        for channel, providers in (("sms", council.channels.sms), ("email", council.channels.email)):
            built.channels[slug, channel] = [named[provider] for provider in dict.fromkeys(providers)]
        if "notify" in council.channels.sms:
            built.notify[slug] = named["notify"]
    return built


def _console_file(settings: NotifierSettings) -> Path | None:
    """Outside a demo only the smoke test's council has the console, and its messages are for nobody: they go nowhere."""
    return settings.notifier_console_file or (None if settings.demo else Path(os.devnull))


def _twilio(built: Providers, settings: NotifierSettings, environment: Environment, slug: str, _council: Council) -> Channel:
    account = TwilioAccount.of(environment, slug)
    tokens = [account.auth_token, environment.secret("TWILIO_AUTH_TOKEN_SECONDARY", slug)]
    built.twilio_tokens[slug] = [each for each in tokens if each is not None]
    # Without the token callbacks could not be told from forged ones.
    base = settings.public_base_url if account.auth_token is not None else None
    return TwilioChannel(account, settings.notifier_http_timeout, base, settings.twilio_base_url)


def _notify(built: Providers, settings: NotifierSettings, environment: Environment, slug: str, council: Council) -> Channel:
    used: dict[MessageChannel, bool] = {"sms": "notify" in council.channels.sms, "email": "notify" in council.channels.email}
    service = NotifyService.of(environment, slug, [channel for channel, here in used.items() if here])
    given = environment.get("NOTIFY_CALLBACK_TOKEN", slug) or ""
    tokens = [token for part in given.split(",") if (token := part.strip())]
    if any(len(token) < _SHORTEST_TOKEN for token in tokens):
        raise UserError(f"council {slug}: NOTIFY_CALLBACK_TOKEN: give at least {_SHORTEST_TOKEN} characters")
    built.notify_tokens[slug] = [SecretStr(token) for token in tokens]
    return NotifyChannel(service, settings.notifier_http_timeout, settings.notify_base_url or BASE_URL)


def _smtp(_built: Providers, settings: NotifierSettings, environment: Environment, slug: str, _council: Council) -> Channel:
    return SmtpChannel(MailServer.of(environment, slug), settings.notifier_http_timeout, settings.demo)


_MAKERS = {"twilio": _twilio, "notify": _notify, "smtp": _smtp}
