"""What the gateway itself needs of a checkpoint: everything but the model.

Whatever engine runs the model, faces are located, measured and put into prompts here, so a gateway
before vLLM does not hold the weights a second time.

Example: ``load_sight(None).processor.crop_size`` -> 192
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from facellm.checkpoint import (
    CALIBRATION,
    CONFIG,
    LANDMARKS,
    NEEDED,
    SHIPPED,
    check_config,
    load_processor,
)
from facellm.config import FaceLLMConfig
from facellm.crops import landmarker
from facellm.errors import FaceLLMError
from facellm.geometry import Geometry
from facellm.landmarks import LandmarkNet
from facellm.processor import FaceLLMProcessor
from facellm.readout import Calibration
from facellm.stabilise import STABILISER, stabilised


@dataclass(frozen=True)
class Sight:
    """A checkpoint without its model.

    Attributes:
        processor: With the landmark network as its landmark function.
        landmark_net: Crop -> 68 points and quality.
        geometry: Points -> pose and z-scores.
        calibration: Thresholds fitted on validation data.
        folder: Where it came from.
        context: Tokens the model takes, prompt and answer.
    """

    processor: FaceLLMProcessor
    landmark_net: LandmarkNet
    geometry: Geometry
    calibration: Calibration
    folder: Path
    context: int


def load_sight(path: Path | None) -> Sight:
    """Load it from a folder of weights; None takes those shipped.

    Raises:
        FaceLLMError: If a file is missing or of another version.
    """
    folder = SHIPPED if path is None else path
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if missing:
        raise FaceLLMError(f"{folder}: not a facellm checkpoint, {', '.join(missing)} missing")
    check_config(folder / CONFIG)
    processor, net = load_processor(folder), LandmarkNet.load(folder / LANDMARKS)
    processor.landmarker = landmarker(net)
    config = FaceLLMConfig.from_pretrained(folder)
    return Sight(
        processor,
        net,
        stabilised(Geometry.load(folder / LANDMARKS), folder / STABILISER),
        Calibration.load(folder / CALIBRATION),
        folder,
        int(config.text_config.max_position_embeddings),
    )
