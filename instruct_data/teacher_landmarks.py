"""Pseudo-labels for the landmark network: 68 points of MediaPipe FaceMesh on real pictures.

Runs in a throw-away environment of its own (``make teacher-landmarks``: mediapipe 0.10.21 pins
numpy < 2 and would break the product's pins), so it imports nothing of ours. FaceMesh is
Apache-2.0; its 478 mesh points are reduced to the 68 iBUG positions by the usual vertex table.
These points are a teacher's opinion, not a person's label, and the model card says so.

Example row of the output ``<set>.npz``: ``rows`` (M,) int64 row numbers of the parquet file,
``landmarks`` (M, 68, 2) float32, x and y in [0, 1] of the stored picture. Rows where the teacher
finds no face are absent. Only training rows are labelled.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

# FaceMesh vertex of each iBUG point, 0-16 jaw .. 60-67 inner lip; image-left first.
MESH_TO_68 = (
    127, 234, 93, 132, 58, 136, 150, 176, 152, 400, 379, 365, 288, 361, 323, 454, 356,
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300,
    168, 197, 5, 4, 75, 97, 2, 326, 305,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181,
    78, 82, 13, 312, 308, 317, 14, 87,
)  # fmt: skip
PAD = 0.25  # border added before detection: tight crops hide the outline the detector wants


def training_rows(name: str, frame: pd.DataFrame) -> np.ndarray:
    """Row numbers (M,) of ``frame`` that belong to training: evaluation pictures stay unseen."""
    if name == "ferplus":
        keep = (frame["split"] == "train") & ~frame["duplicate_of_eval"].astype(bool)
        return np.flatnonzero(keep)
    if "split" in frame:
        return np.flatnonzero(frame["split"] == "train")
    return np.arange(len(frame))


def label_file(parquet: Path, out: Path, limit: int, seed: int) -> None:
    """Label up to ``limit`` training rows of one parquet file and write ``out/<set>.npz``."""
    import mediapipe as mp  # type: ignore[import-not-found]

    frame = pd.read_parquet(parquet)
    rows = np.random.default_rng(seed).permutation(training_rows(parquet.stem, frame))[:limit]
    mesh = mp.solutions.face_mesh.FaceMesh(
        static_image_mode=True, max_num_faces=1, refine_landmarks=True
    )
    found, points = [], []
    for row in np.sort(rows):
        with Image.open(io.BytesIO(frame["image"].iloc[row]["bytes"])) as picture:
            pixels = np.asarray(picture.convert("RGB").resize((192, 192), Image.Resampling.BICUBIC))
        pad = int(192 * PAD)
        padded = np.pad(pixels, ((pad, pad), (pad, pad), (0, 0)), mode="edge")
        result = mesh.process(np.ascontiguousarray(padded))
        if not result.multi_face_landmarks:
            continue
        raw = result.multi_face_landmarks[0].landmark
        unit = np.array([(raw[v].x, raw[v].y) for v in MESH_TO_68], np.float32)
        found.append(row)
        points.append(unit * (1 + 2 * PAD) - PAD)
    out.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        out / f"{parquet.stem}.npz", rows=np.array(found, np.int64), landmarks=np.array(points)
    )
    print(f"{parquet.stem}: {len(found)} of {len(rows)} rows labelled")


def main() -> None:
    """Command line: ``python teacher_landmarks.py --data DIR --out DIR``."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the parquet files")
    parser.add_argument("--out", type=Path, required=True, help="folder for the npz files")
    parser.add_argument("--limit", type=int, default=9000, help="rows per set")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    for name in ("real_vs_stylegan2", "utkface", "ferplus"):
        label_file(args.data / f"{name}.parquet", args.out, args.limit, args.seed)


if __name__ == "__main__":
    main()
