"""What the product sees of resting and of expressive renders of the same unseen people.

Located and read once per weights and kept as ``CACHE/personal_neutral/<sha256>.npz``: the figures
of ``personal_neutral`` are then a matter of seconds.

Legend: N rows of the rig's test split, M rows of the resting set, U action units.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facellm.assistant import FaceAssistant
from facellm.checkpoint import WEIGHTS, weight_digests
from facellm.labels import ACTION_UNITS
from facellm.prepared import PreparedSet
from facellm.prepared_crops import cut

from .held_out import BATCH, TEST

Array = NDArray[np.float64]
Ids = NDArray[np.integer]
PARTS = ("probability", "intensity")


@dataclass(frozen=True)
class NeutralRows:
    """Points and readings.

    Attributes:
        points: (M, 68, 2) of the resting set as the product finds them, pixels; NaN where it finds
            no face, or several.
        resting: ``probability`` and ``intensity`` (M, U) of the resting set.
        rows: (N,) row numbers of the rig set: test rows of people at rest without a frown.
        read: ``probability`` and ``intensity`` (N, U) of those rows.
    """

    points: Array
    resting: dict[str, Array]
    rows: Ids
    read: dict[str, Array]


def neutral_rows(assistant: FaceAssistant, cache: Path) -> NeutralRows:
    """Locate and read both sets, or take what an earlier run with these weights has kept."""
    digest = weight_digests(assistant.checkpoint.folder)[WEIGHTS]
    path = cache / "personal_neutral" / f"{digest[:16]}.npz"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"partial_{path.name}")
        np.savez(partial, **read_sets(assistant, cache))  # type: ignore[arg-type]
        partial.rename(path)
    with np.load(path) as stored:
        kept = {name: stored[name] for name in stored.files}
    sides = ({part: kept[f"{side}_{part}"] for part in PARTS} for side in ("resting", "read"))
    resting, read = sides
    return NeutralRows(kept["points"], resting, kept["rows"], read)


def read_sets(assistant: FaceAssistant, cache: Path) -> dict[str, Array | Ids]:
    """The arrays of ``NeutralRows``, flat."""
    rig, resting = PreparedSet(cache / "rig"), PreparedSet(cache / "resting")
    points = located(assistant, resting)
    resting.landmarks = points / resting.side
    usable = np.isfinite(points).all(axis=(1, 2))
    known = np.unique(resting.labels["identity"][usable & ~resting.labels["frown"]])
    rows = rig.rows(TEST)
    rows = rows[np.isin(rig.labels["identity"][rows], known)]
    rows = rows[np.isfinite(rig.landmarks[rows]).all(axis=(1, 2))]
    found = {"points": points, "rows": rows}
    for side, data, wanted in (
        ("resting", resting, np.arange(len(points))),
        ("read", rig, rows),
    ):
        read = readings(assistant, data, wanted)
        found |= {f"{side}_{part}": array for part, array in read.items()}
    return found


def readings(assistant: FaceAssistant, data: PreparedSet, rows: Ids) -> dict[str, Array]:
    """``probability`` and ``intensity`` (N, U) of prepared rows, cut by their stored points."""
    size, read = assistant.checkpoint.processor.crop_size, []
    for start in range(0, len(rows), BATCH):
        crops = [cut(data, int(row), size, whole=False) for row in rows[start : start + BATCH]]
        read += assistant.read_crops(crops)
    return {
        part: np.array([[getattr(r.action_units[n], part) for n in ACTION_UNITS] for r in read])
        for part in PARTS
    }


def located(assistant: FaceAssistant, data: PreparedSet) -> Array:
    """The set's points as the product finds them (N, 68, 2) in pixels, NaN where it finds none."""
    points = np.full((len(data.images), 68, 2), np.nan)
    for row, image in enumerate(data.images):
        faces = assistant.detector.detect(np.asarray(image))
        if len(faces) == 1 and faces[0].landmarks is not None:
            points[row] = faces[0].landmarks.points
    return points
