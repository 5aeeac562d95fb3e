"""DeepSpeed's JSON, derived from the run config by one pure function.

Example: a run with ``zero: 2``, ``micro_batch: 2``, ``global_batch: 8``, ``clip: 1`` on 2 ranks ->
``{"train_batch_size": 8, "train_micro_batch_size_per_gpu": 2, "gradient_accumulation_steps": 2,
"gradient_clipping": 1.0, "zero_optimization": {"stage": 2, ...}, ...}``

A JSON of one's own (``engine.config``; the usual ``zero2.json`` and ``zero3.json``) is taken as it
is, with every ``"auto"`` filled in from the run config. What the run config decides may stand in it
only as ``"auto"`` or with the same value. An ``optimizer`` section whose parameters are all
``"auto"`` means the run's own AdamW, a ``scheduler`` of that kind the run's own rates: both are
then taken out.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from facellm.errors import FaceLLMError

from ..run_config import TrainRun

AUTO = "auto"
Json = dict[str, Any]


def deepspeed_config(run: TrainRun, world: int, width: int, own: Json | None = None) -> Json:
    """The JSON of a run.

    Args:
        run: The run's config.
        world: Number of ranks.
        width: Of the language model; buckets of ZeRO-3 are measured by it.
        own: A JSON of one's own (``own_config``), with ``"auto"`` where the run decides.

    Raises:
        FaceLLMError: If ``own`` contradicts the run config, or an ``"auto"`` of it means nothing.
    """
    decided = _decided(run, world)
    if own is None:
        return decided | {"zero_optimization": _zero(run, width)}
    config = copy.deepcopy(own)
    _take_out_own_schedule(config)
    _agree(config, decided, run.engine.config)
    for name in ("fp16", "bf16", "amp"):
        _fill(config.get(name), {"enabled": name == "bf16" and run.schedule.precision == "bf16"})
    if (config.get("fp16") or {}).get("enabled"):
        raise FaceLLMError(f"{run.engine.config}: fp16 is on; a run knows fp32 and bf16")
    _fill(config.get("zero_optimization"), _buckets(width))
    _fill((config.get("optimizer") or {}).get("params"), _adam(run))
    _no_auto_left(config, run.engine.config)
    return decided | config


def own_config(path: Path) -> Json:
    """A DeepSpeed JSON of the user's own; ``FaceLLMError`` if it is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FaceLLMError(f"{path}: cannot be read as a DeepSpeed JSON ({error})") from error
    if not isinstance(found, dict):
        raise FaceLLMError(f"{path}: a DeepSpeed JSON is a mapping, not {type(found).__name__}")
    return found


def zero_stage(run: TrainRun) -> int:
    """The ZeRO stage a run is trained at, 0 without DeepSpeed; see ``own_config`` for errors."""
    if run.engine.kind != "deepspeed":
        return 0
    if not run.engine.config:
        return run.engine.zero
    return (own_config(Path(run.engine.config)).get("zero_optimization") or {}).get("stage", 0)


def _decided(run: TrainRun, world: int) -> Json:
    """What the run config decides, whoever writes the rest."""
    plan = run.schedule
    return {
        "train_batch_size": plan.global_batch,
        "train_micro_batch_size_per_gpu": plan.micro_batch,
        "gradient_accumulation_steps": plan.global_batch // (plan.micro_batch * world),
        "gradient_clipping": plan.clip,
        "bf16": {"enabled": plan.precision == "bf16"},
        # The optimizer is torch's AdamW, which DeepSpeed asks to be told about.
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "steps_per_print": 10**9,  # the run has a log of its own
        "wall_clock_breakdown": False,
    }


def _zero(run: TrainRun, width: int) -> Json:
    stage = run.engine.zero
    zero: Json = {"stage": stage, "contiguous_gradients": True, "overlap_comm": True}
    if run.engine.offload != "none" and stage:
        zero["offload_optimizer"] = {"device": "cpu", "pin_memory": True}
    if stage == 3:
        zero |= _buckets(width)
        if run.engine.offload == "all":
            zero["offload_param"] = {"device": "cpu", "pin_memory": True}
    return zero


def _buckets(width: int) -> Json:
    """Sizes that follow the width, as ``transformers`` fills them in."""
    return {
        "reduce_bucket_size": width * width,
        "stage3_prefetch_bucket_size": int(0.9 * width * width),
        "stage3_param_persistence_threshold": 10 * width,
    }


def _adam(run: TrainRun) -> Json:
    plan, rates = run.schedule, run.rates
    peak = max(vars(rates).values())
    betas = [0.9, plan.beta2]
    return {"lr": peak, "betas": betas, "eps": 1e-8, "weight_decay": plan.weight_decay}


def _fill(section: Any, values: Json) -> None:
    for name, value in values.items():
        if isinstance(section, dict) and section.get(name) == AUTO:
            section[name] = value


def _take_out_own_schedule(config: Json) -> None:
    """Drop sections that only say "as the run config says"."""
    for name in ("optimizer", "scheduler"):
        section = config.get(name)
        if isinstance(section, dict) and all(
            value == AUTO for value in (section.get("params") or {}).values()
        ):
            del config[name]


def _agree(config: Json, decided: Json, where: str) -> None:
    """Fill in what the run decides; refuse another value than its own."""
    given = {"optimizer": ("lr", "weight_decay"), "scheduler": ()}
    if "scheduler" in config:
        raise FaceLLMError(f"{where}: has a scheduler of its own; the rates are those of schedule")
    params = (config.get("optimizer") or {}).get("params") or {}
    for name in given["optimizer"]:
        if params.get(name, AUTO) != AUTO:
            raise FaceLLMError(
                f"{where}: optimizer.params.{name} is {params[name]!r}; write 'auto': "
                "the run config says it"
            )
    for name, value in decided.items():
        own = config.get(name, AUTO)
        if name == "bf16" and isinstance(own, dict):
            own = own.get("enabled", AUTO)
            value = value["enabled"]
        if name.startswith(("train_", "gradient_", "bf16")) and own not in (AUTO, value):
            raise FaceLLMError(f"{where}: {name} is {own!r}, the run config says {value!r}")
        if own == AUTO and name != "bf16":
            config[name] = value


def _no_auto_left(config: Json, where: str, name: str = "") -> None:
    for key, value in config.items():
        place = f"{name}.{key}" if name else key
        if isinstance(value, dict):
            _no_auto_left(value, where, place)
        elif value == AUTO:
            raise FaceLLMError(f"{where}: {place} is 'auto', and the run config says nothing of it")
