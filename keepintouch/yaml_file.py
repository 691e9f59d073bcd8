"""YAML files as people write them: a key stated twice is a mistake, and every mistake names the file and the line."""
from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

try:
    from yaml import CSafeLoader as SafeLoader  # fourteen times as fast
except ImportError:
    from yaml import SafeLoader  # type: ignore[assignment]


class YamlError(ValueError):
    """A file that cannot be read; one line that says which, where and why."""


def read_yaml(path: Path) -> object:
    """What a YAML file holds. Raises YamlError."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _UniqueKeys)  # noqa: S506 -- a SafeLoader
    except OSError as error:
        raise YamlError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise YamlError(f"{path}: is not UTF-8 text") from None
    except yaml.MarkedYAMLError as error:
        where = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise YamlError(f"{path}: {where}{error.problem}") from None
    except yaml.YAMLError as error:
        raise YamlError(f"{path}: is not YAML ({str(error).splitlines()[0]})") from None


class _UniqueKeys(SafeLoader):
    """Of two councils, or standards, under one key one would silently be lost."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key: Hashable = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"{key!r} is stated twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)
