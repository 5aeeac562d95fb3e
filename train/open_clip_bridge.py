"""The one door to open_clip: its import, its checkpoints as a tower of ours, its contrastive loss.

open_clip imports torchvision, of which it needs the picture transforms alone, and we none of it.
Where torchvision is absent, empty stand-ins take its place for as long as the import lasts; where
one is installed that does not fit torch (it misses two operators), these are declared first, before
anything imports it. ``facellm doctor`` says what to install.

Command::

    python -m facellm.train.open_clip_bridge ViT-B-32 open_clip_model.safetensors towers/vit-b-32
    facellm train CONFIG --set model.vision=towers/vit-b-32

Source: open_clip 3.3.0 (Ilharco et al., doi 10.5281/zenodo.5143773).
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from pickle import PickleError
from types import ModuleType
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from facellm.errors import FaceLLMError

INSTALL = "pip install --no-deps open_clip_torch==3.3.0 ftfy wcwidth"
STAND_INS = ("", ".transforms", ".transforms.functional", ".ops", ".ops.misc")
OPERATORS = ("nms", "qnms")  # what a torchvision for another torch asks for and does not find
ATTENTION = {"ln_1": "layer_norm1", "ln_2": "layer_norm2", "mlp.c_fc": "mlp.fc1"}
ATTENTION |= {"mlp.c_proj": "mlp.fc2", "attn.out_proj": "self_attn.out_proj"}
OUTSIDE = {
    "class_embedding": "embeddings.class_embedding",
    "positional_embedding": "embeddings.position_embedding.weight",
    "conv1.weight": "embeddings.patch_embedding.weight",
    "ln_pre": "pre_layrnorm",  # transformers spells it so
    "ln_post": "post_layernorm",
}
_declared: list[Any] = []  # a library that is collected takes its operators with it


def import_open_clip() -> Any:
    """The module ``open_clip``.

    Raises:
        FaceLLMError: If it is not installed, or torchvision cannot be made to fit; the message
            says what to install.
    """
    if "open_clip" in sys.modules:
        return sys.modules["open_clip"]
    if find_spec("open_clip") is None:
        raise FaceLLMError(f"open_clip is not installed: {INSTALL}")
    if find_spec("torchvision") is None:
        with _stand_ins():
            return importlib.import_module("open_clip")
    declare_operators()
    try:
        return importlib.import_module("open_clip")
    except (ImportError, RuntimeError) as error:
        raise FaceLLMError(
            f"open_clip cannot be imported ({error}): pip uninstall -y torchvision timm"
        ) from error


def declare_operators() -> None:
    """Declare the operators an unfitting torchvision misses, so that its import passes.

    They must not be called; its transforms do not. Nothing is done where they exist.
    """
    if hasattr(torch.ops.torchvision, OPERATORS[0]):
        return
    try:  # a fitting one brings them along
        importlib.import_module("torchvision")
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        for name in OPERATORS:
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _declared.append(library)


class _AbsentMeta(type):
    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return cls


class _Absent(metaclass=_AbsentMeta):
    """Any name of torchvision; making one says what is missing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise FaceLLMError("torchvision is not installed, and open_clip's transforms need it")


@contextmanager
def _stand_ins() -> Iterator[None]:
    """Empty torchvision modules while open_clip is imported; nobody else may meet them."""
    names = [f"torchvision{part}" for part in STAND_INS]
    timm = sys.modules.get("timm")
    for name in names:
        module = ModuleType(name)
        module.__path__ = []
        module.__getattr__ = lambda attribute: _absent(attribute)  # type: ignore[method-assign]
        sys.modules[name] = module
    sys.modules["timm"] = None  # type: ignore[assignment]  # optional there, and needs torchvision
    try:
        yield
    finally:
        for name in (*names, "timm"):
            sys.modules.pop(name, None)
        if timm is not None:
            sys.modules["timm"] = timm


def _absent(attribute: str) -> type[_Absent]:
    if attribute.startswith("__"):
        raise AttributeError(attribute)
    return _Absent


def clip_loss() -> nn.Module:
    """open_clip's symmetric contrastive loss (arXiv 2103.00020, section 2.3), on one process.

    Called with image features (B, D) and text features (B, D), both of length 1, and the scale of
    the logits, it gives a scalar.
    """
    return import_open_clip().ClipLoss()


def tower_of(model: Any) -> Any:
    """The vision transformer of an open_clip model as a ``CLIPVisionModel``, weights copied.

    Args:
        model: From ``open_clip.create_model``; a plain vision transformer with a class token.

    Raises:
        FaceLLMError: If it is another kind of tower, or has tensors that have no place in CLIP's
            layout; the first is named.
    """
    from transformers import CLIPVisionConfig, CLIPVisionModel

    visual = model.visual
    if not hasattr(visual, "transformer") or not hasattr(visual, "class_embedding"):
        raise FaceLLMError(f"a tower of type {type(visual).__name__}: only vision transformers")
    blocks = visual.transformer.resblocks
    quick = type(blocks[0].mlp.gelu).__name__ == "QuickGELU"
    config = CLIPVisionConfig(
        hidden_size=visual.conv1.out_channels,
        intermediate_size=blocks[0].mlp.c_fc.out_features,
        num_hidden_layers=len(blocks),
        num_attention_heads=blocks[0].attn.num_heads,
        image_size=visual.image_size[0],
        patch_size=visual.conv1.kernel_size[0],
        hidden_act="quick_gelu" if quick else "gelu",
        layer_norm_eps=visual.ln_pre.eps,
    )
    tower = CLIPVisionModel(config)
    renamed = dict(pair for item in visual.state_dict().items() for pair in _renamed(*item))
    wanted = set(tower.state_dict())
    for name in sorted(set(renamed) ^ wanted):
        kind = "lacks" if name in wanted else "has"
        raise FaceLLMError(f"the tower {kind} {name}: not CLIP's layout")
    tower.load_state_dict(renamed)
    return tower.eval()


def _renamed(name: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    """One tensor of open_clip by the names ``transformers`` gives its parts."""
    if name == "proj":  # into the space shared with text, which no tower of ours uses
        return
    for old, new in OUTSIDE.items():
        if name == old or name.startswith(f"{old}."):
            yield new + name[len(old) :], tensor
            return
    prefix = "transformer.resblocks."
    if not name.startswith(prefix):
        yield name, tensor
        return
    index, inner = name[len(prefix) :].split(".", 1)
    layer = f"encoder.layers.{index}."
    if inner.startswith("attn.in_proj_"):
        for part, third in zip("qkv", tensor.chunk(3), strict=True):
            yield f"{layer}self_attn.{part}_proj.{inner.removeprefix('attn.in_proj_')}", third
        return
    stem, kind = inner.rsplit(".", 1)
    yield f"{layer}{ATTENTION.get(stem, stem)}.{kind}", tensor


def save_tower(name: str, checkpoint: Path, out: Path) -> None:
    """Write an open_clip checkpoint as a folder for ``ModelConfig.vision``.

    Args:
        name: Architecture as open_clip knows it (``ViT-L-14``).
        checkpoint: Its ``.safetensors`` or ``.pt``.
        out: Folder.

    Raises:
        FaceLLMError: If the architecture is unknown, or the checkpoint is not of it.
    """
    open_clip = import_open_clip()
    if not checkpoint.is_file():
        raise FaceLLMError(f"{checkpoint}: no such file")
    try:
        model = open_clip.create_model(name, pretrained=str(checkpoint))
    except (RuntimeError, OSError, ValueError, KeyError, SafetensorError, PickleError) as error:
        raise FaceLLMError(f"{checkpoint}: not an open_clip {name}: {error}") from error
    from transformers import CLIPImageProcessorPil

    size = model.visual.image_size[0]
    settings = model.visual.preprocess_cfg
    tower_of(model).save_pretrained(out)
    CLIPImageProcessorPil(
        size={"shortest_edge": size},
        crop_size={"height": size, "width": size},
        image_mean=list(settings["mean"]),
        image_std=list(settings["std"]),
    ).save_pretrained(out)


def main() -> None:
    """Run the command of the module docstring."""
    parser = argparse.ArgumentParser(description="An open_clip checkpoint as a tower of facellm.")
    parser.add_argument("name", help="architecture, as open_clip knows it")
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    save_tower(args.name, args.checkpoint, args.out)


if __name__ == "__main__":
    main()
