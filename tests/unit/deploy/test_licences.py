"""Nothing comes in under a licence that nobody has said yes to."""
from __future__ import annotations

import subprocess
import sys

import pytest

from scripts.licences import NAMED, questionable
from tests.unit.deploy.told import ROOT


@pytest.mark.slow
def test_every_licence_is_allowed_or_named() -> None:
    done = subprocess.run([sys.executable, "scripts/licences.py"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in ("kafka-python", "govuk-frontend", *NAMED):
        assert f"| {name} |" in done.stdout


@pytest.mark.parametrize(("name", "licence", "asked"), [
    ("a", "MIT", False), ("a", "MIT OR AGPL-3.0", False), ("a", "MIT AND AGPL-3.0", True), ("a", "none stated", True),
    ("a", "Apache-2.0 AND (MIT OR GPL-2.0)", False), ("a", "GPL-3.0", True), ("psycopg", "LGPL-3.0-only", False),
    ("a", "BSD License; GNU General Public License v3 (GPLv3)", True)])
def test_which_are_questionable(name: str, licence: str, asked: bool) -> None:
    assert questionable(name, licence) is asked
