"""A checkpoint folder: equal after loading, no pickle, and plain words where something is wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from facellm.checkpoint import CALIBRATION, LANDMARKS, NEEDED, load_checkpoint, save_checkpoint
from facellm.conversation import Conversation, TextPart, Turn
from facellm.errors import FaceLLMError


@pytest.fixture
def folder(tiny_checkpoint, tmp_path) -> Path:
    """A copy of the toy checkpoint, free to be damaged."""
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / "checkpoint"))


def saved(loaded, model, folder: Path) -> Path:
    save_checkpoint(folder, model, loaded.processor, loaded.folder / LANDMARKS, loaded.calibration)
    return folder


@pytest.fixture
def prompt(processor, make_face):
    question = (make_face(1), TextPart("What expression is shown?"))
    return processor.answer_prompt(Conversation((Turn("user", question),)))


def test_saved_and_loaded_are_equal(loaded, model, prompt, tmp_path):
    again = load_checkpoint(saved(loaded, model, tmp_path / "new"))
    assert torch.equal(again.model(**prompt).logits, model(**prompt).logits)
    assert again.calibration == loaded.calibration
    crop = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    for one, two in zip(
        again.landmark_net.predict([crop]), loaded.landmark_net.predict([crop]), strict=True
    ):
        assert np.array_equal(one, two)
    points = again.landmark_net.predict([crop])[0]
    assert np.array_equal(again.geometry.pose(points), loaded.geometry.pose(points))
    assert again.geometry.describe(points[0]) == loaded.geometry.describe(points[0])
    assert again.processor.landmarker is not None
    assert not again.model.training


def test_half_precision_on_disk_is_float32_in_memory(loaded, model, prompt, tmp_path):
    wanted = model(**prompt).logits
    folder = saved(loaded, model.half(), tmp_path / "new")
    with safe_open(str(folder / "model.safetensors"), framework="pt") as stored:
        kinds = {stored.get_slice(name).get_dtype() for name in stored.keys()}  # noqa: SIM118
    assert "F16" in kinds
    assert "F32" not in kinds
    again = load_checkpoint(folder).model
    assert {p.dtype for p in again.parameters()} == {torch.float32}
    logits = again(**prompt).logits
    assert logits.dtype == torch.float32
    assert (logits - wanted).abs().max() < 0.1
    assert not torch.equal(logits, wanted)


def test_nothing_on_disk_is_a_pickle(loaded, model, tmp_path):
    folder = saved(loaded, model, tmp_path / "new")
    files = [path for path in folder.rglob("*") if path.is_file()]
    allowed = {".json", ".jinja", ".safetensors", ".model"}
    assert {path.suffix for path in files} <= allowed
    assert not [
        path for path in files if path.read_bytes()[:2] in (b"PK", b"\x80\x02", b"\x80\x04")
    ]


@pytest.mark.parametrize("name", NEEDED)
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(FaceLLMError, match=rf"checkpoint.*{name} missing"):
        load_checkpoint(folder)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FaceLLMError, match="nowhere"):
        load_checkpoint(tmp_path / "nowhere")


def complaint(folder: Path) -> str | None:
    """What ``load_checkpoint`` says about a folder; None where it loads."""
    try:
        load_checkpoint(folder)
    except FaceLLMError as error:
        return str(error)
    return None


def test_every_file_that_is_written_is_needed_or_can_be_done_without(folder):
    # Whatever is deleted, loading works or fails in our own words: never a traceback of a library.
    for path in sorted(folder.iterdir()):
        kept = path.read_bytes()
        path.unlink()
        message = complaint(folder)
        assert message is None or path.name in message
        path.write_bytes(kept)


def test_weights_of_another_version_are_refused_naming_a_tensor(folder):
    tensors = load_file(str(folder / "model.safetensors"))
    tensors["language_model.old_head.weight"] = tensors.pop("region_attention.out.weight")
    save_file(tensors, str(folder / "model.safetensors"), metadata={"format": "pt"})
    with pytest.raises(FaceLLMError, match=r"another version, 2 tensors .*(out|old_head)\.weight"):
        load_checkpoint(folder)


def test_a_config_of_other_sizes_is_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["intermediate_size"] *= 2
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(FaceLLMError, match="weights"):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", b'{"model_type": "facellm", '),
        ("config.json", b'{"model_type": "bert"}'),
        ("config.json", b'{"model_type": "facellm"}'),  # would be a 7B of 27 GB
        ("model.safetensors", b"\x80\x04K\x01."),
        (LANDMARKS, b"\x80\x04K\x01."),
        (CALIBRATION, b"{"),
        (CALIBRATION, b'{"abstain_below": 0.4, "temperature": 2.0}'),
        (CALIBRATION, b"[]"),
        ("tokenizer.json", b"{}"),
        ("processor_config.json", b"{"),
    ],
)
def test_a_damaged_file_is_an_error_in_plain_words(folder, name, content):
    (folder / name).write_bytes(content)
    with pytest.raises(FaceLLMError, match="checkpoint"):
        load_checkpoint(folder)


def test_truncated_weights_are_refused(folder):
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FaceLLMError, match="cannot be loaded"):
        load_checkpoint(folder)
