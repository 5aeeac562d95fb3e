"""How much memory a run's model states take on one GPU, by formula, in bytes.

As DeepSpeed's own estimators count them (ZeRO, arXiv 1910.02054, section 3.1), with W the bytes of
all weights as stored, T the numbers that are trained, N the GPUs, L the largest module:

    single   weights W        gradients 4 T        optimizer  8 T
    ZeRO-2   weights W        gradients 6 T / N    optimizer 12 T / N
    ZeRO-3   weights W / N    gradients 4 T / N    optimizer 12 T / N    gathered 4 L

A single process trains in 32 bits, with AdamW's two moments. DeepSpeed holds 16-bit weights, their
gradients in 16 bits (under ZeRO-2 in 32 too), and the optimizer's 32-bit copy and two moments; a
module is gathered whole with its gradient. Offloaded states lie in main memory: ``optimizer``
takes gradients and optimizer, ``all`` the weights too. Activations are counted (``activations``).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from facellm.model import FaceLLMForConditionalGeneration

from .parts import count_parameters
from .run_config import TrainRun

SIXTEEN, THIRTY_TWO = 2, 4  # bytes
SINGLE = 0  # in place of a ZeRO stage
GRADIENTS, OPTIMIZER = {SINGLE: 4, 2: 6, 3: 4}, {SINGLE: 8, 2: 12, 3: 12}  # bytes a trained number
NF4_SCALE = THIRTY_TWO / 64  # bytes of a number's share of its block's scale
NF4_DOUBLE_SCALE = 1 / 64 + THIRTY_TWO / (64 * 256)  # scales in 8 bits, those scaled by 256


@dataclass(frozen=True)
class States:
    """What the model's states are counted from.

    Attributes:
        frozen: Bytes of the frozen weights as stored.
        trained: Numbers that are trained.
        largest: Numbers of the largest module.
    """

    frozen: float
    trained: int
    largest: int


def states_of(model: FaceLLMForConditionalGeneration, run: TrainRun) -> States:
    """Sizes of a model under a run; its weights may lie on the meta device, unquantised."""
    counts = count_parameters(model)
    trained = sum(size for part, size in counts.items() if getattr(run.rates, part))
    cast = run.engine.kind == "deepspeed" and run.schedule.precision == "bf16"
    held = SIXTEEN if cast or run.model.dtype == "bfloat16" else THIRTY_TWO
    frozen = (sum(counts.values()) - trained) * held
    if run.lora.quantise != "none":
        frozen += quantised_numbers(model) * (stored_bytes_per_number(run) - held)
    largest = max(
        sum(parameter.numel() for parameter in module.parameters(recurse=False))
        for module in model.modules()
    )
    return States(frozen, trained, largest)


def quantised_numbers(model: FaceLLMForConditionalGeneration) -> int:
    """Weights of the linear maps that a quantised run stores in 4 or 8 bits."""
    output = model.get_output_embeddings()
    return sum(
        module.weight.numel()
        for name, module in model.language_model.named_modules()
        if isinstance(module, nn.Linear) and module is not output and ".lora_" not in name
    )


def stored_bytes_per_number(run: TrainRun) -> float:
    """Bytes of one quantised weight with its share of the scales (int8: one a row, left out)."""
    if run.lora.quantise == "int8":
        return 1.0
    return 0.5 + (NF4_DOUBLE_SCALE if run.lora.double_quant else NF4_SCALE)


def state_bytes(
    states: States, zero: int, gpus: int = 1, offload: str = "none"
) -> dict[str, float]:
    """Bytes on each GPU: ``weights``, ``gradients``, ``optimizer`` and ``gathered``.

    Args:
        states: Sizes.
        zero: ZeRO stage 2 or 3, or ``SINGLE``.
        gpus: N.
        offload: ``EngineConfig.offload``.
    """
    learned = THIRTY_TWO if zero == SINGLE else SIXTEEN
    whole = states.frozen + states.trained * learned
    found = {
        "weights": whole / (gpus if zero == 3 else 1),
        "gradients": GRADIENTS[zero] * states.trained / gpus,
        "optimizer": OPTIMIZER[zero] * states.trained / gpus,
        "gathered": 4 * states.largest if zero == 3 else 0,
    }
    if offload != "none" and zero != SINGLE:
        found["gradients"] = found["optimizer"] = 0
        if offload == "all" and zero == 3:
            found["weights"] = 0
    return found
