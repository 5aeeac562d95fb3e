"""Pictures with 68 points for the landmark network: published, rendered and a teacher's.

Four kinds of truth, kept apart by ``Source.offset_id`` because their conventions differ a little
(where the jaw line runs, how wide a lid is): the published YouTube Faces points decide, every other
source gets a learned offset per point in the face's own frame (``facellm.train.landmarks``).

Example: ``load_sources(data, cache)`` -> ``[Source("ytf", 3,300 pictures), Source("ferplus",
8,668), ...]``; pictures are grey because the network is.

Shapes: M pictures, L = 68 points in pixels of the cached picture. Nothing of a test split is read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import skimage.data
from numpy.typing import NDArray

from facellm.labels import split_of

TEACHER_SETS = ("ferplus", "utkface", "real_vs_stylegan2")
# Faceless pictures for negatives only; facellm.eval.detection composes its scenes from others.
TRAINING_SCENES = (
    "brick", "gravel", "moon", "retina", "microaneurysms", "text", "cell", "color", "horse",
    "chessboard_GRAY", "chessboard_RGB", "logo", "motorcycle_left", "motorcycle_right",
)  # fmt: skip
LONGEST = {"ytf": 224, "ferplus": 48, "utkface": 136, "real_vs_stylegan2": 176, "rig": 160}
RIG_PARTS = ("train", "valid", "test")  # the renderer's split codes 0, 1, 2
JAW_WEIGHT = 0.25  # a teacher's jaw runs elsewhere than the published one

Labelled = tuple[list[NDArray[np.uint8]], NDArray[np.float32]]  # pictures and points (M, 68, 2)


@dataclass(frozen=True)
class Source:
    """Pictures of one origin.

    Attributes:
        name: ``ytf``, ``rig`` or a teacher-labelled set.
        images: M grey pictures (h, w) uint8.
        points: (M, 68, 2) float32, pixels of each picture.
        share: Share of the faces in a training batch, before normalisation.
    """

    name: str
    images: list[NDArray[np.uint8]]
    points: NDArray[np.float32]
    share: float

    @property
    def offset_id(self) -> int:
        """0 for the set that decides the convention, 1.. for the others."""
        return ("ytf", "rig", *TEACHER_SETS).index(self.name)

    @property
    def point_weights(self) -> NDArray[np.float32]:
        """(68,) weight of each point in the loss."""
        weights = np.ones(68, np.float32)
        if self.name in TEACHER_SETS:
            weights[:17] = JAW_WEIGHT
        return weights


N_OFFSETS = 2 + len(TEACHER_SETS)


def decode_grey(data: bytes, longest: int) -> tuple[NDArray[np.uint8], float]:
    """Decode picture bytes to grey (h, w) of at most ``longest`` pixels a side; also the scale."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise ValueError(f"a picture of {len(data)} bytes cannot be decoded")
    scale = min(1.0, longest / max(image.shape))
    if scale < 1:
        size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return image, scale  # type: ignore[return-value]


def cached(path: Path, build: Callable[[], Labelled]) -> Labelled:
    """Pictures and points of ``path`` (npz), built and written on the first call."""
    if not path.exists():
        images, points = build()
        flat = np.concatenate([image.ravel() for image in images])
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name("partial_" + path.name)
        np.savez(partial, flat=flat, shapes=[image.shape for image in images], points=points)
        partial.rename(path)
    with np.load(path) as stored:
        flat, shapes, points = stored["flat"], stored["shapes"], stored["points"]
    ends = np.cumsum(shapes.prod(axis=1))
    parts = np.split(flat, ends[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)], points


def published_part(row_split: str, subject: int) -> str:
    """Split of a YouTube Faces row: its test split is kept, valid is cut from train by subject."""
    if row_split == "test":
        return "test"
    return "valid" if split_of(f"ytf/{subject}") == "valid" else "train"


def published(
    data: Path, cache: Path, part: str
) -> tuple[list[NDArray[np.uint8]], NDArray[np.float32], NDArray[np.int64]]:
    """YouTube Faces pictures, points in pixels and subjects of ``train``, ``valid`` or ``test``."""
    frame: Any = pd.read_parquet(data / "ytf_landmarks.parquet")
    parts = [published_part(*row) for row in zip(frame["split"], frame["subject"], strict=True)]
    frame = frame[np.array(parts) == part]

    def build() -> Labelled:
        images, points = [], []
        for row in frame.itertuples():
            image, scale = decode_grey(row.image["bytes"], LONGEST["ytf"])
            images.append(image)
            flat = np.array(row.landmarks_68_xy, np.float32)
            points.append(flat.reshape(68, 2) * scale)
        return images, np.stack(points)

    images, points = cached(cache / f"landmarks_ytf_{part}.npz", build)
    return images, points, frame["subject"].to_numpy()


def teacher_source(data: Path, cache: Path, name: str, share: float) -> Source | None:
    """One set with a teacher's points, or None where the teacher has not run."""
    labels = cache / "teacher" / f"{name}.npz"
    if not labels.exists():
        return None
    with np.load(labels) as stored:
        rows, unit = stored["rows"], stored["landmarks"]

    def build() -> Labelled:
        pictures: Any = pd.read_parquet(data / f"{name}.parquet", columns=["image"])["image"]
        images = [decode_grey(pictures[row]["bytes"], LONGEST[name])[0] for row in rows]
        return images, np.stack([u * i.shape[::-1] for u, i in zip(unit, images, strict=True)])

    images, points = cached(cache / f"landmarks_{name}_{len(rows)}.npz", build)
    return Source(name, images, points.astype(np.float32), share)


def rig_source(cache: Path, share: float, part: str = "train") -> Source | None:
    """Finished renders of the rig that belong to ``part``, or None where there are none yet."""
    labels, pixels = cache / "rig" / "labels.npz", cache / "rig" / "images.npy"
    if not (labels.exists() and pixels.exists()):
        return None
    with np.load(labels) as stored:
        points, split = stored["landmarks"], stored["split"]
    images, done = np.load(pixels, mmap_mode="r"), np.load(cache / "rig" / "done.npy")
    rows = np.flatnonzero(done & (split == RIG_PARTS.index(part)))
    if not len(rows):
        return None
    grey = [cv2.cvtColor(np.asarray(images[row]), cv2.COLOR_RGB2GRAY) for row in rows]
    pixels_of = points[rows].astype(np.float32) * images.shape[1]  # stored in [0, 1]
    return Source("rig", grey, pixels_of, share)  # type: ignore[arg-type]


def load_sources(data: Path, cache: Path) -> list[Source]:
    """Every training source that exists; the published points must."""
    images, points, _ = published(data, cache, "train")
    found: list[Source | None] = [Source("ytf", images, points, 0.36), rig_source(cache, 0.16)]
    shares = {"ferplus": 0.2, "utkface": 0.2, "real_vs_stylegan2": 0.08}
    found += [teacher_source(data, cache, name, share) for name, share in shares.items()]
    return [source for source in found if source is not None]


def training_scenes() -> list[NDArray[np.uint8]]:
    """Faceless pictures that come with scikit-image, grey, as they are."""
    folder = Path(skimage.data.__file__).parent
    found = {path.stem: path for path in folder.iterdir() if path.suffix in {".png", ".jpg"}}
    scenes = [cv2.imread(str(found[n]), 0) for n in TRAINING_SCENES if n in found]
    return [scene for scene in scenes if scene is not None]  # type: ignore[misc]
