r"""What the trained encoder reads on the pictures of a corpus, kept by face.

Its throw-away heads give a distribution for every query, the landmarks pose and z-scores. Answers
of the language model's stages are written under these readings (``facellm build readings``), and
queries a picture has no label for are learned from them (``DataConfig.teacher``).

Command::

    python -m facellm.train.own_readings --corpora corpus/ synth/ --encoder .cache/default/encoder \
        --landmarks facellm/weights/landmarks.safetensors --out own.npz
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from facellm.conversation import FacePart
from facellm.crop_reading import measure_face
from facellm.folders import default_cache
from facellm.geometry import Geometry
from facellm.labels import QUERIES
from facellm.processor import FaceLLMProcessor
from facellm.readout import Measured
from facellm.stored_readings import StoredReadings, face_key

from .data.corpus_samples import CorpusSamples
from .data.pictures import Pictures, Wanted
from .default_model import new_processor
from .encoder import FOLDER, EncoderTrainee, trained_encoder
from .head_shares import head_distributions
from .run_config import TrainRun
from .run_losses import LossesConfig
from .run_sections import DataConfig, ModelConfig, RatesConfig
from .sample import FaceImage

SPLITS = ("train", "valid")
AT_ONCE = 64  # faces


@dataclass
class Collected:
    """Readings as they come in, N faces."""

    keys: list[str]
    shares: list[dict[str, Tensor]]
    measured: list[Measured | None]


def faces_of(run: TrainRun, processor: FaceLLMProcessor) -> Iterator[FaceImage]:
    """Every face that stands alone in its picture and carries a label, once."""
    for split in SPLITS:
        samples = CorpusSamples(run, processor, split)
        for number in range(len(samples)):
            yield from samples.sample(number).images


def collect(
    encoder: EncoderTrainee,
    geometry: Geometry,
    processor: FaceLLMProcessor,
    seen: Sequence[tuple[str, np.ndarray, np.ndarray | None]],
) -> Collected:
    """Read N faces: key, crop (S, S, 3) and landmarks (68, 2) in [0, 1] of it, or None."""
    missing = np.full((68, 2), np.nan, np.float32)
    parts = [FacePart(crop, missing if unit is None else unit) for _, crop, unit in seen]
    images = processor.images(parts)
    pixels = images["pixel_values"].contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        shares = head_distributions(encoder(pixels, images["landmarks"]))
    units = [part.landmarks_unit for part in parts]
    measured = [measure_face(geometry, unit, 1.0) for unit in units if unit is not None]
    return Collected([key for key, _, _ in seen], [shares], measured)


def read_all(
    run: TrainRun, encoder: EncoderTrainee, geometry: Geometry, processor: FaceLLMProcessor
) -> StoredReadings:
    """Readings of every face of the run's corpora."""
    pictures = Pictures(run.data, processor.crop_size)
    found = Collected([], [], [])
    waiting: list[FaceImage] = []

    def flush() -> None:
        crops = pictures.crops([Wanted(image.path, image) for image in waiting])
        seen = [
            (face_key(image.path, 0), crop, unit)
            for image, (crop, unit) in zip(waiting, crops, strict=True)
        ]
        read = collect(encoder, geometry, processor, seen)
        found.keys.extend(read.keys)
        found.shares.extend(read.shares)
        found.measured.extend(read.measured)
        waiting.clear()

    for image in faces_of(run, processor):
        waiting.append(image)
        if len(waiting) == AT_ONCE:
            flush()
    if waiting:
        flush()
    pictures.close()
    return stored(found)


def stored(found: Collected) -> StoredReadings:
    """What was collected as one table."""
    shares = [
        torch.cat([part[query.name] for part in found.shares]).numpy().astype(np.float16)
        for query in QUERIES
    ]
    names = next(list(m.zscores) for m in found.measured if m is not None)
    none = Measured((np.nan,) * 3, dict.fromkeys(names, np.nan), 0.0)
    measured = [none if m is None else m for m in found.measured]
    return StoredReadings(
        found.keys,
        shares,
        np.array([m.pose for m in measured], np.float32),
        {name: np.array([m.zscores[name] for m in measured], np.float32) for name in names},
        np.array([m.quality for m in measured], np.float32),
    )


def main(argv: list[str] | None = None) -> None:
    """Write the readings of some corpora."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--corpora", nargs="+", required=True)
    parser.add_argument(
        "--pictures", default="", help="folder that paths in the corpora start from"
    )
    parser.add_argument("--encoder", type=Path, default=default_cache() / FOLDER)
    parser.add_argument("--landmarks", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, default=default_cache() / "tokenizer")
    parser.add_argument("--limit", type=int, default=0, help="records of each corpus (0: all)")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    run = TrainRun(
        stage="base",
        model=ModelConfig(tokenizer=str(args.tokenizer)),
        data=DataConfig(tuple(args.corpora), pictures=args.pictures, workers=0, limit=args.limit),
        rates=RatesConfig(multi_modal_projector=1e-3, embeddings=1e-3, language_model=1e-3),
        losses=LossesConfig(answer=0.0),
    )
    processor = new_processor(args.tokenizer)
    encoder, geometry = trained_encoder(args.encoder), Geometry.load(args.landmarks)
    readings = read_all(run, encoder, geometry, processor)
    readings.save(args.out)
    print(f"{len(readings.keys)} readings in {args.out}")


if __name__ == "__main__":
    main()
