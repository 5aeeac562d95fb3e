"""Landmarks of every prepared picture by our own network: what training sees is what use sees.

Writes ``landmarks.npy`` (N, 68, 2) float32 in [0, 1] of the stored picture, NaN where the network
sees no face, into the folder of each set. FER+ pictures are face crops already, so one pass over
the whole picture gives the points, as with ``--crops``; other sets take a second pass on the
fixed-margin square of the first.

Command: ``python -m facellm.train.locate --cache .cache/default --weights landmarks.safetensors``
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch

from facellm.face import Landmarks, crop_image, square_around
from facellm.folders import default_cache
from facellm.landmarks import INPUT_SIZE, LandmarkNet

SETS = {
    "ferplus": False,
    "utkface": True,
    "real_vs_stylegan2": True,
    "face_mask": True,
    "rig": True,
}
LEAST_QUALITY = 0.3


def locate(net: LandmarkNet, images: np.ndarray, *, twice: bool) -> np.ndarray:
    """(N, S, S, C) uint8 -> (N, 68, 2) float32 in [0, 1], NaN where no face is seen."""
    side = images.shape[1]
    points = np.full((len(images), 68, 2), np.nan, np.float32)
    for start in range(0, len(images), 128):
        chunk = [image[..., 0] if image.shape[2] == 1 else image for image in images[start:][:128]]
        found, quality = net.predict(chunk)
        if twice:
            squares = [square_around(Landmarks(unit * side).box) for unit in found]
            crops = [
                crop_image(image, square, INPUT_SIZE)
                for image, square in zip(chunk, squares, strict=True)
            ]
            unit, quality = net.predict(crops)
            pixels = [s.to_pixels(p) for s, p in zip(squares, unit, strict=True)]
            found = np.stack(pixels) / side
        found[quality < LEAST_QUALITY] = np.nan
        points[start : start + len(chunk)] = found
    return points


def main(argv: list[str] | None = None) -> None:
    """Locate the faces of every set."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    net = LandmarkNet.load(args.weights).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for name, twice in SETS.items():
        images = np.load(args.cache / name / "images.npy", mmap_mode="r")
        points = locate(net, images, twice=twice)
        np.save(args.cache / name / "landmarks.npy", points)
        print(f"{name}: {np.isfinite(points).all((1, 2)).mean():.3f} of {len(points)} located")


if __name__ == "__main__":
    main()
