"""What the bound on blur rejects: faces as they are, and the same blurred by known amounts.

A face is blurred by a Gaussian whose sigma is told in pixels of the face at 48 x 48, the size its
sharpness is taken at: sigma 3 is 6 % of the face's side.

Example: ``blur_figures(data)["ferplus"]["rejected"]`` -> ``{"0": 0.0, "2": 0.8, "3": 0.993, ...}``.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facellm.images import load_image
from facellm.readers.row import FaceRow

from ..readers import open_set
from .config import PictureBounds
from .faces import Faces
from .filters import BLUR_SIZE, longer_side, sharpness
from .record import CorpusFace, Draft

# Sets of face crops -> every so many rows, about 600 of each.
STEPS = {"ferplus": 56, "utkface": 40, "real_vs_stylegan2": 3}
SIGMAS = (0.0, 1.0, 1.5, 2.0, 3.0, 4.0)
BATCH = 64


def blur_figures(data: Path) -> dict[str, Any]:
    """Share of faces under the default bound by sigma, and how sharp faces are as they are."""
    bounds = PictureBounds()
    figures: dict[str, Any] = {"least_blur": bounds.least_blur}
    for name, step in STEPS.items():
        found = [measured(*one) for one in faces_of(name, data / f"{name}.parquet", step)]
        table = np.array(found).reshape(-1, len(SIGMAS))
        shares = (table < bounds.least_blur).mean(axis=0)
        low, middle = np.percentile(table[:, 0], [1, 50])
        figures[name] = {
            "n": len(table),
            "sharpness_percentile_1_50": [round(float(low), 1), round(float(middle), 1)],
            "rejected": {f"{s:g}": round(float(r), 4) for s, r in zip(SIGMAS, shares, strict=True)},
        }
    return figures


def faces_of(name: str, file: Path, step: int) -> Iterator[tuple[NDArray[np.uint8], CorpusFace]]:
    """Pictures of every so many rows of a set, with the face a build finds on each."""
    rows = (row for row in open_set(name, file) if isinstance(row, FaceRow))
    look = Faces(["crops"], PictureBounds().least_quality)
    kept = islice(rows, 0, None, step)
    while batch := list(islice(kept, BATCH)):
        drafts = [Draft(r, 0, load_image(r.load()), notes={"source": 0}) for r in batch]
        for draft in look(drafts):
            if isinstance(draft, Draft) and draft.picture is not None:
                yield from ((draft.picture, f) for f in draft.faces if f.landmarks is not None)


def measured(picture: NDArray[np.uint8], face: CorpusFace) -> list[float]:
    """Sharpness of a face blurred by every sigma."""
    unit = longer_side(face) / BLUR_SIZE
    blurred = [cv2.GaussianBlur(picture, (0, 0), s * unit) if s else picture for s in SIGMAS]
    return [sharpness(np.asarray(one, np.uint8), face) for one in blurred]
