"""Tokens a second and model FLOPs utilisation on a graphics card, at published shapes.

Shapes of a 0.5B and a 7B (``configs/shapes``) with random weights, one process, packed rows without
padding, the presets' rates, adapters and recomputed layers; the 7B also stored as nf4. Utilisation
is held against the matrix products of the same shapes, measured in the same run.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import torch

from facellm.bench_lines import Line, missing, spread
from facellm.config import FaceLLMConfig
from facellm.model import FaceLLMForConditionalGeneration

from ..loop.single import SingleEngine
from ..objectives.answer import AnswerLoss
from ..parts import prepare_parts
from ..run_config import TrainRun, load_run
from ..sample import Setting as TraineeSetting
from ..sample import TrainBatch
from ..shapes import joined_config
from ..train_command import CONFIGS
from ..trainee import Trainee
from .made_batch import made_batch
from .model_flops import Products, Work, face_flops, language_flops
from .setting import Sizes

# Name -> preset, and what is changed.
SHAPES = {
    "0.5B shape, LoRA": ("clip-l_qwen-0.5b", ()),
    "7B shape, LoRA": ("clip-l_vicuna-7b", ("engine={kind: single}",)),
    "7B shape, QLoRA (nf4)": (
        "clip-l_vicuna-7b",
        ("engine={kind: single}", "lora.quantise=nf4"),
    ),
}
FITTING = ("schedule.micro_batch=4", "schedule.global_batch=4")  # a 7B and its activations in 80 GB
MEGA, GIGA = 1e6, 1e9


def gpu_lines(sizes: Sizes) -> list[Line]:
    """Lines of every shape; a line that says why not where there is no card."""
    if not torch.cuda.is_available():
        return [missing(name, "skipped: no GPU") for name in SHAPES]
    lines: list[Line] = []
    for name, (preset, changes) in SHAPES.items():
        run = load_run(CONFIGS / f"{preset}.yaml", [*FITTING, *changes])
        lines += shape_lines(name, joined_config(run), run, (sizes.runs, torch.device("cuda")))
        torch.cuda.empty_cache()
    return lines


def shape_lines(
    name: str, config: FaceLLMConfig, run: TrainRun, where: tuple[int, torch.device]
) -> list[Line]:
    """Tokens a second, operations, utilisation and memory of one shape.

    Args:
        name: Of the lines.
        config: The shape.
        run: What learns, and the batch.
        where: Runs, and the device.
    """
    runs, device = where
    engine, work, batch = prepared(config, run, device)
    products = Products(config.text_config, run, device)
    face = face_flops(engine.trainee.model)
    flops = language_flops(config.text_config, run, work) + face * work.faces
    seconds, rates = [], []
    for _ in range(runs + 1):
        seconds.append(_step_seconds(engine, batch))
        rates.append(products.rate())
    done = [flops / taken for taken in seconds[1:]]
    return list(_lines(name, work, seconds[1:], (done, rates[1:]))) + _memory(name, device)


def prepared(
    config: FaceLLMConfig, run: TrainRun, device: torch.device
) -> tuple[SingleEngine, Work, TrainBatch]:
    """A model of random weights under its losses, and one full batch."""
    kind: Any = FaceLLMForConditionalGeneration
    with torch.device(device):
        model = kind._from_config(config, dtype=getattr(torch, run.model.dtype))
    groups = prepare_parts(model, run)
    if run.schedule.recompute:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    # The words of a published base are not known here, and none counts more than another.
    last = {"": config.text_config.vocab_size - 1}
    wordless: Any = SimpleNamespace(tokenizer=SimpleNamespace(get_vocab=lambda: last))
    loss = AnswerLoss(TraineeSetting(model, wordless, run))
    engine = SingleEngine(Trainee(model, [(loss, 1.0)]), groups, run, device)
    engine.train(True)
    rows, length = run.schedule.micro_batch, run.data.max_tokens
    batch = made_batch(model, rows, length)
    learned = int((batch.labels[:, 1:] >= 0).sum())
    return engine, Work((length,) * rows, learned, rows), batch


def _step_seconds(engine: SingleEngine, batch: TrainBatch) -> float:
    """Seconds of one optimizer step; reading its norm waits for the card."""
    start = time.perf_counter()
    engine.backward(engine.forward(batch)["total"])
    engine.step(1.0)
    return time.perf_counter() - start


def _lines(
    name: str, work: Work, seconds: list[float], rates: tuple[list[float], list[float]]
) -> Iterator[Line]:
    done, products = rates
    yield spread(f"{name}: tokens", [work.tokens / taken for taken in seconds], "/s")
    yield spread(f"{name}: model operations", [rate / GIGA for rate in done], "GFLOP/s")
    yield spread(f"{name}: matrix products", [rate / GIGA for rate in products], "GFLOP/s")
    used = [100 * mine / full for mine, full in zip(done, products, strict=True)]
    yield spread(f"{name}: utilisation", used, "%")


def _memory(name: str, device: torch.device) -> list[Line]:
    if device.type != "cuda":
        return []
    peak = torch.cuda.max_memory_allocated(device) / MEGA
    torch.cuda.reset_peak_memory_stats(device)
    return [Line(f"{name}: peak memory", peak, "MB", None, 1)]
