"""`keepintouch demo` and `observe` before they begin."""
from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest
from typer.testing import CliRunner

from keepintouch.cli import app


class Begun(Exception):  # noqa: N818 -- it says what happened
    """The minute of work has begun."""


def begin(*_: object, **__: object) -> NoReturn:
    raise Begun


@pytest.mark.parametrize("arguments", [["demo", "--picture", "{}/figures.svg"], ["observe", "--pictures", "{}"]])
def test_the_folder_for_pictures_is_there_before_the_minute_of_work(
        arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keepintouch.demo.story.tell", begin)
    monkeypatch.setattr("keepintouch.observe.month.month", begin)

    def raised(folder: Path) -> BaseException | None:
        return CliRunner().invoke(app, [each.format(folder) for each in arguments]).exception

    assert isinstance(raised(tmp_path / "new" / "folder"), Begun)
    assert (tmp_path / "new" / "folder").is_dir()
    (tmp_path / "file").touch()
    assert isinstance(raised(tmp_path / "file" / "folder"), OSError)
