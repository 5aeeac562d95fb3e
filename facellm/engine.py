"""What takes a reading: face crops as tensors in, log-probabilities of every query's labels out.

``torch`` runs the model itself and is always there. ``openvino`` runs an exported, quantised copy
of vision tower, fusion and readout prefill (``facellm.openvino_engine``); it is there where the
package is installed and the weights' folder holds an engine file made from exactly these weights.
``auto`` takes the fastest one that is there.

Example: ``choose_engine(checkpoint, "auto").logprobs(pixel_values, landmarks)``

Legend: N images, Q queries, S side of a crop.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facellm.checkpoint import Checkpoint
from facellm.engine_file import ENGINE, EngineUnusable
from facellm.engine_names import OPENVINO, TORCH, check_engine
from facellm.openvino_engine import OpenVinoEngine


class ReadingEngine(Protocol):
    """Takes readings.

    Attributes:
        name: ``torch`` or ``openvino``.
        detail: What exactly, for a manifest: ``openvino 2026.4.1, int8``.
    """

    name: str
    detail: str

    def logprobs(self, pixel_values: Tensor, landmarks: Tensor) -> list[NDArray[np.float32]]:
        """Log-probabilities of each query's labels.

        Args:
            pixel_values: (N, 3, S, S) float32, standardised by the processor.
            landmarks: (N, 68, 2) float32 in [0, 1] of the crop, NaN where missing.

        Returns:
            Q arrays (N, n_labels), in the order of ``facellm.labels.QUERIES``.
        """
        ...


class TorchEngine:
    """Readings by the model itself.

    Args:
        checkpoint: Loaded weights.
    """

    name = TORCH
    detail = f"torch {torch.__version__}"

    def __init__(self, checkpoint: Checkpoint) -> None:
        processor = checkpoint.processor
        self._model, self._label_ids = checkpoint.model, processor.label_ids
        self._ids = torch.tensor([processor.reading_ids()])
        self._positions = processor.query_positions()

    @torch.inference_mode()
    def logprobs(self, pixel_values: Tensor, landmarks: Tensor) -> list[NDArray[np.float32]]:
        """See ``ReadingEngine``."""
        ids = self._ids.expand(len(pixel_values), -1)
        embeds = self._model.embed(ids, pixel_values, landmarks)
        found = self._model.readouts(embeds, None, self._positions, self._label_ids)
        return [table.numpy() for table in found]


def choose_engine(checkpoint: Checkpoint, name: str) -> ReadingEngine:
    """The engine asked for.

    Args:
        checkpoint: Loaded weights.
        name: Of ``engine_names.ENGINES``; ``auto`` falls back to torch (``facellm doctor`` says
            why).

    Raises:
        FaceLLMError: If it is unknown, or asked for by name and cannot be used.
    """
    if check_engine(name) == TORCH:
        return TorchEngine(checkpoint)
    try:
        return OpenVinoEngine(checkpoint.folder / ENGINE)
    except EngineUnusable:
        if name == OPENVINO:
            raise
        return TorchEngine(checkpoint)
