"""Batches of a run: step in, this rank's micro batches out, the same whenever it is asked.

Example::

    stream = BatchStream(run, processor)
    for step in range(start, steps):
        for batch in stream.micro_batches(step):
            ...
    stream.close()
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from facellm.conversation import FacePart
from facellm.errors import FaceLLMError
from facellm.label_targets import mirrored
from facellm.processor import FaceLLMProcessor

from ..run_config import TrainRun
from ..sample import TrainBatch, TrainingSample
from .batches import text_batch
from .corpus_samples import CorpusSamples
from .feature_cache import FeatureCache, check_frozen
from .order import Row, RowOrder
from .pictures import Pictures, Wanted
from .seeing import STILL, Jitter

ZOOM, SHIFT = (0.94, 1.08), 0.04  # of the crop's side; the product's own detector varies as much
MIRRORED = 0.5
BEYOND_ROWS = "beyond keep.valid_rows"


class BatchStream:
    """See the module docstring.

    A stream of another split than ``train`` takes ``keep.valid_rows`` samples, spread evenly, and
    changes nothing on them: no jitter, no withheld landmarks. Its last step is filled up with the
    first rows of the next epoch, as in training, since all ranks make equally many passes.

    Args:
        run: What to train on, and how much at once.
        processor: The product's.
        rank: Of this process.
        world: Number of processes.
        split: ``train``, ``valid`` or ``test``.
        features: Cached features of the frozen tower (``feature_cache``), instead of pixels.

    Raises:
        FaceLLMError: If the global batch cannot be shared out, or the data cannot be used.
    """

    def __init__(
        self,
        run: TrainRun,
        processor: FaceLLMProcessor,
        *,
        rank: int = 0,
        world: int = 1,
        split: str = "train",
        features: FeatureCache | None = None,
    ) -> None:
        check_frozen(run)
        if bool(run.data.features) != (features is not None):
            raise ValueError(f"data.features is {run.data.features!r} and features is {features}")
        size = run.schedule.micro_batch * world
        if run.schedule.global_batch % size:
            raise FaceLLMError(
                f"global_batch {run.schedule.global_batch} is no multiple of micro_batch "
                f"{run.schedule.micro_batch} times {world} processes"
            )
        self.run, self.processor, self.training = run, processor, split == "train"
        self.rank, self.world, self.features = rank, world, features
        self.samples = CorpusSamples(run, processor, split)
        self.left_out: dict[str, int] = dict(self.samples.left_out)
        self.numbers = self._chosen()
        self.order = RowOrder(
            self.samples.lengths[self.numbers],
            run.data.batching,
            run.data.max_tokens,
            run.schedule.micro_batch,
            run.schedule.seed,
        )
        self.pictures = Pictures(run.data, processor.crop_size)
        if features is not None:
            features.fill(self._faces(), self.pictures)
        self._ahead = ThreadPoolExecutor(1) if run.data.workers else None
        self._next: tuple[int, Future[list[TrainBatch]]] | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps that see every sample at least once."""
        return -(-len(self.order) // self.run.schedule.global_batch)

    def micro_batches(self, step: int) -> list[TrainBatch]:
        """This rank's micro batches of optimizer step ``step``, from 0."""
        if self._ahead is None:
            return self._batches(step)
        ready = self._next
        if ready is not None and ready[0] != step:
            ready[1].cancel()
            ready = None
        future = ready[1] if ready else self._ahead.submit(self._batches, step)
        batches = future.result()
        self._next = step + 1, self._ahead.submit(self._batches, step + 1)
        return batches

    def close(self) -> None:
        """End what runs in the background."""
        if self._ahead is not None:
            self._ahead.shutdown(wait=True, cancel_futures=True)
        self.pictures.close()

    def _chosen(self) -> NDArray[np.int64]:
        """Numbers of the samples: all in training, else ``keep.valid_rows`` spread evenly."""
        count, most = len(self.samples), self.run.keep.valid_rows
        if self.training or count <= most:
            return np.arange(count)
        self.left_out[BEYOND_ROWS] = count - most
        return np.arange(most) * count // most

    def _faces(self) -> Iterator[tuple[str, Wanted]]:
        if len(self.numbers) == len(self.samples):
            yield from self.samples.faces()
            return
        for number in self.numbers.tolist():
            sample = self.samples.sample(number)
            for image in sample.images:
                yield self.samples.face_key(image), Wanted(sample.id, image)

    def _batches(self, step: int) -> list[TrainBatch]:
        schedule = self.run.schedule
        micro, first = schedule.micro_batch, step * schedule.global_batch
        count = schedule.global_batch // (micro * self.world)
        starts = [first + (m * self.world + self.rank) * micro for m in range(count)]
        return [self._batch([self.order.row(s + i) for i in range(micro)]) for s in starts]

    def _batch(self, rows: Sequence[Row]) -> TrainBatch:
        drawn = [[self._drawn(number, row.epoch) for number in row.samples] for row in rows]
        batch = text_batch(
            [[sample for sample, _, _ in row] for row in drawn],
            self.processor.tokenizer.pad_token_id,
        )
        wanted = [
            (Wanted(sample.id, image, jitter), hidden)
            for row in drawn
            for sample, jitter, hidden in row
            for image in sample.images
        ]
        if wanted:
            self._show(batch, [want for want, _ in wanted], [hidden for _, hidden in wanted])
        return batch

    def _drawn(self, number: int, epoch: int) -> tuple[TrainingSample, Jitter, bool]:
        """A sample as this epoch shows it: how it is looked at, and whether without landmarks."""
        sample = self.samples.sample(int(self.numbers[number]))
        if not self.training:
            return sample, STILL, False
        rng = np.random.default_rng((self.run.schedule.seed, epoch, number))
        hidden = bool(rng.random() < self.run.data.landmarks_dropped)
        if not self.run.data.augment or self.features is not None:
            return sample, STILL, hidden
        zoom, x, y = rng.uniform(*ZOOM), *rng.uniform(-SHIFT, SHIFT, 2)
        # Only a reading stays true in a mirror: answers say left and right.
        mirror = bool(sample.readouts) and bool(rng.random() < MIRRORED)
        if mirror:
            sample = replace(sample, readouts=mirrored(sample.readouts))
        return sample, Jitter(float(zoom), (float(x), float(y)), mirror), hidden

    def _show(self, batch: TrainBatch, wanted: list[Wanted], hidden: list[bool]) -> None:
        """Put pixels or features, and landmarks into a batch."""
        if self.features is not None:
            keys = [self.samples.face_key(want.image) for want in wanted]
            batch.features, batch.landmarks = self.features.get(keys)
        else:
            seen = self.pictures.crops(wanted)
            shown = self.processor.images([FacePart(crop, points) for crop, points in seen])
            batch.pixel_values, batch.landmarks = shown["pixel_values"], shown["landmarks"]
        batch.landmarks[torch.tensor(hidden)] = torch.nan
