"""The frozen language model under LoRA stored in 4 or 8 bits (QLoRA), by ``bitsandbytes``.

nf4 with or without double quantisation (arXiv 2305.14314) and int8 (arXiv 2208.07339), on a CPU and
on a GPU by the same calls. Only linear maps are stored so; readouts need the output map and the
token tables as they are.
"""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import Tensor, nn

from facellm.errors import FaceLLMError
from facellm.model import FaceLLMForConditionalGeneration

from .run_sections import LoraSettings

MULTIPLE = 64  # nf4 quantises blocks of 64 weights along a row
OUTLIERS = 6.0  # activations above it are multiplied in 16 bits (LLM.int8, section 3)
PACKAGES = "pip install 'bitsandbytes>=0.50,<0.51'"


def quantise_language(
    model: FaceLLMForConditionalGeneration, settings: LoraSettings, compute: torch.dtype
) -> None:
    """Store the language model's linear maps in 4 or 8 bits, in place, frozen.

    Args:
        model: Without adapters. Weights are quantised on the device they lie on.
        settings: ``quantise`` nf4 or int8, and ``double_quant``.
        compute: What nf4 weights are multiplied in.

    Raises:
        FaceLLMError: If bitsandbytes is missing, or a map's size is no multiple of 64; the message
            names map and size.
    """
    bnb = _bitsandbytes()
    output = model.get_output_embeddings()
    for name, module in list(model.language_model.named_modules()):
        if type(module) is not nn.Linear or module is output:
            continue
        for side, size in (("in", module.in_features), ("out", module.out_features)):
            if size % MULTIPLE:
                raise FaceLLMError(
                    f"language_model.{name} has {size} {side}puts, no multiple of {MULTIPLE}: "
                    f"it cannot be stored as {settings.quantise}"
                )
        if settings.quantise == "nf4":
            new = _nf4(bnb, module, compute, double=settings.double_quant)
        else:
            new = _int8(bnb, module)
        model.language_model.set_submodule(name, new)


def _bitsandbytes() -> Any:
    try:
        import bitsandbytes
    except ModuleNotFoundError as error:
        raise FaceLLMError(f"bitsandbytes is missing: {PACKAGES}") from error
    # It warns in every step of every layer that int8 casts to 16 bits.
    logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
    return bitsandbytes


def _nf4(bnb: Any, module: nn.Linear, compute: torch.dtype, *, double: bool) -> nn.Module:
    with torch.device("meta"):
        new = bnb.nn.Linear4bit(
            module.in_features,
            module.out_features,
            bias=module.bias is not None,
            compute_dtype=compute,
            compress_statistics=double,
            quant_type="nf4",
        )
    weight = bnb.nn.Params4bit(
        module.weight.data,
        requires_grad=False,
        compress_statistics=double,
        quant_type="nf4",
        module=new,
    )
    new.weight, new.bias = weight.to(module.weight.device), module.bias
    # A pass in evaluation mode on a CPU would repack the weights, drop the second quantisation and
    # leave a layer that hands back no gradient.
    new.support_avx512bf16_for_cpu = False
    return new


def _int8(bnb: Any, module: nn.Linear) -> nn.Module:
    class Int8(bnb.nn.Linear8bitLt):
        """Takes its scales along to another device, which only a move of itself would."""

        def _apply(self, fn: Any, recurse: bool = True) -> nn.Module:
            super()._apply(fn, recurse)
            self.weight.CB = self.weight.SCB = None
            self.state.CB = self.weight.data
            self.state.SCB = self.state.SCB.to(self.weight.device)
            return self

    with torch.device("meta"):
        new = Int8(
            module.in_features,
            module.out_features,
            bias=module.bias is not None,
            has_fp16_weights=False,
            threshold=OUTLIERS,
        )
    # Quantised when it leaves the CPU, or comes to it from there; never on a GPU's own weights.
    numbers = module.weight.data.cpu()
    weight = bnb.nn.Int8Params(numbers, requires_grad=False, has_fp16_weights=False)
    new.weight, new.bias = weight.to(module.weight.device), module.bias
    new.init_8bit_state()
    return new


def stored_bytes(module: nn.Module) -> int:
    """Bytes of a module's weights as they lie in memory, scales of quantised ones included."""
    tensors: list[Tensor] = list(module.parameters())
    for inner in module.modules():
        tensors += quantisation_scales(inner)
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def quantisation_scales(module: nn.Module) -> list[Tensor]:
    """The scales a quantised map is stored with; empty for any other module."""
    if not is_quantised(module):
        return []
    weight: Any = module.weight
    if hasattr(weight, "quant_state"):
        return _scales(weight.quant_state)
    state: Any = module.state
    return [state.SCB]


def _scales(state: Any) -> list[Tensor]:
    found = [state.absmax, state.code]
    if state.nested:
        found += [state.offset, *_scales(state.state2)]
    return [tensor for tensor in found if isinstance(tensor, Tensor)]


def is_quantised(module: nn.Module) -> bool:
    """Whether a module is a linear map stored in 4 or 8 bits."""
    weight = module._parameters.get("weight")  # an adapter shows the weight of its base as its own
    return hasattr(weight, "quant_state") or hasattr(weight, "SCB")
