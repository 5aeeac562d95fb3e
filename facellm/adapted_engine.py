"""Readings with an adapter: the base's own, and beside them what the adapter was taught.

The base is read by its own engine as if there were no adapter, and every query the adapter does not
correct keeps exactly those values. The adapter's labels are read in a prefill of their own, by the
language model with LoRA on it, so a face costs the tower and a prefill more.

Example: ``with_adapter(engine, checkpoint, Path("adapter")).read(pixel_values, landmarks)``

Legend: N images, Q queries, S side of a crop, K classes of a label.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor

from facellm.adapter_file import check_base
from facellm.adapter_labels import AdaptedLabel, AdapterFacts, load_facts
from facellm.checkpoint import Checkpoint
from facellm.engine import ReadingEngine
from facellm.engine_file import source_digest
from facellm.errors import FaceLLMError
from facellm.label_reader import LabelReader, shared_copy
from facellm.labels import QUERY_INDEX

Tables = list[NDArray[np.float32]]
MOST = 32  # faces read at once
Added = dict[str, dict[str, float]]  # label -> class -> probability


def mixed(base: NDArray[np.floating], adapted: NDArray[np.floating], strength: float) -> NDArray:
    """Log-probabilities (N, K) between the base's and the adapted ones, normalised again.

    A mixture of outputs where WiSE-FT (arXiv 2109.01903) mixes weights: at strength 0 it is the
    base to the last bit.
    """
    if strength == 0:
        return np.asarray(base)
    logits = (1 - strength) * np.maximum(base, -50.0) + strength * np.maximum(adapted, -50.0)
    return log_shares(logits).astype(np.float32)


def log_shares(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Logits (N, K) -> log-probabilities."""
    shifted = np.asarray(logits, np.float64) - np.max(logits, axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


class AdaptedEngine:
    """A ``ReadingEngine`` with an adapter beside it.

    Args:
        engine: Takes the base's readings.
        checkpoint: The base; it stays as it is.
        reader: Of the adapted model.
        facts: The adapter.
    """

    def __init__(
        self,
        engine: ReadingEngine,
        checkpoint: Checkpoint,
        reader: LabelReader,
        facts: AdapterFacts,
    ) -> None:
        self.engine, self.facts = engine, facts
        self._base, self._reader = checkpoint.model, reader
        self._shift = checkpoint.calibration.generated_shift
        self.name = engine.name
        self.detail = f"{engine.detail}, adapter {facts.name} (sha256 {facts.digest[:16]})"

    def logprobs(self, pixel_values: Tensor, landmarks: Tensor) -> Tables:
        """Those of the base with the corrections in place; see ``ReadingEngine``."""
        return self.read(pixel_values, landmarks)[0]

    def read(self, pixel_values: Tensor, landmarks: Tensor) -> tuple[Tables, list[Added]]:
        """Q tables (N, n_labels) as ``logprobs`` gives them, and the new labels of each face."""
        tables = list(self.engine.logprobs(pixel_values, landmarks))
        used = {label.name for label in (*self.facts.added, *self.facts.corrections)}
        if not used:
            return tables, [{} for _ in range(len(pixel_values))]
        found = self.label_logprobs(pixel_values, landmarks)
        pairs = zip(self.facts.labels, found, strict=True)
        said = {label: tempered(label, table) for label, table in pairs}
        for label in self.facts.corrections:
            place = QUERY_INDEX[label.corrects]
            # A reading takes the base's shift off this query; the adapter was fitted without it.
            adapted = said[label] if label.corrects != "fake" else shifted(said[label], self._shift)
            tables[place] = mixed(tables[place], adapted, label.strength)
        return tables, added_shares(self.facts.added, said, len(pixel_values))

    @torch.inference_mode()
    def label_logprobs(self, pixel_values: Tensor, landmarks: Tensor) -> Tables:
        """(N, K) of every label of the adapter, before temperature and strength."""
        pieces = zip(pixel_values.split(MOST), landmarks.split(MOST), strict=True)
        found = [self._reader.logprobs(self._base.encode_faces(*piece)) for piece in pieces]
        return [torch.cat(tables).numpy() for tables in zip(*found, strict=True)]


def shifted(logprobs: NDArray[np.floating], shift: float) -> NDArray[np.float64]:
    """Log-probabilities (N, 2) of no and yes with ``shift`` added to the log-odds of yes."""
    return log_shares(np.asarray(logprobs, np.float64) + np.array([0.0, shift]))


def tempered(label: AdaptedLabel, logprobs: NDArray[np.floating]) -> NDArray[np.float64]:
    """Log-probabilities (N, K) at the label's temperature."""
    return log_shares(np.asarray(logprobs, np.float64) / label.temperature)


def added_shares(
    labels: Sequence[AdaptedLabel], said: dict[AdaptedLabel, NDArray[np.float64]], count: int
) -> list[Added]:
    """Probabilities of the new labels, face by face."""
    shares = {label: np.exp(said[label]) for label in labels}
    return [
        {
            label.name: dict(zip(label.classes, map(float, shares[label][row]), strict=True))
            for label in labels
        }
        for row in range(count)
    ]


def with_adapter(engine: ReadingEngine, checkpoint: Checkpoint, folder: Path) -> AdaptedEngine:
    """An engine that reads an adapter's labels too.

    Raises:
        FaceLLMError: If the folder is not an adapter of this version, is damaged, or was trained
            on other weights.
    """
    from peft import PeftModel

    facts = load_facts(folder)
    check_base(folder, str(checkpoint.folder), source_digest(checkpoint.folder))
    model = shared_copy(checkpoint.model)
    try:
        PeftModel.from_pretrained(model, folder)  # puts its maps into the copy
    except (SafetensorError, RuntimeError, OSError, ValueError, KeyError) as error:
        raise FaceLLMError(f"{folder}: adapter cannot be loaded: {error}") from error
    reader = LabelReader(model.eval(), checkpoint.processor, facts.labels)
    return AdaptedEngine(engine, checkpoint, reader, facts)
