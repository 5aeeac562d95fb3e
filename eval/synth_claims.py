"""Two claims about rendered faces, measured; either may fail, and what came out is stored.

Intensity: a regressor fitted on 1,600 renders recovers how strongly an expression is posed on 400
renders of people it has not seen, with r > .9. Ridge regression on histograms of oriented gradients
(HOG), on patch features of the shipped tower, and on the shipped model's reading; tower and model
have seen other people of the same rig.

Addition: 2,000 renders added to 500 FER+ faces raise the mean recall over classes (UAR) on the FER+
test split over those 500 alone. HOG and logistic regression only, nothing shipped; seven classes,
since the codebook poses no contempt. Ten draws of the 500; the interval is of the paired
differences (Student's t, 95 %).

Command::

    facellm build synth --rig ../shared/data/ict_facekit -o posed/ --n 2000 --expression all
    python -m facellm.eval.synth_claims posed/ --out eval/synth_claims.json
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facellm.engine_names import TORCH
from facellm.errors import FaceLLMError
from facellm.face import BoundingBox, Square, crop_image, square_around
from facellm.folders import default_cache
from facellm.geometry import MEASURES
from facellm.images import load_image
from facellm.labels import EXPRESSIONS
from facellm.prepared import PreparedSet
from facellm.votes import published_majority

from .statistics import correlation_statistic, estimate

TRAINED_ON, FEW, DRAWS = 1600, 500, 10
CLASSES = EXPRESSIONS[:7]  # all but contempt
SIDE_STRENGTH, SIDE_CLASS = 96, 48  # pixels of the crops
PENALTIES = (1.0, 10.0, 100.0, 1e3, 1e4, 1e5)
INVERSE_PENALTY = 0.01  # of logistic regression on standardised features
RENDER_WEIGHTS = (1.0, 0.25)
TRAIN, TEST = 0, 2
Array = NDArray[np.float64]
Crop = NDArray[np.uint8]


def read_renders(folder: Path) -> list[dict[str, Any]]:
    """Records of a finished folder of ``facellm build synth --expression``.

    Raises:
        FaceLLMError: If it is not finished, or its faces are not posed by the codebook.
    """
    path = folder / "records.jsonl"
    if not path.is_file():
        raise FaceLLMError(f"{path}: no such file; facellm build synth writes it when it is done")
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    free = [record["key"] for record in records if record.get("strength") is None]
    if free:
        raise FaceLLMError(f"{path}: {free[0]} is not posed by the codebook (--expression all)")
    return records


def render_crop(folder: Path, record: dict[str, Any], side: int) -> Crop:
    """The product's square around a render's points, (side, side, 3) uint8 RGB."""
    pixels = load_image(folder / record["picture"])
    points = np.array(record["landmarks"])
    box = BoundingBox(*points.min(0).tolist(), *points.max(0).tolist())
    return crop_image(pixels, square_around(box), side)


def gradients(crops: Sequence[Crop]) -> Array:
    """HOG of square grey crops: cells of 8 pixels, blocks of 2 x 2 cells, 9 directions."""
    side = crops[0].shape[0]
    describer = cv2.HOGDescriptor((side, side), (16, 16), (8, 8), (8, 8), 9)
    grey = [cv2.cvtColor(c, cv2.COLOR_RGB2GRAY) if c.ndim == 3 else c for c in crops]
    return np.stack([np.asarray(describer.compute(crop)).ravel() for crop in grey]).astype(float)


def tower_features(crops: Sequence[Crop]) -> Array:
    """Patch features of the shipped tower, flattened."""
    import torch

    from facellm.assistant import FaceAssistant

    assistant = FaceAssistant.load(engine=TORCH)
    size = assistant.checkpoint.processor.crop_size
    rows = []
    with torch.inference_mode():
        for start in range(0, len(crops), 32):
            batch = [
                crop_image(crop, Square(0.0, 0.0, float(crop.shape[0])), size)
                for crop in crops[start : start + 32]
            ]
            pixels = assistant.checkpoint.processor.standardise(np.stack(batch))
            rows.append(assistant.checkpoint.model.vision_tower(pixels).flatten(1).double().numpy())
    return np.concatenate(rows)


def reading_features(crops: Sequence[Crop]) -> Array:
    """The shipped model's reading: units, expression shares and measures against neutral faces."""
    from facellm.assistant import FaceAssistant

    assistant = FaceAssistant.load(engine=TORCH)
    rows = []
    for start in range(0, len(crops), 32):
        for reading in assistant.read_crops(crops[start : start + 32]):
            units = [(unit.probability, unit.intensity) for unit in reading.action_units.values()]
            geometry = reading.geometry or {}
            measured = [geometry.get(name, 0.0) for name in MEASURES]
            rows.append([*np.ravel(units), *reading.expression.values(), *measured])
    return np.array(rows, np.float64)


def standardised(train: Array, other: Array) -> tuple[Array, Array]:
    """Both by mean and deviation of ``train``."""
    mean, spread = train.mean(0), train.std(0) + 1e-6
    return (train - mean) / spread, (other - mean) / spread


def ridge(train: Array, target: Array, test: Array, penalty: float) -> Array:
    """Ridge regression in its dual form: rows are fewer than columns."""
    kernel = train @ train.T
    middle = target.mean()
    weights = np.linalg.solve(kernel + penalty * np.eye(len(train)), target - middle)
    return test @ (train.T @ weights) + middle


def predicted(features: Array, target: Array, last: int) -> tuple[Array, float]:
    """Predictions after row ``last``; the penalty is chosen on the last quarter before it."""
    inner = last * 3 // 4
    train, held = standardised(features[:inner], features[inner:last])
    errors = {
        penalty: float(
            ((ridge(train, target[:inner], held, penalty) - target[inner:last]) ** 2).mean()
        )
        for penalty in PENALTIES
    }
    best = min(PENALTIES, key=errors.__getitem__)
    train, test = standardised(features[:last], features[last:])
    return ridge(train, target[:last], test, best), best


def intensity_claim(folder: Path, records: list[dict[str, Any]]) -> dict[str, Any]:
    """Correlation with the posed strength, and with AU12, on unseen people."""
    people = [record["subject"] for record in records]
    if set(people[:TRAINED_ON]) & set(people[TRAINED_ON:]) or len(records) < TRAINED_ON + 50:
        raise FaceLLMError(f"{folder}: needs over {TRAINED_ON + 50} renders, one person each")
    crops = [render_crop(folder, record, SIDE_STRENGTH) for record in records]
    wide = [render_crop(folder, record, 192) for record in records]
    targets = {
        "strength": np.array([record["strength"] for record in records]),
        "AU12": np.array([record["units"]["12"] for record in records]),
    }
    found: dict[str, Any] = {"train": TRAINED_ON, "bar": 0.9}
    for name, make in _features(crops, wide).items():
        features = make()
        for what, target in targets.items():
            said, penalty = predicted(features, target, TRAINED_ON)
            r = estimate(correlation_statistic(target[TRAINED_ON:], said), len(said))
            found[f"{name}, {what}"] = {**asdict(r), "penalty": penalty, "met": r.value > 0.9}
    return found


def _features(small: list[Crop], wide: list[Crop]) -> dict[str, Callable[[], Array]]:
    return {
        "HOG and ridge": lambda: gradients(small),
        "tower and ridge": lambda: tower_features(wide),
        "reading and ridge": lambda: reading_features(wide),
    }


def uar(truth: NDArray[np.integer], said: NDArray[np.integer]) -> float:
    """Mean recall over the classes."""
    return float(np.mean([(said[truth == k] == k).mean() for k in np.unique(truth)]))


def addition_claim(folder: Path, records: list[dict[str, Any]], cache: Path) -> dict[str, Any]:
    """UAR on FER+ test: 500 faces alone, with renders, and renders alone."""
    ferplus = PreparedSet(cache / "ferplus")
    majority = published_majority(ferplus.labels["votes"])
    counts = (majority >= 0) & (majority < len(CLASSES))
    rows = {s: np.flatnonzero((ferplus.labels["split"] == s) & counts) for s in (TRAIN, TEST)}
    real = {s: gradients([ferplus.images[i][..., 0] for i in rows[s]]) for s in rows}
    truth = {s: majority[rows[s]] for s in rows}
    made = gradients([render_crop(folder, record, SIDE_CLASS) for record in records])
    posed = np.array([CLASSES.index(record["codebook"]) for record in records])
    results: dict[str, list[float]] = {}
    for draw in range(DRAWS):
        few = np.random.default_rng(draw).choice(len(real[TRAIN]), FEW, replace=False)
        faces, labels = real[TRAIN][few], truth[TRAIN][few]
        sets = {"500 FER+": (faces, labels, np.ones(FEW))}
        for weight in RENDER_WEIGHTS:
            sets[f"500 FER+ and {len(made)} renders, weight {weight:g}"] = (
                np.concatenate([faces, made]),
                np.concatenate([labels, posed]),
                np.concatenate([np.ones(FEW), np.full(len(made), weight)]),
            )
        if draw == 0:
            sets[f"{len(made)} renders"] = (made, posed, np.ones(len(made)))
        for name, (x, y, weights) in sets.items():
            said = classify(x, y, weights, real[TEST])
            results.setdefault(name, []).append(uar(truth[TEST], said))
    return _told(results, len(rows[TEST]))


def classify(x: Array, y: NDArray[np.integer], weights: Array, test: Array) -> NDArray[np.integer]:
    """Logistic regression with classes of equal weight."""
    from sklearn.linear_model import LogisticRegression

    train, held = standardised(x, test)
    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=300, class_weight="balanced")
    return model.fit(train, y, sample_weight=weights).predict(held)


def _told(results: dict[str, list[float]], n_test: int) -> dict[str, Any]:
    """Means, and paired differences to the first with their interval."""
    from scipy.stats import t

    base = np.array(results["500 FER+"])
    found: dict[str, Any] = {"test faces": n_test, "classes": list(CLASSES), "draws": DRAWS}
    for name, values in results.items():
        entry: dict[str, Any] = {"uar": float(np.mean(values))}
        if len(values) == DRAWS and name != "500 FER+":
            gain = np.array(values) - base
            half = float(t.ppf(0.975, DRAWS - 1) * gain.std(ddof=1) / np.sqrt(DRAWS))
            entry |= {"gain": float(gain.mean()), "low": float(gain.mean()) - half}
            entry |= {"high": float(gain.mean()) + half, "raises": bool(gain.mean() - half > 0)}
        found[name] = entry
    return found


def main(argv: list[str] | None = None) -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("renders", type=Path)
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)
    cv2.setNumThreads(1)
    records = read_renders(args.renders)
    result = {
        "renders": len(records),
        "intensity": intensity_claim(args.renders, records),
        "addition": addition_claim(args.renders, records, args.cache),
    }
    args.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
