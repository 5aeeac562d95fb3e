"""FaceAssistant: the ten-line story. Load weights, ask about a photograph, read its faces.

Example::

    assistant = FaceAssistant.load()
    answer = assistant.ask("photo.jpg", "What expression is shown?")
    print(answer.text, answer.faces[0].reading.expression)

Each face is cut out, located and read alone, so what happens to one face of a picture cannot change
the reading of another. Pictures are (H, W, 3) uint8 RGB inside; boxes and landmarks are pixels of
the picture as it is seen (EXIF orientation applied).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from facellm.adapted_engine import AdaptedEngine, with_adapter
from facellm.checkpoint import Checkpoint, load_checkpoint
from facellm.context import reading_text
from facellm.conversation import Conversation, FacePart, TextPart, Turn
from facellm.crop_reading import read_crops, read_seen, see_crops
from facellm.crops import upright_crop
from facellm.detection import CascadeDetector, FaceDetector
from facellm.engine import ReadingEngine, TorchEngine, choose_engine
from facellm.engine_names import check_engine, usual_engine
from facellm.errors import FaceLLMError
from facellm.generation import greedy_tokens
from facellm.images import load_image
from facellm.labels import INTENTS
from facellm.prompts import neutralise
from facellm.reading import Reading
from facellm.refine import whole_picture_face
from facellm.results import Answer, AnswerStream, ReadFace, Timings, Written
from facellm.several_faces import is_of_several, parts_of_answer

Picture = str | Path | Image.Image | NDArray[Any]
FULL_DESCRIPTION = "Describe the face."
LONGEST_QUESTION = 1000  # characters
LONGEST_ANSWER = 256  # tokens


def checked_question(question: str | None) -> str:
    """A question within its bound; nothing asks for a full description.

    Raises:
        FaceLLMError: If it is longer than 1,000 characters.
    """
    if question is None or not question.strip():
        return FULL_DESCRIPTION
    if len(question) > LONGEST_QUESTION:
        raise FaceLLMError(
            f"the question has {len(question)} characters, the bound is {LONGEST_QUESTION}"
        )
    return question


def asking(parts: Sequence[FacePart], question: str) -> tuple[Turn, ...]:
    """A conversation that begins and ends with a question about faces."""
    return (Turn("user", (*parts, TextPart(neutralise(question)))),)


class FaceAssistant:
    """Photograph in, reasoned answer out.

    Args:
        checkpoint: Loaded weights.
        detector: Finds faces; by default OpenCV's cascades verified by the landmark network.
        engine: Takes the readings; by default torch.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        detector: FaceDetector | None = None,
        engine: ReadingEngine | None = None,
    ) -> None:
        self.checkpoint = checkpoint
        self.detector = detector or CascadeDetector(checkpoint.landmark_net)
        self.engine = engine or TorchEngine(checkpoint)

    @classmethod
    def load(
        cls,
        path: str | Path | None = None,
        detector: FaceDetector | None = None,
        engine: str | None = None,
        adapter: str | Path | None = None,
    ) -> FaceAssistant:
        """Load weights from a folder, or those shipped with the package.

        Args:
            path: Folder of weights; None takes those shipped.
            detector: Finds faces; the default where None.
            engine: What takes the readings: ``torch``, ``openvino``, or ``auto``, the fastest one
                that is there (``facellm.engine``); None is ``FACELLM_ENGINE``, else ``auto``.
            adapter: Folder that ``facellm adapt`` wrote, read besides.

        Raises:
            FaceLLMError: If the folder is not a checkpoint of this version, or an engine asked for
                by name cannot be used, or the adapter is of other weights.
        """
        name = check_engine(engine or usual_engine())  # before the weights are loaded
        checkpoint = load_checkpoint(path)
        chosen = choose_engine(checkpoint, name)
        if adapter is not None:
            chosen = with_adapter(chosen, checkpoint, Path(adapter))
            facts = chosen.facts
            checkpoint = replace(checkpoint, adapter=(facts.name, facts.digest))
        return cls(checkpoint, detector, chosen)

    @property
    def added_columns(self) -> tuple[str, ...]:
        """Table columns that an adapter brings (``hair.long``); none without one."""
        return self.engine.facts.columns() if isinstance(self.engine, AdaptedEngine) else ()

    def ask(self, image: Picture, question: str | None = None, *, crops: bool = False) -> Answer:
        """Answer a question about the faces of a picture.

        Args:
            image: Path, PIL picture or array.
            question: At most 1,000 characters; None asks for a full description.
            crops: The picture already is one face crop: detection is skipped.

        Raises:
            FaceLLMError: For an unreadable picture or an over-long question.
        """
        stream = self.ask_stream(image, question, crops=crops)
        for _ in stream:
            pass
        assert stream.answer is not None
        return stream.answer

    def ask_stream(
        self, image: Picture, question: str | None = None, *, crops: bool = False
    ) -> AnswerStream:
        """As ``ask``, but text comes piece by piece; the arguments are checked at once."""
        question = checked_question(question)
        pixels = load_image(image)
        stream = AnswerStream(iter(()))
        stream.pieces = self._write(pixels, question, crops, stream)
        return stream

    def read(self, image: Picture, *, crops: bool = False) -> list[ReadFace]:
        """Read every face of a picture, left to right; an empty list when there is none."""
        return self.look(image, crops=crops)[0]

    def _write(
        self, pixels: NDArray[np.uint8], question: str, crops: bool, stream: AnswerStream
    ) -> Iterator[str]:
        start, timings = time.monotonic(), Timings()
        faces, parts = self._read(pixels, crops, timings)
        written = Written()
        looked = time.monotonic()
        for piece in self.converse(asking(parts, question), written):
            timings.first_word = timings.first_word or time.monotonic() - looked
            yield piece
        timings.total = time.monotonic() - start
        stream.answer = Answer(
            written.text.strip(),
            written.intent,
            tuple(faces),
            {
                "faces": len(faces),
                "crops": len(parts),
                "tokens": written.prompt + written.count,
                "size": [pixels.shape[1], pixels.shape[0]],
            },
            timings,
        )

    def converse(self, turns: Sequence[Turn], written: Written) -> Iterator[str]:
        """Words of the answer to a conversation, piece by piece; of each face on its own.

        Args:
            turns: End with the user's; the faces stand in the first one.
            written: Filled in, also where the answer is not taken to its end.
        """
        parts = [("", tuple(turns))]
        if is_of_several(turns):
            written.intent = self._intent(turns)
            parts = parts_of_answer(turns, written.intent)
        for heading, asked in parts:
            if heading:
                written.text += heading
                yield heading
            if asked:
                yield from self._tell(asked, heading, written)
            else:
                written.tokens = f"<ask_{written.intent}>{heading}"

    def _tell(self, turns: Sequence[Turn], heading: str, written: Written) -> Iterator[str]:
        """One part of an answer, about the intent that is known by then, if one is."""
        processor = self.checkpoint.processor
        prompt = processor.answer_prompt(Conversation(tuple(turns)))
        written.prompt += prompt["input_ids"].shape[1]
        ids: list[int] = []
        begun = False
        try:
            for piece in self.reply(prompt, ids, written.intent or None):
                said = piece if begun else piece.lstrip()
                if said:
                    begun = True
                    written.text += said
                    yield said
        finally:
            if ids:
                intent, *rest = ids
                name = INTENTS[processor.intent_ids.tolist().index(intent)]
                told = processor.tokenizer.decode(rest, skip_special_tokens=False)
                written.intent = written.intent or name
                written.tokens = written.tokens or f"<ask_{name}>"
                written.tokens += heading + told.strip()
                written.count += len(ids)

    def reply(
        self, prompt: dict[str, Tensor], written: list[int], intent: str | None = None
    ) -> Iterator[str]:
        """Words of the answer to a prompt (``processor.answer_prompt``), piece by piece.

        Args:
            prompt: Of a conversation that ends with the user's turn, about one face or none.
            written: The answer's token ids are appended here.
            intent: What the answer is about; the model chooses where None.
        """
        processor = self.checkpoint.processor
        tokens = greedy_tokens(
            self.checkpoint.model,
            prompt,
            processor.intent_choices(intent),
            LONGEST_ANSWER,
            processor.absent_ids,
        )
        return processor.answer_pieces(tokens, written)

    def intent(self, parts: Sequence[FacePart], question: str) -> str:
        """What a question about faces asks for (``facellm.labels.INTENTS``)."""
        return self._intent(asking(parts, question))

    def _intent(self, turns: Sequence[Turn]) -> str:
        saved = self.checkpoint
        ids = saved.processor.intent_ids
        prompt = saved.processor.answer_prompt(Conversation(tuple(turns)))
        return INTENTS[ids.tolist().index(next(greedy_tokens(saved.model, prompt, ids, 1)))]

    def look(self, image: Picture, *, crops: bool = False) -> tuple[list[ReadFace], list[FacePart]]:
        """Faces of a picture with their readings, and the parts that carry them into a prompt."""
        return self._read(load_image(image), crops, Timings())

    def _read(
        self, pixels: NDArray[np.uint8], crops: bool, timings: Timings
    ) -> tuple[list[ReadFace], list[FacePart]]:
        start = time.monotonic()
        net = self.checkpoint.landmark_net
        found = [whole_picture_face(pixels, net)] if crops else self.detector.detect(pixels)
        timings.detect = time.monotonic() - start
        faces, parts = [], []
        for number, face in enumerate(found, start=1):
            crop = upright_crop(pixels, face, self.checkpoint.processor.crop_size, whole=crops)
            reading, part = self.read_crop(crop)
            faces.append(ReadFace(number, face, reading))
            parts.append(part)
        timings.read = time.monotonic() - start - timings.detect
        return faces, parts

    def read_crop(self, crop: NDArray[np.uint8]) -> tuple[Reading, FacePart]:
        """Reading of one face crop (S, S, 3), and the part that carries it into a prompt."""
        seen = see_crops(self.checkpoint, [crop])
        reading = read_seen(self.checkpoint, self.engine, seen)[0]
        return reading, FacePart(crop, seen.landmarks[0].numpy(), reading_text(reading))

    def read_crops(self, crops: Sequence[NDArray[np.uint8]]) -> list[Reading]:
        """Readings of face crops, (S, S, 3) uint8 each, taken in one batch."""
        return read_crops(self.checkpoint, self.engine, crops)
