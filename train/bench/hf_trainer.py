"""``transformers.Trainer`` on the same model and samples, with the collator it is used with.

Samples come one by one, are shuffled by its sampler and padded to the longest of a batch by
``DataCollatorForSeq2Seq``; the model's own forward pass gives the loss. Nothing of it is ours but
where the pictures come from.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset
from transformers import DataCollatorForSeq2Seq, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from facellm.conversation import FacePart
from facellm.processor import FaceLLMProcessor

from ..build_model import build_model
from ..data.corpus_samples import CorpusSamples
from ..data.pictures import Pictures, Wanted
from ..parts import prepare_parts
from ..run_config import TrainRun
from ..sample import TrainingSample
from .model_flops import work_of
from .turns import Turn

FACES, SAMPLE = ("pixel_values", "landmarks"), "sample"


class SampleDataset(Dataset[dict[str, Any]]):
    """Samples of a run as ``Trainer`` takes them.

    Args:
        run: The run.
        processor: The product's.
    """

    def __init__(self, run: TrainRun, processor: FaceLLMProcessor) -> None:
        self.processor = processor
        self.samples = CorpusSamples(run, processor)
        self.pictures = Pictures(run.data, processor.crop_size)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        sample = self.samples.sample(index)
        item: dict[str, Any] = {
            "input_ids": sample.input_ids,
            "attention_mask": [1] * len(sample),
            "labels": sample.labels,
            SAMPLE: sample,
        }
        if sample.images:
            seen = self.pictures.crops([Wanted(sample.id, image) for image in sample.images])
            shown = self.processor.images([FacePart(crop, points) for crop, points in seen])
            item |= {name: shown[name] for name in FACES}
        return item


class Collator:
    """The library's padding of texts; pictures are put one behind the other.

    Args:
        processor: The product's.
    """

    def __init__(self, processor: FaceLLMProcessor) -> None:
        processor.tokenizer.padding_side = "right"
        self.pad = DataCollatorForSeq2Seq(processor.tokenizer)
        self.batches: list[tuple[list[TrainingSample], int]] = []  # samples and places of each

    def __call__(self, items: list[dict[str, Any]]) -> dict[str, Tensor]:
        """Items of ``SampleDataset`` -> arguments of the model."""
        text = [{k: v for k, v in item.items() if k not in (*FACES, SAMPLE)} for item in items]
        batch = dict(self.pad(text))
        self.batches.append(([item[SAMPLE] for item in items], batch["input_ids"].numel()))
        for name in FACES:
            held = [item[name] for item in items if name in item]
            if held:
                batch[name] = torch.cat(held)
        return batch


class Clock(TrainerCallback):
    """When each step ended."""

    def __init__(self) -> None:
        self.marks: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """A step is taken."""
        self.marks.append(time.perf_counter())


class PlainTrainer:
    """Some steps a turn; see the module docstring.

    ``Trainer`` fetches a batch ahead. So a turn takes a step more, and counts from the end of the
    first one to the end of the last: as many batches are fetched in that time as are learned from.

    Args:
        run: Its model, rates and samples.
        out: Folder that ``Trainer`` wants; nothing is saved.
        count: Steps of a turn that are counted.
        batch: Samples of a step.
    """

    def __init__(self, run: TrainRun, out: Path, count: int, batch: int) -> None:
        model, processor = build_model(run)
        prepare_parts(model, run)
        self.count, self.clock, self.collator = count, Clock(), Collator(processor)
        self.trainer = Trainer(
            model=model,
            args=_arguments(run, out, count + 1, batch),
            train_dataset=SampleDataset(run, processor),
            data_collator=self.collator,
            callbacks=[self.clock],
        )
        self.trainer.remove_callback(PrinterCallback)

    def take(self) -> Turn:
        """The next turn."""
        self.collator.batches.clear()
        self.clock.marks.clear()
        self.trainer.train()
        learned = self.collator.batches[1 : self.count + 1]
        work = work_of(sample for samples, _ in learned for sample in samples)
        seconds = self.clock.marks[-1] - self.clock.marks[0]
        return Turn(seconds, sum(places for _, places in learned), self.count, work)


def _arguments(run: TrainRun, out: Path, count: int, batch: int) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(out),
        per_device_train_batch_size=batch,
        max_steps=count,
        learning_rate=max(vars(run.rates).values()),
        lr_scheduler_type="constant",
        adam_beta2=run.schedule.beta2,
        max_grad_norm=run.schedule.clip,
        bf16=run.schedule.precision == "bf16",
        use_cpu=not torch.cuda.is_available(),
        dataloader_num_workers=0,
        dataloader_pin_memory=torch.cuda.is_available(),
        remove_unused_columns=False,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        seed=run.schedule.seed,
    )
