"""Save and load everything an assistant needs as one folder.

``config.json`` + ``model.safetensors`` (the model), processor files with ``chat_template.jinja``,
``landmarks.safetensors`` (the landmark network and its geometry statistics), ``calibration.json``,
where one was trained ``stabiliser.safetensors`` (head rotation taken off the landmarks), and, where
a LoRA adapter was trained, ``adapter/`` in PEFT layout. No pickle anywhere.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from facellm.adapter_file import ADAPTER
from facellm.adapter_merge import merge_adapter
from facellm.config import FaceLLMConfig
from facellm.crops import landmarker
from facellm.errors import FaceLLMError
from facellm.geometry import Geometry
from facellm.landmarks import LandmarkNet
from facellm.model import FaceLLMForConditionalGeneration
from facellm.processor import FaceLLMProcessor
from facellm.readout import Calibration
from facellm.stabilise import STABILISER, stabilised

SHIPPED = Path(__file__).parent / "weights"
LANDMARKS, CALIBRATION = "landmarks.safetensors", "calibration.json"
CONFIG, WEIGHTS = "config.json", "model.safetensors"
PROCESSOR = (
    "processor_config.json",
    "tokenizer_config.json",
    "tokenizer.json",
    "chat_template.jinja",
)
DIGESTED = (WEIGHTS, LANDMARKS, CALIBRATION)
NEEDED = (CONFIG, WEIGHTS, LANDMARKS, CALIBRATION, *PROCESSOR)


def weight_digests(folder: Path) -> dict[str, str]:
    """SHA-256 of the files that decide what is read: weights, landmark network, thresholds."""
    files = [name for name in (*DIGESTED, STABILISER) if (folder / name).is_file()]
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files}


@dataclass(frozen=True)
class Checkpoint:
    """A loaded folder.

    Attributes:
        model: In evaluation mode, float32 on the CPU.
        processor: With the landmark network as its landmark function.
        landmark_net: Crop -> 68 points and quality.
        geometry: Points -> pose and z-scores.
        calibration: Thresholds fitted on validation data.
        folder: Where it came from.
        adapter: Name and digest of an adapter (``facellm adapt``) in use; None without one.
    """

    model: FaceLLMForConditionalGeneration
    processor: FaceLLMProcessor
    landmark_net: LandmarkNet
    geometry: Geometry
    calibration: Calibration
    folder: Path
    adapter: tuple[str, str] | None = None

    def digests(self) -> dict[str, str]:
        """SHA-256 of everything that decides what is read, the adapter's included."""
        name, digest = self.adapter or ("", "")
        return weight_digests(self.folder) | ({f"adapter {name}": digest} if name else {})


def load_checkpoint(path: str | Path | None = None, *, own_adapter: bool = True) -> Checkpoint:
    """Load a folder written by ``save_checkpoint``; the shipped weights when ``path`` is None.

    Args:
        path: The folder.
        own_adapter: Merge the adapter that lies in it, where there is one.

    Raises:
        FaceLLMError: If a file is missing, or the weights are of another version; the message
            names the file and what differs.
    """
    folder = SHIPPED if path is None else Path(path)
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if missing:
        raise FaceLLMError(f"{folder}: not a facellm checkpoint, {', '.join(missing)} missing")
    check_config(folder / CONFIG)
    try:
        config = FaceLLMConfig.from_pretrained(folder)
        load: Any = FaceLLMForConditionalGeneration.from_pretrained
        model, report = load(folder, config=config, dtype=torch.float32, output_loading_info=True)
    except (SafetensorError, RuntimeError, OSError, ValueError) as error:
        raise FaceLLMError(f"{folder}: weights cannot be loaded: {error}") from error
    differing = [str(key) for kind in report.values() for key in kind]
    if differing:
        raise FaceLLMError(
            f"{folder}: weights of another version, {len(differing)} tensors differ, "
            f"first {differing[0]}"
        )
    if own_adapter and (folder / ADAPTER).is_dir():
        model = merge_adapter(model, folder / ADAPTER)
    processor = load_processor(folder)
    landmark_net = LandmarkNet.load(folder / LANDMARKS)
    processor.landmarker = landmarker(landmark_net)
    return Checkpoint(
        model.eval(),
        processor,
        landmark_net,
        stabilised(Geometry.load(folder / LANDMARKS), folder / STABILISER),
        Calibration.load(folder / CALIBRATION),
        folder,
    )


def check_config(path: Path) -> None:
    """Refuse another model's config before anything is built.

    transformers fills what a config lacks with the sizes of a 7B: 27 GB for one missing key.
    """
    try:
        record = json.loads(path.read_text())
    except ValueError as error:
        raise FaceLLMError(f"{path}: not JSON ({error})") from error
    kind = record.get("model_type") if isinstance(record, dict) else None
    if kind != FaceLLMConfig.model_type:
        raise FaceLLMError(f"{path}: model type {kind!r}, expected {FaceLLMConfig.model_type!r}")
    for part in ("vision_config", "text_config"):
        if not record.get(part):
            raise FaceLLMError(f"{path}: {part} missing")


def load_processor(folder: Path) -> FaceLLMProcessor:
    """The processor of a checkpoint folder; ``FaceLLMError`` if a file of it is damaged."""
    try:
        return FaceLLMProcessor.from_pretrained(folder)
    except Exception as error:  # tokenizers raises nothing narrower
        raise FaceLLMError(f"{folder}: processor cannot be loaded: {error}") from error


def save_checkpoint(
    folder: Path,
    model: FaceLLMForConditionalGeneration,
    processor: FaceLLMProcessor,
    landmarks: Path,
    calibration: Calibration,
) -> None:
    """Write a folder that ``load_checkpoint`` reads.

    Args:
        folder: Created when missing.
        model: Saved in its current dtype.
        processor: With its tokenizer and chat template.
        landmarks: Safetensors file of the landmark network, copied.
        calibration: Written as JSON.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    tokenizer_model = getattr(processor.tokenizer, "vocab_file", None)
    if tokenizer_model and Path(tokenizer_model).is_file():
        shutil.copy(tokenizer_model, folder / "tokenizer.model")
    shutil.copy(landmarks, folder / LANDMARKS)
    calibration.save(folder / CALIBRATION)
