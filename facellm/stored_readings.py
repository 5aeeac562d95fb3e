"""Readout distributions and measures of many faces in one file, by face.

A model's own readings of a corpus: training text is written under them, and queries that a picture
has no label for are learned from them.

Example: ``StoredReadings.load(Path("own.npz")).distributions("ferplus.parquet#fer2013/12@0")``
-> ``{"expr": (0.91, 0.02, ...), "au1": ..., "age": ...}``.

Legend: N faces, Q queries in the order of ``labels.QUERIES``.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facellm.atomic import atomic_file
from facellm.errors import FaceLLMError
from facellm.labels import QUERIES
from facellm.readout import Measured

SMALLEST = 1e-6  # probability that a stored zero stands for


def face_key(path: str, index: int) -> str:
    """Name of the ``index``-th face, left to right, of a picture by its path in a corpus."""
    return f"{path}@{index}"


@dataclass(frozen=True)
class StoredReadings:
    """See the module docstring.

    Attributes:
        keys: N names (``face_key``).
        shares: Q arrays (N, n_labels) float16, each row a distribution.
        pose: (N, 3) float32 degrees, NaN without landmarks.
        zscores: Measure -> (N,) float32.
        quality: (N,) float32 of the landmarks, in [0, 1].
    """

    keys: Sequence[str]
    shares: Sequence[NDArray[np.float16]]
    pose: NDArray[np.float32]
    zscores: dict[str, NDArray[np.float32]]
    quality: NDArray[np.float32]

    @classmethod
    def load(cls, path: Path) -> StoredReadings:
        """Read a file.

        Raises:
            FaceLLMError: If it is missing, damaged or of other queries than this version's.
        """
        try:
            with np.load(path) as stored:
                shares = [stored[f"share_{query.name}"] for query in QUERIES]
                names = [str(name) for name in stored["measures"]]
                found = cls(
                    [str(key) for key in stored["keys"]],
                    shares,
                    stored["pose"],
                    dict(zip(names, stored["zscores"].T, strict=True)),
                    stored["quality"],
                )
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise FaceLLMError(f"{path}: no stored readings of this version ({error})") from error
        for query, share in zip(QUERIES, shares, strict=True):
            if share.shape != (len(found.keys), len(query.labels)):
                raise FaceLLMError(
                    f"{path}: {query.name} has shape {share.shape}, not "
                    f"{(len(found.keys), len(query.labels))}"
                )
        return found

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all.

        Raises:
            FaceLLMError: If two faces with one key were read differently: a key is a picture's
                path in its corpus, which two corpora may share, and one would hide the other.
        """
        self._check_keys(path)
        arrays = {
            f"share_{query.name}": share for query, share in zip(QUERIES, self.shares, strict=True)
        }
        with atomic_file(path) as file:
            np.savez(
                file,
                keys=np.array(list(self.keys)),
                measures=np.array(list(self.zscores)),
                zscores=np.array(list(self.zscores.values()), np.float32)
                .reshape(-1, len(self.keys))
                .T,
                pose=self.pose.astype(np.float32),
                quality=self.quality.astype(np.float32),
                **arrays,  # type: ignore[arg-type]
            )

    def _check_keys(self, path: Path) -> None:
        columns = [*self.shares, self.pose, *self.zscores.values(), self.quality]
        for row, key in enumerate(self.keys):
            other = self.places[key]
            if any(not np.array_equal(c[row], c[other], equal_nan=True) for c in columns):
                raise FaceLLMError(
                    f"{path}: {key} stands for two faces, rows {row} and {other}; pictures of two "
                    "corpora share the path: store each corpus's readings in a file of its own"
                )

    @cached_property
    def places(self) -> dict[str, int]:
        """Key -> row."""
        return {key: row for row, key in enumerate(self.keys)}

    def distributions(self, key: str) -> dict[str, NDArray[np.float32]]:
        """Query name -> distribution over its labels."""
        row = self.places[key]
        return {
            query.name: share[row].astype(np.float32)
            for query, share in zip(QUERIES, self.shares, strict=True)
        }

    def measured(self, key: str) -> Measured | None:
        """Pose, z-scores and quality; None where the face had no landmarks."""
        row = self.places[key]
        if not np.isfinite(self.pose[row]).all():
            return None
        yaw, pitch, roll = (float(angle) for angle in self.pose[row])
        zscores = {name: float(values[row]) for name, values in self.zscores.items()}
        return Measured((yaw, pitch, roll), zscores, float(self.quality[row]))


def logprobs(distributions: dict[str, NDArray[np.float32]]) -> list[NDArray[np.float64]]:
    """Distributions by query name -> Q log-distributions, as ``readout`` takes them."""
    return [
        np.log(np.maximum(distributions[query.name].astype(np.float64), SMALLEST))
        for query in QUERIES
    ]
