"""The audit's figures on planted flips, for the bench: from the set's own file, by its own way in.

Example: ``audit_figures(Path("../shared/data"))["auc"]`` -> 0.9688.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from facellm.checkpoint import load_checkpoint
from facellm.labels import EXPRESSIONS
from facellm.readers.row import FaceRow
from facellm.votes import published_majority

from ..readers import open_set
from .audit_features import LabelledFace, describe
from .audit_measure import FLIPPED, planted
from .audit_rows import LeftOut, cut_out


def audit_figures(data: Path, seed: int = 0) -> dict[str, Any]:
    """How well flipped labels are found, and faces a second.

    Args:
        data: Folder with ``ferplus.parquet``.
        seed: Of the flips.
    """
    start, left_out = time.perf_counter(), LeftOut()
    described = describe(unseen_faces(data / "ferplus.parquet", left_out), load_checkpoint())
    found = planted(described, seed)
    rate = len(described.ids) / (time.perf_counter() - start)
    return {
        "share_flipped": FLIPPED,
        **found,
        "faces_per_second": round(rate, 1),
        "left_out": dict(left_out.counts),
    }


def unseen_faces(file: Path, left_out: LeftOut) -> Iterator[LabelledFace]:
    """Faces of FER+'s validation and test rows, which no model of ours was trained on."""
    for row in open_set("ferplus", file):
        if not isinstance(row, FaceRow):
            left_out.add(row.reason, row.where)
        elif row.split != "train" and row.votes is not None:
            best = int(published_majority(np.array([row.votes]))[0])
            if best < 0:
                left_out.add("no majority", row.where)
                continue
            crop = cut_out(row.load(), None, left_out, row.where)
            if crop is not None:
                yield LabelledFace(row.key, EXPRESSIONS[best], crop)
