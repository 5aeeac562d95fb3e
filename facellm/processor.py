"""Processor: Conversation + face crops -> tensors, the same for training, evaluation and serving.

The processor never sees the model's weights. It holds the tokenizer with its chat template, the
image settings of the tower, and a landmark function (crop -> 68 points) it calls for crops that
come without landmarks, so that what is computed for a crop depends on the crop alone.

Two prompts exist. The reading prompt of one face is constant but for the picture:
``<|user|>`` + P x ``<face>`` + every query token. The answer prompt holds all faces with their
readings, the question, and ends in ``<|assistant|><q_intent>``.

Legend: B batch, T tokens, N images, P patches, S side of a crop, Q queries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import AutoProcessor
from transformers.processing_utils import ProcessorMixin

from facellm.answer_words import AnswerWords, answer_text
from facellm.config import FaceLLMConfig
from facellm.context import COUNT_WORDS, WORD_NEEDS, untrue_words
from facellm.conversation import Conversation, FacePart, Turn
from facellm.errors import FaceLLMError
from facellm.face import Square, crop_image
from facellm.labels import IMAGE_TOKEN, INTENT_TOKENS, INTENTS, QUERIES, reserved_tokens
from facellm.pointers import is_pointer

IGNORE_INDEX = -100
Landmarker = Callable[[Sequence[NDArray[np.uint8]]], NDArray[np.float32]]


class FaceLLMProcessor(ProcessorMixin):
    """See the module docstring.

    Args:
        image_processor: The tower's own (``CLIPImageProcessorPil`` or the like).
        tokenizer: With the reserved tokens of ``facellm.labels``.
        chat_template: Jinja text; the tokenizer's own when None.
        n_patches: Tokens per face, P.
    """

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: Any = None,
        chat_template: str | None = None,
        n_patches: int = 36,
        **kwargs: Any,
    ) -> None:
        super().__init__(image_processor, tokenizer, chat_template=chat_template, **kwargs)
        self.n_patches = n_patches
        self.landmarker: Landmarker | None = None
        self.image_token_id = self.token_id(IMAGE_TOKEN)
        self.query_ids = [self.token_id(query.token) for query in QUERIES]
        self.label_ids = [
            torch.tensor([self.token_id(label) for label in query.labels]) for query in QUERIES
        ]
        self.intent_ids = torch.tensor([self.token_id(token) for token in INTENT_TOKENS])
        self.value_ids = torch.tensor(
            [self.token_id(token) for token in reserved_tokens() if is_pointer(token)]
        )
        # A word a tokenizer cuts in pieces cannot be held back by one id and is left out.
        pieces = {
            word: self.tokenizer(f" {word}", add_special_tokens=False)["input_ids"]
            for word in WORD_NEEDS
        }
        self.word_ids = {word: ids[0] for word, ids in pieces.items() if len(ids) == 1}
        self._counts = {
            word: [
                self.tokenizer(space + form, add_special_tokens=False)["input_ids"]
                for form in (word, word.capitalize())
                for space in ("", " ")
            ]
            for word in COUNT_WORDS
        }

    def token_id(self, token: str) -> int:
        """Id of a reserved token; ``FaceLLMError`` if the tokenizer does not hold it."""
        index = self.tokenizer.convert_tokens_to_ids(token)
        if index is None or index == self.tokenizer.unk_token_id:
            raise FaceLLMError(f"the tokenizer does not hold the reserved token {token}")
        return index

    def absent_ids(self, input_ids: Tensor, intent: int) -> Tensor:
        """What an answer to a prompt must not hold: values and words its readings do not bear out.

        Args:
            input_ids: (T,) ids of the prompt.
            intent: Id of the answer's first token, what the question asks for.

        Returns:
            (M,) ids: values that are missing from the prompt, and the words of
            ``context.WORD_NEEDS`` whose needs are.
        """
        text = self.tokenizer.decode(input_ids, skip_special_tokens=False)
        places = (self.intent_ids == intent).nonzero().flatten().tolist()
        asked = INTENTS[places[0]] if places else ""
        untrue = untrue_words(text, asked)
        words = [self.word_ids[word] for word in untrue if word in self.word_ids]
        words += self._parting(untrue) if asked == "count" else []
        missing = self.value_ids[~torch.isin(self.value_ids, input_ids)]
        return torch.cat((missing, torch.tensor(words, dtype=missing.dtype)))

    def _parting(self, untrue: Sequence[str]) -> list[int]:
        """Of count words that are not true, a piece each that the true one does not hold."""
        true = next((word for word in self._counts if word not in untrue), "")
        kept = {piece for form in self._counts.get(true, []) for piece in form}
        forms = (form for word in set(untrue) & set(self._counts) for form in self._counts[word])
        return sorted({next((p for p in form if p not in kept), form[0]) for form in forms})

    def intent_choices(self, intent: str | None) -> Tensor:
        """(1,) id of an intent by its name, or (I,) those of all of them."""
        return self.intent_ids if intent is None else self.intent_ids[[INTENTS.index(intent)]]

    @property
    def crop_size(self) -> int:
        """Side in pixels of the crop the tower takes."""
        size = self.image_processor.size
        return int(size["height"] if "height" in size else size["shortest_edge"])

    def images(self, faces: Sequence[FacePart]) -> dict[str, Tensor]:
        """Pixels and landmarks of face crops.

        Returns:
            ``pixel_values`` (N, 3, S, S) float32 and ``landmarks`` (N, 68, 2) float32 in [0, 1] of
            the crop, NaN where they are missing.
        """
        size = self.crop_size
        crops = [
            face.crop
            if face.crop.shape[0] == size == face.crop.shape[1]
            else crop_image(face.crop, Square(0.0, 0.0, float(face.crop.shape[0])), size)
            for face in faces
        ]
        return {
            "pixel_values": self.standardise(np.stack(crops)),
            "landmarks": torch.from_numpy(self.landmarks(faces)),
        }

    def standardise(self, crops: NDArray[np.uint8]) -> Tensor:
        """(N, S, S, 3) uint8 RGB -> (N, 3, S, S) float32 with the tower's mean and deviation."""
        mean = torch.tensor(self.image_processor.image_mean) * 255
        spread = torch.tensor(self.image_processor.image_std) * 255
        return ((torch.from_numpy(crops).float() - mean) / spread).permute(0, 3, 1, 2).contiguous()

    def landmarks(self, faces: Sequence[FacePart]) -> NDArray[np.float32]:
        """(N, 68, 2): given landmarks, otherwise the landmark function's; NaN without either."""
        points = np.full((len(faces), 68, 2), np.nan, np.float32)
        missing = [i for i, face in enumerate(faces) if face.landmarks_unit is None]
        for index, face in enumerate(faces):
            if face.landmarks_unit is not None:
                points[index] = face.landmarks_unit
        if missing and self.landmarker is not None:
            points[missing] = self.landmarker([faces[i].crop for i in missing])
        return points

    def reading_prompt(self, faces: Sequence[FacePart]) -> dict[str, Tensor]:
        """Batch of N reading prompts, one face each.

        Returns:
            ``input_ids`` (N, T), ``pixel_values``, ``landmarks`` and ``query_positions`` (Q,).
        """
        return {
            "input_ids": torch.tensor([self.reading_ids()] * len(faces)),
            "query_positions": self.query_positions(),
            **self.images(faces),
        }

    def query_positions(self) -> Tensor:
        """(Q,) places of the query tokens in ``reading_ids``: its end."""
        length = len(self.reading_ids())
        return torch.arange(length - len(self.query_ids), length)

    def reading_ids(self) -> list[int]:
        """Token ids of the constant reading prompt."""
        start = self.token_id("<|user|>")
        return [start, *[self.image_token_id] * self.n_patches, *self.query_ids]

    def prompt_text(self, turns: Sequence[Turn], *, complete: bool = False) -> str:
        """Prompt of a conversation by the chat template, one ``<face>`` per face.

        Args:
            turns: Messages.
            complete: The last turn is the assistant's answer (training); otherwise the prompt ends
                where the answer begins.
        """
        messages = [
            {"role": turn.role, "content": [c for part in turn.parts for c in template_parts(part)]}
            for turn in turns
        ]
        template = self.chat_template or self.tokenizer.chat_template
        return self.tokenizer.apply_chat_template(
            messages, chat_template=template, tokenize=False, add_generation_prompt=not complete
        )

    def text_ids(self, text: str) -> list[int]:
        """Token ids of a prompt as it is written, one ``<face>`` per face."""
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def encode(self, text: str) -> list[int]:
        """Token ids of a prompt; each ``<face>`` becomes P placeholders."""
        expanded: list[int] = []
        for index in self.text_ids(text):
            expanded += [index] * (self.n_patches if index == self.image_token_id else 1)
        return expanded

    def answer_prompt(self, conversation: Conversation) -> dict[str, Tensor]:
        """Tensors from which the answer is generated: ``input_ids`` (1, T) and the images."""
        ids = self.encode(self.prompt_text(conversation.turns))
        faces = list(conversation.faces())
        images = self.images(faces) if faces else {}
        return {
            "input_ids": torch.tensor([ids]),
            "attention_mask": torch.ones(1, len(ids), dtype=torch.int64),
            **images,
        }

    def training_sample(self, conversation: Conversation) -> dict[str, list[int]]:
        """Ids and labels of a conversation that ends in its answer.

        Returns:
            ``input_ids`` (T,) and ``labels`` (T,), -100 outside the assistant's turns. The ids
            before an answer equal ``answer_prompt``'s, which a test pins down.
        """
        if conversation.turns[-1].role != "assistant":
            raise ValueError("a training sample ends with the assistant's turn")
        ids = self.encode(self.prompt_text(conversation.turns, complete=True))
        return {"input_ids": ids, "labels": self.answer_labels(ids)}

    def answer_labels(self, ids: Sequence[int]) -> list[int]:
        """Labels of a tokenised conversation: its ids, -100 outside the assistant's turns."""
        begin, end = self.token_id("<q_intent>"), self.token_id("<|end|>")
        labels, answering = [], False
        for index in ids:
            labels.append(index if answering else IGNORE_INDEX)
            answering = index == begin or (answering and index != end)
        return labels

    def answer_text(self, ids: Sequence[int]) -> str:
        """Words of an answer (``answer_words.answer_text``)."""
        return answer_text(self.tokenizer, ids)

    def answer_pieces(self, tokens: Iterable[int], written: list[int]) -> Iterator[str]:
        """Words of an answer as they become certain (``AnswerWords``); joined they are its text.

        Args:
            tokens: Ids as they are written.
            written: Every id taken from ``tokens`` is appended here.
        """
        words = AnswerWords(self.tokenizer, written)
        for token in tokens:
            if piece := words.add(token):
                yield piece
        if piece := words.rest():
            yield piece


def template_parts(part: Any) -> list[dict[str, str]]:
    """A conversation part as the chat template's content parts."""
    if not isinstance(part, FacePart):
        return [part.to_dict()]
    image = [{"type": "image"}]
    return image if part.reading is None else [*image, {"type": "reading", "text": part.reading}]


AutoProcessor.register(FaceLLMConfig, FaceLLMProcessor)
