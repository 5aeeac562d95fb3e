"""DeepSpeed 0.19 cannot take a weight without a dimension (FRGCA's gate); here it can.

Before training it sends rank 0's weights to all ranks as bytes, and ``view(torch.uint8)`` refuses a
scalar; twice: for the whole model, and for ZeRO-3 once more as it cuts each weight up.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist


@contextmanager
def scalars_taken() -> Iterator[None]:
    """Within the block ``deepspeed.initialize`` takes modules with scalar weights."""
    from deepspeed.runtime.engine import DeepSpeedEngine
    from deepspeed.runtime.zero.partition_parameters import Init

    cut_up = Init._zero_init_param

    def cut_up_any(self: Any, param: Any) -> None:
        if param.ndim:
            cut_up(self, param)
            return
        self._convert_to_deepspeed_param(param)  # equal on all ranks since ``_same_weights``
        param.partition()

    theirs = DeepSpeedEngine._broadcast_model
    DeepSpeedEngine._broadcast_model, Init._zero_init_param = _same_weights, cut_up_any
    try:
        yield
    finally:
        DeepSpeedEngine._broadcast_model, Init._zero_init_param = theirs, cut_up


def _same_weights(self: Any) -> None:
    """Every rank gets rank 0's weights; there is one group, and each rank holds them all."""
    for parameter in self.module.parameters():
        if not hasattr(parameter, "ds_status"):  # else it is cut up already
            _send(parameter.data)


def _send(weight: Tensor) -> None:
    whole = weight.contiguous().view(-1)
    dist.broadcast(whole.view(torch.uint8), src=0)
    weight.copy_(whole.view(weight.shape))
