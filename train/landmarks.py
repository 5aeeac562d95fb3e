"""Train the landmark network: ``python -m facellm.train.landmarks --data D --cache C --out DIR``.

Resumable: the last checkpoint in ``--out`` is continued, batch ``n`` is the same in any run with
the same seed and sources. Every ``EXPORT_EVERY`` steps the averaged weights are written to
``DIR/landmarks.safetensors`` (fp16), so that others can start before it is done.

Example line: ``step 600/1800 loss 14.2 valid NME 6.31 % face acc .987``. NME is the mean distance
of the 68 points divided by the distance of the outer eye corners.

Shapes: N crops, L = 68 points. Points in [0, 1] of the crop.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from facellm.face import Landmarks, crop_image, square_around
from facellm.landmarks import INPUT_SIZE, LandmarkNet

from .landmark_augment import Faceless, make_face, make_negative
from .landmark_data import N_OFFSETS, Source, load_sources, published, training_scenes
from .landmark_mining import mined_patches

FACES, NEGATIVES = 48, 16  # per batch
EXPORT_EVERY = 200
WING, CURVE = 10.0, 2.0  # pixels of the 96-px crop; Feng et al., arXiv 1711.06753


@dataclass(frozen=True)
class Batch:
    """N = 64 crops: the faces first, then the negatives.

    Attributes:
        pixels: (N, 1, 96, 96) float32 in [0, 1].
        points: (FACES, 68, 2) in [0, 1] of the crop.
        weights: (FACES, 68) weight of each point.
        offsets: (FACES,) int64, which source's convention.
    """

    pixels: Tensor
    points: Tensor
    weights: Tensor
    offsets: Tensor


class Batches(Dataset[Batch]):
    """Batch ``step`` of a run, a pure function of the seed and the step."""

    def __init__(self, sources: list[Source], faceless: Faceless, seed: int, steps: int) -> None:
        self.sources, self.faceless, self.seed, self.steps = sources, faceless, seed, steps
        shares = np.array([source.share for source in sources])
        self.shares = shares / shares.sum()

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Batch:
        """Draw, warp and degrade one batch."""
        rng = np.random.default_rng((self.seed, step))
        crops, points, weights, offsets = [], [], [], []
        for index in rng.choice(len(self.sources), FACES, p=self.shares):
            source = self.sources[index]
            row = rng.integers(len(source.images))
            crop, unit = make_face(rng, source.images[row], source.points[row])
            crops.append(crop)
            points.append(unit)
            weights.append(source.point_weights)
            offsets.append(source.offset_id)
        wide = [s for s in self.sources if s.name in {"ytf", "utkface", "real_vs_stylegan2"}]
        for _ in range(NEGATIVES):
            source = wide[0] if rng.random() < 0.6 else wide[rng.integers(len(wide))]
            row = rng.integers(len(source.images))
            crops.append(make_negative(rng, source.images[row], source.points[row], self.faceless))
        return Batch(
            torch.from_numpy(np.stack(crops)[:, None]).float() / 255,
            torch.from_numpy(np.stack(points)),
            torch.from_numpy(np.stack(weights)),
            torch.tensor(offsets),
        )


def move_to_convention(points: Tensor, offset: Tensor) -> Tensor:
    """Add an offset per point, measured in inter-ocular distances along the eye line.

    Args:
        points: (N, 68, 2).
        offset: (N, 68, 2), x along the line between the outer eye corners, y across it.

    Returns:
        (N, 68, 2).
    """
    eye = points[:, 45] - points[:, 36]
    across = torch.stack([-eye[:, 1], eye[:, 0]], dim=1)
    return points + offset[..., :1] * eye[:, None] + offset[..., 1:] * across[:, None]


def loss_of(net: nn.Module, offsets: Tensor, batch: Batch) -> Tensor:
    """Wing loss of the points plus binary cross-entropy of "is a face"; a scalar."""
    out = net(batch.pixels)
    n = len(batch.points)
    target = move_to_convention(batch.points, offsets[batch.offsets])
    error = (out.landmarks_unit[:n] - target).abs() * INPUT_SIZE
    near = WING * torch.log1p(error / CURVE)
    far = error - WING + WING * math.log1p(WING / CURVE)
    wing = torch.where(error < WING, near, far).mean(dim=2)
    truth = torch.zeros_like(out.face_logit)
    truth[:n] = 1
    face = functional.binary_cross_entropy_with_logits(out.face_logit, truth)
    points = (wing * batch.weights).sum() / batch.weights.sum()
    return points + 4 * face + 20 * offsets.square().sum()


def rate_at(step: int, steps: int) -> float:
    """Learning rate relative to its peak: warm-up, plateau, linear decay over the last third."""
    return min(1.0, (step + 1) / 100, max(0.01, (steps - step) / (steps / 3)))


def nme(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Mean point distance / outer eye corner distance, per face (M,), of (M, 68, 2) arrays."""
    eyes = np.linalg.norm(truth[:, 45] - truth[:, 36], axis=1)
    return np.linalg.norm(predicted - truth, axis=2).mean(axis=1) / eyes


def locate(net: LandmarkNet, images: list, truth: np.ndarray, passes: int = 2) -> np.ndarray:
    """Points (M, 68, 2) in pixels from a jittered frame, re-cropped as the detector does."""
    rng = np.random.default_rng(0)
    found = np.zeros_like(truth)
    for start in range(0, len(images), 64):
        rows = range(start, min(start + 64, len(images)))
        squares = []
        for row in rows:
            box = Landmarks(truth[row]).box
            square = square_around(box, 1.3 * rng.uniform(0.9, 1.2))
            shift = rng.uniform(-0.05, 0.05, 2) * square.side
            squares.append(type(square)(square.left + shift[0], square.top + shift[1], square.side))
        for _ in range(passes):
            pairs = zip(rows, squares, strict=True)
            crops = [crop_image(images[row], square, INPUT_SIZE) for row, square in pairs]
            unit, _ = net.predict(crops)
            found[list(rows)] = [s.to_pixels(u) for s, u in zip(squares, unit, strict=True)]
            squares = [square_around(Landmarks(found[row]).box) for row in rows]
    return found


def bootstrap(values: np.ndarray, groups: np.ndarray, draws: int = 2000) -> tuple[float, float]:
    """95 % interval of the mean of ``values`` (M,) when whole ``groups`` (M,) are redrawn."""
    rng = np.random.default_rng(0)
    members = [values[groups == group] for group in np.unique(groups)]
    sums = np.array([member.sum() for member in members])
    counts = np.array([len(member) for member in members])
    picks = rng.integers(len(members), size=(draws, len(members)))
    means = sums[picks].sum(axis=1) / counts[picks].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


@dataclass
class State:
    """What a run carries from step to step: network, average, offsets, optimizer, next step."""

    net: LandmarkNet
    average: LandmarkNet
    offsets: nn.Parameter
    optimizer: torch.optim.Optimizer
    step: int = 0

    def update_average(self) -> None:
        """Exponential average of weights and batch-norm statistics, half-life about 350 steps."""
        keep = min(0.998, (1 + self.step) / (10 + self.step))
        own = self.net.state_dict()
        for name, value in self.average.state_dict().items():
            if value.is_floating_point():
                value.mul_(keep).add_(own[name], alpha=1 - keep)
            else:
                value.copy_(own[name])

    def save(self, path: Path) -> None:
        """Write everything needed to go on."""
        keys = ("net", "average", "optimizer")
        state = {key: getattr(self, key).state_dict() for key in keys}
        partial = path.with_suffix(".partial")
        torch.save({**state, "offsets": self.offsets.data, "step": self.step}, partial)
        os.replace(partial, path)

    def load(self, path: Path) -> None:
        """Go on from ``path``."""
        state = torch.load(path, weights_only=True)
        for key in ("net", "average", "optimizer"):
            getattr(self, key).load_state_dict(state[key])
        self.offsets.data.copy_(state["offsets"])
        self.step = state["step"]


def new_state(seed: int, rate: float) -> State:
    """A fresh network; the offsets of conventions start at zero and the first stays there."""
    torch.manual_seed(seed)
    net, average = LandmarkNet(), LandmarkNet()
    average.load_state_dict(net.state_dict())
    offsets = nn.Parameter(torch.zeros(N_OFFSETS, 68, 2))
    groups = [
        {"params": list(net.parameters()), "weight_decay": 0.02, "peak": rate},
        {"params": [offsets], "weight_decay": 0.0, "peak": rate / 10},
    ]
    return State(net, average.eval(), offsets, torch.optim.AdamW(groups, lr=rate, fused=True))


def export(weights: dict[str, Tensor], path: Path, extra: dict[str, Tensor] | None = None) -> None:
    """Write a state dict as fp16 safetensors, with the measures' coefficients where given."""
    tensors = {k: v.contiguous() for k, v in weights.items()}
    tensors = {k: v.half() if v.is_floating_point() else v for k, v in tensors.items()}
    partial = path.with_suffix(".partial")
    save_file({**tensors, **(extra or {})}, partial)
    os.replace(partial, path)


def train(args: argparse.Namespace) -> State:
    """Run the remaining steps; prints, checkpoints and exports on the way."""
    sources = load_sources(args.data, args.cache)
    print({source.name: len(source.images) for source in sources}, flush=True)
    faceless = Faceless(training_scenes(), mined_patches(sources[0], args.data, args.cache))
    images, truth, _ = published(args.data, args.cache, "valid")
    state = new_state(args.seed, args.rate)
    checkpoint = args.out / "checkpoint.pt"
    if checkpoint.exists():
        state.load(checkpoint)
    batches = Batches(sources, faceless, args.seed, args.steps)
    order = range(state.step, args.steps)
    loader = DataLoader(batches, None, sampler=order, num_workers=1, prefetch_factor=6)
    running, begun = 0.0, time.time()
    for batch in loader:
        state.net.train()
        for group in state.optimizer.param_groups:
            group["lr"] = group["peak"] * rate_at(state.step, args.steps)
        with torch.autocast("cpu", torch.bfloat16, enabled=args.bf16):
            loss = loss_of(state.net, state.offsets, batch)
        state.optimizer.zero_grad()
        loss.backward()
        state.offsets.grad[0] = 0  # type: ignore[index]  # the published set decides
        nn.utils.clip_grad_norm_(state.net.parameters(), 20.0)
        state.optimizer.step()
        state.step += 1
        state.update_average()
        running = loss.item() if running == 0 else 0.98 * running + 0.02 * loss.item()
        if state.step % 50 == 0:
            spent = time.time() - begun
            print(f"step {state.step}/{args.steps} loss {running:.2f} {spent:.0f} s", flush=True)
        if state.step % EXPORT_EVERY == 0 or state.step == args.steps:
            error = nme(locate(state.average, images, truth), truth).mean()
            print(f"step {state.step}/{args.steps} valid NME {100 * error:.2f} %", flush=True)
            state.save(checkpoint)
            export(state.average.state_dict(), args.out / "landmarks.safetensors")
    return state


def main() -> None:
    """Read the command line, train, then report once on the held-out subjects."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default=os.environ.get("FACELLM_DATA", "../shared/data"))
    parser.add_argument("--cache", default=os.environ.get("FACELLM_CACHE", ".cache/default"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=3000, help="steps of 64 crops")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--bf16", action="store_true", help="faster only where the CPU has AMX")
    args = parser.parse_args()
    args.data, args.cache = Path(args.data), Path(args.cache)
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)
    state = train(args)
    images, truth, subjects = published(args.data, args.cache, "test")
    errors = nme(locate(state.average, images, truth), truth)
    low, high = bootstrap(errors, subjects)
    print(
        f"test NME {100 * errors.mean():.2f} % [{100 * low:.2f}, {100 * high:.2f}] "
        f"of {len(errors)} faces of {len(np.unique(subjects))} subjects"
    )


if __name__ == "__main__":
    main()
