"""The model of a run, and which of its parts learn.

``build_model`` makes the model, ``prepare_parts`` freezes, quantises, adapts and thaws it, in that
order, and hands back what the optimizer takes::

    model, processor = build_model(run)
    groups = prepare_parts(model, run)
    # [{"params": [...], "peak": 2e-5, "weight_decay": 0.0, "part": "multi_modal_projector"}, ...]

What is trained is float32; what is frozen has the config's ``dtype``, and stays in evaluation mode
(``Trainee.train``), running statistics of norms included.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from facellm.adapter_file import ADAPTER
from facellm.errors import FaceLLMError
from facellm.labels import reserved_tokens
from facellm.model import FaceLLMForConditionalGeneration

from .adapters import inject_lora, load_adapter, remember_base
from .loop.ds_config import zero_stage
from .quantised import quantise_language
from .run_config import TrainRun

MODULES = ("vision_tower", "region_attention", "multi_modal_projector", "language_model")
PARTS = (*MODULES, "embeddings", "lora")
# Stage -> parts it has to train, and parts it may train too. ``task`` is free.
STAGES: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "encoder": (frozenset({"vision_tower"}), frozenset({"region_attention"})),
    "base": (
        frozenset({"multi_modal_projector", "language_model"}),
        frozenset({"embeddings", "region_attention"}),
    ),
    "region": (frozenset({"region_attention"}), frozenset()),
    "instruct": (
        frozenset({"multi_modal_projector", "lora"}),
        frozenset({"embeddings", "region_attention"}),
    ),
    "task": (frozenset(), frozenset(PARTS)),
}


def check_stage(run: TrainRun) -> None:
    """Refuse a run whose sections contradict each other.

    Raises:
        FaceLLMError: If the stage does not train what the rates say, or a store, dtype or engine
            excludes another; the message names both.
    """
    needs, may = STAGES[run.stage]
    rates = {part: getattr(run.rates, part) for part in PARTS}
    for part, rate in rates.items():
        if part in needs and not rate:
            raise FaceLLMError(f"stage {run.stage} trains {part}, but rates.{part} is 0")
        if rate and part not in needs | may:
            raise FaceLLMError(f"stage {run.stage} keeps {part} frozen, but rates.{part} is {rate}")
    if run.model.dtype != "float32" and run.schedule.precision == "fp32":
        raise FaceLLMError(
            f"model.dtype is {run.model.dtype} and schedule.precision fp32: frozen weights in 16 "
            "bits beside trained ones in 32 need precision bf16"
        )
    _check_zero(run)
    if run.rates.language_model and run.rates.lora:
        raise FaceLLMError(
            f"rates.language_model is {run.rates.language_model} and rates.lora {run.rates.lora}: "
            "an adapter belongs to a base that stays as it is; set one of them to 0"
        )
    if run.model.adapter == "continue" and not run.lora.rank:
        raise FaceLLMError("model.adapter is continue and lora.rank 0: set the adapter's rank")


def _check_zero(run: TrainRun) -> None:
    """What cannot be trained in ZeRO's third stage."""
    if zero_stage(run) != 3:
        return
    if run.lora.quantise != "none":
        raise FaceLLMError(
            f"lora.quantise is {run.lora.quantise} and engine.zero 3: ZeRO-3 cannot cut up "
            "quantised weights; use zero 2, which holds the small base on every GPU"
        )
    if run.losses.au_attention:
        raise FaceLLMError(
            f"losses.au_attention is {run.losses.au_attention} and engine.zero 3: a rank whose "
            "faces show no unit would not gather FRGCA's weights, and the others would wait for "
            "it; use zero 2"
        )


def part_parameters(model: FaceLLMForConditionalGeneration) -> dict[str, dict[str, nn.Parameter]]:
    """Parameters by part and name; each once, tied tables under the name that comes first."""
    tables = {id(table) for table in token_tables(model)}
    found: dict[str, dict[str, nn.Parameter]] = {part: {} for part in PARTS}
    for name, parameter in model.named_parameters():
        part = name.split(".", 1)[0]
        if ".lora_" in name:
            part = "lora"
        elif id(parameter) in tables:
            part = "embeddings"
        if part not in found:
            raise FaceLLMError(f"parameter {name} belongs to no part of the model")
        found[part][name] = parameter
    return found


def token_tables(model: FaceLLMForConditionalGeneration) -> list[nn.Parameter]:
    """The input table, and the output table where it is another."""
    first, last = (
        cast(nn.Parameter, module.weight)
        for module in (model.get_input_embeddings(), model.get_output_embeddings())
    )
    return [first] if last is first else [first, last]


def count_parameters(model: FaceLLMForConditionalGeneration) -> dict[str, int]:
    """Parameters of each part; a quantised weight counts as what it stands for."""
    return {
        part: sum(_size(parameter) for parameter in named.values())
        for part, named in part_parameters(model).items()
    }


def _size(parameter: Tensor) -> int:
    state = getattr(parameter, "quant_state", None)
    return int(torch.Size(state.shape).numel()) if state is not None else parameter.numel()


def prepare_parts(model: FaceLLMForConditionalGeneration, run: TrainRun) -> list[dict[str, Any]]:
    """Freeze, quantise, adapt and thaw the model, in place.

    Args:
        model: From ``build_model``.
        run: Its rates say what learns.

    Returns:
        Groups for AdamW: ``params``, ``peak`` (learning rate), ``weight_decay`` (of matrices; 0 for
        vectors, and for token tables of which only the reserved rows learn) and ``part``.

    Raises:
        FaceLLMError: If the run contradicts itself, or names a part the model does not have.
    """
    check_stage(run)
    torch.manual_seed(run.schedule.seed)  # of the adapters' first halves
    model.requires_grad_(False)
    _set_dtypes(model, run)
    if run.lora.rank:
        remember_base(model)
        if run.lora.quantise != "none":
            compute = torch.bfloat16 if run.schedule.precision == "bf16" else torch.float32
            quantise_language(model, run.lora, compute)
        inject_lora(model, run.lora)
        if run.model.adapter == "continue":
            start = Path(str(model.config.name_or_path))
            load_adapter(model, start / ADAPTER, str(start))
    groups = []
    for part, named in part_parameters(model).items():
        rate = getattr(run.rates, part)
        if rate and not named:
            raise FaceLLMError(f"rates.{part} is {rate}, but the model has no parameters of it")
        if rate:
            groups += _groups(part, list(named.values()), run)
    if run.rates.embeddings and not run.rates.language_model:
        for table in token_tables(model):
            _keep_old_rows(table, model.config.image_token_id)
    return groups


def _set_dtypes(model: FaceLLMForConditionalGeneration, run: TrainRun) -> None:
    frozen = getattr(torch, run.model.dtype)
    tables = {id(table) for table in token_tables(model)}
    for name in MODULES:
        module = getattr(model, name)
        dtype = torch.float32 if getattr(run.rates, name) else frozen
        if name != "language_model":
            module.to(dtype)  # with the norms' statistics
            continue
        for parameter in module.parameters():  # rotary frequencies stay float32
            learns = run.rates.embeddings if id(parameter) in tables else run.rates.language_model
            parameter.data = parameter.data.to(torch.float32 if learns else frozen)


def _groups(part: str, parameters: list[nn.Parameter], run: TrainRun) -> list[dict[str, Any]]:
    """One group of matrices and one of vectors."""
    decay = run.schedule.weight_decay
    if part == "embeddings" and not run.rates.language_model:
        decay = 0.0  # it would shrink the old rows
    for parameter in parameters:
        parameter.requires_grad_(True)
        parameter.data = parameter.data.float()
    matrices = [p for p in parameters if p.ndim > 1]
    vectors = [p for p in parameters if p.ndim <= 1]
    rate = getattr(run.rates, part)
    return [
        {"params": params, "peak": rate, "weight_decay": held, "part": part}
        for params, held in ((matrices, decay), (vectors, 0.0))
        if params
    ]


def _keep_old_rows(table: nn.Parameter, first: int) -> None:
    """Let only the reserved tokens' rows of a table learn, ``first`` on."""
    last = first + len(reserved_tokens())

    def mask(gradient: Tensor) -> Tensor:
        kept = torch.zeros_like(gradient)
        kept[first:last] = gradient[first:last]
        return kept

    table.register_hook(mask)
