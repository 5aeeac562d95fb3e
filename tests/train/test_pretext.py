"""Hidden blocks and captions: what the losses see, and that they teach the tower something."""

from importlib.util import find_spec

import numpy as np
import pytest
import torch
from torch import nn

from facellm.errors import FaceLLMError
from facellm.train.encoder_config import EncoderRun, PretextConfig, Stretch
from facellm.train.pretext import (
    CaptionContrast,
    Captions,
    MaskedPixels,
    Pretext,
    pad_captions,
    read_captions,
)

WIDTH, PATCHES, SIDE = 16, 9, 48
MIX = (Stretch(1.0, ferplus=1.0),)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_exactly_the_hidden_blocks_are_painted_over():
    masked = MaskedPixels(WIDTH, PATCHES, share=1 / 3)
    with torch.no_grad():
        masked.colour.fill_(7.0)
    pixels = torch.randn(4, 3, SIDE, SIDE)
    painted, hidden = masked.hide(pixels, generator())
    assert hidden.sum(1).tolist() == [3] * 4
    block = SIDE // 3
    for row in range(4):
        for place in range(PATCHES):
            y, x = block * (place // 3), block * (place % 3)
            area = painted[row, :, y : y + block, x : x + block]
            if hidden[row, place]:
                assert (area == 7).all()
            else:
                assert torch.equal(area, pixels[row, :, y : y + block, x : x + block])


def test_the_loss_asks_each_patch_for_its_own_block():
    """A map that answers one number, on a picture whose blocks differ, is right only at home."""
    masked = MaskedPixels(WIDTH, PATCHES, share=1 / 3)
    with torch.no_grad():
        masked.show.weight.zero_()
        masked.show.bias.fill_(5.0)
    pixels = torch.zeros(1, 3, SIDE, SIDE)
    pixels[:, :, 16:32, 32:48] = 5.0  # block 5: middle row, right column
    patches = torch.zeros(1, PATCHES, WIDTH)
    for place in range(PATCHES):
        hidden = torch.zeros(1, PATCHES, dtype=torch.bool)
        hidden[0, place] = True
        wanted = 0.0 if place == 5 else 5.0
        assert masked.loss(patches, pixels, hidden).item() == pytest.approx(wanted)


class NormedTower(nn.Module):
    """A patch per block, with a batch norm in front."""

    def __init__(self):
        super().__init__()
        self.norm, self.tower = nn.BatchNorm2d(3), Tower()

    def forward(self, pixels):
        return self.tower(self.norm(pixels))


def test_hidden_pictures_leave_running_statistics_alone_and_are_standardised_by_the_batch():
    torch.manual_seed(0)
    tower, pretext = NormedTower().train(), Pretext(PretextConfig(masked=1.0), WIDTH, PATCHES, 0)
    batch = {"pixel_values": 5 + torch.randn(4, 3, SIDE, SIDE)}
    before = {name: value.clone() for name, value in tower.norm.named_buffers()}
    still = pretext.losses(tower, batch, torch.zeros(4, PATCHES, WIDTH), 0)["masked"]
    still.backward()
    assert tower.tower.map.weight.grad.abs().sum() > 0
    for name, value in tower.norm.named_buffers():
        assert torch.equal(value, before[name])
    assert tower.norm.track_running_stats
    painted, hidden = pretext.masked.hide(batch["pixel_values"], generator())
    plain = pretext.masked.loss(tower(painted), batch["pixel_values"], hidden)
    assert plain.item() == pytest.approx(still.item())  # by the batch, in either way
    assert tower.norm.num_batches_tracked == 1


def test_a_caption_is_the_first_answer_wherever_it_stands(tmp_path):
    from pyarrow import Table, parquet

    said = [("system", "Be brief."), ("user", "What?"), ("assistant", "abc"), ("assistant", "d")]
    messages = [{"role": role, "content": content} for role, content in said]
    rows = [
        {"id": "a/1/age", "task": "age", "messages": messages},
        {"id": "a/2/age", "task": "age", "messages": messages[:2]},
    ]
    parquet.write_table(Table.from_pylist(rows), tmp_path / "shard-00000-train.parquet")
    captions = read_captions(tmp_path, Words())
    assert captions.told == {"a/1": ["abc"]}


def test_patches_that_are_no_square_are_refused():
    with pytest.raises(ValueError, match="10 patches are no square grid"):
        MaskedPixels(WIDTH, 10)


class Words:
    """A tokenizer of single letters."""

    def __call__(self, text, add_special_tokens):
        return {"input_ids": [ord(sign) - 97 for sign in text]}

    def __len__(self):
        return 26


def test_captions_come_from_the_right_record_and_task():
    records = [
        ("a/1/expression", "expression", "happy"),
        ("a/1/geometry", "geometry", "turned"),
        ("a/2/age", "age", "old"),
    ]
    captions = Captions.of(records, Words())
    rng = np.random.default_rng(0)
    assert captions.draw("a/1", rng) == [7, 0, 15, 15, 24]
    assert captions.draw("a/2", rng) == [14, 11, 3]
    assert captions.draw("a/3", rng) == []


def test_captions_are_padded_with_minus_one():
    assert pad_captions([[1, 2], []]).tolist() == [[1, 2], [-1, -1]]


def test_a_corpus_without_shards_is_named(tmp_path):
    with pytest.raises(FaceLLMError, match="no shard-"):
        read_captions(tmp_path, Words())


def test_off_is_nothing_at_all():
    pretext = Pretext(PretextConfig(), WIDTH, PATCHES, 0)
    assert list(pretext.parameters()) == []
    batch = {"pixel_values": torch.randn(2, 3, SIDE, SIDE)}
    assert pretext.losses(nn.Identity(), batch, torch.randn(2, PATCHES, WIDTH), 0) == {}


@pytest.mark.parametrize(
    ("pretext", "corpus", "message"),
    [
        ({"masked": -1.0}, "", "masked -1.0, contrast 0.0: one is below 0"),
        ({"contrast": 1.0}, "c", "contrast 1.0 needs a tokenizer"),
        ({"contrast": 1.0, "tokenizer": "t"}, "", "pretext.contrast needs a corpus"),
    ],
)
def test_settings_that_cannot_work_are_refused(pretext, corpus, message):
    with pytest.raises(ValueError, match=message):
        EncoderRun(MIX, corpus=corpus, pretext=PretextConfig(**pretext))


class Tower(nn.Module):
    """Mean colour of each block -> a patch."""

    def __init__(self):
        super().__init__()
        self.map = nn.Conv2d(3, WIDTH, SIDE // 3, stride=SIDE // 3)

    def forward(self, pixels):
        return self.map(pixels).flatten(2).transpose(1, 2)


@pytest.mark.skipif(
    find_spec("open_clip") is None, reason="open_clip (extra open-clip) is not installed"
)
def test_pictures_learn_to_find_their_captions():
    torch.manual_seed(0)
    tower, told = Tower(), CaptionContrast(WIDTH, 26)
    colours = torch.eye(3).repeat(2, 1)[:4]
    pixels = (
        colours[:, :, None, None].expand(-1, -1, SIDE, SIDE)
        * torch.tensor([1, 1, 1, -1.0])[:, None, None, None]
    )
    captions = pad_captions([[1], [2], [3], [4]])
    optimizer = torch.optim.Adam([*tower.parameters(), *told.parameters()], 3e-3)
    losses = []
    for _ in range(60):
        loss = told.loss(tower(pixels), captions)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 1.0  # chance is log 4 = 1.39
    assert losses[-1] < 0.2
    assert told.loss(tower(pixels), torch.full((4, 2), -1)) is None
