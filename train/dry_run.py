"""``facellm train CONFIG --dry-run``: parts, adapters, memory and tokens of a run, nothing trained.

The real modules are built without weights (``shapes``), so the numbers are those of the run. States
are a formula (``memory``), activations are counted on fake tensors (``activations``); neither is a
measurement.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from facellm.errors import FaceLLMError
from facellm.labels import QUERIES
from facellm.model import FaceLLMForConditionalGeneration

from .activations import LEARNED_TOKENS, activation_bytes
from .adapters import lora_targets
from .memory import SINGLE, States, state_bytes, states_of
from .parts import check_stage, count_parameters
from .run_config import TrainRun
from .shapes import meta_model

GPUS = (1, 2, 4, 8)
GIB = 1024**3
TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def report(run: TrainRun) -> str:
    """The report as text.

    Raises:
        FaceLLMError: If the run contradicts itself, a base's shape is not known, or a map that
            adapters are for is missing from a layer.
    """
    check_stage(run)
    model = meta_model(run)
    return "\n".join(
        [
            *_title(run),
            "",
            *_parts(model, run),
            "",
            *_targets(model, run),
            "",
            *_tokens(model, run),
            "",
            *_memory(model, run),
        ]
    )


def _title(run: TrainRun) -> Iterator[str]:
    source = f"{run.model.vision} + {run.model.language}"
    yield f"stage {run.stage}, {run.model.start or (source if run.model.vision else 'random')}"
    if run.model.start and run.model.vision:
        yield f"joined from {source}"


def _parts(model: FaceLLMForConditionalGeneration, run: TrainRun) -> Iterator[str]:
    counts = count_parameters(model)
    total = sum(counts.values())
    yield f"{'part':<24}{'parameters':>16}{'share':>9}   rate"
    for part, count in counts.items():
        rate = getattr(run.rates, part)
        yield f"{part:<24}{count:>16,}{count / total:>9.2%}   {rate or 'frozen'}"
    trained = sum(count for part, count in counts.items() if getattr(run.rates, part))
    yield f"{'all':<24}{total:>16,}"
    yield f"{'trained':<24}{trained:>16,}{trained / total:>9.2%}"
    if run.rates.embeddings and not run.rates.language_model:
        yield "of the token tables only the reserved rows learn; gradients and moments are whole"
    yield from _region_terms(model)


def _region_terms(model: FaceLLMForConditionalGeneration) -> Iterator[str]:
    """What FRLP and FRGCA are made of."""
    attention = model.region_attention
    width = attention.query.weight.shape[0]
    square = width * width + width
    points = sum(p.numel() for p in attention.region_projector.parameters())
    total = sum(p.numel() for p in attention.parameters())
    maps = 4 + (attention.pool is not None)
    yield (
        f"FRLP + FRGCA at width {width} ({model.config.region_position}): {total / 1e6:.1f} M = "
        f"FRLP {points / 1e6:.2f} M + {maps} maps of {square / 1e6:.2f} M"
        + (", one of them for pooled patches" if attention.pool is not None else "")
    )


def _targets(model: FaceLLMForConditionalGeneration, run: TrainRun) -> Iterator[str]:
    """Counts of the maps that adapters go to; each once in every layer."""
    found = Counter(name.rsplit(".", 1)[1] for name in lora_targets(model))
    layers = model.config.text_config.num_hidden_layers
    for name in TARGETS:
        if found[name] != layers:
            raise FaceLLMError(
                f"adapters find {name} {found[name]} times in {layers} layers of "
                f"{type(model.language_model).__name__}"
            )
    listed = ", ".join(f"{name} {found[name]}" for name in TARGETS)
    settings = run.lora
    if not settings.rank:
        yield f"adapters: none; there is place for {sum(found.values())}: {listed}"
        return
    stored = "" if settings.quantise == "none" else f", base stored as {settings.quantise}"
    if settings.quantise == "nf4" and settings.double_quant:
        stored += " with double quantisation"
    yield (
        f"adapters: {sum(found.values())} of rank {settings.rank}, alpha {settings.alpha:g}"
        f"{stored}: {listed}"
    )
    yield f"vLLM loads them with --max-lora-rank {settings.rank} or more"


def _tokens(model: FaceLLMForConditionalGeneration, run: TrainRun) -> Iterator[str]:
    patches, most = model.vision_tower.n_patches, run.data.max_tokens
    reading = 1 + patches + len(QUERIES)
    if reading > most:
        raise FaceLLMError(
            f"a reading takes {reading} tokens, {patches} of them for the face, but "
            f"data.max_tokens is {most}"
        )
    yield (
        f"tokens of a sample: a face {patches}, a reading {reading} with its {len(QUERIES)} "
        f"queries; beside one face {most - patches} of {most} are left for words"
    )
    if run.data.batching == "packed":
        yield f"a packed row holds up to {most // reading} readings"


def _memory(model: FaceLLMForConditionalGeneration, run: TrainRun) -> Iterator[str]:
    states = states_of(model, run)
    kept, recomputed = activation_bytes(model.config, run)
    rows = run.schedule.micro_batch
    yield (
        f"activations of {rows} rows of {run.data.max_tokens} tokens: {_gib(kept)}, "
        f"recomputed {_gib(recomputed)} ({LEARNED_TOKENS} learned tokens a row assumed)"
    )
    yield "memory of a GPU in GiB (facellm/train/memory.py), without what torch and NCCL reserve:"
    yield (
        f"{'engine':<8}{'GPUs':>5}{'weights':>9}{'grads':>8}{'optim.':>8}{'gathered':>9}"
        f"{'states':>8}{'+ act.':>8}{'+ recomp.':>10}   step"
    )
    yield _row("single", state_bytes(states, SINGLE), (kept, recomputed), _step(run, 1))
    for zero in (2, 3):
        yield from _zero(states, run, zero, (kept, recomputed))


def _zero(
    states: States, run: TrainRun, zero: int, activations: tuple[float, float]
) -> Iterator[str]:
    if zero == 3 and run.lora.quantise != "none":
        yield "ZeRO-3  cannot cut up quantised weights"
        return
    for gpus in GPUS:
        held = state_bytes(states, zero, gpus, run.engine.offload)
        yield _row(f"ZeRO-{zero}", held, activations, _step(run, gpus))


def _row(name: str, held: dict[str, float], activations: tuple[float, float], step: str) -> str:
    total = sum(held.values())
    gpus = step.split(" ", 1)[0]
    shown = [held.get(key, 0) for key in ("weights", "gradients", "optimizer", "gathered")]
    cells = "".join(
        f"{value / GIB:>{width}.2f}"
        for value, width in zip(
            (*shown, total, *(total + a for a in activations)), (9, 8, 8, 9, 8, 8, 10), strict=True
        )
    )
    return f"{name:<8}{gpus:>5}{cells}   {step.split(' ', 1)[1]}"


def _step(run: TrainRun, gpus: int) -> str:
    """``GPUS words``: how the rows of an optimizer step fall on so many GPUs."""
    rows, at_once = run.schedule.global_batch, run.schedule.micro_batch * gpus
    if rows % at_once:
        return f"{gpus} {rows} rows are no multiple of {at_once}"
    return f"{gpus} {rows} rows in {rows // at_once} passes"


def _gib(value: Any) -> str:
    return f"{value / GIB:.2f} GiB"
