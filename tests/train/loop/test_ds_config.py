"""DeepSpeed's JSON from a run config, and a JSON of one's own with "auto" in it."""

import copy
import json

import pytest

from facellm.errors import FaceLLMError
from facellm.train.loop.ds_config import deepspeed_config, own_config
from facellm.train.run_config import TrainRun, run_of
from facellm.train.run_sections import (
    DataConfig,
    EngineConfig,
    ModelConfig,
    RatesConfig,
    ScheduleConfig,
)

# As the usual trainers ship them.
ZERO3 = {
    "fp16": {"enabled": "auto", "loss_scale": 0},
    "bf16": {"enabled": "auto"},
    "optimizer": {
        "type": "AdamW",
        "params": {"lr": "auto", "betas": "auto", "eps": "auto", "weight_decay": "auto"},
    },
    "scheduler": {"type": "WarmupLR", "params": {"warmup_num_steps": "auto"}},
    "train_micro_batch_size_per_gpu": "auto",
    "train_batch_size": "auto",
    "gradient_accumulation_steps": "auto",
    "gradient_clipping": "auto",
    "zero_optimization": {
        "stage": 3,
        "offload_param": {"device": "cpu"},
        "reduce_bucket_size": "auto",
        "stage3_prefetch_bucket_size": "auto",
        "stage3_param_persistence_threshold": "auto",
        "sub_group_size": 1e9,
    },
    "steps_per_print": 1e5,
}


def run(precision="bf16", **engine):
    return TrainRun(
        "task",
        ModelConfig(start="m"),
        DataConfig(("c",)),
        RatesConfig(region_attention=1e-4, multi_modal_projector=2e-5),
        schedule=ScheduleConfig(micro_batch=2, global_batch=24, clip=0.5, precision=precision),
        engine=EngineConfig(kind="deepspeed", **engine),
    )


def test_batch_sizes_clipping_and_precision_are_the_runs():
    found = deepspeed_config(run(zero=2), 4, 64)
    assert found["train_batch_size"] == 24
    assert found["train_micro_batch_size_per_gpu"] == 2
    assert found["gradient_accumulation_steps"] == 3
    assert found["gradient_clipping"] == 0.5
    assert found["bf16"] == {"enabled": True}
    assert found["zero_optimization"]["stage"] == 2
    assert not deepspeed_config(run("fp32"), 4, 64)["bf16"]["enabled"]


@pytest.mark.parametrize(
    ("zero", "offload", "expected"),
    [
        (1, "none", set()),
        (2, "optimizer", {"offload_optimizer"}),
        (3, "optimizer", {"offload_optimizer"}),
        (2, "all", {"offload_optimizer"}),
        (3, "all", {"offload_optimizer", "offload_param"}),
    ],
)
def test_offload_is_what_was_asked_for(zero, offload, expected):
    found = deepspeed_config(run(zero=zero, offload=offload), 1, 64)["zero_optimization"]
    assert {name for name in found if name.startswith("offload")} == expected


def test_auto_is_filled_in_and_the_rest_is_kept():
    found = deepspeed_config(run(config="zero3.json"), 4, 64, ZERO3)
    assert "auto" not in json.dumps(found)
    assert found["train_batch_size"] == 24
    assert found["gradient_clipping"] == 0.5
    assert found["bf16"] == {"enabled": True}
    assert found["fp16"]["enabled"] is False
    zero = found["zero_optimization"]
    assert zero["reduce_bucket_size"] == 64 * 64
    assert zero["stage3_prefetch_bucket_size"] == int(0.9 * 64 * 64)
    assert zero["stage3_param_persistence_threshold"] == 640
    assert zero["offload_param"] == {"device": "cpu"}
    assert found["steps_per_print"] == 1e5
    assert "optimizer" not in found  # the run's AdamW
    assert "scheduler" not in found  # the run's rates
    assert found["zero_allow_untested_optimizer"] is True


def test_the_json_of_ones_own_is_not_changed():
    before = copy.deepcopy(ZERO3)
    deepspeed_config(run(config="z"), 4, 64, ZERO3)
    assert before == ZERO3


def test_an_optimizer_of_ones_own_is_built_by_deepspeed():
    own = ZERO3 | {"optimizer": {"type": "Lion", "params": {"lr": "auto", "betas": [0.9, 0.99]}}}
    params = deepspeed_config(run(config="z"), 4, 64, own)["optimizer"]["params"]
    assert params == {"lr": 1e-4, "betas": [0.9, 0.99]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_batch_size": 16}, "z: train_batch_size is 16, the run config says 24"),
        ({"gradient_clipping": 1.0}, "z: gradient_clipping is 1.0, the run config says 0.5"),
        ({"bf16": {"enabled": False}}, "z: bf16 is False, the run config says True"),
        ({"fp16": {"enabled": True}}, "z: fp16 is on"),
        (
            {"scheduler": {"type": "WarmupLR", "params": {"warmup_num_steps": 10}}},
            "z: has a scheduler of its own",
        ),
        (
            {"optimizer": {"type": "AdamW", "params": {"lr": 0.1}}},
            "z: optimizer.params.lr is 0.1; write 'auto'",
        ),
        ({"zero_optimization": {"stage": "auto"}}, "z: zero_optimization.stage is 'auto'"),
    ],
)
def test_what_contradicts_the_run_is_refused(change, message):
    with pytest.raises(FaceLLMError, match=message):
        deepspeed_config(run(config="z"), 4, 64, ZERO3 | change)


def test_a_file_that_is_no_json_is_named(tmp_path):
    path = tmp_path / "zero2.json"
    path.write_text("{")
    with pytest.raises(FaceLLMError, match=r"zero2.json: cannot be read as a DeepSpeed JSON"):
        own_config(path)
    path.write_text("[]")
    with pytest.raises(FaceLLMError, match="is a mapping, not list"):
        own_config(path)


def test_a_run_goes_through_json_and_back():
    assert run_of(json.loads(json.dumps(run().to_dict()))) == run()
