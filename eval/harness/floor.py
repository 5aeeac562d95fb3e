"""The floor: what a small network reaches that trains in about a minute on the task's train split.

A score says little alone; beside the floor it says what the large model is worth. 48 px grey
pictures, three convolutions, trained on shares of votes where raters voted, on labels elsewhere. It
answers as any model does (``options``), goes through the task's own scorer and metrics, and is kept
in ``floors/`` of the evaluation folder.

Legend: N pictures, K labels, S = 48 pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facellm.errors import FaceLLMError
from facellm.response_cache import request_key

from .asking import Request, request_of
from .gather import gather
from .media import Media
from .sample import OPTIONS, UNREADABLE, Answer, Row, Sample
from .scorers import label_of
from .task import TRAIN, Task

SIDE = 48
MOST_ROWS = 6000  # training pictures
EPOCHS, BATCH = 8, 64
RATE = 2e-3
WIDTHS = (16, 32, 64)
FLOOR_VERSION = 1


class SmallNet(nn.Module):
    """Three convolutions and one linear layer, about 24,000 weights."""

    def __init__(self, labels: int) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        for before, after in zip((1, *WIDTHS[:-1]), WIDTHS, strict=True):
            step = 2 if before == 1 else 1
            parts += [nn.Conv2d(before, after, 3, step, 1), nn.BatchNorm2d(after), nn.ReLU()]
            parts.append(nn.MaxPool2d(2))
        self.look = nn.Sequential(*parts)
        self.say = nn.Linear(WIDTHS[-1] * 9, labels)

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, 1, S, S) in [-1, 1] -> (N, K) logits."""
        seen = self.look(pictures).flatten(1)
        return self.say(nn.functional.dropout(seen, 0.3, self.training))


class FloorModel:
    """A trained ``SmallNet`` as a model.

    Args:
        net: Trained.
        labels: Its outputs, in order.
        digest: Of what it was trained on.
    """

    name = "small network"
    ways: tuple[str, ...] = (OPTIONS,)
    deterministic = True

    def __init__(self, net: SmallNet, labels: tuple[str, ...], digest: str) -> None:
        self._net, self._labels, self.digest = net.eval(), labels, digest
        self.training_data: dict[str, list[str]] | None = None

    @torch.inference_mode()
    def answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer]]:
        """See ``Model``."""
        for place, request in enumerate(requests):
            try:
                picture = small_picture(request.sample.media[0])
            except FaceLLMError as error:
                yield place, Answer(OPTIONS, failure=UNREADABLE, detail=str(error))
                continue
            logits = self._net(tensor_of([picture]))[0].log_softmax(-1)
            order = [self._labels.index(option) for option in request.sample.options]
            yield place, Answer(OPTIONS, logprobs=tuple(logits[order].tolist()))


def small_picture(medium: Media) -> NDArray[np.uint8]:
    """(S, S) grey of a medium's first picture, its middle square."""
    picture = medium.frames(1)[0]
    side = min(picture.shape[:2])
    top, left = (picture.shape[0] - side) // 2, (picture.shape[1] - side) // 2
    square = np.ascontiguousarray(picture[top : top + side, left : left + side])
    small = cv2.resize(square, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)


def tensor_of(pictures: Sequence[NDArray[np.uint8]]) -> Tensor:
    """(N, 1, S, S) float32, each with its own mean 0 and spread 1."""
    stack = torch.from_numpy(np.stack(pictures)).float()[:, None]
    mean, spread = stack.mean((1, 2, 3), keepdim=True), stack.std((1, 2, 3), keepdim=True)
    return (stack - mean) / (spread + 8)


def shares_of(sample: Sample) -> NDArray[np.float32] | None:
    """(K,) what a sample teaches: shares of votes, or its label; None where it has neither."""
    votes = sample.target.get("votes") if isinstance(sample.target, dict) else None
    if votes and sum(votes.values()):
        counts = np.array([votes[option] for option in sample.options], np.float32)
        return counts / counts.sum()
    label = label_of(sample.target)
    if label not in sample.options:
        return None
    return np.array([option == label for option in sample.options], np.float32)


def floor_rows(
    task: Task, path: Path, samples: Sequence[Sample], folder: Path
) -> tuple[Row, ...] | None:
    """The floor's rows on the samples of a run; None where the set has nothing to train on.

    Args:
        task: With ``floor``.
        path: Its data.
        samples: Of the run.
        folder: Where trained networks are kept.
    """
    try:
        lessons = gather(task, path, TRAIN, MOST_ROWS).samples
    except FaceLLMError:  # a benchmark without a train split
        return None
    pairs = [(sample, shares_of(sample)) for sample in lessons]
    taught = [(sample, shares) for sample, shares in pairs if shares is not None]
    if not taught:
        return None
    model = trained(task, taught, folder)
    requests = [request_of(task, sample, OPTIONS) for sample in samples]
    answers = dict(model.answers(requests))
    return tuple(
        Row.of(sample, answers[place], task.score(sample, answers[place]))
        for place, sample in enumerate(samples)
    )


def trained(
    task: Task, taught: Sequence[tuple[Sample, NDArray[np.float32]]], folder: Path
) -> FloorModel:
    """The network of a task, trained or taken from the folder."""
    from safetensors.torch import load_file, save_file

    labels = taught[0][0].options
    ids = [[sample.id, shares.tolist()] for sample, shares in taught]
    told: dict[str, Any] = {"version": [FLOOR_VERSION, task.version], "rows": ids}
    digest = request_key(task.name, told | {"labels": labels})
    file = folder / f"{task.name}-{digest[:16]}.safetensors"
    net = SmallNet(len(labels))
    if file.is_file():
        net.load_state_dict(load_file(file))
        return FloorModel(net, labels, digest)
    pictures = tensor_of([small_picture(sample.media[0]) for sample, _ in taught])
    net = fitted(pictures, torch.from_numpy(np.stack([shares for _, shares in taught])))
    folder.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    save_file(net.state_dict(), part)
    part.replace(file)
    return FloorModel(net, labels, digest)


def fitted(pictures: Tensor, shares: Tensor) -> SmallNet:
    """Train on (N, 1, S, S) pictures and (N, K) shares; the same every time on one machine."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = SmallNet(shares.shape[1]).train()
        steps = EPOCHS * -(-len(pictures) // BATCH)
        optimiser = torch.optim.AdamW(net.parameters(), RATE, weight_decay=1e-3)
        course = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
        for _ in range(EPOCHS):
            for rows in torch.randperm(len(pictures)).split(BATCH):
                batch = pictures[rows]
                mirrored = torch.rand(len(rows)) < 0.5
                batch = torch.where(mirrored[:, None, None, None], batch.flip(3), batch)
                loss = -(net(batch).log_softmax(-1) * shares[rows]).sum(-1).mean()
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                course.step()
    return net
