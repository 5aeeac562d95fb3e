"""LoRA on the language model, taught on cached visual tokens; strength and calibration after it.

Only the adapters learn. The state of the epoch with the lowest validation loss is kept. Everything
that is chosen is chosen on validation faces: the epoch, one temperature a label, and how much a
correction counts beside the base's own reading.

Legend: N faces, P patches, D language width, K classes of a label.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facellm.adapted_engine import mixed
from facellm.adapter_labels import AdaptedLabel
from facellm.label_reader import LabelReader

Targets = list[NDArray[np.float32]]  # a label's (N, K); rows of NaN are not labelled
PASSES, FEWEST_EPOCHS, MOST_EPOCHS = 6000, 6, 20  # passes of faces that a training aims at
BATCH = 16
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
ROUNDING = 1e-6  # nats that float32 may make of nothing
# Not below 1: a handful of validation faces that are all right would ask for certainty.
TEMPERATURES = np.geomspace(1.0, 8.0, 61)


@dataclass(frozen=True)
class Plan:
    """How the adapter learns; all chosen on validation faces of two label sets.

    Attributes:
        rate: Peak learning rate of a one-cycle schedule.
        decay: Weight decay.
        passes: Passes of faces aimed at.
        seed: Of order, adapters and dropout.
        mirror: Half of the passes see mirrored faces.
    """

    rate: float = 1e-3
    decay: float = 0.01
    passes: int = PASSES
    seed: int = 0
    mirror: bool = True

    def epochs(self, count: int) -> int:
        """Epochs over ``count`` faces."""
        return min(max(round(self.passes / max(count, 1)), FEWEST_EPOCHS), MOST_EPOCHS)


@dataclass(frozen=True)
class Learned:
    """How it went.

    Attributes:
        losses: Mean validation loss after each epoch.
        best: The epoch that was kept, from 0.
    """

    losses: tuple[float, ...]
    best: int


@dataclass(frozen=True)
class Lessons:
    """What is learned from.

    Attributes:
        visual: (N, 2, P, D) visual tokens, as they are and mirrored.
        targets: (N, K) of every label.
        train: Faces to learn from.
        valid: Faces to choose by.
    """

    visual: Tensor
    targets: Targets
    train: NDArray[np.int64]
    valid: NDArray[np.int64]


def learn(
    reader: LabelReader,
    lessons: Lessons,
    plan: Plan,
    tell: Callable[[str], None] = lambda _: None,
) -> Learned:
    """Teach the adapters of the reader's model, in place.

    Args:
        reader: Its model has adapters; they alone learn.
        lessons: Faces and targets.
        plan: How.
        tell: Called with a line after each epoch.
    """
    visual, train, valid = lessons.visual, lessons.train, lessons.valid
    weights = [w for name, w in reader.model.named_parameters() if ".lora_" in name]
    torch.manual_seed(plan.seed)
    order = torch.Generator().manual_seed(plan.seed)
    epochs, steps = plan.epochs(len(train)), -(-len(train) // BATCH)
    optimizer = torch.optim.AdamW(weights, plan.rate, weight_decay=plan.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, plan.rate, total_steps=epochs * steps, pct_start=0.2
    )
    wanted = [torch.from_numpy(target).to(visual.device) for target in lessons.targets]
    losses: list[float] = []
    kept = [w.detach().clone() for w in weights]
    for epoch in range(epochs):
        reader.model.train()
        for picked in torch.from_numpy(train)[torch.randperm(len(train), generator=order)].split(
            BATCH
        ):
            view = (torch.rand(len(picked), generator=order) < 0.5 * plan.mirror).long()
            loss = loss_of(reader.logprobs(visual[picked, view]), wanted, picked)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            schedule.step()
        said = said_of(reader, visual, valid)
        losses.append(float(loss_of([torch.from_numpy(s) for s in said], wanted, valid)))
        if losses[-1] == min(losses):
            kept = [w.detach().clone() for w in weights]
        tell(f"epoch {epoch + 1} of {epochs}, validation loss {losses[-1]:.3f}")
    with torch.no_grad():
        for weight, held in zip(weights, kept, strict=True):
            weight.copy_(held)
    return Learned(tuple(losses), int(np.argmin(losses)))


def loss_of(said: Sequence[Tensor], wanted: Sequence[Tensor], rows: Tensor | NDArray) -> Tensor:
    """Mean over labels of the cross-entropy of labelled faces; labels nobody has count nothing."""
    losses = []
    for logprobs, target in zip(said, wanted, strict=True):
        here = target[rows].to(logprobs.device)
        labelled = torch.isfinite(here[:, 0])
        if labelled.any():
            losses.append(-(here[labelled] * logprobs[labelled]).sum(1).mean())
    return torch.stack(losses).mean() if losses else sum(table.sum() * 0 for table in said)  # type: ignore[return-value]


@torch.no_grad()
def said_of(
    reader: LabelReader, visual: Tensor, rows: NDArray[np.int64]
) -> list[NDArray[np.float32]]:
    """Log-probabilities (n, K) of every label on some faces, as they are."""
    reader.model.eval()
    parts = [reader.logprobs(visual[piece, 0]) for piece in torch.from_numpy(rows).split(64)]
    return [torch.cat(tables).cpu().numpy() for tables in zip(*parts, strict=True)]


def losses_of(logprobs: NDArray, target: NDArray) -> NDArray[np.float64]:
    """Cross-entropy (n,) of each face; NaN where it is not labelled."""
    return -(np.asarray(target, np.float64) * np.maximum(logprobs, -50.0)).sum(axis=1)


def fitted_temperature(logprobs: NDArray, target: NDArray) -> float:
    """The temperature with the lowest loss on labelled faces (Guo et al., arXiv 1706.04599)."""
    labelled = np.isfinite(target[:, 0])
    if not labelled.any():
        return 1.0
    scores = []
    for temperature in TEMPERATURES:
        cooled = torch.from_numpy(logprobs[labelled] / temperature).double().log_softmax(-1).numpy()
        scores.append(losses_of(cooled, target[labelled]).mean())
    return float(TEMPERATURES[int(np.argmin(scores))])


def chosen_strength(base: NDArray, adapted: NDArray, target: NDArray) -> float:
    """The smallest strength whose loss is within one standard error of the best one's.

    The error is that of the paired differences, so a gain that validation cannot tell from noise
    gives 0, and the base's reading stays.

    Args:
        base: (n, K) log-probabilities of the unadapted model.
        adapted: (n, K) with the adapter, at its temperature.
        target: (n, K).
    """
    labelled = np.isfinite(target[:, 0])
    if labelled.sum() < 2:
        return 0.0
    losses = [
        losses_of(mixed(base[labelled], adapted[labelled], strength), target[labelled])
        for strength in STRENGTHS
    ]
    best = min(losses, key=lambda values: values.mean())
    for strength, values in zip(STRENGTHS, losses, strict=True):
        apart = values - best
        if apart.mean() <= apart.std(ddof=1) / np.sqrt(len(apart)) + ROUNDING:
            return strength
    raise AssertionError("the best strength is within its own error")


def calibrated(
    label: AdaptedLabel, adapted: NDArray, target: NDArray, base: NDArray | None
) -> AdaptedLabel:
    """A label with temperature and, for a correction, strength fitted on validation faces."""
    temperature = fitted_temperature(adapted, target)
    cooled = torch.from_numpy(adapted / temperature).double().log_softmax(-1).numpy()
    strength = 1.0 if base is None else chosen_strength(base, cooled, target)
    return replace(label, temperature=temperature, strength=strength)
