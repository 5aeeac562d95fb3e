"""Decode each set once into arrays that training reads by memory map.

One folder a set: ``images.npy`` (N, S, S, C) uint8 and ``labels.npz`` with ``split`` (N,) int8 (0
train, 1 valid, 2 test), ``key`` (N,) str and the labels (``votes`` (N, 10) int16, ``age`` (N,)
int16, ``male``/``mask``/``fake`` (N,) int8, ``group`` (N,) str). S is the size the set comes in
(UTKFace is stored at 160 px to fit in memory), C is 1 for grey sets.

Command: ``python -m facellm.instruct_data.prepare --data ../shared/data --cache .cache/default``
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from PIL import Image

from facellm.folders import default_cache, default_data
from facellm.readers.row import FaceRow

from .readers import open_set, strict

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class StoredSize:
    """Side in pixels and channels (1 grey, 3 RGB) a set is stored in."""

    side: int
    channels: int


STORED = {
    "ferplus": StoredSize(48, 1),
    "utkface": StoredSize(160, 3),
    "real_vs_stylegan2": StoredSize(256, 3),
    "face_mask": StoredSize(112, 3),
}
LABELS = ("votes", "age", "male", "mask", "fake", "group")


def decode(row: FaceRow, size: StoredSize) -> np.ndarray:
    """Centre square of a picture, resized: (S, S, C) uint8.

    The centre square hides the picture's aspect, which alone tells masked from unmasked rows.
    """
    with Image.open(io.BytesIO(row.picture)) as picture:
        picture = picture.convert("L" if size.channels == 1 else "RGB")
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        square = picture.crop((left, top, left + side, top + side))
        if side != size.side:
            square = square.resize((size.side, size.side), Image.Resampling.LANCZOS)
        return np.asarray(square, np.uint8).reshape(size.side, size.side, size.channels)


def prepare_set(rows: Iterator[FaceRow], size: StoredSize, out: Path) -> int:
    """Write one set; returns the number of rows. Labels are written last: they mark it complete."""
    kept = list(rows)
    out.mkdir(parents=True, exist_ok=True)
    shape = (len(kept), size.side, size.side, size.channels)
    images = open_memmap(out / "images.npy", mode="w+", dtype=np.uint8, shape=shape)
    for index, row in enumerate(kept):
        images[index] = decode(row, size)
    images.flush()
    labels = {name: [getattr(row, name) for row in kept] for name in LABELS}
    arrays = {name: np.array(values) for name, values in labels.items() if None not in values}
    np.savez_compressed(
        out / "labels.npz",
        split=np.array([SPLITS.index(row.split) for row in kept], np.int8),
        key=np.array([row.key for row in kept]),
        **arrays,  # type: ignore[arg-type]
    )
    return len(kept)


def main(argv: list[str] | None = None) -> None:
    """Prepare every set that is not prepared yet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--cache", type=Path, default=default_cache())
    args = parser.parse_args(argv)
    for name, size in STORED.items():
        out = args.cache / name
        if (out / "labels.npz").is_file():
            continue
        count = prepare_set(strict(open_set(name, args.data / f"{name}.parquet")), size, out)
        print(f"{name}: {count} pictures prepared in {out}")


if __name__ == "__main__":
    main()
