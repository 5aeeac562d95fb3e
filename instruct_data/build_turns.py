"""Landmark sets of the rig without a picture: turned faces with their exact rotation.

What a stabiliser learns head rotation from. Training people are drawn anew from the population, so
there are as many as rows; validation and test people are those of ``rig.identity_splits``, which
nothing is trained on.

Example: ``python -m facellm.instruct_data.build_turns --data data --out cache/turns.npz``.

Arrays, N rows, rig units (about 0.8 cm): ``points`` (N, 68, 2) as the camera sees them, image
widths, y down; ``head`` (N, 68, 3) the same face in its own frame (``rig``), ``rest`` (N, 68, 3)
that person without expression; ``pose`` (N, 3) yaw, pitch, roll in degrees (``rig_camera``);
``split`` (N,) 0 train, 1 valid, 2 test; ``active`` (N,) number of action units shown. With
``--renders`` a second file beside it, ``..._renders.npy`` (M, 68, 3), holds the ``head`` points of
a rendered set's rows, whose labels have them as the camera sees them only.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from .build_rig import draw_sample
from .rig import Rig, identity_splits, identity_table
from .rig_sample import sample_face

Array = np.ndarray[Any, Any]
SEED = 20251123
SPREAD, BOUND = 0.9, 2.2  # of identity coefficients, as in ``rig.identity_table``
ROWS = (80_000, 2_000, 4_000)  # of train, valid, test


def turned_faces(rig: Rig, split: int, count: int) -> dict[str, Array]:
    """Rows of one split.

    Args:
        rig: The face model.
        split: 0 draws new people, 1 and 2 take those held out.
        count: Rows.

    Returns:
        The arrays of the module docstring; the same call gives the same rows.
    """
    rng = np.random.default_rng([SEED, split])
    people = rng.normal(0.0, SPREAD, (count, 100)).clip(-BOUND, BOUND)
    if split:
        people = identity_table()[rng.choice(np.flatnonzero(identity_splits() == split), count)]
    samples = [sample_face(rig, np.random.default_rng([SEED, split, row])) for row in range(count)]
    at = rig.landmark_vertices
    rest = rig.neutral[at] + np.tensordot(people, rig.identity_shapes[:, at], 1)
    shown = np.stack([sample.expression for sample in samples])
    head = rest + np.tensordot(shown, rig.expression_shapes[:, at], 1)
    pairs = zip(samples, head.astype(np.float32), strict=True)
    return {
        "points": np.stack([s.camera(points).project(points)[0] for s, points in pairs]).astype(
            "f4"
        ),
        "head": head.astype(np.float32),
        "rest": rest.astype(np.float32),
        "pose": np.array([sample.pose for sample in samples], np.float32),
        "split": np.full(count, split, np.int8),
        "active": np.array([len(sample.units) for sample in samples], np.int8),
    }


def render_heads(rig: Rig, folder: Path) -> Array:
    """Head-frame points (M, 68, 3) of a rendered set, drawn again from its seed.

    Raises:
        ValueError: If what is drawn does not project to the landmarks stored with the set.
    """
    with np.load(folder / "labels.npz") as stored:
        (count, _, seed), seen = stored["set_key"].tolist(), stored["landmarks"]
    table, heads = identity_table(), np.zeros((count, 68, 3), np.float32)
    for index in range(count):
        sample = draw_sample(rig, seed, index)
        heads[index] = rig.landmarks(table[sample.identity], sample.expression)
        if np.abs(sample.camera(heads[index]).project(heads[index])[0] - seen[index]).max() > 1e-4:
            raise ValueError(f"{folder}: row {index} is of another set than seed {seed} draws")
    return heads


def build_turns(data: Path | str, out: Path, rows: tuple[int, ...] = ROWS) -> Path:
    """Write the rows of all splits; the file.

    Raises:
        ValueError: If the rig is missing.
    """
    rig = Rig.load(data)
    parts = [turned_faces(rig, split, count) for split, count in enumerate(rows)]
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f"partial_{out.name}")
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    np.savez(partial, **arrays)  # type: ignore[arg-type]
    partial.rename(out)
    return out


def main(argv: list[str] | None = None) -> None:
    """Command line of ``build_turns``."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with ict_facekit/")
    parser.add_argument("--out", type=Path, required=True, help="the .npz file")
    parser.add_argument("--renders", type=Path, help="folder of a rendered set")
    for name, default in zip(("train", "valid", "test"), ROWS, strict=True):
        parser.add_argument(f"--{name}", type=int, default=default, help="rows")
    args = parser.parse_args(argv)
    path = build_turns(args.data, args.out, (args.train, args.valid, args.test))
    if args.renders is not None:
        heads = render_heads(Rig.load(args.data), args.renders)
        np.save(path.with_name(f"{path.stem}_renders.npy"), heads)
    print(f"{path}: {args.train + args.valid + args.test} faces")


if __name__ == "__main__":
    main()
