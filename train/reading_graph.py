"""The reading of a face crop as one graph of fixed shape, for engines other than torch.

Vision tower, fusion and readout prefill in one module: pixels and landmarks in, log-probabilities
of every query out. The Fourier transform of the texture branch stays outside (converters do not
take it): its spectrum is an input. What is constant in the reading prompt is computed once. All
readouts are one product: every query meets the labels of all, and those of the others are ruled out
by a large negative bias.

Each operation of the converted graph is known by the module it comes from, so that what must not
be quantised is named by its role (``FLOAT_PARTS``) and not by a number that changes.

Legend: N images, S side of a crop, T tokens, D language width, Q queries, K labels of all queries.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from facellm.checkpoint import Checkpoint
from facellm.landmarks import N_LANDMARKS
from facellm.openvino_engine import SPECTRUM, label_columns, label_shape, openvino_module
from facellm.spectrum import radial_log_power

NO_LABEL = -1e4  # added to the logit of a label of another query
# Quantising these costs accuracy and saves nothing: they are small, or the first to see pixels.
FLOAT_PARTS = ("readout", "region_attention", "vision_tower.spectrum", "vision_tower.stem")
WEIGHED = ("MatMul", "Convolution")  # operations that quantisation looks at


class Readout(nn.Module):
    """Hidden states of the query tokens -> log-probabilities of each query's own labels.

    Args:
        weight: (V, D) output embeddings.
        label_ids: Q tensors of label token ids.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, label_ids: list[Tensor]) -> None:
        super().__init__()
        bias = torch.full(label_shape(), NO_LABEL)
        for row, columns in enumerate(label_columns()):
            bias[row, columns] = 0
        self.register_buffer("weight", weight[torch.cat(label_ids)].T.clone())
        self.register_buffer("bias", bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, Q, D) -> (N, Q, K); labels of other queries get about ``NO_LABEL``."""
        return (hidden @ self.weight + self.bias).log_softmax(-1)


class ReadingGraph(nn.Module):
    """Pixels, landmarks and spectrum -> log-probabilities (N, Q, K).

    Args:
        checkpoint: Loaded weights; they are copied.
    """

    before: Tensor
    after: Tensor
    mask: Tensor
    places: Tensor

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__()
        processor, model = checkpoint.processor, copy.deepcopy(checkpoint.model)
        fold_norms(model.vision_tower)
        ids = torch.tensor(processor.reading_ids())
        faces = (ids == processor.image_token_id).nonzero().flatten()
        with torch.no_grad():
            prompt = model.get_input_embeddings()(ids)[None]
        length = len(ids)
        self.register_buffer("before", prompt[:, : int(faces[0])].clone())
        self.register_buffer("after", prompt[:, int(faces[-1]) + 1 :].clone())
        causal = torch.full((length, length), -torch.inf).triu(1)
        self.register_buffer("mask", causal[None, None])
        self.register_buffer("places", torch.arange(length)[None])
        self.first_query = length - len(processor.query_ids)
        weight: Any = model.get_output_embeddings().weight
        self.readout = Readout(weight.detach(), processor.label_ids)
        self.model = model

    def forward(
        self, pixel_values: Tensor, landmarks: Tensor, spectrum: Tensor | None = None
    ) -> Tensor:
        """(N, 3, S, S), (N, 68, 2) and, where the tower has a texture branch, (N, 3 S / 2)."""
        tower: Any = self.model.vision_tower
        patches = tower(pixel_values) if spectrum is None else tower(pixel_values, spectrum)
        faces = self.model.visual_tokens(patches, landmarks)
        count = pixel_values.shape[0]  # len() would fix it
        prompt = (self.before.expand(count, -1, -1), faces, self.after.expand(count, -1, -1))
        hidden = self.model.language_model.model(
            inputs_embeds=torch.cat(prompt, 1),
            attention_mask=self.mask.expand(count, -1, -1, -1),
            position_ids=self.places,
            use_cache=False,
        ).last_hidden_state
        return self.readout(hidden[:, self.first_query :])


def fold_norms(module: nn.Module) -> None:
    """Fold every batch norm that directly follows a convolution into it, in place."""
    before: tuple[str, nn.Module] = ("", nn.Identity())
    for name, child in list(module.named_children()):
        if isinstance(before[1], nn.Conv2d) and isinstance(child, nn.BatchNorm2d):
            setattr(module, before[0], nn.utils.fusion.fuse_conv_bn_eval(before[1], child))
            setattr(module, name, nn.Identity())
        fold_norms(child)
        before = (name, child)


def example_inputs(checkpoint: Checkpoint, count: int) -> tuple[Tensor, ...]:
    """Random inputs of the graph for ``count`` images."""
    side = checkpoint.processor.crop_size
    pixels = torch.randn(count, 3, side, side)
    inputs = (pixels, torch.rand(count, N_LANDMARKS, 2))
    branch = getattr(checkpoint.model.vision_tower, "spectrum", None)
    return inputs if branch is None else (*inputs, radial_log_power(pixels))


@dataclass(frozen=True)
class ConvertedGraph:
    """The reading as an OpenVINO model.

    Attributes:
        model: ``openvino.Model`` in float32, any number of images.
        modules: Operation -> dotted name of the module it comes from.
    """

    model: Any
    modules: dict[str, str]

    def float_operations(self) -> list[str]:
        """Names of the operations of ``FLOAT_PARTS``, which stay as they are."""
        return [name for name in self.weighed() if self.role(name).startswith(FLOAT_PARTS)]

    def weighed(self) -> list[str]:
        """Names of all products and convolutions, in order."""
        held = self.model.get_ordered_ops()
        return [op.get_friendly_name() for op in held if op.get_type_name() in WEIGHED]

    def role(self, operation: str) -> str:
        """The module an operation comes from, as ``readout`` or ``vision_tower.stem.0``."""
        return self.modules.get(operation.split("/")[0], "").removeprefix("model.")


@torch.no_grad()
def convert(checkpoint: Checkpoint) -> ConvertedGraph:
    """Trace the reading and turn it into an OpenVINO model."""
    openvino = openvino_module()
    from openvino.frontend.pytorch.fx_decoder import TorchFXPythonDecoder

    graph, inputs = ReadingGraph(checkpoint).eval(), example_inputs(checkpoint, 2)
    count = torch.export.Dim("count", min=1, max=64)
    traced = torch.export.export(
        graph, inputs, dynamic_shapes=tuple({0: count} for _ in inputs), strict=False
    )
    with no_warnings():  # of operations that this version of torch does not have
        decoder = TorchFXPythonDecoder.from_exported_program(traced)
    modules = {node.name: module_of(node) for node in decoder.pt_module.graph.nodes}
    model = openvino.convert_model(decoder)
    names = ("pixel_values", "landmarks", SPECTRUM)
    for value, name, given in zip(model.inputs, names, inputs, strict=False):
        value.get_tensor().set_names({name})
        value.get_node().set_partial_shape(openvino.PartialShape([-1, *given.shape[1:]]))
    model.validate_nodes_and_infer_types()
    return ConvertedGraph(model, modules)


@contextmanager
def no_warnings() -> Iterator[None]:
    """Nothing below an error is logged."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def module_of(node: torch.fx.Node) -> str:
    """Dotted name of the module whose forward pass made a node; empty for the graph's own."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    return stack[-1][0] if stack else ""
