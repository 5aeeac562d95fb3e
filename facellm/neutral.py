"""Frames of one person -> their neutral levels.

Nobody holds still for long: a frame counts where exactly one well located face looks about ahead.
The level of a measure is the median over such frames, which a minority of expressive frames hardly
moves. The level of a unit is what five of six frames exceed: a unit read in half of the frames is
no resting one (chosen on validation people of the face rig, where a median took too much away).
Nothing asks who the person is: frames of two people give the levels of neither, and that shows only
in the spread.

Example: ``neutral_of(assistant, [("0.jpg", pixels), ("1.jpg", pixels), ...])`` -> a ``Baseline``
whose ``frames`` are ``{"given": 12, "used": 10, "left_out": {"no face found": 2}}``.

``frames`` may be any iterator of (name, (H, W, 3) uint8 RGB): a folder of pictures today, a clip's
frames by the same call.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from facellm.assistant import FaceAssistant
from facellm.baseline import RESTING_SHARE, THRESHOLDS, Baseline, MeasureLevel, UnitLevel
from facellm.checkpoint import Checkpoint
from facellm.crops import LEAST_QUALITY, upright_crop
from facellm.errors import FaceLLMError
from facellm.face import Face
from facellm.geometry import MEASURES
from facellm.labels import ACTION_UNITS
from facellm.reading import Reading
from facellm.refine import whole_picture_face

Rgb = NDArray[np.uint8]
Frame = tuple[str, Rgb]
LEAST_FRAMES = 5  # usable ones; a median of fewer is moved by a single expressive frame
MOST_TURNED = 20.0  # degrees of yaw or pitch; measures of faces turned further are off
BATCH = 16  # faces read at once
NO_FACE = "no face found"
TURNED = f"turned by more than {MOST_TURNED:.0f} degrees"
UNCLEAR = f"landmark quality under {LEAST_QUALITY}"


@dataclass
class Sighting:
    """What the frames gave.

    Attributes:
        readings: Of the usable frames.
        left_out: Reason -> how many frames it cost.
    """

    readings: list[Reading] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def given(self) -> int:
        """Frames met, usable or not."""
        return len(self.readings) + self.left_out.total()


def neutral_of(
    assistant: FaceAssistant, frames: Iterable[Frame], *, crops: bool = False, command: str = ""
) -> Baseline:
    """The neutral levels of the one person in some frames.

    Args:
        assistant: Reads the frames; the baseline fits its weights only.
        frames: (name, (H, W, 3) uint8 RGB), read one after the other and not kept.
        crops: Every frame is one face crop: no detection.
        command: Stored in the file.

    Raises:
        FaceLLMError: If a frame shows several faces (named), fewer than 5 frames are usable, or
            more frames are turned beyond 20 degrees than are not.
    """
    return baseline_from(sight(assistant, frames, crops=crops), assistant.checkpoint, command)


def sight(assistant: FaceAssistant, frames: Iterable[Frame], *, crops: bool = False) -> Sighting:
    """Read every frame's face; ``FaceLLMError`` naming a frame that shows several."""
    found = Sighting()
    waiting = face_crops(assistant, frames, found, crops=crops)
    while batch := list(islice(waiting, BATCH)):
        for reading in assistant.read_crops(batch):
            reason = unusable(reading)
            if reason:
                found.left_out[reason] += 1
            else:
                found.readings.append(reading)
    return found


def face_crops(
    assistant: FaceAssistant, frames: Iterable[Frame], found: Sighting, *, crops: bool
) -> Iterator[Rgb]:
    """The crop of each frame's only face; frames without one are counted in ``found``."""
    saved = assistant.checkpoint
    for name, pixels in frames:
        faces: Sequence[Face] = (
            [whole_picture_face(pixels, saved.landmark_net)]
            if crops
            else assistant.detector.detect(pixels)
        )
        if len(faces) > 1:
            raise FaceLLMError(
                f"{name}: {len(faces)} faces, a baseline is taken of one person; the bound is 1 "
                "face in a picture"
            )
        if faces:
            yield upright_crop(pixels, faces[0], saved.processor.crop_size, whole=crops)
        else:
            found.left_out[NO_FACE] += 1


def unusable(reading: Reading) -> str:
    """Why a frame's reading does not count; empty where it does."""
    if reading.geometry is None or reading.pose is None:
        return UNCLEAR
    return TURNED if max(abs(angle) for angle in reading.pose[:2]) > MOST_TURNED else ""


def baseline_from(found: Sighting, checkpoint: Checkpoint, command: str = "") -> Baseline:
    """Levels of what was seen; the errors are those of ``neutral_of``."""
    readings, turned = found.readings, found.left_out[TURNED]
    reasons = ", ".join(f"{count} {reason}" for reason, count in found.left_out.items())
    if turned > len(readings):
        raise FaceLLMError(
            f"{turned} of {found.given} frames are {TURNED} in yaw or pitch, more than the "
            f"{len(readings)} that face ahead: too wide a spread of poses for a baseline"
        )
    if len(readings) < LEAST_FRAMES:
        raise FaceLLMError(
            f"{len(readings)} usable frames of {found.given}, a baseline needs {LEAST_FRAMES}"
            + (f" ({reasons})" if reasons else "")
        )
    digests = checkpoint.digests()
    return Baseline(
        measures={name: measure_level(readings, name) for name in MEASURES},
        units={number: unit_level(readings, number) for number in ACTION_UNITS},
        weights={file: digest for file, digest in digests.items() if file not in THRESHOLDS},
        frames={
            "given": found.given,
            "used": len(readings),
            "left_out": dict(found.left_out),
        },
        quality=float(np.median([reading.quality for reading in readings])),
        command=command,
        facellm=version("facellm"),
    )


def measure_level(readings: Sequence[Reading], name: str) -> MeasureLevel:
    """Median z-score of a measure and its spread over readings that all have geometry."""
    return MeasureLevel(*level_and_spread([(r.geometry or {})[name] for r in readings]))


def unit_level(readings: Sequence[Reading], number: int) -> UnitLevel:
    """Probability and intensity of a unit that five of six readings exceed; the former's spread."""
    units = [reading.action_units[number] for reading in readings]
    probabilities = [unit.probability for unit in units]
    intensities = [unit.intensity for unit in units]
    low, weak = (float(np.quantile(v, RESTING_SHARE)) for v in (probabilities, intensities))
    return UnitLevel(low, weak, level_and_spread(probabilities)[1])


def level_and_spread(values: Sequence[float]) -> tuple[float, float]:
    """Median and half the range of the middle 68 %: of a normal sample, its standard deviation."""
    ends = (RESTING_SHARE, 0.5, 1 - RESTING_SHARE)
    low, level, high = np.quantile(np.asarray(values, np.float64), ends)
    return float(level), float(high - low) / 2
