"""What has changed between two runs that share a folder or a file, as a list a person can read.

Example::

    differences({"seed": 1, "rows": 9}, {"seed": 2, "rows": 9}) -> ["seed was 1, is 2"]
    differences(flat({"data": {"seed": 1}}), flat({"data": {"seed": 2}}))
        -> ["data.seed was 1, is 2"]
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def differences(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Entries of two mappings that differ, the earlier one's order first.

    An entry that is missing counts as None, so a field added with that default changes nothing.
    """
    return [
        f"{name} was {earlier.get(name)!r}, is {now.get(name)!r}"
        for name in {**earlier, **now}
        if earlier.get(name) != now.get(name)
    ]


def flat(value: Any, name: str = "") -> dict[str, Any]:
    """A tree of dicts and lists -> one dict: ``{"sources.0.path": ...}``.

    Args:
        value: JSON-ready.
        name: Of the tree itself, before its parts' names.
    """
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    else:
        return {name: value}
    found: dict[str, Any] = {}
    for key, inner in items:
        found |= flat(inner, f"{name}.{key}" if name else str(key))
    return found
