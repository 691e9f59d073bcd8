"""How we know who calls: for which councils a callback may speak.

A callback of Twilio's is believed only with its signature over the address it was sent to, as *we* know it
(`PUBLIC_BASE_URL`); what a request says of its own host is never used. One of Notify's must show the token it was given.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hmac import compare_digest

from pydantic import SecretStr
from starlette.datastructures import ImmutableMultiDict
from twilio.request_validator import RequestValidator

Form = ImmutableMultiDict[str, str]
Tokens = Mapping[str, Sequence[SecretStr]]
"""By council; several while they are being changed."""


@dataclass(frozen=True, slots=True)
class TwilioSignatures:
    """Knows for which councils Twilio signed a request. `tokens`: the auth tokens of their accounts."""

    public_base_url: str | None
    tokens: Tokens

    def councils(self, path: str, query: str, form: Form, signature: str | None) -> frozenset[str]:
        """Those whose account it comes from; none for a request that nobody signed."""
        if self.public_base_url is None or not signature:
            return frozenset()
        url = f"{self.public_base_url}{path}" + (f"?{query}" if query else "")
        return frozenset(council for council, mine in self.tokens.items() if any(
            RequestValidator(token.get_secret_value()).validate(url, form, signature) for token in mine))


@dataclass(frozen=True, slots=True)
class NotifyTokens:
    """Knows for which councils Notify speaks. `tokens`: what was entered at Notify beside the callback's address."""

    tokens: Tokens

    def councils(self, authorization: str | None) -> frozenset[str]:
        """Those whose token the header shows; none for no token, or a wrong one."""
        scheme, _, shown = (authorization or "").partition(" ")
        given = shown.strip().encode()
        if scheme.lower() != "bearer" or not given:
            return frozenset()
        return frozenset(council for council, mine in self.tokens.items()
                         if any(compare_digest(given, token.get_secret_value().encode()) for token in mine))
