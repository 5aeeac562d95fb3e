"""Packed rows, padded rows, ``transformers.Trainer``, cached features: in turns, in one run.

Every way trains the same parts of the same model on the same samples. A step of padded rows and of
``Trainer`` holds as many samples as the packed rows of a step hold on average, so steps are equally
long and all ways take as many.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from facellm.bench_lines import Line, missing, spread

from ..run_config import TrainRun
from .model_flops import Products, face_flops, language_flops
from .setting import Setting
from .turns import Steps, Turn, in_turns, ratio

PACKED, PADDED, TRAINER, CACHED = "packed", "padded", "transformers.Trainer", "cached"
PRODUCTS = "products"
NO_ACCELERATE = "accelerate is not installed: pip install 'facellm[train]'"


def batching_lines(setting: Setting, folder: Path) -> list[Line]:
    """Everything of the module docstring, and the share of the machine's matrix products.

    Args:
        setting: What to train.
        folder: For runs and features; created.
    """
    count = setting.sizes.steps
    with ExitStack() as opened:

        def steps(name: str, run: TrainRun) -> Steps:
            return opened.enter_context(closing(Steps(run, folder / name, count)))

        packed = steps(PACKED, setting.run())
        rows = setting.sizes.rows * samples_a_row(packed)
        batch = [f"schedule.{name}={rows}" for name in ("micro_batch", "global_batch")]
        padded = setting.run("data.batching=padded", *batch)
        features = json.dumps(str(folder / "features"))
        ways: dict[str, Callable[[], Any]] = {
            PACKED: packed.take,
            PADDED: steps(PADDED, padded).take,
            CACHED: steps(CACHED, setting.run(f"data.features={features}")).take,
            PRODUCTS: products_of(packed).rate,
        }
        why_not = add_trainer(ways, padded, folder, count)
        found = in_turns(ways, setting.sizes.runs)
        rates = found.pop(PRODUCTS)
        return [*rate_lines(found, why_not), *share_lines(found, rates, packed)]


def samples_a_row(packed: Steps) -> int:
    """Samples of a packed row, on average."""
    stream = packed.streams[0]
    return max(1, round(len(stream.numbers) / len(stream.order)))


def add_trainer(ways: dict[str, Any], run: TrainRun, folder: Path, steps: int) -> str:
    """Add ``Trainer`` to the ways; why not, where it cannot be had."""
    from importlib.util import find_spec

    if find_spec("accelerate") is None:
        return NO_ACCELERATE
    from .hf_trainer import PlainTrainer

    trainer = PlainTrainer(run, folder / "trainer", steps, run.schedule.micro_batch)
    ways[TRAINER] = trainer.take
    return ""


def rate_lines(found: dict[str, list[Turn]], why_not: str) -> Iterator[Line]:
    """Tokens a second, padding, and what is over what.

    Args:
        found: Way -> its turns.
        why_not: Why ``Trainer`` is not among them; empty where it is.
    """
    rates = {name: [turn.rate for turn in turns] for name, turns in found.items()}
    for name in (PACKED, PADDED, TRAINER):
        if name in found:
            yield spread(f"{name}: real tokens", rates[name], "/s")
            padding = [1 - turn.work.tokens / turn.places for turn in found[name]]
            yield spread(f"{name}: share of padding", [100 * share for share in padding], "%")
    yield ratio("real tokens/s: packed over padded", rates[PACKED], rates[PADDED])
    if why_not:
        yield missing(TRAINER, why_not)
    else:
        yield ratio(f"real tokens/s: packed over {TRAINER}", rates[PACKED], rates[TRAINER])
        yield ratio(f"real tokens/s: padded over {TRAINER}", rates[PADDED], rates[TRAINER])
    steps = {name: [t.steps / t.seconds for t in found[name]] for name in (PACKED, CACHED)}
    yield spread("steps, features computed", steps[PACKED], "/s")
    yield spread("steps, features cached", steps[CACHED], "/s")
    yield ratio("steps/s: features cached over computed", steps[CACHED], steps[PACKED])


def share_lines(found: dict[str, list[Turn]], rates: list[float], packed: Steps) -> Iterator[Line]:
    """Measured rate of the products, and which share of it the ways of training reach.

    Args:
        found: Way -> its turns.
        rates: Of the products, operations a second, a turn each.
        packed: Whose model it is.
    """
    model, run = packed.training.setting.model, packed.training.run
    face = face_flops(model)
    yield spread("matrix products of a layer", [rate / 1e9 for rate in rates], "GFLOP/s")
    for name in (PACKED, PADDED, TRAINER):
        done = [
            language_flops(model.config.text_config, run, turn.work) + face * turn.work.faces
            for turn in found.get(name, [])
        ]
        if done:
            shares = [
                100 * flops / turn.seconds / rate
                for flops, turn, rate in zip(done, found[name], rates, strict=True)
            ]
            yield spread(f"{name}: share of the products' rate", shares, "%")
            if name == PACKED:
                tokens = [f / t.work.tokens / 1e6 for f, t in zip(done, found[name], strict=True)]
                yield spread("model operations a real token, faces included", tokens, "MFLOP")


def products_of(packed: Steps) -> Products:
    """Matrix products of the shapes that a step of packed rows takes."""
    training = packed.training
    return Products(training.setting.model.config.text_config, training.run, training.ranks.device)
