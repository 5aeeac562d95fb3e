"""A YAML file -> a tree of frozen dataclasses, strictly: the dataclasses are the only schema.

An unknown key, a missing one, one that stands twice and a value of another type are errors that
name file and line, and the nearest field where a key is unknown.

Example: ``read_yaml(Path("local.yaml"), CorpusConfig)`` of a file with ``shard_row: 5`` ->
``FaceLLMError: local.yaml:3: unknown key 'shard_row' of CorpusConfig; did you mean 'shard_rows'?``
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Iterable
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from facellm.errors import FaceLLMError
from facellm.yaml_changes import apply_changes, place_of

_EXPONENT = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")  # 1e-4, which YAML 1.1 takes for a text


def read_yaml(path: Path, kind: type[Any], changes: Iterable[str] = ()) -> Any:
    """Read a file as one dataclass.

    Args:
        path: The YAML file.
        kind: A dataclass; what its ``__post_init__`` refuses with ``ValueError`` is told with the
            line. One with ``from_text`` may also stand as plain text.
        changes: ``section.key=value`` over what the file says, held to the same schema.

    Raises:
        FaceLLMError: If the file is missing, is no YAML or does not fit; file and line are named,
            or the change that does not fit.
    """
    yaml = _yaml()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FaceLLMError(f"{path}: cannot be read ({error})") from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or error
        raise FaceLLMError(f"{path}{line}: not YAML: {problem}") from error
    if node is None:
        raise FaceLLMError(f"{path}: the file is empty")
    apply_changes(node, changes, yaml)
    return _Reader(path, yaml).value(node, kind, kind.__name__)


def _yaml() -> Any:
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise FaceLLMError("PyYAML is missing: pip install 'pyyaml>=6'") from error
    return yaml


class _Reader:
    """Turns nodes, which know their lines, into values."""

    def __init__(self, path: Path, yaml: Any) -> None:
        self.path, self.yaml = path, yaml

    def error(self, node: Any, message: str) -> FaceLLMError:
        return FaceLLMError(f"{place_of(node, self.path)}: {message}")

    def value(self, node: Any, kind: Any, name: str) -> Any:
        """A node as a value of an annotation."""
        if get_origin(kind) in (Union, UnionType):
            plain = self.plain(node) if isinstance(node, self.yaml.ScalarNode) else node
            inner = [other for other in get_args(kind) if other is not NoneType]
            return None if plain is None else self.value(node, inner[0], name)
        if isinstance(kind, type) and dataclasses.is_dataclass(kind):
            return self.dataclass(node, kind, name)
        if get_origin(kind) is tuple:
            if not isinstance(node, self.yaml.SequenceNode):
                raise self.error(node, f"{name} is a list, not {self.shown(node)}")
            inner = get_args(kind)[0]
            return tuple(self.value(child, inner, f"an entry of {name}") for child in node.value)
        if get_origin(kind) is dict:
            if not isinstance(node, self.yaml.MappingNode):
                raise self.error(node, f"{name} is a mapping, not {self.shown(node)}")
            self.pairs(node, name)
            return self.plain(node)
        return self.scalar(node, kind, name)

    def scalar(self, node: Any, kind: Any, name: str) -> Any:
        value = self.plain(node) if isinstance(node, self.yaml.ScalarNode) else node
        if get_origin(kind) is Literal:
            if value not in get_args(kind):
                choices = ", ".join(map(str, get_args(kind)))
                raise self.error(node, f"{name} is one of {choices}, not {self.shown(node)}")
            return value
        if kind is float and type(value) is int:
            return float(value)
        if kind is float and isinstance(value, str) and node.style is None:
            value = float(value) if _EXPONENT.fullmatch(value) else value
        if type(value) is not kind:  # a bool is no int here
            raise self.error(node, f"{name} is {kind.__name__}, not {self.shown(node)}")
        return value

    def dataclass(self, node: Any, kind: type[Any], name: str) -> Any:
        if isinstance(node, self.yaml.ScalarNode) and hasattr(kind, "from_text"):
            return kind.from_text(self.scalar(node, str, name))
        if not isinstance(node, self.yaml.MappingNode):
            raise self.error(node, f"{name} is a mapping, not {self.shown(node)}")
        hints = get_type_hints(kind)
        values = {}
        for key, child in self.pairs(node, name):
            if key.value not in hints:
                near = difflib.get_close_matches(str(key.value), hints, 1, 0.0)[0]
                raise self.error(
                    key, f"unknown key {key.value!r} of {kind.__name__}; did you mean {near!r}?"
                )
            values[key.value] = self.value(child, hints[key.value], key.value)
        for field in dataclasses.fields(kind):
            required = field.default is field.default_factory is dataclasses.MISSING
            if required and field.name not in values:
                raise self.error(node, f"{name} has no {field.name!r}")
        try:
            return kind(**values)
        except ValueError as error:
            raise self.error(node, str(error)) from error

    def pairs(self, node: Any, name: str) -> list[tuple[Any, Any]]:
        """Keys and values of a mapping, each key once."""
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise self.error(key, f"{key.value!r} stands twice in {name}")
            seen.add(key.value)
        return node.value

    def plain(self, node: Any) -> Any:
        """A node as YAML's own safe types."""
        loader = self.yaml.SafeLoader("")
        try:
            return loader.construct_object(node, deep=True)
        except (self.yaml.YAMLError, ValueError) as error:
            raise self.error(node, f"cannot be read: {error}") from error
        finally:
            loader.dispose()

    def shown(self, node: Any) -> str:
        """A node in a message."""
        if isinstance(node, self.yaml.ScalarNode):
            return repr(self.plain(node))
        return "a list" if isinstance(node, self.yaml.SequenceNode) else "a mapping"
