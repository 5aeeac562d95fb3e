"""Words of an answer as its tokens come, handed out as soon as they cannot change any more.

Bytes are held back until the character they belong to is whole: the decoder changes its mind about
a run of bytes as long as it lasts.

Example: ``words = AnswerWords(processor.tokenizer)``; ``send(words.add(token))`` for every token,
``send(words.rest())`` after the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from facellm.pointers import render


def answer_text(tokenizer: Any, ids: Sequence[int]) -> str:
    """Words of an answer: its pointers rendered, control tokens (the intent) left out."""
    return render(tokenizer.decode(ids, skip_special_tokens=False))


class AnswerWords:
    """One answer under way; joined, what it hands out is the answer's text.

    Args:
        tokenizer: Of the model that writes.
        written: The answer's token ids are appended here.
    """

    def __init__(self, tokenizer: Any, written: list[int] | None = None) -> None:
        self._tokenizer = tokenizer
        self.written = [] if written is None else written
        self._said = ""

    def add(self, token: int) -> str:
        """Take the next token; what became certain by it, often nothing."""
        self.written.append(token)
        text = answer_text(self._tokenizer, self.written)
        is_byte = self._tokenizer.convert_ids_to_tokens(token).startswith("<0x")
        return "" if is_byte or text.endswith("\ufffd") else self._new(text)

    def rest(self) -> str:
        """What is left to say when no token follows."""
        return self._new(answer_text(self._tokenizer, self.written))

    def _new(self, text: str) -> str:
        if not text.startswith(self._said):
            return ""
        new, self._said = text[len(self._said) :], text
        return new
