"""Chat: several questions about one picture, each answered with what was said before in view.

The picture is read once; its faces stand in front of the first question, later ones follow as turns
of the same conversation. When the conversation outgrows the language model's context, its oldest
exchange is forgotten. Choosing one face starts anew with that face alone.

Example::

    chat = Chat(FaceAssistant.load())
    chat.open("photo.jpg")
    print("".join(chat.ask("How old does she look?")))
    print("".join(chat.ask("And what shows on her face?")))
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from facellm.assistant import LONGEST_ANSWER, FaceAssistant, Picture, checked_question
from facellm.conversation import Conversation, FacePart, TextPart, Turn
from facellm.errors import FaceLLMError
from facellm.prompts import neutralise
from facellm.results import ReadFace, Written


@dataclass(frozen=True)
class Exchange:
    """A question and its answer.

    Attributes:
        question: As it was asked.
        text: The answer's sentences.
        tokens: The answer as the model wrote it, pointers and intent included.
        whole: False where the answer was interrupted.
    """

    question: str
    text: str
    tokens: str
    whole: bool = True


class Chat:
    """A conversation about one picture.

    Args:
        assistant: Loaded weights.

    Attributes:
        faces: Read faces of the open picture, left to right.
        chosen: Number of the face that is spoken of; None for all of them.
        exchanges: What was said, oldest first.
    """

    def __init__(self, assistant: FaceAssistant) -> None:
        self.assistant = assistant
        self.faces: list[ReadFace] = []
        self.chosen: int | None = None
        self.exchanges: list[Exchange] = []
        self._parts: list[FacePart] = []

    def open(self, image: Picture, *, crops: bool = False) -> list[ReadFace]:
        """Read a picture and start a new conversation about all of its faces.

        Raises:
            FaceLLMError: For an unreadable picture; the open one stays open.
        """
        self.faces, self._parts = self.assistant.look(image, crops=crops)
        self.choose(None)
        return self.faces

    def choose(self, number: int | None) -> None:
        """Speak of one face, or with None of all; what was said before is forgotten.

        Raises:
            FaceLLMError: If the picture has no face of that number.
        """
        if number is not None and not 1 <= number <= len(self.faces):
            raise FaceLLMError(f"face {number}: the picture has faces 1 to {len(self.faces)}")
        self.chosen, self.exchanges = number, []

    def ask(self, question: str | None = None) -> Iterator[str]:
        """Words of the answer, piece by piece.

        An answer that is not read to its end is kept as far as it came, marked as interrupted.

        Args:
            question: At most 1,000 characters; None asks for a full description.

        Raises:
            FaceLLMError: For an over-long question.
        """
        return self._answer(checked_question(question))

    def _answer(self, question: str) -> Iterator[str]:
        written = Written()
        whole = False
        try:
            yield from self.assistant.converse(self._turns(question), written)
            whole = True
        finally:
            if written.tokens:
                told = Exchange(question, written.text.strip(), written.tokens, whole)
                self.exchanges.append(told)

    def _turns(self, question: str) -> tuple[Turn, ...]:
        """The conversation up to the next answer, without the oldest exchanges until it fits."""
        saved = self.assistant.checkpoint
        longest = saved.model.config.text_config.max_position_embeddings - LONGEST_ANSWER
        while True:
            turns = self._conversation(question).turns
            tokens = saved.processor.encode(saved.processor.prompt_text(turns))
            if len(tokens) <= longest or not self.exchanges:
                return turns
            del self.exchanges[0]

    def _conversation(self, question: str) -> Conversation:
        number = self.chosen
        faces = self._parts if number is None else [self._parts[number - 1]]
        said: list[tuple[str, str]] = []
        for exchange in self.exchanges:
            said += [("user", neutralise(exchange.question)), ("assistant", exchange.tokens)]
        (_, first), *rest = [*said, ("user", neutralise(question))]
        opening = Turn("user", (*faces, TextPart(first)))
        return Conversation((opening, *(Turn(role, (TextPart(text),)) for role, text in rest)))

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: the faces with their readings, and what was said."""
        return {
            "faces": [face.to_dict() for face in self.faces],
            "chosen": self.chosen,
            "exchanges": [
                {"question": e.question, "answer": e.text, "whole": e.whole} for e in self.exchanges
            ],
        }
