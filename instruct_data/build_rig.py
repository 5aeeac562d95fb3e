"""Write a set of rendered faces with exact labels: ``images.npy`` and ``labels.npz``.

Example: ``python -m facellm.instruct_data.build_rig --data data --out cache/rig --n 10000``.

``labels.npz`` is complete before the first picture; ``done.npy`` says which pictures exist, so a
stopped build goes on where it stopped and a trainer may read the first faces while the rest are
rendered.

Arrays: ``images`` (N, size, size, 3) uint8 RGB; ``done`` (N,) bool; labels as in
``rig_truth.label_face`` with a leading N, plus ``units`` (21,) int16, the action-unit numbers of
the columns of ``au``.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap

from .rig import ACTION_UNITS, Rig
from .rig_sample import FaceSample, sample_face
from .rig_scene import FaceRenderer
from .rig_truth import label_face


def draw_sample(rig: Rig, seed: int, index: int) -> FaceSample:
    """Face ``index`` of the set with this seed; independent of all other faces of the set."""
    return sample_face(rig, np.random.default_rng([seed, index]))


def build_rig_set(
    data: Path | str, out: Path | str, n: int, size: int = 160, seed: int = 20240917
) -> Path:
    """Render ``n`` faces, or finish a build that stopped.

    Args:
        data: Folder of the ICT-FaceKit light rig.
        out: Folder to write to, made when missing.
        n: Number of faces, > 0.
        size: Width and height in pixels, at least 32.
        seed: Of the whole set; a longer set with the same seed starts with the same faces.

    Returns:
        The folder.

    Raises:
        ValueError: If a bound is broken, the rig is missing, or ``out`` holds another set.
    """
    if n <= 0 or size < 32:
        raise ValueError(f"n must be positive and size at least 32, got n={n}, size={size}")
    rig, out = Rig.load(data), Path(out)
    out.mkdir(parents=True, exist_ok=True)
    samples = [draw_sample(rig, seed, index) for index in range(n)]
    _write_labels(rig, samples, out / "labels.npz", (n, size, seed))
    images = _open(out / "images.npy", (n, size, size, 3), np.uint8)
    done = _open(out / "done.npy", (n,), np.bool_)
    renderer = FaceRenderer(rig, size)
    start, first = time.perf_counter(), int(done.sum())
    for rendered, index in enumerate(np.flatnonzero(~done).tolist(), start=1):
        images[index] = renderer.render(samples[index])
        done[index] = True
        if rendered % 500 == 0 or first + rendered == n:
            images.flush()
            done.flush()
            pace = 1000 * (time.perf_counter() - start) / rendered
            print(f"{first + rendered}/{n} faces, {pace:.0f} ms per face", flush=True)
    return out


def _write_labels(
    rig: Rig, samples: list[FaceSample], path: Path, key: tuple[int, int, int]
) -> None:
    """Write all labels, or check that the file there belongs to the same set."""
    if path.exists():
        with np.load(path) as found:
            if tuple(found["set_key"].tolist()) != key:
                raise ValueError(
                    f"{path} is of another set: (n, size, seed) = {found['set_key']}, wanted {key}"
                )
        return
    rows = [label_face(rig, sample) for sample in samples]
    columns = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    partial = path.with_name("labels.partial.npz")
    columns["set_key"] = np.array(key)
    columns["units"] = np.array(ACTION_UNITS, dtype=np.int16)
    np.savez(partial, allow_pickle=False, **columns)
    partial.rename(path)


def _open(path: Path, shape: tuple[int, ...], dtype: type[np.generic]) -> np.memmap[Any, Any]:
    """Open a memory-mapped array for update, made with zeros when missing."""
    if not path.exists():
        return open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    found = open_memmap(path, mode="r+")
    if found.shape != shape or found.dtype != dtype:
        raise ValueError(
            f"{path} holds {found.shape} {found.dtype}, wanted {shape} {np.dtype(dtype)}"
        )
    return found


def main(arguments: list[str] | None = None) -> None:
    """Command line of ``build_rig_set``."""
    parser = argparse.ArgumentParser(description="Render faces with exact labels.")
    parser.add_argument("--data", type=Path, required=True, help="data folder with ict_facekit/")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for images.npy and labels.npz"
    )
    parser.add_argument("--n", type=int, required=True, help="number of faces")
    parser.add_argument("--size", type=int, default=160, help="pixels")
    parser.add_argument("--seed", type=int, default=20240917)
    chosen = parser.parse_args(arguments)
    build_rig_set(chosen.data, chosen.out, chosen.n, chosen.size, chosen.seed)


if __name__ == "__main__":
    main()
