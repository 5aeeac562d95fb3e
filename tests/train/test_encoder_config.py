"""Stage encoder: stretches, kinds left out, and rows that stand in evaluation too."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import facellm.train
from facellm.errors import FaceLLMError
from facellm.train.batches import held_out_twins, without
from facellm.train.encoder_config import EncoderRun, Stretch, load_encoder_run

DEFAULT = Path(facellm.train.__file__).parent / "configs" / "default-encoder.yaml"


def test_the_shipped_config_is_one_and_its_stretches_follow_each_other():
    run = load_encoder_run(DEFAULT)
    assert run.shares_at(0) == run.mix[0].shares()
    assert run.shares_at(int(0.5 * run.steps)) == run.mix[1].shares()
    assert run.shares_at(run.steps) == run.mix[2].shares()


def test_a_step_lies_in_one_stretch():
    run = load_encoder_run(DEFAULT)
    bounds = [0, *(round(stretch.until * run.steps) for stretch in run.mix)]
    for stretch, begin, end in zip(run.mix, bounds, bounds[1:], strict=False):
        assert run.stretch_at(begin) == run.stretch_at(end - 1) == (stretch, begin, end)
    assert run.stretch_at(run.steps) == run.stretch_at(run.steps - 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("landmarks_missing: 1.5", r"landmarks_missing 1\.5"),
        ("rate: 7.0", r"rate 7\.0"),
        ("texture: maybe", "texture"),
    ],
)
def test_a_stretch_out_of_bounds_is_told_by_line(tmp_path, text, said):
    path = tmp_path / "run.yaml"
    path.write_text(f"mix:\n  - {{until: 1.0, ferplus: 1.0, {text}}}\n")
    with pytest.raises(FaceLLMError, match=rf"run\.yaml:2: .*{said}"):
        load_encoder_run(path)


def test_a_kind_left_out_leaves_its_share_to_the_others():
    run = EncoderRun((Stretch(1.0, ferplus=0.5, utkface=0.25, rig=0.25),), leave_out=("ferplus",))
    assert run.shares_at(0) == {"utkface": 0.5, "rig": 0.5}


def test_shares_that_do_not_add_up_are_told_by_line(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("mix:\n  - {until: 1.0, ferplus: 0.5}\n")
    with pytest.raises(FaceLLMError, match=r"run\.yaml:2: shares of a stretch add up to 0\.500"):
        load_encoder_run(path)


def test_stretches_must_rise_to_the_end():
    whole = Stretch(0.5, ferplus=1.0)
    with pytest.raises(ValueError, match=r"stretches end at \[0\.5\]: they must rise to 1"):
        EncoderRun((whole,))
    with pytest.raises(ValueError, match="must rise to 1"):
        EncoderRun((replace(whole, until=1.0), whole))


def test_leaving_everything_out_is_refused():
    with pytest.raises(ValueError, match="leave_out ferplus leaves a stretch nothing"):
        EncoderRun((Stretch(1.0, ferplus=1.0),), leave_out=("ferplus",))


@pytest.fixture
def corpus(tmp_path):
    """Two rows fell to held-out ones, one to a training row."""
    drops = {
        "ferplus/fer2013/1": "near duplicate of ferplus/fer2013/9 (test)",
        "ferplus/fer2013/2": "near duplicate of ferplus/fer2013/3 (train)",
        "utkface/utkface/7": "near duplicate of utkface/utkface/8 (valid)",
    }
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "drops.json").write_text(json.dumps(drops))
    return tmp_path


def rows(keys):
    return SimpleNamespace(rows=lambda split: np.arange(len(keys)), labels={"key": np.array(keys)})


def test_twins_of_held_out_rows_are_not_trained_on(corpus):
    twins = held_out_twins(corpus)
    assert twins == {"ferplus/fer2013/1", "utkface/utkface/7"}
    kept = without(rows(["fer2013/0", "fer2013/1", "fer2013/2"]), "ferplus", twins)
    assert kept.tolist() == [0, 2]


def test_nor_is_what_was_made_from_one(corpus):
    kept = without(
        rows(["forged/utkface/7", "forged/utkface/70"]), "forged", held_out_twins(corpus)
    )
    assert kept.tolist() == [1]


def test_a_set_without_keys_keeps_its_rows(corpus):
    renders = SimpleNamespace(rows=lambda split: np.arange(3), labels={})
    assert without(renders, "rig", held_out_twins(corpus)).tolist() == [0, 1, 2]
