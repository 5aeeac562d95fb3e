"""Names that a user wrote -> what they stand for, called with the options beside them.

Example: ``find({"grammar": "package.module:Class"}, "gramar", "annotator")`` -> ``FaceLLMError:
unknown annotator 'gramar'; did you mean 'grammar'? There are grammar, or module:name``.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from facellm.errors import FaceLLMError


def find(registry: Mapping[str, str], name: str, what: str) -> Any:
    """The object a name stands for."""
    place = name if ":" in name else registry.get(name)
    if place is None:
        raise FaceLLMError(unknown(name, registry, what))
    module, _, attribute = place.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ModuleNotFoundError, AttributeError) as error:
        raise FaceLLMError(f"{what} {name!r}: {place} cannot be imported ({error})") from error


def unknown(name: str, registry: Iterable[str], what: str) -> str:
    """The message about a name that is not there."""
    near = difflib.get_close_matches(name, registry, 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown {what} {name!r}; {hint}There are {', '.join(registry)}, or module:name"


def call(function: Any, first: tuple[Any, ...], options: Mapping[str, Any], name: str) -> Any:
    """Call with options a user wrote; one that is not known, or misses, is an error in words."""
    signature = inspect.signature(function)
    try:
        signature.bind(*first, **options)
    except TypeError as error:
        known = [
            p.name
            for p in list(signature.parameters.values())[len(first) :]
            if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
        raise FaceLLMError(f"{name}: {error}; its options are: {', '.join(known)}") from error
    return function(*first, **options)
