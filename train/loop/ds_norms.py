"""Batch norms under DeepSpeed's bf16: it makes weights bf16 and leaves statistics in float32.

torch refuses that mixture, and statistics in bf16 would not move; so these norms compute in float32
and hand on the dtype they were given.
"""

from __future__ import annotations

from functools import partial
from typing import Any, cast

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm


def batch_norms_in_float32(model: nn.Module) -> None:
    """Let every batch norm below a module compute in float32, in place."""
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            cast(Any, module).forward = partial(_forward, module)


def _forward(norm: _BatchNorm, x: Tensor) -> Tensor:
    """What torch's own forward does for a norm that tracks its statistics with a fixed momentum."""
    if norm.training and norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
    weight, bias = (None if p is None else p.float() for p in (norm.weight, norm.bias))
    mean, variance = norm.running_mean, norm.running_var
    training = norm.training or mean is None
    momentum = norm.momentum or 0.0
    return F.batch_norm(x.float(), mean, variance, weight, bias, training, momentum, norm.eps).to(
        x.dtype
    )
