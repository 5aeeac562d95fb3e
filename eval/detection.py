"""Detection recall and false boxes: ``python -m facellm.eval.detection --weights FILE --data D``.

COMPOSED: held-out faces (UTKFace, FER+ and YouTube Faces test splits) pasted into faceless scenes
that come with scikit-image and that no negative was cut from. A real photograph is easier (whole
heads, one light) and harder (crowds, occlusion) than this; the report says so on its first line.
``--calibrate`` sweeps the face-probability bar on validation faces in the scenes negatives were cut
from, and on whole validation frames; that is where ``facellm.refine.BAR`` comes from.

Example line: ``width  5-10 %: recall 81.2 % [72.1, 87.8] (78 of 96)``.

Intervals: Wilson, 95 %. A face is found by a box of IoU >= 0.4; every other box is false.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import skimage.data
import torch
from numpy.typing import NDArray
from PIL import Image

from facellm.detection import CascadeDetector, FaceDetector
from facellm.face import Face
from facellm.images import load_image
from facellm.landmarks import LandmarkNet

from .compose import CutFace, Truth, compose, fit_width, held_out_faces
from .statistics import wilson

Rgb = NDArray[np.uint8]
FOUND_IOU = 0.4
# Loaders of skimage.data that work offline; the first list is never seen in training.
SCENES = (
    "coffee", "rocket", "coins", "chelsea", "page", "hubble_deep_field", "immunohistochemistry",
    "grass", "clock",
)  # fmt: skip
CALIBRATION_SCENES = ("brick", "gravel", "moon", "text", "retina", "stereo_motorcycle", "cell")
BANDS = ((0.05, 0.1), (0.1, 0.2), (0.2, 0.35), (0.35, 0.6))
EMPTY_WIDTHS = (400, 800, 1280)  # every scene is also searched without a face, at these widths


@dataclass
class Tally:
    """Faces looked for and found, and boxes that are no face.

    Attributes:
        truths: Every pasted face.
        found: Whether it was found, same order.
        false_boxes: Boxes that match no face, summed over pictures.
        pictures: Number of pictures searched.
        false_on_empty: Boxes in scenes without a face.
        empties: Number of such scenes.
    """

    truths: list[Truth] = field(default_factory=list)
    found: list[bool] = field(default_factory=list)
    false_boxes: int = 0
    pictures: int = 0
    false_on_empty: int = 0
    empties: int = 0

    def add(self, faces: Sequence[Face], truths: Sequence[Truth]) -> None:
        """Match the boxes of one picture to its faces, best overlap first."""
        pairs = sorted(
            (
                (f.box_xyxy.iou(t.box), i, j)
                for i, f in enumerate(faces)
                for j, t in enumerate(truths)
            ),
            reverse=True,
        )
        boxes: set[int] = set()
        hits: set[int] = set()
        for iou, i, j in pairs:
            if iou >= FOUND_IOU and i not in boxes and j not in hits:
                boxes.add(i)
                hits.add(j)
        self.truths += truths
        self.found += [j in hits for j in range(len(truths))]
        self.false_boxes += len(faces) - len(boxes)
        self.pictures += 1


def load_scenes(names: Sequence[str]) -> list[Rgb]:
    """Faceless pictures of ``skimage.data`` as (H, W, 3) uint8 RGB; unavailable ones are named."""
    scenes = []
    for name in names:
        try:
            loaded = getattr(skimage.data, name)()
        except (AttributeError, OSError, ModuleNotFoundError) as error:
            print(f"scene {name} left out: {error}")
            continue
        scenes.append(load_image(loaded[0] if isinstance(loaded, tuple) else loaded))
    return scenes


def run(
    detector: FaceDetector, scenes: Sequence[Rgb], faces: Sequence[CutFace], seed: int
) -> Tally:
    """Compose pictures of one or two faces until all are used; search them and the empty scenes."""
    rng = np.random.default_rng(seed)
    order = [faces[i] for i in rng.permutation(len(faces))]
    tally, scene = Tally(), 0
    while order:
        count = 1 if rng.random() < 0.7 else 2
        batch, order = order[:count], order[count:]
        picture, truths = compose(rng, scenes[scene % len(scenes)], batch)
        tally.add(detector.detect(picture), truths)
        scene += 1
    for empty in scenes:
        for width in EMPTY_WIDTHS:
            tally.false_on_empty += len(detector.detect(fit_width(empty, width)))
            tally.empties += 1
    return tally


def report(tally: Tally) -> dict[str, object]:
    """Print the table; returns the same numbers."""
    rows: dict[str, object] = {}

    def line(label: str, keep: Sequence[bool]) -> None:
        hits = sum(f for f, k in zip(tally.found, keep, strict=True) if k)
        n = sum(keep)
        if n:
            low, high = wilson(hits, n)
            print(
                f"{label}: recall {100 * hits / n:.1f} % [{100 * low:.1f}, {100 * high:.1f}] "
                f"({hits} of {n})"
            )
            rows[label] = {"hits": hits, "n": n, "low": low, "high": high}

    truths = tally.truths
    line("all sizes", [True] * len(truths))
    for low, high in BANDS:
        label = f"width {100 * low:.0f}-{100 * high:.0f} %"
        line(label, [low <= truth.share < high for truth in truths])
    line("upright", [truth.degrees == 0 for truth in truths])
    line("turned up to 30 degrees", [truth.degrees != 0 for truth in truths])
    for source in sorted({truth.source for truth in truths}):
        line(source, [truth.source == source for truth in truths])
    print(f"false boxes with faces: {tally.false_boxes} in {tally.pictures} pictures")
    print(f"false boxes without a face: {tally.false_on_empty} in {tally.empties} pictures")
    rows["false_boxes"] = tally.false_boxes, tally.pictures
    rows["false_on_empty"] = tally.false_on_empty, tally.empties
    return rows


def calibrate(net: LandmarkNet, data: Path, each: int, seed: int) -> None:
    """Recall against false boxes per bar, on validation faces and training scenes only."""
    scenes = load_scenes(CALIBRATION_SCENES)
    faces = held_out_faces(data, "valid", each, seed)
    frames = [face for face in faces if face.source == "ytf"]
    for bar in (0.5, 0.6, 0.7, 0.8, 0.9):
        detector = CascadeDetector(net, bar)
        tally, whole = run(detector, scenes, faces, seed), Tally()
        for face in frames:
            truth = Truth(face.box, face.box.width / face.pixels.shape[1], 0.0, face.source)
            whole.add(detector.detect(face.pixels), [truth])
        print(
            f"bar {bar}: recall {np.mean(tally.found):.3f}, false {tally.false_boxes} in "
            f"{tally.pictures}, on empty {tally.false_on_empty} in {tally.empties}; "
            f"whole frames {np.mean(whole.found):.3f}, false {whole.false_boxes}",
            flush=True,
        )


def main() -> None:
    """Compose, search, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", default=os.environ.get("FACELLM_DATA", "../shared/data"))
    parser.add_argument("--weights", default=os.environ.get("FACELLM_WEIGHTS"), required=False)
    parser.add_argument("--each", type=int, default=120, help="faces per data set")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--calibrate", action="store_true")
    parser.add_argument("--out", type=Path, help="also write the numbers as JSON")
    parser.add_argument("--show", type=Path, help="write a composed example picture")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(args.threads)
    weights = args.weights or Path(__file__).parents[1] / "facellm/weights/landmarks.safetensors"
    net = LandmarkNet.load(weights)
    if args.calibrate:
        return calibrate(net, Path(args.data), args.each, args.seed)
    scenes = load_scenes(SCENES)
    faces = held_out_faces(Path(args.data), "test", args.each, args.seed)
    print(f"COMPOSED pictures: {len(faces)} held-out faces in {len(scenes)} scenes, no photographs")
    if args.show:
        rng = np.random.default_rng(args.seed)
        Image.fromarray(compose(rng, scenes[0], faces[:2])[0]).save(args.show)
    rows = report(run(CascadeDetector(net), scenes, faces, args.seed))
    found = CascadeDetector(net).detect(load_image(skimage.data.astronaut()))
    print("astronaut:", [(face.box_xyxy.to_list(), face.score) for face in found])
    if args.out:
        args.out.write_text(json.dumps(rows, indent=1))
    return None


if __name__ == "__main__":
    main()
