"""How far found points lie from true ones: NME, as the detector would find them, with an interval.

Example: ``nme(locate(net, images, truth), truth).mean()`` -> 0.058 on unseen subjects.

Shapes: M faces, 68 points in pixels of their picture.
"""

from __future__ import annotations

import numpy as np

from facellm.face import Landmarks, crop_image, square_around
from facellm.landmarks import INPUT_SIZE, LandmarkNet


def nme(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Mean point distance / outer eye corner distance, per face (M,), of (M, 68, 2) arrays."""
    eyes = np.linalg.norm(truth[:, 45] - truth[:, 36], axis=1)
    return np.linalg.norm(predicted - truth, axis=2).mean(axis=1) / eyes


def locate(net: LandmarkNet, images: list, truth: np.ndarray, passes: int = 2) -> np.ndarray:
    """Points (M, 68, 2) in pixels from a jittered frame, re-cropped as the detector does."""
    rng = np.random.default_rng(0)
    found = np.zeros_like(truth)
    for start in range(0, len(images), 64):
        rows = range(start, min(start + 64, len(images)))
        squares = []
        for row in rows:
            box = Landmarks(truth[row]).box
            square = square_around(box, 1.3 * rng.uniform(0.9, 1.2))
            shift = rng.uniform(-0.05, 0.05, 2) * square.side
            squares.append(type(square)(square.left + shift[0], square.top + shift[1], square.side))
        for _ in range(passes):
            pairs = zip(rows, squares, strict=True)
            crops = [crop_image(images[row], square, INPUT_SIZE) for row, square in pairs]
            unit, _ = net.predict(crops)
            found[list(rows)] = [s.to_pixels(u) for s, u in zip(squares, unit, strict=True)]
            squares = [square_around(Landmarks(found[row]).box) for row in rows]
    return found


def bootstrap(values: np.ndarray, groups: np.ndarray, draws: int = 2000) -> tuple[float, float]:
    """95 % interval of the mean of ``values`` (M,) when whole ``groups`` (M,) are redrawn."""
    rng = np.random.default_rng(0)
    members = [values[groups == group] for group in np.unique(groups)]
    sums = np.array([member.sum() for member in members])
    counts = np.array([len(member) for member in members])
    picks = rng.integers(len(members), size=(draws, len(members)))
    means = sums[picks].sum(axis=1) / counts[picks].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
