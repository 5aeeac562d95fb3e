r"""What the trained encoder reads on the pictures of a corpus, kept by face.

Its throw-away heads give a distribution for every query, the landmarks pose and z-scores. Answers
of the language model's stages are written under these readings (``facellm build readings``), and
queries a picture has no label for are learned from them (``DataConfig.teacher``).

Every face that stands alone in its picture is read, labelled or not: a teacher is for queries that
a picture has no label for.

Command::

    python -m facellm.train.own_readings --corpora corpus/ synth/ --encoder .cache/default/encoder \
        --landmarks facellm/weights/landmarks.safetensors --out own.npz
"""

from __future__ import annotations

import argparse
import sys
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from facellm.conversation import FacePart
from facellm.crop_reading import measure_face
from facellm.errors import FaceLLMError
from facellm.folders import default_cache
from facellm.geometry import Geometry
from facellm.labels import QUERIES
from facellm.processor import FaceLLMProcessor
from facellm.readout import Measured
from facellm.stored_readings import StoredReadings, face_key

from .build_model import fresh_processor
from .data.faces import RecordFaces
from .data.pictures import Pictures, Seen, Wanted
from .data.records import Records, shard_files
from .data.selection import evenly
from .encoder import FOLDER, EncoderTrainee, trained_encoder
from .head_shares import head_distributions
from .run_sections import DataConfig
from .sample import FaceImage

SPLITS = ("train", "valid")
AT_ONCE = 64  # faces


@dataclass
class Collected:
    """Readings as they come in, N faces."""

    keys: list[str]
    shares: list[dict[str, Tensor]]
    measured: list[Measured | None]


@dataclass(frozen=True)
class LoneFace:
    """One face to be read.

    Attributes:
        image: The face.
        quality: Of its landmarks, as the corpus says, in [0, 1].
    """

    image: FaceImage
    quality: float

    @property
    def key(self) -> str:
        """What its reading is stored under."""
        return face_key(self.image.path, 0)

    @property
    def shown(self) -> tuple[tuple[float, ...], int]:
        """What tells it from another face of the same key: box, and picture where embedded."""
        return self.image.box_xyxy, zlib.crc32(self.image.data or b"")


def opened(data: DataConfig) -> list[RecordFaces]:
    """The corpora's splits; one that holds no shard is passed over.

    Raises:
        FaceLLMError: If a corpus cannot be read.
    """
    return [
        RecordFaces(Records.load(Path(folder), split), place)
        for place, folder in enumerate(data.corpora)
        for split in SPLITS
        if shard_files(Path(folder), split)[0]
    ]


def faces_of(parts: Sequence[RecordFaces], limit: int = 0) -> Iterator[LoneFace]:
    """Every face that stands alone in its picture, once.

    Args:
        parts: Splits of corpora.
        limit: Records of each at most, spread over it; 0: all.

    Raises:
        FaceLLMError: If two faces have one key: their pictures share a path, or the corpora
            disagree on where the face is.
    """
    seen: dict[str, tuple[object, Path]] = {}  # key -> how it is shown, and where first
    for part in parts:
        records, here = part.records, set()
        for number, name in part.alone(evenly(np.arange(len(records)), limit)):
            if name in here:  # a record a task, all of one face
                continue
            here.add(name)
            facts = records.facts(number)
            (image,) = part.of(number, facts)
            face = LoneFace(image, float(facts.quality[0]))
            if face.key not in seen:
                seen[face.key] = face.shown, records.folder
                yield face
            elif seen[face.key][0] != face.shown:
                raise FaceLLMError(
                    f"{records.where(number)}: {image.path} stands for another face in "
                    f"{seen[face.key][1]}; store each corpus's readings in a file of its own"
                )


def collect(
    encoder: EncoderTrainee,
    geometry: Geometry,
    processor: FaceLLMProcessor,
    faces: Sequence[LoneFace],
    crops: Sequence[Seen],
) -> Collected:
    """Read N faces, their crops (S, S, 3) and landmarks (68, 2) in [0, 1] of them, or None."""
    missing = np.full((68, 2), np.nan, np.float32)
    parts = [FacePart(crop, missing if unit is None else unit) for crop, unit in crops]
    images = processor.images(parts)
    pixels = images["pixel_values"].contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        shares = head_distributions(encoder(pixels, images["landmarks"]))
    measured = [
        None if unit is None else measure_face(geometry, unit, face.quality)
        for face, (_, unit) in zip(faces, crops, strict=True)
    ]
    return Collected([face.key for face in faces], [shares], measured)


def read_all(
    data: DataConfig, encoder: EncoderTrainee, geometry: Geometry, processor: FaceLLMProcessor
) -> StoredReadings:
    """Readings of every face of some corpora.

    Raises:
        FaceLLMError: If a corpus or a picture cannot be read, two faces have one key (told before
            any is read), or there is none.
    """
    parts = opened(data)
    count = sum(1 for _ in faces_of(parts, data.limit))
    if not count:
        raise FaceLLMError(f"{', '.join(data.corpora)}: no face stands alone in its picture")
    pictures = Pictures(data, processor.crop_size)
    found = Collected([], [], [])
    faces = faces_of(parts, data.limit)
    try:
        while group := list(islice(faces, AT_ONCE)):
            crops = pictures.crops([Wanted(face.image.path, face.image) for face in group])
            read = collect(encoder, geometry, processor, group, crops)
            found.keys.extend(read.keys)
            found.shares.extend(read.shares)
            found.measured.extend(read.measured)
    finally:
        pictures.close()
    return stored(found)


def stored(found: Collected) -> StoredReadings:
    """What was collected as one table."""
    shares = [
        torch.cat([part[query.name] for part in found.shares]).numpy().astype(np.float16)
        for query in QUERIES
    ]
    names = next((list(m.zscores) for m in found.measured if m is not None), [])
    none = Measured((np.nan, np.nan, np.nan), dict.fromkeys(names, np.nan), 0.0)
    measured = [none if m is None else m for m in found.measured]
    return StoredReadings(
        found.keys,
        shares,
        np.array([m.pose for m in measured], np.float32),
        {name: np.array([m.zscores[name] for m in measured], np.float32) for name in names},
        np.array([m.quality for m in measured], np.float32),
    )


def new_own_readings_parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--corpora", nargs="+", required=True)
    parser.add_argument(
        "--pictures", default="", help="folder that paths in the corpora start from"
    )
    parser.add_argument("--encoder", type=Path, default=default_cache() / FOLDER)
    parser.add_argument("--landmarks", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, default=default_cache() / "tokenizer")
    parser.add_argument(
        "--limit", type=int, default=0, help="records of each split of each corpus (0: all)"
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Write the readings of some corpora; 2 where something given cannot be used."""
    args = new_own_readings_parser().parse_args(argv)
    try:
        for name, least in (("limit", 0), ("threads", 1)):
            if getattr(args, name) < least:
                raise FaceLLMError(f"--{name} {getattr(args, name)} is less than {least}")
        torch.set_num_threads(args.threads)
        data = DataConfig(tuple(args.corpora), pictures=args.pictures, workers=0, limit=args.limit)
        processor = fresh_processor(str(args.tokenizer))
        encoder, geometry = trained_encoder(args.encoder), Geometry.load(args.landmarks)
        readings = read_all(data, encoder, geometry, processor)
        readings.save(args.out)
    except FaceLLMError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{len(readings.keys)} readings in {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
