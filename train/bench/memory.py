"""Memory of training steps on a base in bf16 and in nf4, each in a process of its own.

The base is the shipped model with a wider and deeper language model and random weights, under
adapters. On the way to nf4 the weights lie in memory in 16 bits once, so the peak of the whole
process says little; the kernel's mark is set back before every step, and read after it.

A process: ``python -m facellm.train.bench.memory '{"store": "nf4", "width": 1024, ...}'``.
"""

from __future__ import annotations

import gc
import json
import os
import re
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from facellm.bench_lines import Line, missing, spread
from facellm.checkpoint import SHIPPED, load_processor
from facellm.config import FaceLLMConfig
from facellm.errors import FaceLLMError
from facellm.model import FaceLLMForConditionalGeneration
from facellm.processor import FaceLLMProcessor

from ..loop.single import SingleEngine
from ..objectives import objectives_of
from ..parts import prepare_parts
from ..quantised import PACKAGES, stored_bytes
from ..run_config import TrainRun
from ..run_sections import DataConfig, LoraSettings, ModelConfig, RatesConfig, ScheduleConfig
from ..sample import Setting as TraineeSetting
from ..train_command import quiet_transformers
from ..trainee import Trainee
from .made_batch import made_batch
from .setting import Sizes

STORES = {"none": "bf16", "nf4": "nf4"}
MARK = Path("/proc/self/clear_refs")  # 5 sets the peak back (proc(5))
HEAD, RANK, ROWS, LENGTH = 64, 16, 2, 128  # of attention, of adapters, rows and tokens of a batch
MB = 1e6


def memory_lines(sizes: Sizes) -> list[Line]:
    """Peak of a step and stored language model with both stores; a line that says why not."""
    what = "peak memory of a step, bf16 and nf4"
    if not MARK.exists():
        return [missing(what, f"no {MARK}: measured on Linux only")]
    if find_spec("bitsandbytes") is None:
        return [missing(what, PACKAGES)]
    found = {name: measured(store, sizes) for store, name in STORES.items()}
    lines = []
    for name, each in found.items():
        lines.append(Line(f"language model stored as {name}", each["stored"], "MB", None, 1))
        lines.append(spread(f"{name}: peak memory of a step, whole process", each["peaks"], "MB"))
        own = [peak - each["before"] for peak in each["peaks"]]
        lines.append(spread(f"{name}: the same without what imports take", own, "MB"))
    bf16, nf4 = (found[name] for name in STORES.values())
    below = [peak - nf4["before"] for peak in nf4["peaks"]]
    above = [peak - bf16["before"] for peak in bf16["peaks"]]
    quotients = [a / b for a, b in zip(above, below, strict=True)]
    return [*lines, spread("peak memory of a step without imports: bf16 over nf4", quotients, "x")]


def measured(store: str, sizes: Sizes) -> dict[str, Any]:
    """What a process of its own found: ``before``, ``peaks`` and ``stored``, MB.

    Raises:
        FaceLLMError: If it fails; holds what it said last.
    """
    job = {"store": store, "width": sizes.width, "layers": sizes.layers, "runs": sizes.runs}
    command = [sys.executable, "-m", __spec__.name, json.dumps(job)]
    hidden = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, env=hidden, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise FaceLLMError(f"memory with {store}: {said[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


def new_run(store: str) -> TrainRun:
    """Adapters on a frozen base in 16 bits, stored so or in 4."""
    return TrainRun(
        "instruct",
        ModelConfig(start="shipped", dtype="bfloat16"),
        DataConfig(("made",)),
        RatesConfig(multi_modal_projector=1e-4, lora=1e-4),
        lora=LoraSettings(rank=RANK, quantise=store),  # type: ignore[arg-type]
        schedule=ScheduleConfig(micro_batch=ROWS, global_batch=ROWS, precision="bf16"),
    )


def wide_model(width: int, layers: int) -> tuple[FaceLLMForConditionalGeneration, FaceLLMProcessor]:
    """The shipped model with another language model, random weights in 16 bits.

    Args:
        width: Of the language model, a multiple of 64.
        layers: Of it.
    """
    config: Any = FaceLLMConfig.from_pretrained(SHIPPED)
    sizes = {"hidden_size": width, "intermediate_size": 3 * width, "num_hidden_layers": layers}
    heads = {"num_attention_heads": width // HEAD, "num_key_value_heads": width // HEAD}
    for name, value in {**sizes, **heads, "head_dim": HEAD}.items():
        setattr(config.text_config, name, value)
    model: Any = FaceLLMForConditionalGeneration
    return model._from_config(config, dtype=torch.bfloat16), load_processor(SHIPPED)


def child(job: dict[str, Any]) -> dict[str, Any]:
    """What this process needs for steps of a store."""
    for name in ("bitsandbytes", "peft"):  # of both stores, so that they differ in weights alone
        import_module(name)
    before = resident("VmRSS")
    run = new_run(job["store"])
    model, processor = wide_model(job["width"], job["layers"])
    groups = prepare_parts(model, run)
    trainee = Trainee(model, objectives_of(TraineeSetting(model, processor, run)))
    engine = SingleEngine(trainee, groups, run, torch.device("cpu"))
    engine.train(True)
    batch = made_batch(model, ROWS, LENGTH)
    peaks = []
    for _ in range(job["runs"] + 1):
        gc.collect()
        MARK.write_text("5")
        engine.backward(engine.forward(batch)["total"])
        engine.step(1.0)
        peaks.append(resident("VmHWM"))
    stored = stored_bytes(model.language_model) / MB
    return {"before": before, "peaks": peaks[1:], "stored": stored}


def resident(mark: str) -> float:
    """Resident memory of this process, MB: ``VmRSS`` now, ``VmHWM`` at most."""
    found = re.search(rf"^{mark}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None, f"the kernel tells no {mark}"
    return int(found[1]) * 1024 / MB


if __name__ == "__main__":
    torch.set_num_threads(1)
    quiet_transformers()
    print(json.dumps(child(json.loads(sys.argv[1]))))
