"""Measure the audit: labels of FER+ are flipped on purpose, and looked for.

``python -m facellm.instruct_data.dedupe.audit_measure --cache .cache/default -o audit.json``

Symmetric flips: three labels in ten become one of the other seven. Two parts, since the shipped
tower was trained on FER+'s training votes and has never seen the labels of validation and test:
``train`` (6,000 rows drawn) and ``unseen``; each by the tower's features and by gradients.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from facellm.checkpoint import load_checkpoint
from facellm.folders import check_place, default_cache
from facellm.labels import EXPRESSIONS
from facellm.prepared import PreparedSet
from facellm.votes import published_majority

from .audit import Audit, audit
from .audit_features import FEATURES, Described, LabelledFace, describe
from .audit_rows import rgb

FLIPPED = 0.3
TRAIN_ROWS = 6000
TOP = 0.2


def flip(
    labels: NDArray[np.integer], classes: int, rng: np.random.Generator
) -> tuple[NDArray[np.integer], NDArray[np.bool_]]:
    """Three labels in ten become another class, each other one as often.

    Returns:
        (N,) labels and (N,) which were flipped.
    """
    flipped = rng.random(len(labels)) < FLIPPED
    moved = (labels + rng.integers(1, classes, len(labels))) % classes
    return np.where(flipped, moved, labels), flipped


def area_under_curve(scores: NDArray[np.floating], hit: NDArray[np.bool_]) -> float:
    """Chance that a hit has the higher score than a miss, ties halved."""
    order = np.argsort(scores, kind="stable")
    _, back, counts = np.unique(scores[order], return_inverse=True, return_counts=True)
    ranks = np.empty(len(scores))
    ranks[order] = (np.cumsum(counts) - (counts - 1) / 2)[back]
    hits = int(hit.sum())
    return float((ranks[hit].sum() - hits * (hits + 1) / 2) / (hits * (len(hit) - hits)))


def figures(found: Audit, flipped: NDArray[np.bool_]) -> dict[str, Any]:
    """How well a ranking finds flipped labels."""
    rows = np.array([suspect.row for suspect in found.ranking])
    scores = np.array([suspect.score for suspect in found.ranking])
    suspicious = np.array([suspect.suspicious for suspect in found.ranking])
    hit = flipped[rows]
    top = hit[: int(TOP * len(hit))]
    return {
        "n": len(hit),
        "flipped": int(hit.sum()),
        "auc": round(area_under_curve(scores, hit), 4),
        "precision_at_20_percent": round(float(top.mean()), 4),
        "suspicious": int(suspicious.sum()),
        "precision_of_suspicious": round(
            float(hit[suspicious].sum() / max(suspicious.sum(), 1)), 4
        ),
        "found_by_suspicious": round(float(hit[suspicious].sum() / max(hit.sum(), 1)), 4),
    }


def planted(described: Described, seed: int) -> dict[str, Any]:
    """Flip the labels of described faces and audit them."""
    given = np.array([EXPRESSIONS.index(label) for label in described.labels])
    labels, flipped = flip(given, len(EXPRESSIONS), np.random.default_rng(seed))
    found = audit(described.features, described.points, [EXPRESSIONS[label] for label in labels])
    return figures(found, flipped)


def faces_of(stored: PreparedSet, rows: NDArray[np.int64], best: NDArray[np.int64]):
    """Faces of rows of a prepared set, labelled by majority."""
    for row in rows:
        points = stored.landmarks[row].astype(np.float32)
        label = EXPRESSIONS[best[row]]
        yield LabelledFace(str(row), label, rgb(stored.images[row]), points)


def main(argv: list[str] | None = None) -> None:
    """Measure and write JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("-o", "--out", type=Path, required=True, help="JSON; replaced")
    parser.add_argument("--seeds", type=int, default=3, help="sets of flips")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(argv)
    check_place(args.out)
    torch.set_num_threads(args.threads)
    stored, saved = PreparedSet(args.cache / "ferplus"), load_checkpoint()
    best = published_majority(stored.labels["votes"])
    clear = best >= 0
    train = np.flatnonzero(clear & (stored.labels["split"] == 0))
    parts = {
        "train": np.sort(np.random.default_rng(0).choice(train, TRAIN_ROWS, replace=False)),
        "unseen": np.flatnonzero(clear & (stored.labels["split"] > 0)),
    }
    result: dict[str, Any] = {}
    for part, rows in parts.items():
        for kind in FEATURES:
            described = describe(faces_of(stored, rows, best), saved, kind)
            result[f"{part}/{kind}"] = [planted(described, seed) for seed in range(args.seeds)]
            print(part, kind, json.dumps(result[f"{part}/{kind}"][0]), flush=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
