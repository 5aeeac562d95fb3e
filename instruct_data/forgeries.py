"""Bake two sets from prepared faces: blended and swapped forgeries, and painted masks.

``forged``: UTKFace pictures, half untouched (``fake`` 0), half self-blended or swapped (``fake``
1). ``painted``: UTKFace pictures, half with a painted mask (``mask`` 1). Every picture keeps the
split of the face it is made from, so forgeries of test faces are test pictures.

Command: ``python -m facellm.instruct_data.forgeries --cache .cache/default``
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.lib.format import open_memmap

from facellm.folders import default_cache

from .compose import paint_mask, self_blend, warp_swap

# Rows per split (train, valid, test).
COUNTS = {"forged": (7000, 800, 1500), "painted": (3500, 400, 1000)}
Rng = np.random.Generator


def draw_rows(split: np.ndarray, usable: np.ndarray, counts: tuple[int, ...], rng: Rng):
    """Row numbers of faces with landmarks, ``counts`` per split."""
    parts = []
    for number, count in enumerate(counts):
        rows = np.flatnonzero((split == number) & usable)
        parts.append(rng.choice(rows, min(count, len(rows)), replace=False))
    return np.concatenate(parts)


def bake(cache: Path, name: str, change: Callable[[int, Rng], np.ndarray], label: str) -> int:
    """Write ``cache/name``: every second picture changed, labelled under ``label``."""
    base = np.load(cache / "utkface" / "images.npy", mmap_mode="r")
    points = np.load(cache / "utkface" / "landmarks.npy")
    labels = np.load(cache / "utkface" / "labels.npz")
    rng = np.random.default_rng((17, len(name)))
    rows = draw_rows(labels["split"], np.isfinite(points).all((1, 2)), COUNTS[name], rng)
    changed = np.arange(len(rows)) % 2
    out = cache / name
    out.mkdir(parents=True, exist_ok=True)
    shape = (len(rows), *base.shape[1:])
    images = open_memmap(out / "images.npy", mode="w+", dtype=np.uint8, shape=shape)
    for index, row in enumerate(rows):
        images[index] = change(int(row), rng) if changed[index] else base[row]
    images.flush()
    np.save(out / "landmarks.npy", points[rows])
    np.savez_compressed(
        out / "labels.npz",
        split=labels["split"][rows],
        key=np.array([f"{name}/{labels['key'][row]}" for row in rows]),
        **{label: changed.astype(np.int8)},  # type: ignore[arg-type]
    )
    return len(rows)


def main(argv: list[str] | None = None) -> None:
    """Bake both sets unless they are there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cache", type=Path, default=default_cache())
    cache = parser.parse_args(argv).cache
    cv2.setNumThreads(1)
    base = np.load(cache / "utkface" / "images.npy", mmap_mode="r")
    points = np.load(cache / "utkface" / "landmarks.npy") * base.shape[1]
    split = np.load(cache / "utkface" / "labels.npz")["split"]
    usable = np.isfinite(points).all((1, 2))
    pools = {number: np.flatnonzero(usable & (split == number)) for number in range(3)}

    def forge(row: int, rng: Rng) -> np.ndarray:
        if rng.random() < 0.65:
            return self_blend(base[row], points[row], rng)
        other = int(rng.choice(pools[int(split[row])]))
        return warp_swap(base[row], points[row], base[other], points[other], rng)

    def paint(row: int, rng: Rng) -> np.ndarray:
        return paint_mask(base[row], points[row], rng)

    for name, change, label in (("forged", forge, "fake"), ("painted", paint, "mask")):
        if not (cache / name / "labels.npz").is_file():
            print(f"{name}: {bake(cache, name, change, label)} pictures")


if __name__ == "__main__":
    main()
