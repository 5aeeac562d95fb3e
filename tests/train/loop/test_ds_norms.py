"""Batch norms with bf16 weights and float32 statistics, as DeepSpeed leaves them."""

import copy

import pytest
import torch
from torch import nn

from facellm.train.loop.ds_norms import batch_norms_in_float32


@pytest.mark.parametrize("training", [True, False])
def test_in_float32_it_is_torchs_own(training):
    torch.manual_seed(0)
    x = torch.randn(6, 4, 5, 5)
    theirs = nn.Sequential(nn.BatchNorm2d(4), nn.BatchNorm2d(4, affine=False)).train(training)
    nn.init.normal_(theirs[0].weight)
    mine = copy.deepcopy(theirs)
    batch_norms_in_float32(mine)
    torch.testing.assert_close(mine(x), theirs(x), rtol=0, atol=0)
    for name, value in theirs.state_dict().items():
        assert torch.equal(mine.state_dict()[name], value)


def test_bf16_weights_meet_float32_statistics():
    norm = nn.BatchNorm2d(4)
    norm.weight.data, norm.bias.data = norm.weight.data.bfloat16(), norm.bias.data.bfloat16()
    x = torch.randn(6, 4, 5, 5).bfloat16()
    with pytest.raises(RuntimeError):
        norm(x)
    batch_norms_in_float32(norm)
    assert norm(x).dtype == torch.bfloat16
    assert norm.running_mean.dtype == torch.float32
    assert norm.running_mean.any()
