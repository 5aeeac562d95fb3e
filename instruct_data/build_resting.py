"""Render resting faces of held-out rig identities, some of whom rest with a frown.

What a personal neutral must undo: every person here shows nothing, but ``frown`` people carry
lowered brows all the time. Head pose, gaze, light, skin and camera differ from frame to frame.

Example: ``python -m facellm.instruct_data.build_resting --data data --out cache/resting``.

The folder is a prepared set (``facellm.prepared``): ``images.npy`` (N, size, size, 3) uint8,
``labels.npz`` with ``identity``, ``split`` (all 2: identities that nothing was trained on),
``frown`` and ``frame`` (N,), ``pose`` (N, 3) degrees, ``landmarks`` (N, 68, 2) in [0, 1]; and
``done.npy`` (N,), so that a stopped build goes on where it stopped.

Rows are frame by frame, and within a frame person by person.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap

from .rig import Rig, expression_from_units, identity_splits
from .rig_sample import FaceSample, lid_shapes, sample_face
from .rig_scene import FaceRenderer
from .rig_truth import label_face

TEST = 2
FROWN = {4: 0.5}  # action unit -> intensity that frowning people rest with
TURN = (15.0, 10.0, 8.0)  # most degrees of yaw, pitch and roll: a person told to look ahead
SEED = 20251123


@dataclass(frozen=True)
class RestingSet:
    """Size of a set.

    Attributes:
        people: Identities of the test split.
        frowning: How many of them rest with a frown, the first ones.
        frames: Per person.
        size: Width and height, pixels.
    """

    people: int = 50
    frowning: int = 10
    frames: int = 8
    size: int = 160


def resting_sample(rig: Rig, identity: int, frame: int, *, frown: bool) -> FaceSample:
    """A person at rest: light, camera, gaze and pose by identity and frame, no expression."""
    rng = np.random.default_rng([SEED, identity, frame])
    drawn = sample_face(rig, rng)
    named = expression_from_units(FROWN, FROWN) if frown else {}
    named |= lid_shapes(drawn.eyes, named)
    yaw, pitch, roll = (float(rng.uniform(-most, most)) for most in TURN)
    return replace(
        drawn,
        identity=identity,
        expression=rig.expression_values(named),
        units=dict(FROWN) if frown else {},
        pose=(yaw, pitch, roll),
    )


def samples_of(rig: Rig, resting: RestingSet) -> list[tuple[FaceSample, int]]:
    """Every sample with the number of its frame, in the order of the rows."""
    people = np.flatnonzero(identity_splits() == TEST)[: resting.people].tolist()
    return [
        (resting_sample(rig, identity, frame, frown=number < resting.frowning), frame)
        for frame in range(resting.frames)
        for number, identity in enumerate(people)
    ]


def build_resting_set(data: Path | str, out: Path, resting: RestingSet) -> Path:
    """Render the set, or finish a build that stopped; the folder.

    Raises:
        ValueError: If the rig is missing.
    """
    rig = Rig.load(data)
    out.mkdir(parents=True, exist_ok=True)
    samples = samples_of(rig, resting)
    write_labels(rig, samples, out / "labels.npz")
    shape = (len(samples), resting.size, resting.size, 3)
    images = opened(out / "images.npy", shape, np.uint8)
    done = opened(out / "done.npy", shape[:1], np.bool_)
    renderer = FaceRenderer(rig, resting.size)
    for index in np.flatnonzero(~done).tolist():
        images[index] = renderer.render(samples[index][0])
        done[index] = True
        if index % 50 == 49 or index + 1 == len(samples):
            print(f"{index + 1}/{len(samples)} faces", flush=True)
    return out


def write_labels(rig: Rig, samples: list[tuple[FaceSample, int]], path: Path) -> None:
    """Exact labels of every row."""
    rows = [label_face(rig, sample) for sample, _ in samples]
    columns: dict[str, Any] = {
        name: np.stack([row[name] for row in rows])
        for name in ("identity", "split", "pose", "landmarks")
    }
    columns["frown"] = np.array([bool(sample.units) for sample, _ in samples])
    columns["frame"] = np.array([frame for _, frame in samples], np.int16)
    np.savez(path, allow_pickle=False, **columns)


def opened(path: Path, shape: tuple[int, ...], dtype: Any) -> np.memmap[Any, Any]:
    """A memory-mapped array, made with zeros when missing or of another shape."""
    if path.is_file():
        found = open_memmap(path, mode="r+")
        if found.shape == shape:
            return found
    return open_memmap(path, mode="w+", dtype=dtype, shape=shape)


def main(argv: list[str] | None = None) -> None:
    """Command line of ``build_resting_set``."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with ict_facekit/")
    parser.add_argument("--out", type=Path, required=True, help="folder of the set")
    for name, default in (("people", 50), ("frowning", 10), ("frames", 8), ("size", 160)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args(argv)
    resting = RestingSet(args.people, args.frowning, args.frames, args.size)
    build_resting_set(args.data, args.out, resting)


if __name__ == "__main__":
    main()
