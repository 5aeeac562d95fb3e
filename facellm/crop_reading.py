"""Face crops -> readings: landmarks and geometry of the crop, log-probabilities by an engine.

Example: ``read_crops(checkpoint, TorchEngine(checkpoint), [crop])[0].age``

Legend: N crops, S their side, Q queries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from facellm.adapted_engine import AdaptedEngine
from facellm.checkpoint import Checkpoint
from facellm.conversation import FacePart
from facellm.crops import crop_landmarks
from facellm.engine import ReadingEngine
from facellm.geometry import Geometry
from facellm.reading import Reading
from facellm.readout import Measured, reading_from_logprobs


@dataclass(frozen=True)
class SeenCrops:
    """Face crops as an engine takes them, and what was measured on their landmarks.

    Attributes:
        pixel_values: (N, 3, S, S) float32, standardised.
        landmarks: (N, 68, 2) float32 in [0, 1] of each crop, NaN where missing.
        measured: N; None where landmarks are missing.
    """

    pixel_values: Tensor
    landmarks: Tensor
    measured: tuple[Measured | None, ...]


def see_crops(checkpoint: Checkpoint, crops: Sequence[NDArray[np.uint8]]) -> SeenCrops:
    """Locate the faces of crops (S, S, 3) uint8 and turn them into tensors."""
    points, quality = crop_landmarks(checkpoint.landmark_net, crops)
    parts = [FacePart(crop, unit) for crop, unit in zip(crops, points, strict=True)]
    pairs = zip(points, quality, strict=True)
    measured = tuple(measure_face(checkpoint.geometry, unit, float(sure)) for unit, sure in pairs)
    return SeenCrops(**checkpoint.processor.images(parts), measured=measured)


def measure_face(geometry: Geometry, unit: NDArray[np.float32], quality: float) -> Measured | None:
    """Pose and z-scores of landmarks (68, 2) in [0, 1] of the crop; None where they are missing."""
    if not np.isfinite(unit).all():
        return None
    described = geometry.describe(unit)
    yaw, pitch, roll = (float(angle) for angle in np.ravel(geometry.pose(unit)))
    zscores = {name: values["z"] for name, values in described.items()}
    return Measured((yaw, pitch, roll), zscores, quality)


def read_seen(checkpoint: Checkpoint, engine: ReadingEngine, seen: SeenCrops) -> list[Reading]:
    """Readings of N seen crops, taken in one batch."""
    added: list[dict[str, dict[str, float]]] = []
    if isinstance(engine, AdaptedEngine):
        logprobs, added = engine.read(seen.pixel_values, seen.landmarks)
    else:
        logprobs = engine.logprobs(seen.pixel_values, seen.landmarks)
    readings = [
        reading_from_logprobs([table[row] for table in logprobs], measured, checkpoint.calibration)
        for row, measured in enumerate(seen.measured)
    ]
    if not added:
        return readings
    return [replace(r, adapted=labels) for r, labels in zip(readings, added, strict=True)]


def read_crops(
    checkpoint: Checkpoint, engine: ReadingEngine, crops: Sequence[NDArray[np.uint8]]
) -> list[Reading]:
    """Readings of N face crops, (S, S, 3) uint8 each, taken in one batch."""
    return read_seen(checkpoint, engine, see_crops(checkpoint, crops))
