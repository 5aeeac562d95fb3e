"""open_clip behind one door: imported without torchvision, its towers ours, its loss at hand."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest
import torch
from safetensors.torch import save_file
from small_bases import save_llama
from training_runs import new_run

from facellm.errors import FaceLLMError
from facellm.train import open_clip_bridge
from facellm.train.build_model import build_model
from facellm.train.open_clip_bridge import clip_loss, import_open_clip, save_tower, tower_of
from facellm.train.run_sections import ModelConfig

needs_open_clip = pytest.mark.skipif(
    find_spec("open_clip") is None, reason="open_clip (extra open-clip) is not installed"
)
TINY = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 3, "width": 64, "patch_size": 8, "head_width": 16},
    "text_cfg": {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 2, "layers": 1},
}


@pytest.fixture
def tiny_clip(monkeypatch):
    """A small random open_clip model under a name of its own."""
    from open_clip import factory  # the bridge has imported it

    monkeypatch.setitem(factory._MODEL_CONFIGS, "tiny", TINY)
    torch.manual_seed(4)
    model = import_open_clip().create_model("tiny").eval()
    with torch.no_grad():  # open_clip starts biases at 0, which would hide a lost one
        for parameter in model.visual.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


@pytest.fixture(autouse=True)
def imported(request):
    if "tiny_clip" in request.fixturenames:
        import_open_clip()


@needs_open_clip
@pytest.mark.parametrize("quick", [False, True])
def test_a_tower_gives_equal_features(tiny_clip, monkeypatch, quick):
    monkeypatch.setitem(TINY, "quick_gelu", quick)
    if quick:
        tiny_clip = import_open_clip().create_model("tiny").eval()
    visual = tiny_clip.visual
    pixels = torch.randn(2, 3, 32, 32)
    kept = []
    visual.transformer.resblocks[-2].register_forward_hook(lambda *call: kept.append(call[2]))
    tower = tower_of(tiny_clip)
    assert tower.config.hidden_act == ("quick_gelu" if quick else "gelu")
    with torch.no_grad():
        wanted = visual(pixels)
        found = tower(pixel_values=pixels, output_hidden_states=True)
        pooled = found.pooler_output @ visual.proj
    assert wanted.std() > 0.1
    assert torch.allclose(pooled, wanted, atol=1e-5)
    hidden = found.hidden_states[-2]
    batch_first = kept[0] if kept[0].shape[0] == 2 else kept[0].transpose(0, 1)
    assert torch.allclose(hidden, batch_first, atol=1e-5)


@needs_open_clip
def test_a_checkpoint_becomes_a_folder_that_a_run_takes(tiny_clip, tmp_path):
    save_file(tiny_clip.state_dict(), tmp_path / "clip.safetensors")
    save_tower("tiny", tmp_path / "clip.safetensors", tmp_path / "tower")
    save_llama(tmp_path / "llama")
    bases = ModelConfig(vision=str(tmp_path / "tower"), language=str(tmp_path / "llama"))
    model, processor = build_model(new_run("region", {"region_attention": 1e-4}, model=bases))
    assert (model.vision_tower.width, model.vision_tower.n_patches) == (64, 17)
    assert processor.crop_size == 32
    assert processor.image_processor.image_mean == pytest.approx([0.4815, 0.4578, 0.4082], abs=1e-3)
    pixels = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        wanted = tower_of(tiny_clip)(pixel_values=pixels, output_hidden_states=True)
        assert torch.equal(model.vision_tower(pixels), wanted.hidden_states[-2])


@needs_open_clip
def test_the_loss_is_the_mean_of_both_directions():
    import_open_clip()
    torch.manual_seed(0)
    images, texts = (torch.nn.functional.normalize(torch.randn(5, 8), dim=-1) for _ in range(2))
    scale = torch.tensor(7.0)
    logits = scale * images @ texts.T
    by_hand = -(logits.log_softmax(1).diag().mean() + logits.log_softmax(0).diag().mean()) / 2
    assert torch.allclose(clip_loss()(images, texts, scale), by_hand, atol=1e-6)


@needs_open_clip
def test_no_trace_of_a_stand_in_is_left():
    """transformers asks whether torchvision is there, and must not meet an empty one."""
    import_open_clip()
    if find_spec("torchvision") is None:
        assert "torchvision" not in sys.modules
        assert "timm" not in sys.modules
    from transformers.utils import is_torchvision_available

    assert is_torchvision_available() is (find_spec("torchvision") is not None)


@needs_open_clip
def test_transforms_say_that_torchvision_is_missing():
    if find_spec("torchvision") is not None:
        pytest.skip("torchvision is installed")
    with pytest.raises(FaceLLMError, match="torchvision is not installed"):
        import_open_clip().image_transform(32, is_train=False)


UNFITTING = """
import torch

@torch.library.register_fake("torchvision::nms")  # as the real one does, whatever it was built for
def _(dets, scores, iou_threshold):
    return dets
"""
TRY = """
import facellm.train.open_clip_bridge as bridge
try:
    import torchvision
except RuntimeError as error:
    print("before:", error)
bridge.declare_operators()
bridge.declare_operators()  # twice is once
import torchvision
print("after: imported")
"""


def test_a_torchvision_that_misses_operators_is_made_importable(tmp_path):
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text(UNFITTING)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{TRY}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "before: operator torchvision::nms does not exist" in done.stdout
    assert "after: imported" in done.stdout


# -- bad input -------------------------------------------------------------------------------------


def test_an_absent_open_clip_is_an_error_that_says_how_to_install_it(monkeypatch):
    monkeypatch.delitem(sys.modules, "open_clip", raising=False)
    monkeypatch.setattr(open_clip_bridge, "find_spec", lambda name: None)
    with pytest.raises(FaceLLMError, match="pip install --no-deps open_clip_torch"):
        import_open_clip()


@needs_open_clip
def test_a_checkpoint_that_is_missing_damaged_or_of_another_model_is_an_error(tiny_clip, tmp_path):
    file = tmp_path / "clip.safetensors"
    with pytest.raises(FaceLLMError, match="no such file"):
        save_tower("tiny", file, tmp_path / "out")
    file.write_bytes(b"no")
    with pytest.raises(FaceLLMError, match="not an open_clip tiny"):
        save_tower("tiny", file, tmp_path / "out")
    (tmp_path / "clip.pt").write_bytes(b"no")
    with pytest.raises(FaceLLMError, match="not an open_clip tiny"):
        save_tower("tiny", tmp_path / "clip.pt", tmp_path / "out")
    state = tiny_clip.state_dict()
    del state["visual.conv1.weight"]
    save_file(state, file)
    with pytest.raises(FaceLLMError, match="conv1"):
        save_tower("tiny", file, tmp_path / "out")
    with pytest.raises(FaceLLMError, match="not an open_clip no-such-model"):
        save_tower("no-such-model", file, tmp_path / "out")


@needs_open_clip
def test_a_tower_outside_clips_layout_is_an_error_that_names_the_tensor(tiny_clip, monkeypatch):
    monkeypatch.setitem(TINY["vision_cfg"], "ls_init_value", 0.1)
    scaled = import_open_clip().create_model("tiny")
    with pytest.raises(FaceLLMError, match=r"has encoder.layers.0.ls_1.gamma: not CLIP's layout"):
        tower_of(scaled)
    tiny_clip.visual = torch.nn.Linear(2, 2)
    with pytest.raises(FaceLLMError, match="type Linear"):
        tower_of(tiny_clip)
