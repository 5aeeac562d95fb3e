"""The exported reading on OpenVINO: log-probabilities close to torch's, several times faster.

OpenVINO is optional (``pip install 'facellm[engine]'``). Its Python package reports every import to
a web service by way of ``openvino_telemetry``; here that package is kept from being found, and
OpenVINO then falls back to a stand-in of its own that sends nothing.

Legend: N images, Q queries, K labels of all queries.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facellm.engine_file import EngineFile, EngineUnusable, check_source, making
from facellm.engine_names import OPENVINO
from facellm.labels import QUERIES
from facellm.spectrum import radial_log_power

TELEMETRY = "openvino_telemetry"
REQUIREMENT = "openvino>=2026.1,<2027"  # as in pyproject.toml
MOST = 16  # images at once; what more of them need does not stay in the caches
SPECTRUM = "spectrum"  # the graph's third input, where the tower has a texture branch


def openvino_module() -> Any:
    """The ``openvino`` package, silent.

    Raises:
        EngineUnusable: If it is not installed or does not load.
    """
    sys.modules.setdefault(TELEMETRY, None)  # type: ignore[arg-type]  # not to be found
    try:
        import openvino
    except (ImportError, OSError) as error:  # OSError: a library of it that does not load
        install = f"{sys.executable} -m pip install '{REQUIREMENT}'"
        raise EngineUnusable(f"openvino cannot be imported ({error})", install) from error
    return openvino


def label_columns() -> list[slice]:
    """Where in the graph's K columns the labels of each query stand: one query after another."""
    ends = list(accumulate(len(query.labels) for query in QUERIES))
    return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]


def label_shape() -> list[int]:
    """Q and K."""
    return [len(QUERIES), label_columns()[-1].stop]


class OpenVinoEngine:
    """Readings by an engine file, one call at a time.

    Args:
        path: Engine file, in the folder of the weights it was made from.

    Raises:
        EngineUnusable: If OpenVINO is missing, the file is damaged or made from other weights.
    """

    name = OPENVINO

    def __init__(self, path: Path) -> None:
        check_source(path)  # before the import: where there is no file it would be in vain
        openvino = openvino_module()
        file = EngineFile.load(path)
        options = {
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "INFERENCE_PRECISION_HINT": "f32",  # what is not int8; bfloat16 moves readings
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,  # two processes side by side would share a core
        }
        try:
            core = openvino.Core()
            model = core.read_model(model=file.graph, weights=openvino.Tensor(file.weights))
            self._compiled = core.compile_model(model, "CPU", options)
        except RuntimeError as error:
            raise EngineUnusable(
                f"{path}: cannot be used by openvino {version('openvino')} ({error})", making(path)
            ) from error
        found, expected = self._compiled.output(0).partial_shape, label_shape()
        if [size.get_max_length() for size in list(found)[1:]] != expected:
            reason = f"{path}: gives {found}, expected (N, Q, K) with {expected}"
            raise EngineUnusable(reason, making(path))
        self.detail = f"openvino {version('openvino')}, {file.facts.precision}"
        self._kept = file.weights  # the compiled model may still point into it
        self._inputs = [value.get_any_name() for value in self._compiled.inputs]

    def logprobs(self, pixel_values: Tensor, landmarks: Tensor) -> list[NDArray[np.float32]]:
        """Log-probabilities of each query's labels; see ``facellm.engine.ReadingEngine``."""
        pieces = zip(pixel_values.split(MOST), landmarks.split(MOST), strict=True)
        tables = np.concatenate([self._piece(pixels, points) for pixels, points in pieces])
        return [tables[:, row, columns] for row, columns in enumerate(label_columns())]

    def _piece(self, pixel_values: Tensor, landmarks: Tensor) -> NDArray[np.float32]:
        """(N, Q, K) of at most ``MOST`` images."""
        given = {"pixel_values": pixel_values, "landmarks": landmarks}
        if SPECTRUM in self._inputs:
            given[SPECTRUM] = radial_log_power(pixel_values)
        found = self._compiled([given[name].numpy() for name in self._inputs])
        return np.array(found[0])  # a copy: the buffer is used again
