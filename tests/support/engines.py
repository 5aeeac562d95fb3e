"""Engine files of toy weights, for tests in the core and in the leaves."""

import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from facellm.checkpoint import load_checkpoint, save_checkpoint
from facellm.engine_file import ENGINE

WITHOUT_OPENVINO = "openvino is not installed: pip install 'facellm[engine]'"
needs_openvino = pytest.mark.skipif(find_spec("openvino") is None, reason=WITHOUT_OPENVINO)
needs_nncf = pytest.mark.skipif(
    find_spec("openvino") is None or find_spec("nncf") is None,
    reason="openvino or nncf is not installed: pip install 'facellm[quantize]'",
)


def lively(model: Any) -> Any:
    """Random weights where a new model has zeros, so that landmarks and texture matter."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        model.region_attention.gate.fill_(0.7)
        branch = model.vision_tower.spectrum
        if branch is not None:
            weight = branch.out.weight
            weight.copy_(0.3 * torch.randn(weight.shape, generator=generator))
            branch.scale.running_mean.fill_(-2.0)
        for module in model.vision_tower.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.copy_(torch.randn(module.num_features, generator=generator))
                module.running_var.uniform_(0.5, 2.0, generator=generator)
    return model


@dataclass(frozen=True)
class Exported:
    """A folder of weights with its unquantised engine file, and the graph that is in it."""

    folder: Path
    graph: Any

    def copy_to(self, folder: Path) -> Path:
        """A copy of the folder that a test may damage."""
        return Path(shutil.copytree(self.folder, folder))


def exported_weights(source: Path, folder: Path, model: Any) -> Exported:
    """A folder of weights around a model, the rest from ``source``, with its engine file."""
    from facellm.train.engine import F32, engine_file
    from facellm.train.reading_graph import convert

    saved = load_checkpoint(source)
    landmarks = source / "landmarks.safetensors"
    save_checkpoint(folder, lively(model), saved.processor, landmarks, saved.calibration)
    graph = convert(load_checkpoint(folder))
    engine_file(graph.model, folder, F32).save(folder / ENGINE)
    return Exported(folder, graph)
