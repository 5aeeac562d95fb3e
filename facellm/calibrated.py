"""An assistant that reads one person relative to their own neutral face.

Example::

    baseline = Baseline.load("me.json")
    assistant = CalibratedAssistant(FaceAssistant.load(), baseline)
    for face in assistant.read("photo.jpg"):
        print(face.reading.baseline, face.reading.geometry)

A baseline is of one person and nothing here recognises people, so a picture with several faces is
refused: whose neutral would it be?
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from facellm.assistant import FaceAssistant
from facellm.baseline import Baseline
from facellm.context import reading_text
from facellm.conversation import FacePart
from facellm.errors import FaceLLMError
from facellm.reading import Reading
from facellm.readout import Calibration, Measured, evidence_for
from facellm.results import ReadFace, Timings

AGAINST_ALL, AGAINST_OWN = "against neutral faces", "against the person's own neutral"


class CalibratedAssistant(FaceAssistant):
    """A ``FaceAssistant`` whose readings are relative to a baseline.

    Args:
        assistant: Its weights and detector are used.
        baseline: Taken with the same weights.
        picture: What errors call a picture; a file's name where there is one.

    Raises:
        FaceLLMError: If the baseline was taken with other weights.
    """

    def __init__(
        self, assistant: FaceAssistant, baseline: Baseline, picture: str = "picture"
    ) -> None:
        super().__init__(assistant.checkpoint, assistant.detector, assistant.engine)
        baseline.check_weights(assistant.checkpoint.digests())
        self.baseline, self.picture = baseline, picture

    def _read(
        self, pixels: NDArray[np.uint8], crops: bool, timings: Timings
    ) -> tuple[list[ReadFace], list[FacePart]]:
        faces, parts = super()._read(pixels, crops, timings)
        if len(faces) > 1:
            raise FaceLLMError(
                f"{self.picture}: {len(faces)} faces, the bound is 1 with baseline "
                f"{self.baseline.name}: it is of one person; cut the picture to that face"
            )
        calibration = self.checkpoint.calibration
        readings = [relative(face.reading, self.baseline, calibration) for face in faces]
        return (
            [replace(face, reading=new) for face, new in zip(faces, readings, strict=True)],
            [
                replace(part, reading=reading_text(new))
                for part, new in zip(parts, readings, strict=True)
            ],
        )

    def reply(
        self, prompt: dict[str, Tensor], written: list[int], intent: str | None = None
    ) -> Iterator[str]:
        """As ``FaceAssistant.reply``; what z-scores are held against is put right.

        The language model learned to say "against neutral faces" and cannot know of a baseline.
        """
        return replaced(super().reply(prompt, written, intent), AGAINST_ALL, AGAINST_OWN)


def relative(reading: Reading, baseline: Baseline, calibration: Calibration) -> Reading:
    """The reading relative to a baseline, with the evidence that stands out there."""
    own = baseline.apply(reading)
    measured = None
    if own.geometry is not None and own.pose is not None:
        measured = Measured(own.pose, own.geometry, own.quality)
    return replace(own, evidence=evidence_for(own.top_expression, measured, calibration))


def replaced(pieces: Iterable[str], old: str, new: str) -> Iterator[str]:
    """A stream of text with a phrase replaced, also where it spans several pieces."""
    held = ""
    for piece in pieces:
        held = (held + piece).replace(old, new)
        # What may still become the phrase waits for the next piece.
        keep = next((n for n in range(len(old) - 1, 0, -1) if held.endswith(old[:n])), 0)
        if len(held) > keep:
            yield held[: len(held) - keep]
        held = held[len(held) - keep :]
    if held:
        yield held
