"""The rules of every council that is served."""
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from keepintouch.councils import load_councils
from keepintouch.rulebook import CouncilRules, read_rules


class Rulebook:
    """The rules of every council we serve."""

    def __init__(self, councils: Mapping[str, CouncilRules]) -> None:
        self._councils = dict(councils)
        self.slugs = frozenset(councils)
        """The councils there are."""

    @classmethod
    def read(cls, councils_file: Path, policies_dir: Path) -> Rulebook:
        """Read the councils file and each policy it names; a `UserError` names the file and the field."""
        return cls(read_rules(load_councils(councils_file), policies_dir, councils_file))

    def rules_for(self, council: str) -> CouncilRules | None:
        """The rules of a council; None where it is not, or no longer, in the file."""
        return self._councils.get(council)
