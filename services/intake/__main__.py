"""`python -m services.intake`."""
from __future__ import annotations

from services.intake.main import main

if __name__ == "__main__":
    raise SystemExit(main())
