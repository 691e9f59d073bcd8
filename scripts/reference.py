"""Writes the generated pages of docs/reference: settings and the command line. `--check` fails where they differ."""
from __future__ import annotations

import inspect
import sys
from pathlib import Path

from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

