"""A talk about read faces -> turns of the model's own conversation, within its context.

Users' texts are neutralised. Answers come back from clients as plain words, and nobody knows who
wrote them. They become the tokens the model itself would have written only where every value in
them stands in a reading of this conversation; otherwise they stay words without meaning as tokens.
So a forged answer can repeat a reading but never add to one, and what the model may write next
(``processor.absent_ids``) stays bound to what was measured.

An answer's first token is its intent. It is not part of the words, so the engine is asked what the
earlier question asks for, which is one token, and remembered.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import OrderedDict
from collections.abc import Sequence

from facellm.conversation import Conversation, FacePart, TextPart, Turn
from facellm.labels import INTENT_TOKENS, INTENTS
from facellm.pointers import is_pointer, render, to_pointers
from facellm.processor import FaceLLMProcessor
from facellm.prompts import neutralise
from facellm.reading import Reading

from ..engines import Bounds, ServingEngine
from .failures import ApiError

REMEMBERED = 4096  # intents
_TOKEN = re.compile(r"<[^<>\s]+>")  # whatever looks like one


class TurnWriter:
    """Writes turns.

    Args:
        processor: Counts tokens.
        engine: Says what earlier questions ask for.
        context: Tokens the model takes, prompt and answer.
    """

    def __init__(self, processor: FaceLLMProcessor, engine: ServingEngine, context: int) -> None:
        self.processor, self.engine, self.context = processor, engine, context
        self._intents: OrderedDict[bytes, str] = OrderedDict()
        self._salt = os.urandom(16)

    async def turns(
        self,
        parts: Sequence[FacePart],
        readings: Sequence[Reading],
        said: Sequence[tuple[str, str]],
        question: str,
        longest: int,
    ) -> tuple[tuple[Turn, ...], int]:
        """The conversation up to the answer; its oldest exchanges are left out until it fits.

        Args:
            parts: Faces with their readings.
            readings: Of those.
            said: Earlier questions and answers.
            question: The last one.
            longest: Tokens that the answer may take.

        Returns:
            The turns, and how many exchanges were left out.

        Raises:
            ApiError: 400 where it does not fit without any earlier exchange.
        """
        for first in range(len(said) + 1):
            # Plain words take at least as many tokens as pointers, so what fits stays fitting.
            plain = [(q, f"{INTENT_TOKENS[0]}{neutralise(a)}") for q, a in said[first:]]
            if self._fits(conversed(parts, plain, question), longest):
                break
        else:
            message = f"the question does not fit into {self.context} tokens"
            raise ApiError(400, "context_length_exceeded", message, "messages")
        told: list[tuple[str, str]] = []
        for asked, answered in said[first:]:
            intent = await self.intent(conversed(parts, told, asked))
            told.append((asked, f"<ask_{intent}>{spoken(answered, parts, readings)}"))
        return conversed(parts, told, question), first

    def _fits(self, turns: tuple[Turn, ...], longest: int) -> bool:
        text = self.processor.prompt_text(turns)
        return len(self.processor.encode(text)) <= self.context - longest

    async def intent(self, turns: tuple[Turn, ...]) -> str:
        """What the last turn of a conversation asks for (``labels.INTENTS``)."""
        text = self.processor.prompt_text(turns)
        key = hashlib.blake2b(text.encode(), key=self._salt)
        for part in Conversation(turns).faces():
            key.update(part.crop.tobytes())
        if (found := self._intents.get(key.digest())) is not None:
            self._intents.move_to_end(key.digest())
            return found
        async for piece in self.engine.reply(turns, Bounds(longest=1)):
            if piece.token_ids:
                found = self.named(piece.token_ids[0])
        found = found or INTENTS[0]
        self._intents[key.digest()] = found
        while len(self._intents) > REMEMBERED:
            self._intents.popitem(last=False)
        return found

    def named(self, token: int) -> str:
        """An intent's token -> its name."""
        return INTENTS[self.processor.intent_ids.tolist().index(token)]


def conversed(
    parts: Sequence[FacePart], said: Sequence[tuple[str, str]], question: str
) -> tuple[Turn, ...]:
    """Turns of exchanges whose answers are tokens, and a last question."""
    words = [text for asked, told in said for text in (neutralise(asked), told)]
    first, *rest = [*words, neutralise(question)]
    opening = Turn("user", (*parts, TextPart(first)))
    roles = ("assistant", "user")
    turns = (Turn(roles[n % 2], (TextPart(text),)) for n, text in enumerate(rest))
    return (opening, *turns)


def spoken(text: str, parts: Sequence[FacePart], readings: Sequence[Reading]) -> str:
    """An answer's words -> the tokens it was written in, or harmless words where that is open.

    Args:
        text: As a client sends it back.
        parts: Faces whose readings say which values there are.
        readings: Of those.
    """
    plain = neutralise(text)
    pointed = to_pointers(plain, readings)
    known = "".join(part.reading or "" for part in parts)
    if not all(is_pointer(token) and token in known for token in _TOKEN.findall(pointed)):
        return plain
    rest = _TOKEN.sub(" ", pointed)
    whole = neutralise(rest) == rest and render(pointed) == plain
    return pointed if whole else plain
