"""What a measured worker is told: its council and the policy it is held to."""
from __future__ import annotations

from pathlib import Path

import yaml

from keepintouch.standards.policy_file import SHIPPED

from .events import COUNCIL

POLICY = "standard_8_week"


def write_councils(folder: Path) -> tuple[Path, Path]:
    """Write a councils file; returns it and the folder of policies, as `Rulebook.read` wants them."""
    council = {"name": "Lancashire", "policy": POLICY, "ladder": "one", "fallback": f"{COUNCIL}:duty",
               "sign_in": "https://contact.example", "channels": {"sms": ["console"]}}
    ladder = {"calendar": "always", "steps": [{"after": "0d", "to": ["adviser"]}]}
    path = folder / "councils.yaml"
    path.write_text(yaml.safe_dump({"councils": {COUNCIL: council}, "ladders": {"one": ladder}}))
    return path, SHIPPED
