"""Train the stabiliser: ``python -m facellm.train.stabiliser --out DIR``; minutes on one core.

Two are trained and written, with the same sizes: ``exact.safetensors`` on the face model's own
points, an upper bound that no picture reaches, and ``stabiliser.safetensors`` on points as our
landmark network finds them, which a checkpoint folder may hold. The second sees training renders
as located, and drawn faces with the error that the network made on a render of about the same pose.

Needs ``turns.npz`` and ``turns_renders.npy`` (``facellm.instruct_data.build_turns --renders``) in
``DIR`` and the located rig set. ``facellm.eval.stabiliser`` measures what comes out.

Shapes: N faces, L = 68 points, y down; head-frame points (N, 68, 3) have y up (rig units).
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from facellm.face import MIRROR_68
from facellm.folders import default_cache
from facellm.geometry import align, face_frame, measure
from facellm.landmarks import LandmarkNet
from facellm.stabilise import HIDDEN, N_INPUTS, N_OUTPUTS, VERSION, Stabiliser

from .geometry import mean_shape_of, neutral_points

Array = NDArray[np.float64]
TRAIN = 0
NEAR = 8  # a drawn face takes the error of one of so many renders of about its pose
LEARNING_RATE, WEIGHT_DECAY = 4e-3, 1e-4


@dataclass(frozen=True)
class Turns:
    """Turned faces.

    Attributes:
        points: (N, 68, 2) as seen, any unit.
        head: (N, 68, 3) in the head's own frame, y up.
        pose: (N, 3) degrees.
    """

    points: Array
    head: Array
    pose: Array

    def mirrored(self) -> Turns:
        """These faces and their mirror images, 2 N."""
        flip = np.array([-1.0, 1.0, 1.0])
        return Turns(
            np.concatenate([self.points, self.points[:, MIRROR_68] * flip[:2]]),
            np.concatenate([self.head, self.head[:, MIRROR_68] * flip]),
            np.concatenate([self.pose, self.pose * np.array([-1.0, 1.0, -1.0])]),
        )

    def joined(self, other: Turns) -> Turns:
        """Both sets."""
        return Turns(
            np.concatenate([self.points, other.points]),
            np.concatenate([self.head, other.head]),
            np.concatenate([self.pose, other.pose]),
        )


def drawn_turns(path: Path, split: int) -> Turns:
    """Rows of a split of ``turns.npz``."""
    with np.load(path) as stored:
        rows = stored["split"] == split
        return Turns(
            *(stored[name][rows].astype(np.float64) for name in ("points", "head", "pose"))
        )


def rendered_turns(folder: Path, rig: Path, split: int) -> tuple[Turns, Array]:
    """Renders of a split as the network located them, and their exact points."""
    with np.load(rig / "labels.npz") as stored:
        exact, pose, splits = stored["landmarks"], stored["pose"], stored["split"]
    found = np.load(rig / "landmarks.npy")
    heads = np.load(folder / "turns_renders.npy")
    rows = (splits == split) & np.isfinite(found).all(axis=(1, 2))
    parts = (array[rows].astype(np.float64) for array in (found, heads, pose))
    return Turns(*parts), exact[rows].astype(np.float64)


def with_network_errors(
    drawn: Turns, renders: Turns, exact: Array, rng: np.random.Generator
) -> Turns:
    """Drawn faces with the errors that the network made on renders of about the same pose.

    Errors are carried over in the face's own frame, so size and place do not matter.
    """
    frame = face_frame(exact)
    eye = exact[:, 45] - exact[:, 36]
    length = np.linalg.norm(eye, axis=1)
    along = eye / length[:, None]
    axes = np.stack([along, np.stack([along[:, 1], -along[:, 0]], axis=1)], axis=2)
    middle = (exact[:, 36:37] + exact[:, 45:46]) / 2
    errors = (renders.points - middle) @ axes / length[:, None, None] - frame
    source = np.empty(len(drawn.pose), np.int64)
    for start in range(0, len(source), 1000):
        pose = drawn.pose[start : start + 1000]
        far = ((pose[:, None] - renders.pose) ** 2).sum(axis=2)
        near = np.argpartition(far, min(NEAR, far.shape[1] - 1), axis=1)[:, :NEAR]
        pick = rng.integers(near.shape[1], size=len(pose))
        source[start : start + 1000] = near[np.arange(len(pose)), pick]
    moved = face_frame(drawn.points) + errors[source]
    # Upright is not where the head was: the roll that the face frame took off comes back.
    across = drawn.points[:, 45] - drawn.points[:, 36]
    size = np.linalg.norm(across, axis=1)[:, None, None]
    unit = across / size[:, 0]
    back = np.stack([unit, np.stack([unit[:, 1], -unit[:, 0]], axis=1)], axis=1)
    return Turns(moved @ back * size, drawn.head, drawn.pose)


def frontal_points(head: Array) -> Array:
    """Head-frame points (N, 68, 3) seen from ahead: (N, 68, 2), y down, zero mean, unit size."""
    flat = head[..., :2] * np.array([1.0, -1.0])
    flat = flat - flat.mean(axis=1, keepdims=True)
    return flat / np.sqrt((flat**2).sum(axis=2).mean(axis=1))[:, None, None]


def targets(turns: Turns, shape: Array, frontal: Array) -> tuple[Array, Array]:
    """Inputs (N, 136) and outputs (N, 139) before scaling: ``facellm.stabilise.Stabiliser``."""
    aligned, angle = align(turns.points, shape)
    pose = turns.pose.copy()
    pose[:, 2] = (pose[:, 2] - np.rad2deg(angle) + 180) % 360 - 180
    offsets = (frontal_points(turns.head) - frontal).reshape(len(pose), -1)
    return (aligned - shape).reshape(len(pose), -1), np.concatenate([pose, offsets], axis=1)


class TurnNet(nn.Module):
    """Two hidden layers, SiLU: (B, 136) -> (B, 139); 36 k parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.layer1 = nn.Linear(N_INPUTS, HIDDEN)
        self.layer2 = nn.Linear(HIDDEN, HIDDEN)
        self.layer3 = nn.Linear(HIDDEN, N_OUTPUTS)

    def forward(self, x: Tensor) -> Tensor:
        """Scaled inputs (B, 136) -> scaled outputs (B, 139)."""
        x = nn.functional.silu(self.layer1(x))
        return self.layer3(nn.functional.silu(self.layer2(x)))


def fit(turns: Turns, steps: int, batch: int = 512, seed: int = 0) -> dict[str, Tensor]:
    """Train on turned faces; the tensors of a ``Stabiliser`` without neutral statistics."""
    torch.manual_seed(seed)
    shape, frontal = mean_shape_of(turns.points), frontal_points(turns.head).mean(axis=0)
    inputs, outputs = targets(turns, shape, frontal)
    scales = inputs.std(axis=0) + 1e-6, outputs.std(axis=0) + 1e-6
    x, y = (torch.from_numpy(a / s).float() for a, s in zip((inputs, outputs), scales, strict=True))
    net = TurnNet()
    optimizer = torch.optim.AdamW(net.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, max(steps, 2))
    for step in range(steps):
        rows = torch.randint(len(x), (batch,))
        error = (net(x[rows]) - y[rows]) ** 2
        loss = error[:, :3].mean() + error[:, 3:].mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 1000 == 999:
            print(f"step {step + 1}/{steps} loss {loss.item():.4f}", flush=True)
    extra = {
        "mean_shape": shape,
        "frontal_shape": frontal,
        "input_scale": scales[0],
        "output_scale": scales[1],
    }
    return net.state_dict() | {name: torch.from_numpy(a).float() for name, a in extra.items()}


def write(tensors: dict[str, Tensor], neutral: Array, path: Path) -> None:
    """Write a stabiliser; ``neutral`` (N, 68, 2) are neutral faces its measures are held against.

    Weights are float16 on disk, 74 kB; the statistics are taken with the rounded ones.
    """
    empty = {"neutral_mean": torch.zeros(11), "neutral_std": torch.ones(11)}
    arrays = {name: tensor.detach().half() for name, tensor in (tensors | empty).items()}
    plain = Stabiliser({name: a.float().numpy() for name, a in arrays.items()})
    measures = measure(plain.frontal(neutral))
    arrays["neutral_mean"] = torch.from_numpy(measures.mean(axis=0)).float()
    arrays["neutral_std"] = torch.from_numpy(measures.std(axis=0)).float()
    save_file(
        {name: array.contiguous() for name, array in arrays.items()},
        str(path),
        metadata={"version": VERSION},
    )


def main(argv: list[str] | None = None) -> None:
    """Train both and write them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", default=os.environ.get("FACELLM_DATA", "../shared/data"))
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--out", type=Path, help="default: CACHE/stabiliser")
    parser.add_argument("--weights", type=Path, required=True, help="landmarks.safetensors")
    parser.add_argument("--steps", type=int, default=6_000)
    parser.add_argument("--only", choices=("exact", "stabiliser"))
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    out = args.out or args.cache / "stabiliser"
    drawn = drawn_turns(out / "turns.npz", TRAIN)
    if args.only != "stabiliser":
        neutral = drawn.points[:2000]  # nothing real has exact points; its z-scores are not used
        write(fit(drawn.mirrored(), args.steps), neutral, out / "exact.safetensors")
    if args.only != "exact":
        renders, exact = rendered_turns(out, args.cache / "rig", TRAIN)
        noisy = with_network_errors(drawn, renders, exact, np.random.default_rng(0))
        share = len(noisy.pose) // (2 * len(renders.pose)) or 1  # as often as drawn faces, halved
        for _ in range(share):
            noisy = noisy.joined(renders)
        net = LandmarkNet.load(args.weights)
        neutral = neutral_points(net, Path(args.data), 2000)
        write(fit(noisy.mirrored(), args.steps), neutral, out / "stabiliser.safetensors")


if __name__ == "__main__":
    main()
