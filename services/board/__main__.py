"""`python -m services.board`."""
from __future__ import annotations

from services.board.main import main

if __name__ == "__main__":
    raise SystemExit(main())
