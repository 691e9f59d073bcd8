"""Where files are that are not Python: those of `deploy/`, and what was fetched once and is kept."""

import os
from collections.abc import Mapping
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def deploy_file(name: str) -> Path:
    """Return the path of `deploy/<name>`, for example ``kafka/topics.yaml``.

    In a checkout that is the file beside the sources; in an installed package its copy inside the package.
    """
    checkout = _PACKAGE.parent
    if (checkout / "pyproject.toml").is_file():
        return checkout / "deploy" / name
    return _PACKAGE / "_deploy" / name


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder for what is fetched once: ``KEEPINTOUCH_CACHE``, else ``keep-in-touch`` in the user's cache."""
    if own := environ.get("KEEPINTOUCH_CACHE"):
        return Path(own).absolute()
    common = environ.get("XDG_CACHE_HOME")
    return (Path(common) if common else Path.home() / ".cache") / "keep-in-touch"
