"""Words of an answer on their way out, past the client's stops and the policy.

Example: ``async for text in spoken_words(house, asked, said): ...``; afterwards ``said.finish``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

from facellm.conversation import Turn
from facellm.several_faces import is_of_several, parts_of_answer

from ..engines import Bounds, Piece
from ..ports import Refusal
from .face_records import EMOTIONAL_INTENTS
from .failures import ApiError

if TYPE_CHECKING:
    from .house import House

REFUSED = "content_filter"


@dataclass
class Said:
    """What was written, filled in as it is.

    Attributes:
        text: Words, as far as they were sent.
        intent: What the question asks for; None where the model was not asked.
        finish: ``stop``, ``length`` or ``content_filter``.
        refusal: That stood in for an answer.
        prompt_tokens: Of the prompt.
        answer_tokens: Of the answer.
        first_word: Seconds from the prompt to the first word.
    """

    text: str = ""
    intent: str | None = None
    finish: str = "stop"
    refusal: Refusal | None = None
    prompt_tokens: int = 0
    answer_tokens: int = 0
    first_word: float = 0.0
    started: float = field(default_factory=perf_counter)

    def refuse(self, house: House, refusal: Refusal) -> str:
        """Let a refusal stand in; its words."""
        self.refusal, self.finish = refusal, REFUSED
        house.metrics.refusals.labels(refusal.kind).inc()
        return refusal.text


@dataclass(frozen=True)
class Wish:
    """How an answer is written.

    Attributes:
        bounds: For the engine.
        stops: Strings that end it.
        emotions: Whether expressions may be told.
    """

    bounds: Bounds
    stops: tuple[str, ...]
    emotions: bool


async def spoken_words(
    house: House, turns: Sequence[Turn], wish: Wish, said: Said
) -> AsyncIterator[str]:
    """Words of the model's answer, piece by piece; closing it cancels generation.

    Raises:
        ApiError: 403, before the first word, where the question is about emotions and they may not
            be told.
        EngineDown: See there.
    """
    said.started = perf_counter()
    cutter = StopCutter(wish.stops)
    pieces = cast(Any, joined_pieces(house, turns, wish))
    async with aclosing(pieces):
        async for intent, piece in pieces:
            said.intent = said.intent or intent
            if not wish.emotions and intent in EMOTIONAL_INTENTS:
                raise not_allowed()
            said.answer_tokens += len(piece.token_ids)
            text = cutter.cut(piece.text)
            if piece.finish is not None:
                text += cutter.rest()
                said.finish, said.prompt_tokens = piece.finish, piece.prompt_tokens or 0
            text = text if said.text else text.lstrip()
            if not text:
                continue
            said.first_word = said.first_word or perf_counter() - said.started
            if (refusal := house.policy.after(said.text + text)) is not None:
                yield ("\n" if said.text else "") + said.refuse(house, refusal)
                return
            said.text += text
            yield text
            if cutter.stopped:
                said.finish = "stop"
                return


async def joined_pieces(
    house: House, turns: Sequence[Turn], wish: Wish
) -> AsyncIterator[tuple[str | None, Piece]]:
    """The engine's pieces, each with the intent it begins; of several faces one after the other.

    The last piece holds the end's reason and the length of all prompts; tokens of all parts count
    towards the bound.
    """
    parts, asked_for = [("", tuple(turns))], None
    if is_of_several(turns):
        asked_for = await house.writer.intent(tuple(turns))
        parts = parts_of_answer(turns, asked_for)
    left, prompts = wish.bounds.longest, 0
    for place, (heading, asked) in enumerate(parts, start=1):
        begun, intent = False, None
        if heading:
            yield asked_for, Piece(heading, (), None if asked else "stop")
        if not asked:
            return
        bounds = replace(wish.bounds, longest=left, intent=asked_for)
        pieces = cast(Any, house.engine.reply(asked, bounds))
        async with aclosing(pieces):
            async for piece in pieces:
                left -= len(piece.token_ids)
                prompts += piece.prompt_tokens or 0
                if intent is None and piece.token_ids:
                    intent = house.writer.named(piece.token_ids[0])
                text = piece.text if begun else piece.text.lstrip()
                begun = begun or bool(text)
                done = piece.finish is not None and (place == len(parts) or left < 1)
                finish = (piece.finish if place == len(parts) else "length") if done else None
                yield intent, Piece(text, piece.token_ids, finish, prompts if done else None)
        if left < 1:
            return


def not_allowed() -> ApiError:
    """Questions about emotions, in a context in which they may not be answered."""
    return ApiError(
        403,
        "use_context_prohibited",
        "what a face shows of emotions is not told in this context of use; ask for age, gaze, "
        "pose, mask, mouth or eyes",
    )


class StopCutter:
    """Ends a text before the first of some strings, also where pieces cut one in two.

    Args:
        stops: Strings, none of them empty.
    """

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops, self._held, self.stopped = stops, "", False

    def cut(self, text: str) -> str:
        """What of the text so far is certain to stay."""
        if self.stopped:
            return ""
        held = self._held + text
        places = [place for stop in self._stops if (place := held.find(stop)) >= 0]
        if places:
            self.stopped, self._held = True, ""
            return held[: min(places)]
        open_end = max((open_length(held, stop) for stop in self._stops), default=0)
        self._held = held[len(held) - open_end :]
        return held[: len(held) - open_end]

    def rest(self) -> str:
        """What was held back and is not part of a stop after all."""
        held, self._held = self._held, ""
        return held


def open_length(text: str, stop: str) -> int:
    """How much of the end of a text may become a stop."""
    lengths = range(min(len(text), len(stop) - 1), 0, -1)
    return next((n for n in lengths if stop.startswith(text[-n:])), 0)
