"""Changes to a YAML file given on a command line: ``--set schedule.steps=50``.

A change is put into the composed tree before that is read, so it is held to the same schema as the
file; what is wrong with it is told with the ``--set`` and not with a line.

Example: ``apply_changes(tree, ["keep.log_every=1"])`` puts a scalar node where the file had 10, or
none; ``place_of`` then says ``--set keep.log_every=1``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from facellm.errors import FaceLLMError

OPTION = "--set"


def apply_changes(tree: Any, changes: Iterable[str], yaml: Any) -> None:
    """Put changes into a tree of YAML nodes, the later over the earlier.

    Args:
        tree: Root node; a mapping.
        changes: ``section.key=value``; the value is YAML.
        yaml: The ``yaml`` module.

    Raises:
        FaceLLMError: If a change is not of that form or its value no YAML.
    """
    for change in changes:
        given = f"{OPTION} {change}"
        name, equals, text = change.partition("=")
        keys = name.strip().split(".")
        if not equals or not all(keys):
            raise FaceLLMError(f"{given}: not of the form section.key=value")
        node = tree
        for key in keys[:-1]:
            node = _inner(node, key, given, yaml)
        _put(node, _key(keys[-1], given, yaml), _value(text, given, yaml))


def _value(text: str, given: str, yaml: Any) -> Any:
    """The value as a node that knows where it comes from, as do those in it."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or error
        raise FaceLLMError(f"{given}: the value is not YAML: {problem}") from error
    if node is None:
        raise FaceLLMError(f"{given}: the value is empty; an empty text is written ''")
    _mark(node, given)
    return node


def _mark(node: Any, given: str) -> None:
    node.given = given
    if isinstance(node.value, list):
        for child in node.value:
            for part in child if isinstance(child, tuple) else (child,):
                _mark(part, given)


def _inner(node: Any, key: str, given: str, yaml: Any) -> Any:
    """The mapping under a key; a new one where there is none."""
    for known, child in _pairs(node, key, given):
        if known.value == key:
            return child
    mapping = yaml.MappingNode("tag:yaml.org,2002:map", [])
    mapping.given = given
    _put(node, _key(key, given, yaml), mapping)
    return mapping


def _put(node: Any, key: Any, value: Any) -> None:
    kept = [pair for pair in _pairs(node, key.value, key.given) if pair[0].value != key.value]
    node.value = [*kept, (key, value)]


def _pairs(node: Any, key: str, given: str) -> list[tuple[Any, Any]]:
    if not _is_mapping(node):
        raise FaceLLMError(f"{given}: what should hold {key!r} is no mapping")
    return node.value


def _key(text: str, given: str, yaml: Any) -> Any:
    node = yaml.ScalarNode("tag:yaml.org,2002:str", text)
    node.given = given
    return node


def place_of(node: Any, path: Any) -> str:
    """Where a node comes from: a change, or a line of the file and the changes right under it."""
    given = getattr(node, "given", "")
    if given:
        return given
    inner = [child for pair in node.value for child in pair] if _is_mapping(node) else []
    under = list(dict.fromkeys(child.given for child in inner if hasattr(child, "given")))
    return ", ".join([f"{path}:{node.start_mark.line + 1}", *under])


def _is_mapping(node: Any) -> bool:
    return isinstance(node.value, list) and all(isinstance(pair, tuple) for pair in node.value)
