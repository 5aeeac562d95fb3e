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

from facellm.landmarks import INPUT_SIZE, LandmarkNet

from .landmark_augment import Faceless, make_face, make_negative
from .landmark_data import N_OFFSETS, Source, load_sources, published, training_scenes
from .landmark_error import bootstrap, locate, nme
from .landmark_mining import mine

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


def rate_at(step: int, start: int, end: int) -> float:
    """Learning rate relative to its peak at ``step`` of the cycle ``start`` to ``end``.

    The first cycle warms up, stays and falls over its last third; a later one falls from a half.
    """
    if start > 0:
        return max(0.01, 0.5 * (end - step) / (end - start))
    return min(1.0, (step + 1) / 100, max(0.01, (end - step) / (end / 3)))


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
    """Two cycles with mining of hard negatives between them; prints and exports on the way."""
    sources = load_sources(args.data, args.cache)
    print({source.name: len(source.images) for source in sources}, flush=True)
    scenes = training_scenes()
    valid = published(args.data, args.cache, "valid")[:2]
    state = new_state(args.seed, args.rate)
    if (args.out / "checkpoint.pt").exists():
        state.load(args.out / "checkpoint.pt")
    if state.step < args.mine_at:
        nothing = Faceless(scenes, np.zeros((0, 128, 128), np.uint8))
        cycle(state, Batches(sources, nothing, args.seed, args.mine_at), 0, valid, args)
    mined_path = args.out / "mined.npy"
    if not mined_path.exists():
        np.save(mined_path, mine(state.average, sources[0], scenes, args.seed))
    faceless = Faceless(scenes, np.load(mined_path))
    print(f"{len(faceless.mined)} hard negatives", flush=True)
    cycle(state, Batches(sources, faceless, args.seed, args.steps), args.mine_at, valid, args)
    return state


def cycle(
    state: State, batches: Batches, start: int, valid: tuple, args: argparse.Namespace
) -> None:
    """Train from ``state.step`` to the last step of ``batches``; the rate falls to its end.

    Args:
        state: Changed in place.
        batches: Batches of the whole run.
        start: First step of this cycle, for the learning rate.
        valid: Pictures and points (M, 68, 2) that the error is printed on.
        args: The command line.
    """
    end = len(batches)
    order = range(state.step, end)
    loader = DataLoader(batches, None, sampler=order, num_workers=1, prefetch_factor=6)
    running, begun = 0.0, time.time()
    for batch in loader:
        state.net.train()
        for group in state.optimizer.param_groups:
            group["lr"] = group["peak"] * rate_at(state.step, start, end)
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
            print(f"step {state.step}/{end} loss {running:.2f} {spent:.0f} s", flush=True)
        if state.step % EXPORT_EVERY == 0 or state.step == end:
            error = nme(locate(state.average, *valid), valid[1]).mean()
            print(f"step {state.step}/{end} valid NME {100 * error:.2f} %", flush=True)
            state.save(args.out / "checkpoint.pt")
            export(state.average.state_dict(), args.out / "landmarks.safetensors")


def main() -> None:
    """Read the command line, train, then report once on the held-out subjects."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", default=os.environ.get("FACELLM_DATA", "../shared/data"))
    parser.add_argument("--cache", default=os.environ.get("FACELLM_CACHE", ".cache/default"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=3000, help="steps of 64 crops")
    parser.add_argument("--mine-at", type=int, default=2400, help="step of the hard negatives")
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
