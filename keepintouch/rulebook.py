"""Which council is judged by what: the councils file and the policies it names, read once at start."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from keepintouch.councils import Councils
from keepintouch.runtime.errors import UserError
from keepintouch.standards.ledger import policy_mark
from keepintouch.standards.policy import Policy, Standard
from keepintouch.standards.policy_file import PolicyError, load_policy


@dataclass(frozen=True, slots=True)
class CouncilRules:
    """What one council's people are held against."""

    policy: Policy
    more_feeds: frozenset[str]
    """Feeds the council requires besides the policy's own."""
    mark: bytes
    """Changes with the policy's id, version and feeds."""

    @classmethod
    def of(cls, policy: Policy, more_feeds: frozenset[str] = frozenset()) -> CouncilRules:
        """The rules of a council with this policy."""
        return cls(policy, more_feeds, policy_mark(policy, more_feeds))

    @property
    def feeds(self) -> frozenset[str]:
        """Every feed that must be complete before anything opens."""
        return self.policy.feeds | self.more_feeds

    def standard(self, standard_id: str) -> Standard | None:
        """A standard by its id; None where the policy has it no more."""
        return next((each for each in self.policy.standards if each.id == standard_id), None)


def read_rules(councils: Councils, policies_dir: Path, file: Path) -> Mapping[str, CouncilRules]:
    """The rules of every council; a `UserError` names the file and the field."""
    found = {}
    for slug, council in councils.councils.items():
        try:
            found[slug] = CouncilRules.of(load_policy(council.policy, policies_dir), frozenset(council.feeds))
        except PolicyError as error:
            raise UserError(f"{file}: council {slug}: policy: {error}") from None
    return found
