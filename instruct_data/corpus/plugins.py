"""Registries: the name in a config -> who does it, as a string, imported when it is needed.

Beside the registered names a config may say ``module:name`` for the user's own. What is named is
called with the config's options as keyword arguments; a reader with the path before them.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from facellm.errors import FaceLLMError

from .. import annotate
from ..readers import READERS, Read
from .config import PluginConfig, SourceConfig

_LEAF = "facellm.instruct_data"
# Factories of ``record.Annotator``.
ANNOTATORS = {
    **annotate.ANNOTATORS,
    "academic": f"{_LEAF}.tracks.academic:academic",
    "nonverbal": f"{_LEAF}.tracks.nonverbal:nonverbal",
}
# Factories of ``record.Step``: raters and filters of the text.
STEPS = annotate.STEPS
# Factories of ``index.Dedupe``.
DEDUPERS = {"perceptual": f"{_LEAF}.dedupe.corpus_dedupe:PerceptualDedupe"}
# (rng, intent) -> question, for intents that the question bank does not have.
EXTRA_QUESTIONS = annotate.QUESTIONS


def new_plugin(registry: dict[str, str], config: PluginConfig, what: str) -> Any:
    """What a config names, built with its options.

    Args:
        registry: One of this module.
        config: Name and options.
        what: In a message: ``annotator``.

    Raises:
        FaceLLMError: If there is no such name, it cannot be imported or takes other options.
    """
    return call(find(registry, config.name, what), (), config.options, f"{what} {config.name!r}")


def find(registry: dict[str, str], name: str, what: str) -> Any:
    """The object a name stands for."""
    place = name if ":" in name else registry.get(name)
    if place is None:
        raise FaceLLMError(unknown(name, registry, what))
    module, _, attribute = place.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ModuleNotFoundError, AttributeError) as error:
        raise FaceLLMError(f"{what} {name!r}: {place} cannot be imported ({error})") from error


def unknown(name: str, registry: Any, what: str) -> str:
    """The message about a name that is not there."""
    near = difflib.get_close_matches(name, registry, 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown {what} {name!r}; {hint}There are {', '.join(registry)}, or module:name"


def call(function: Any, first: tuple[Any, ...], options: dict[str, Any], name: str) -> Any:
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


def read_source(source: SourceConfig, data: Path) -> Iterator[Read]:
    """The rows of a source, and rejections for bad ones, as its reader gives them."""
    if ":" in source.reader:
        reader: Any = find({}, source.reader, "reader")
    elif source.reader in READERS:
        reader = READERS[source.reader]
    else:
        raise FaceLLMError(unknown(source.reader, READERS, "reader"))
    return call(reader, (data / source.path,), source.options, f"reader {source.reader!r}")
