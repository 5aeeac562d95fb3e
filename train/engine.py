"""Export the reading to OpenVINO and quantise it to 8 bits: ``python -m facellm.train.engine``.

Post-training quantisation (NNCF): ranges of activations are taken on training crops, cut as the
product cuts them; nothing is trained and nothing is chosen on them. Convolutions of the stages,
transformer layers of the tower, projector and language model become int8; the parts of
``reading_graph.FLOAT_PARTS`` stay float32. What rounding then shifts on average is taken off the
readouts, on the same crops. ``facellm.eval.engine`` compares the result with torch.

Sources: bias correction, Nagel et al., arXiv 1906.04721, section 4.2, applied once, at the output.

Needs ``pip install 'facellm[quantize]'``. Command:
``python -m facellm.train.engine --model facellm/weights --cache .cache/default``
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from facellm.checkpoint import Checkpoint, load_checkpoint
from facellm.crop_reading import see_crops
from facellm.engine_file import ENGINE, EngineFacts, EngineFile, source_digest
from facellm.errors import FaceLLMError
from facellm.folders import check_place, default_cache
from facellm.openvino_engine import label_shape, openvino_module
from facellm.prepared import PreparedSet
from facellm.prepared_crops import WHOLE, cut
from facellm.spectrum import radial_log_power

from .reading_graph import NO_LABEL, ConvertedGraph, convert, example_inputs

# Shares of the calibration crops, so that every kind of picture is within the ranges.
SHARES = {
    "ferplus": 0.34,
    "utkface": 0.26,
    "rig": 0.16,
    "real_vs_stylegan2": 0.12,
    "forged": 0.06,
    "face_mask": 0.06,
}
TRAIN = 0
BATCH = 16
INT8, F32 = "int8", "f32"
REQUIREMENT = "nncf>=3.4,<4"  # as in pyproject.toml
Sample = tuple[np.ndarray, ...]


def nncf_module() -> Any:
    """The ``nncf`` package; ``FaceLLMError`` with the command where it is missing."""
    openvino_module()  # first: it keeps telemetry from being found
    try:
        import nncf
    except ImportError as error:
        install = f"{sys.executable} -m pip install '{REQUIREMENT}'"
        raise FaceLLMError(f"nncf cannot be imported ({error}): {install}") from error
    return nncf


def calibration_samples(checkpoint: Checkpoint, cache: Path, count: int, seed: int) -> list[Sample]:
    """Inputs of the graph for about ``count`` training crops, one crop each.

    Raises:
        FaceLLMError: If a prepared set is not there.
    """
    samples, rng = [], np.random.default_rng(seed)
    for name, share in SHARES.items():
        if not (cache / name / "labels.npz").is_file():
            raise FaceLLMError(
                f"{cache / name}: no prepared set, run facellm.instruct_data.prepare"
            )
        data = PreparedSet(cache / name)
        rows = rng.permutation(data.rows(TRAIN))[: max(1, round(share * count))]
        for row in sorted(rows.tolist()):
            crop = cut(data, row, checkpoint.processor.crop_size, whole=name in WHOLE)
            samples.append(graph_inputs(checkpoint, crop))
    return samples


def graph_inputs(checkpoint: Checkpoint, crop: np.ndarray) -> Sample:
    """What the graph takes for one crop (S, S, 3) uint8."""
    seen = see_crops(checkpoint, [crop])
    inputs = (seen.pixel_values, seen.landmarks, radial_log_power(seen.pixel_values))
    wanted = len(example_inputs(checkpoint, 1))
    return tuple(value.numpy() for value in inputs[:wanted])


def quantised(graph: ConvertedGraph, samples: list[Sample]) -> Any:
    """The graph with int8 products and convolutions, but for its float parts."""
    nncf = nncf_module()
    return nncf.quantize(
        graph.model.clone(),
        nncf.Dataset(samples),
        subset_size=len(samples),
        model_type=nncf.ModelType.TRANSFORMER,
        preset=nncf.QuantizationPreset.MIXED,
        ignored_scope=nncf.IgnoredScope(names=graph.float_operations()),
    )


def log_probabilities(model: Any, samples: list[Sample]) -> np.ndarray:
    """(N, Q, K) of the graph for N samples."""
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino_module().Core().compile_model(model, "CPU", options)
    found = []
    for start in range(0, len(samples), BATCH):
        columns = zip(*samples[start : start + BATCH], strict=True)
        found.append(np.array(compiled([np.concatenate(column) for column in columns])[0]))
    return np.concatenate(found)


def corrected(model: Any, graph: ConvertedGraph, samples: list[Sample]) -> Any:
    """The quantised model with the mean shift of its log-probabilities taken off the readouts.

    Args:
        model: Quantised; changed in place.
        graph: What it was made from, unquantised.
        samples: On which the shift is measured.
    """
    shift = log_probabilities(graph.model, samples) - log_probabilities(model, samples)
    bias = readout_bias(model)
    constant = bias.get_node().data
    labelled = constant > NO_LABEL / 2  # the rest belongs to other queries
    change = np.where(labelled, shift.mean(0), 0.0)
    moved = openvino_module().opset13.constant((constant + change).astype(np.float32))
    for target in bias.get_target_inputs():
        target.replace_source_output(moved.output(0))
    return model


def readout_bias(model: Any) -> Any:
    """The output of the constant that is added to the readouts' logits, (Q, K).

    Raises:
        ValueError: If the model does not hold exactly one such constant.
    """
    shape = label_shape()
    found = [
        op.output(0)
        for op in model.get_ordered_ops()
        if op.get_type_name() == "Constant" and list(op.get_output_shape(0))[-2:] == shape
    ]
    if len(found) != 1:
        raise ValueError(f"{len(found)} constants have the readout's shape {shape}, expected 1")
    return found[0]


def engine_file(model: Any, folder: Path, precision: str) -> EngineFile:
    """An OpenVINO model as the engine file of a folder of weights.

    Args:
        model: ``openvino.Model``.
        folder: The weights it was made from.
        precision: ``int8`` or ``f32``.
    """
    openvino = openvino_module()
    with tempfile.TemporaryDirectory() as work:
        path = Path(work) / "model.xml"
        openvino.save_model(model, path, compress_to_fp16=False)
        weights = np.frombuffer(path.with_suffix(".bin").read_bytes(), np.uint8)
        facts = EngineFacts(source_digest(folder), precision, openvino.get_version())
        return EngineFile(facts, path.read_text(encoding="utf-8"), weights)


def main(argv: list[str] | None = None) -> None:
    """Export, quantise, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", type=Path, required=True, help="folder of weights")
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--out", type=Path, help=f"default: {ENGINE} in the folder of weights")
    parser.add_argument("--rows", type=int, default=300, help="calibration crops")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(argv)
    if args.rows < 1:
        raise FaceLLMError(f"--rows {args.rows}: must be at least 1")
    out = args.out or args.model / ENGINE
    check_place(out)
    torch.set_num_threads(args.threads)
    nncf_module()
    checkpoint = load_checkpoint(args.model)
    samples = calibration_samples(checkpoint, args.cache, args.rows, args.seed)
    graph = convert(checkpoint)
    kept = graph.float_operations()
    model = corrected(quantised(graph, samples), graph, samples)
    file = engine_file(model, args.model, INT8)
    file.save(out)
    print(f"{len(samples)} calibration crops, {len(kept)} of {len(graph.weighed())} layers float")
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
