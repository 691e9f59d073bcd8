"""The pages' style: GOV.UK Frontend's, without what belongs to GOV.UK (its typeface and its crest), and our own on top."""
from __future__ import annotations

import re
from pathlib import Path

from services.board.settings import STYLES

FONTS = "system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',Arial,sans-serif"
_STATIC = Path(__file__).parent / "static"


def stylesheet(folder: Path) -> bytes:
    """One sheet; it loads nothing further from anywhere."""
    style = (folder / STYLES).read_text(encoding="utf-8")
    style = re.sub(r"@font-face\s*\{[^}]*\}", "", style)
    style = re.sub(r'"?GDS Transport"?(\s*,\s*arial\s*,\s*sans-serif)?', FONTS, style)
    style = re.sub(r"url\([^)]*\)", "none", style)
    style = re.sub(r"/\*# sourceMappingURL=[^*]*\*/", "", style)
    return f"{style}\n{(_STATIC / 'board.css').read_text(encoding='utf-8')}".encode()


def icon() -> bytes:
    """The icon in a browser's tab."""
    return (_STATIC / "icon.svg").read_bytes()
