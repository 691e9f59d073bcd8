"""Writes the dashboards of deploy/grafana from keepintouch/observe. `--check` fails where they differ."""
from __future__ import annotations

import sys

from keepintouch.observe.grafana import files


def main() -> int:
    """Write, or with `--check` compare; the exit status."""
    differ = [path for path, text in files().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in differ:
        if "--check" in sys.argv[1:]:
            print(f"{path.name} is not what the code says: run `python -m scripts.dashboards`", file=sys.stderr)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files()[path], encoding="utf-8")
            print(path.name)
    return 1 if differ and "--check" in sys.argv[1:] else 0


if __name__ == "__main__":
    sys.exit(main())
