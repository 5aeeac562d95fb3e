"""Text around the reading: the chat template, and user text made safe for it.

The prompt, written by ``chat_template.jinja``::

    <|user|>Face 1: <face> <reading>...</reading> Face 2: ...
    QUESTION<|end|><|assistant|><q_intent>

A user who types ``<|end|>`` or ``<expr_anger>`` must not be able to end the turn or forge a
reading, so user text goes through ``neutralise`` first.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files

from facellm.labels import BOS, EOS, PAD, UNK, reserved_tokens


@lru_cache(maxsize=1)
def _reserved() -> re.Pattern[str]:
    """Anything a tokenizer could take for a reserved, control or byte piece."""
    names = sorted({*reserved_tokens(), BOS, EOS, PAD, UNK}, key=len, reverse=True)
    pieces = "|".join(re.escape(name[1:-1]) for name in names)
    return re.compile(rf"<({pieces}|\|[^<>|]*\||0x[0-9A-Fa-f]{{2}})>")


def neutralise(text: str) -> str:
    """Take the meaning from reserved tokens in user text: ``<face>`` becomes ``< face >``.

    Args:
        text: What a user wrote.

    Returns:
        The text with blanks inside every reserved token and everything of the form ``<|...|>``.
    """
    return _reserved().sub(r"< \1 >", text)


@lru_cache(maxsize=1)
def chat_template() -> str:
    """Jinja text of the conversation format."""
    return files("facellm").joinpath("chat_template.jinja").read_text(encoding="utf-8")
