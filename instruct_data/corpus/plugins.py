"""Registries: the name in a config -> who does it, as a string, imported when it is needed.

Beside the registered names a config may say ``module:name`` for the user's own. What is named is
called with the config's options as keyword arguments; a reader with the path before them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from facellm.calling import call, find, unknown
from facellm.errors import FaceLLMError

from .. import annotate
from ..readers import READERS, NoReader, Read, open_set
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


def read_source(source: SourceConfig, data: Path) -> Iterator[Read]:
    """The rows of a source, and rejections for bad ones, as its reader gives them."""
    if ":" in source.reader:
        reader = find({}, source.reader, "reader")
        return call(reader, (data / source.path,), source.options, f"reader {source.reader}")
    try:
        return open_set(source.reader, data / source.path, source.options)
    except NoReader as error:  # in the words of every other name of a config
        raise FaceLLMError(unknown(source.reader, READERS, "reader")) from error
