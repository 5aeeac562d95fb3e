"""Our own model: readings, log-probabilities of options, written answers.

A reading is taken the product's way: a crop of each picture, landmarks and readouts of the crop.
The face of a ``find`` picture is the largest one found; without one the outcome is ``no face``.
Options are scored as the words of the answer, after the intent the model itself chooses; the prompt
is run once and its keys and values are shared by all options.

Legend: O options, T tokens of the longest one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import DynamicCache

from facellm.assistant import FaceAssistant
from facellm.checkpoint import SHIPPED
from facellm.cli import load_assistant
from facellm.conversation import Conversation, FacePart, TextPart, Turn
from facellm.crops import LEAST_QUALITY, upright_crop
from facellm.engine_names import TORCH
from facellm.errors import FaceLLMError
from facellm.face import Face
from facellm.prepared_crops import guessed_face
from facellm.prompts import neutralise
from facellm.reading import Reading
from facellm.refine import whole_picture_faces
from facellm.training_data import TRAINING_DATA, read_training_data

from ..asking import Request
from ..media import ALIGNED, CROP, FIND, Media, Rgb
from ..sample import FREE, LETTER, NO_FACE, OPTIONS, READING, UNREADABLE, Answer
from .function import normalised

BATCH = 32  # crops read at once
Crop = NDArray[np.uint8]


class NoFace(Exception):
    """The detector found no face in a picture."""


class LocalModel:
    """See the module docstring.

    Args:
        assistant: Loaded weights, on the torch engine.
    """

    ways: tuple[str, ...] = (READING, OPTIONS, LETTER, FREE)
    deterministic = True

    def __init__(self, assistant: FaceAssistant) -> None:
        self.assistant = assistant
        folder = assistant.checkpoint.folder
        self.name = "facellm (shipped weights)" if folder == SHIPPED else f"facellm {folder.name}"
        self.digest = folder_digest(folder)
        self.training_data = read_training_data(folder)

    @classmethod
    def load(cls, path: Path | None) -> LocalModel:
        """From a folder of weights, or those shipped."""
        return cls(load_assistant(path, TORCH))

    def answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer]]:
        """See ``Model``; readings are taken in batches, in order."""
        for start in range(0, len(requests), BATCH):
            yield from self._batch(start, requests[start : start + BATCH])

    def _batch(self, start: int, requests: Sequence[Request]) -> Iterator[tuple[int, Answer]]:
        seen: list[tuple[int, Request, list[Crop], str]] = []
        for place, request in enumerate(requests, start):
            try:
                each = [c for medium in request.sample.media for c in self._crops(medium, request)]
                crops = [crop for crop in each if crop is not None]
                left = len(each) - len(crops)
                detail = f"{left} of {len(each)} frames show no face" if left else ""
                seen.append((place, request, crops, detail))
            except NoFace as error:
                yield place, Answer(request.way, failure=NO_FACE, detail=str(error))
            except FaceLLMError as error:
                yield place, Answer(request.way, failure=UNREADABLE, detail=str(error))
        readings = iter(self._readings([crop for _, _, crops, _ in seen for crop in crops]))
        for place, request, crops, detail in seen:
            own = [next(readings) for _ in crops]
            yield place, replace(self._answer(request, crops, own), detail=detail)

    def _readings(self, crops: list[Crop]) -> list[Reading]:
        parts = (crops[start : start + BATCH] for start in range(0, len(crops), BATCH))
        return [reading for part in parts for reading in self.assistant.read_crops(part)]

    def _crops(self, medium: Media, request: Request) -> list[Crop | None]:
        """A crop of every frame; None for a frame of a clip that shows no face."""
        pictures = medium.frames(request.frames)
        size = self.assistant.checkpoint.processor.crop_size
        faces = faces_of(self.assistant, pictures, medium)
        whole = medium.face == CROP
        pairs = zip(pictures, faces, strict=True)
        return [
            None if face is None else upright_crop(picture, face, size, whole=whole)
            for picture, face in pairs
        ]

    def _answer(
        self, request: Request, crops: Sequence[Crop], readings: Sequence[Reading]
    ) -> Answer:
        if request.way == READING:
            return Answer(READING, reading=mean_reading(readings))
        prompt = self._prompt(crops, request.prompt)
        if request.way == OPTIONS:
            return Answer(OPTIONS, logprobs=self.option_logprobs(prompt, request.sample.options))
        return Answer(request.way, "".join(self.assistant.reply(prompt, [])).strip())

    def _prompt(self, crops: Sequence[Crop], question: str) -> dict[str, Tensor]:
        parts: list[FacePart | TextPart] = [self.assistant.read_crop(crop)[1] for crop in crops]
        turn = Turn("user", (*parts, TextPart(neutralise(question))))
        return self.assistant.checkpoint.processor.answer_prompt(Conversation((turn,)))

    @torch.inference_mode()
    def option_logprobs(
        self, prompt: dict[str, Tensor], options: Sequence[str], *, shared: bool = True
    ) -> tuple[float, ...]:
        """Log-probability of each option as the answer's first words, normalised over them.

        Args:
            prompt: Of ``processor.answer_prompt``.
            options: O labels.
            shared: Run the prompt once for all of them; False runs it for each, which is slower
                and gives the same (tested).
        """
        saved = self.assistant.checkpoint
        model, processor = saved.model, saved.processor
        embeds = model.embed(
            prompt["input_ids"], prompt.get("pixel_values"), prompt.get("landmarks")
        )
        words = [
            processor.tokenizer(f" {o}", add_special_tokens=False)["input_ids"] for o in options
        ]
        if not shared:
            each = [_continued(model, embeds, [ids], processor.intent_ids)[0] for ids in words]
            return normalised(each)
        return normalised(_continued(model, embeds, words, processor.intent_ids))


def _continued(model: Any, embeds: Tensor, words: list[list[int]], intents: Tensor) -> list[float]:
    """Log-probability of each run of tokens after a prompt and the intent the model chooses."""
    cache = DynamicCache()
    first = model.language_model(
        inputs_embeds=embeds, past_key_values=cache, use_cache=True, logits_to_keep=1
    ).logits[0, -1]
    intent = intents[first[intents].argmax()].reshape(1, 1)
    longest = max(map(len, words))
    padded = torch.tensor([ids + [0] * (longest - len(ids)) for ids in words])
    cache.batch_repeat_interleave(len(words))
    tokens = torch.cat((intent.expand(len(words), 1), padded), dim=1)
    output = model.language_model(
        inputs_embeds=model.get_input_embeddings()(tokens), past_key_values=cache, use_cache=True
    )
    scores = output.logits[:, :-1].float().log_softmax(-1)
    taken = scores.gather(2, padded[..., None])[..., 0]
    return [float(taken[row, : len(ids)].sum()) for row, ids in enumerate(words)]


def faces_of(assistant: FaceAssistant, pictures: Sequence[Rgb], medium: Media) -> list[Face | None]:
    """The face of every picture of a medium; None for frames of a clip that show none.

    Raises:
        NoFace: If the detector finds none in any of them.
    """
    if medium.face == CROP:
        return [guessed_face(p.shape[1], p.shape[0]) for p in pictures]
    if medium.face == ALIGNED:
        found = whole_picture_faces(pictures, assistant.checkpoint.landmark_net)
        return [
            face if face.score >= LEAST_QUALITY else guessed_face(p.shape[1], p.shape[0])
            for face, p in zip(found, pictures, strict=True)
        ]
    assert medium.face == FIND
    each = [assistant.detector.detect(picture) for picture in pictures]
    faces = [max(here, key=lambda face: face.box_xyxy.area, default=None) for here in each]
    if not any(faces):
        raise NoFace(f"{medium.name}: no face is found in {len(pictures)} pictures of it")
    return faces


def mean_reading(readings: Sequence[Reading]) -> dict[str, Any]:
    """One reading of several frames: numbers are means, what is said in words is the first's."""
    records = [reading.to_dict() for reading in readings]
    return records[0] if len(records) == 1 else mean_of(records)


def mean_of(values: Sequence[Any]) -> Any:
    """Mean of like values: numbers, and mappings and sequences of them; else the first."""
    first = values[0]
    if any(value is None for value in values):
        held = [value for value in values if value is not None]
        return mean_of(held) if held else None
    if isinstance(first, bool):
        return sum(values) * 2 > len(values)
    if isinstance(first, dict):
        return {key: mean_of([value[key] for value in values]) for key in first}
    if isinstance(first, list | tuple) and first and not isinstance(first[0], str):
        return [mean_of(list(parts)) for parts in zip(*values, strict=True)]
    return sum(values) / len(values) if isinstance(first, int | float) else first


def folder_digest(folder: Path) -> str:
    """SHA-256 of every file of a folder of weights, names and bytes; notes about it left out."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    digests = {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.suffix != ".md" and path.name != TRAINING_DATA
    }
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()
