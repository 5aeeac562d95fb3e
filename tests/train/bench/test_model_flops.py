"""Operations by formula are those that torch counts; padding and measured rates are left out."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from training_runs import new_run

from facellm.train.bench.gpu import prepared
from facellm.train.bench.made_batch import made_batch
from facellm.train.bench.model_flops import (
    Products,
    Work,
    face_flops,
    language_flops,
    maps_of,
    work_of,
)
from facellm.train.build_model import build_model
from facellm.train.run_sections import LoraSettings, ScheduleConfig
from facellm.train.sample import FaceImage, TrainingSample

CPU = torch.device("cpu")
ROWS, LENGTH = 2, 30
LEARNING = {
    "adapters": ({"multi_modal_projector": 1e-3, "lora": 1e-3}, LoraSettings(rank=4)),
    "in full": (
        {"multi_modal_projector": 1e-3, "language_model": 1e-3, "embeddings": 1e-3},
        LoraSettings(),
    ),
    "tables frozen": ({"multi_modal_projector": 1e-3, "language_model": 1e-3}, LoraSettings()),
}


@pytest.mark.parametrize("learning", LEARNING)
def test_the_formula_is_what_torch_counts(learning, tiny_checkpoint):
    rates, lora = LEARNING[learning]
    plan = ScheduleConfig(micro_batch=ROWS, global_batch=ROWS)
    run = new_run("task", rates, tiny_checkpoint, lora=lora, schedule=plan, length=LENGTH)
    config = build_model(run)[0].config
    engine, work, batch = prepared(config, run, CPU)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        engine.backward(engine.forward(batch)["total"])
    text = config.text_config
    faces = ROWS * face_flops(engine.trainee.model)
    assert counter.get_total_flops() - faces == language_flops(text, run, work)
    assert faces > 0


def test_work_is_counted_by_hand():
    faces = (FaceImage(0, "a.png", (0.0, 0.0, 1.0, 1.0)),) * 2
    # The first token of a sample has nothing before it that could predict it.
    samples = [
        TrainingSample("a", [4, 4, 9, 9, 9], [-100, -100, -100, 9, 9], faces),
        TrainingSample("b", [9, 9, 9], [9, 9, 9]),
    ]
    assert work_of(samples) == Work((5, 3), 4, 2)
    assert work_of(samples).tokens == 8


def test_padding_and_neighbours_in_a_row_are_no_work(tiny_checkpoint):
    run = new_run("task", {"language_model": 1e-3}, tiny_checkpoint)
    text = build_model(run)[0].config.text_config
    one, other = Work((7,), 3, 0), Work((9,), 2, 0)
    both = language_flops(text, run, Work((7, 9), 5, 0))
    assert both == language_flops(text, run, one) + language_flops(text, run, other)


def test_products_have_the_shapes_of_a_layer(tiny_checkpoint):
    plan = ScheduleConfig(micro_batch=ROWS, global_batch=ROWS)
    run = new_run("task", {"language_model": 1e-3}, tiny_checkpoint, schedule=plan, length=LENGTH)
    text = build_model(run)[0].config.text_config
    products = Products(text, run, CPU)
    width = text.num_attention_heads * text.head_dim
    linear = 2 * ROWS * LENGTH * sum(inputs * outputs for inputs, outputs in maps_of(text))
    assert products.flops == linear + 2 * 2 * ROWS * LENGTH * LENGTH * width
    assert products.rate() > 0


def test_a_made_batch_has_one_face_a_row_and_no_padding(tiny_checkpoint):
    model, _ = build_model(new_run("task", {"language_model": 1e-3}, tiny_checkpoint))
    batch = made_batch(model, ROWS, LENGTH)
    face = model.config.image_token_id
    assert (batch.input_ids == face).sum(1).tolist() == [model.vision_tower.n_patches] * ROWS
    assert batch.padding == 0
    assert batch.input_ids.max() < model.config.text_config.vocab_size
    with pytest.raises(ValueError, match="10 tokens a row, but a face takes 9"):
        made_batch(model, ROWS, 10)
