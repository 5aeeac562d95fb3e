"""Fit head pose and neutral statistics: ``python -m facellm.train.geometry --weights FILE ...``.

Runs the finished landmark network over rig renders (exact pose) and over neutral FER+ training
faces and writes the coefficients into the same safetensors file, under ``measures.``: a measure and
the network it was calibrated with cannot be separated by accident.

Example line: ``pose on 790 unseen renders: mean absolute error yaw 2.1 pitch 2.6 roll 0.9
degrees``.

Shapes: N faces, L = 68 points, K = len(facellm.geometry.MEASURES).
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from facellm.geometry import MEASURES, Geometry, align, inter_ocular, measure, pose_features
from facellm.landmarks import EXTRA_PREFIX, LandmarkNet
from facellm.refine import whole_picture_face

from .landmark_data import RIG_PARTS, decode_grey
from .landmark_error import locate
from .landmarks import export

Array = NDArray[np.float64]
NEUTRAL_VOTES = 7  # of 10 taggers
RIDGE = 3e-2  # per face; chosen on the rig's validation identities


def mean_shape_of(points: Array, rounds: int = 3) -> Array:
    """Procrustes mean (68, 2) of faces (N, 68, 2): zero mean, unit size, upright."""
    shape = points[0] - points[0].mean(axis=0)
    shape /= np.sqrt((shape**2).sum(axis=1).mean())
    for _ in range(rounds):
        shape = align(points, shape)[0].mean(axis=0)
        shape /= np.sqrt((shape**2).sum(axis=1).mean())
    eye = shape[45] - shape[36]
    turn = np.arctan2(eye[1], eye[0])
    back = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return np.asarray(shape @ back, np.float64)


def fit_pose(points: Array, pose: Array, shape: Array, ridge: float = RIDGE) -> Array:
    """Ridge coefficients (273, 3) from points (N, 68, 2) to yaw, pitch and the rest of roll."""
    _, angle = align(points, shape)
    target = pose.copy()
    target[:, 2] = (pose[:, 2] - np.rad2deg(angle) + 180) % 360 - 180
    inputs = pose_features(points, shape)
    penalty = ridge * len(points) / 1000 * np.eye(inputs.shape[1])
    penalty[0, 0] = 0  # the intercept is free
    return np.asarray(np.linalg.solve(inputs.T @ inputs + penalty, inputs.T @ target), np.float64)


def render_points(
    net: LandmarkNet, cache: Path, part: str, most: int
) -> tuple[Array, Array, Array]:
    """The network's points (N, 68, 2), the true points and pose (N, 3) of finished renders."""
    with np.load(cache / "rig" / "labels.npz") as stored:
        truth, pose, split = stored["landmarks"], stored["pose"], stored["split"]
    images = np.load(cache / "rig" / "images.npy", mmap_mode="r")
    done = np.load(cache / "rig" / "done.npy")
    rows = np.flatnonzero(done & (split == RIG_PARTS.index(part)))[:most]
    exact = truth[rows] * images.shape[1]  # stored in [0, 1]
    found = locate(net, [np.asarray(images[row]) for row in rows], exact)
    return found.astype(np.float64), exact.astype(np.float64), pose[rows].astype(np.float64)


def neutral_points(net: LandmarkNet, data: Path, most: int) -> Array:
    """The network's points (N, 68, 2) on FER+ training faces that most taggers call neutral."""
    frame = pd.read_parquet(data / "ferplus.parquet")
    keep = (frame["split"] == "train") & ~frame["duplicate_of_eval"].astype(bool)
    frame = frame[keep & (frame["votes_neutral"] >= NEUTRAL_VOTES)]
    frame = frame.sample(min(most, len(frame)), random_state=0)
    faces = []
    for cell in frame["image"]:
        grey, _ = decode_grey(cell["bytes"], 48)
        face = whole_picture_face(np.repeat(grey[:, :, None], 3, axis=2), net)
        if face.score > 0.5 and face.landmarks is not None:
            faces.append(face.landmarks.points)
    return np.stack(faces).astype(np.float64)


def main() -> None:
    """Fit, print the errors on unseen identities and write the coefficients."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", default=os.environ.get("FACELLM_DATA", "../shared/data"))
    parser.add_argument("--cache", default=os.environ.get("FACELLM_CACHE", ".cache/default"))
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--renders", type=int, default=3000)
    parser.add_argument("--neutral", type=int, default=2000)
    args = parser.parse_args()
    net = LandmarkNet.load(args.weights)
    points, _, pose = render_points(net, Path(args.cache), "train", args.renders)
    shape = mean_shape_of(points)
    weights = fit_pose(points, pose, shape)
    neutral = measure(neutral_points(net, Path(args.data), args.neutral))
    extra = {
        "mean_shape": shape,
        "pose_weights": weights,
        "neutral_mean": neutral.mean(axis=0),
        "neutral_std": neutral.std(axis=0),
    }
    tensors = {
        EXTRA_PREFIX + name: torch.from_numpy(np.ascontiguousarray(value)).float()
        for name, value in extra.items()
    }
    kept = {k: v for k, v in load_file(args.weights).items() if not k.startswith(EXTRA_PREFIX)}
    export(kept, args.weights, tensors)
    report(net, Path(args.cache), args.weights)
    for name, mean, std in zip(MEASURES, neutral.mean(axis=0), neutral.std(axis=0), strict=True):
        print(f"neutral {name}: {mean:.3f} +- {std:.3f} of {len(neutral)} faces")


def report(net: LandmarkNet, cache: Path, weights: Path) -> None:
    """Print errors on renders of identities that nothing was fitted on."""
    points, truth, pose = render_points(net, cache, "test", 800)
    error = np.abs(Geometry.load(weights).pose(points) - pose).mean(axis=0)
    nme = np.linalg.norm(points - truth, axis=2).mean(axis=1) / inter_ocular(truth)
    print(
        f"pose on {len(pose)} renders of unseen identities: mean absolute error "
        f"yaw {error[0]:.2f} pitch {error[1]:.2f} roll {error[2]:.2f} degrees; "
        f"points NME {100 * nme.mean():.2f} % (published convention against the rig's)"
    )
    found, exact = measure(points), measure(truth)
    for index, name in enumerate(MEASURES):
        r = np.corrcoef(found[:, index], exact[:, index])[0, 1]
        print(f"{name}: correlation with the exact points {r:.3f}")


if __name__ == "__main__":
    main()
