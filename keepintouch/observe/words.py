"""How a value is written, by its unit."""
from __future__ import annotations

_SUFFIX = "suffix: "


def written(value: float, unit: str) -> str:
    """A value with its unit, for people."""
    if unit == "percentunit":
        return f"{value:.0%}".replace("%", " %")
    if unit == "s":
        return f"{value * 1000:.0f} ms" if abs(value) < 1 else f"{value:.1f} s"
    if unit in ("d", "h"):
        return f"{value:.1f} {unit}"
    if unit == "eps":
        return f"{value:.1f} /s"
    return f"{value:,.0f} {unit.removeprefix(_SUFFIX)}" if unit.startswith(_SUFFIX) else f"{value:,.0f}"
