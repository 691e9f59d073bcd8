"""Which council is judged by what: the councils file and the policies it names, read once at start."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from keepintouch.councils import load_councils
from keepintouch.runtime.errors import UserError
from keepintouch.standards.ledger import policy_mark
from keepintouch.standards.policy import Policy
from keepintouch.standards.policy_file import PolicyError, load_policy


@dataclass(frozen=True, slots=True)
class CouncilRules:
    """What one council's people are held against."""

    policy: Policy
    more_feeds: frozenset[str]
    """Feeds the council requires besides the policy's own."""
    mark: bytes
    """Changes with the policy's id, version and feeds."""


class Rulebook:
    """The rules of every council we serve."""

    def __init__(self, councils: Mapping[str, CouncilRules]) -> None:
        self._councils = dict(councils)
        self.slugs = frozenset(councils)
        """The councils there are."""

    @classmethod
    def read(cls, councils_file: Path, policies_dir: Path) -> Rulebook:
        """Read the councils file and each policy it names; a `UserError` names the file and the field."""
        found: dict[str, CouncilRules] = {}
        for slug, council in load_councils(councils_file).councils.items():
            try:
                policy = load_policy(council.policy, policies_dir)
            except PolicyError as error:
                raise UserError(f"{councils_file}: council {slug}: policy: {error}") from None
            more = frozenset(council.feeds)
            found[slug] = CouncilRules(policy, more, policy_mark(policy, more))
        return cls(found)

    def rules_for(self, council: str) -> CouncilRules | None:
        """The rules of a council; None where it is not, or no longer, in the file."""
        return self._councils.get(council)
