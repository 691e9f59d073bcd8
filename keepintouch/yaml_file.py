"""YAML files as people write them: a key stated twice is a mistake, and every mistake names the file and the line."""
from __future__ import annotations

from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

try:
    from yaml import CSafeLoader as SafeLoader  # fourteen times as fast
except ImportError:
    from yaml import SafeLoader  # type: ignore[assignment]


_SHOWN = 40
"""Characters shown of what cannot be read."""


class YamlError(ValueError):
    """A file that cannot be read; one line that says which, where and why."""


def read_yaml(path: Path) -> object:
    """What a YAML file holds. Raises YamlError."""
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-16" if raw.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8")   # as PowerShell's > writes it
        return yaml.load(text, _UniqueKeys)  # noqa: S506 -- a SafeLoader
    except OSError as error:
        raise YamlError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise YamlError(f"{path}: is not UTF-8 text: save it as UTF-8") from None
    except yaml.MarkedYAMLError as error:
        where = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise YamlError(f"{path}: {where}{error.problem}") from None
    except yaml.YAMLError as error:
        raise YamlError(f"{path}: is not YAML ({str(error).splitlines()[0]})") from None


class _UniqueKeys(SafeLoader):
    """Of two councils, or standards, under one key one would silently be lost."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except ValueError as error:   # what looks like a date or a number and is none: 2026-02-30
            raise yaml.MarkedYAMLError(problem=f"{str(node.value)[:_SHOWN]} cannot be read ({error})",
                                       problem_mark=node.start_mark) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key: Hashable = self.construct_object(key_node, deep=True)
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a key should be a word", problem_mark=key_node.start_mark)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"{key!r} is stated twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)
