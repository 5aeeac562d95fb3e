"""Held-out pictures of the prepared sets, cut and read the way the product does it.

FER+ pictures are face crops already and are given whole, as ``facellm read --crops`` gives them.
The other sets are cut by the fixed-margin square around the landmarks stored with them
(``facellm.crops.upright_crop``); where none are stored (no face was found, or a set that came
without), by a fixed square in the middle, and the figures say how many rows that concerns. From the
crop on it is ``FaceAssistant.read_crops`` and nothing else, in batches of 32.

Legend: N rows, S side of a crop, E expressions (8), U action units (21), K measures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facellm.assistant import FaceAssistant
from facellm.errors import FaceLLMError
from facellm.geometry import MEASURES
from facellm.labels import ACTION_UNITS, EXPRESSIONS
from facellm.prepared import PreparedSet
from facellm.prepared_crops import WHOLE, cut
from facellm.reading import Reading

TRAIN, VALID, TEST = 0, 1, 2
BATCH = 32
Array = NDArray[np.float64]
Crop = NDArray[np.uint8]


@dataclass(frozen=True)
class Columns:
    """Readings of N faces as arrays; without landmarks ``pose`` and ``zscores`` are NaN.

    Attributes:
        expression: (N, E) shares.
        units: (N, U) probability of each action unit.
        age: (N, 3) mean, low, high, years.
        male: (N,) probability.
        mask: (N,) probability.
        generated: (N,) probability.
        gaze: (N, 2) yaw and pitch, degrees.
        pose: (N, 3) yaw, pitch, roll, degrees.
        zscores: (N, K) measures as z-scores, in the order of ``facellm.geometry.MEASURES``.
        confidence: (N,).
        abstain: (N,) bool.
    """

    expression: Array
    units: Array
    age: Array
    male: Array
    mask: Array
    generated: Array
    gaze: Array
    pose: Array
    zscores: Array
    confidence: Array
    abstain: NDArray[np.bool_]

    @classmethod
    def of(cls, readings: Sequence[Reading]) -> Columns:
        """Readings side by side."""
        nothing = (np.nan,) * 3
        return cls(
            expression=np.array([[r.expression[name] for name in EXPRESSIONS] for r in readings]),
            units=np.array(
                [[r.action_units[number].probability for number in ACTION_UNITS] for r in readings]
            ),
            age=np.array([[r.age.mean, r.age.low, r.age.high] for r in readings]),
            male=np.array([r.gender["male"] for r in readings]),
            mask=np.array([r.mask for r in readings]),
            generated=np.array([r.generated for r in readings]),
            gaze=np.array([r.gaze for r in readings]),
            pose=np.array([nothing if r.pose is None else r.pose for r in readings], np.float64),
            zscores=np.array(
                [[(r.geometry or {}).get(m, np.nan) for m in MEASURES] for r in readings]
            ),
            confidence=np.array([r.confidence for r in readings]),
            abstain=np.array([r.abstain for r in readings], bool),
        )

    def take(self, rows: NDArray[np.generic]) -> Columns:
        """The same columns of some rows (indices or a mask)."""
        return Columns(*(getattr(self, column.name)[rows] for column in fields(self)))

    def unit(self, number: int) -> Array:
        """(N,) probability of one action unit by its FACS number."""
        return self.units[:, ACTION_UNITS.index(number)]

    def zscore(self, measure: str) -> Array:
        """(N,) one measure."""
        return self.zscores[:, MEASURES.index(measure)]


class HeldOut:
    """The prepared sets in the eyes of one assistant; every split is read once.

    Args:
        assistant: With the weights to measure.
        cache: Folder of the prepared sets.
        limit: Most rows of a split, drawn evenly over it; None takes all.
    """

    def __init__(self, assistant: FaceAssistant, cache: Path, limit: int | None = None) -> None:
        self.assistant, self.cache, self.limit = assistant, cache, limit
        self._sets: dict[str, PreparedSet] = {}
        self._columns: dict[tuple[str, int], Columns] = {}

    def data(self, name: str) -> PreparedSet:
        """A prepared set.

        Raises:
            FaceLLMError: If it is not there; the message names the folder.
        """
        if name not in self._sets:
            folder = self.cache / name
            if not (folder / "labels.npz").is_file():
                raise FaceLLMError(f"{folder}: no prepared set, run facellm.instruct_data.prepare")
            self._sets[name] = PreparedSet(folder)
        return self._sets[name]

    def rows(self, name: str, split: int = TEST) -> NDArray[np.int64]:
        """Row numbers of a split, at most ``limit``."""
        rows = self.data(name).rows(split)
        return rows if self.limit is None else spread(rows, self.limit)

    def labels(self, name: str, column: str, split: int = TEST) -> NDArray[np.generic]:
        """A label of the rows of ``rows``."""
        return self.data(name).labels[column][self.rows(name, split)]

    def crop(self, name: str, row: int) -> NDArray[np.uint8]:
        """(S, S, 3) uint8, the crop the product sees of one row."""
        size = self.assistant.checkpoint.processor.crop_size
        return cut(self.data(name), row, size, whole=name in WHOLE)

    def columns(self, name: str, split: int = TEST) -> Columns:
        """Readings of the rows of ``rows``."""
        if (name, split) not in self._columns:
            readings: list[Reading] = []
            rows = self.rows(name, split)
            for start in range(0, len(rows), BATCH):
                crops = [self.crop(name, int(row)) for row in rows[start : start + BATCH]]
                readings += self.assistant.read_crops(crops)
            self._columns[name, split] = Columns.of(readings)
        return self._columns[name, split]

    def guessed(self, name: str, split: int = TEST) -> int:
        """Rows cut by the fixed square because no landmarks are stored for them."""
        data = self.data(name)
        return sum(data.points(int(row)) is None for row in self.rows(name, split))


def spread(rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """At most ``count`` of the rows, evenly spaced."""
    if len(rows) <= count:
        return rows
    return rows[np.linspace(0, len(rows) - 1, count).round().astype(int)]
