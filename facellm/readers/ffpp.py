"""FaceForensics++: original videos and five manipulations of each.

::

    original_sequences/youtube/c23/videos/000.mp4
    manipulated_sequences/Deepfakes/c23/videos/000_003.mp4     target_source
    splits/train.json, val.json, test.json                     [["071", "054"], ...]

A video's split is that of its target's pair. The set's later additions (the actors' videos of
DeepFakeDetection) are in no pair and are not read. Families are those of ``forge``: what was done
to the face, not which program did it. Checked: folder names against the source's own README, the
pairs against public readers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from facellm.errors import FaceLLMError
from facellm.readers.outcome import BAD_LABEL, VIDEOS, BadRow, Read, listed, outcomes, required
from facellm.readers.row import FaceRow
from facellm.readers.sources import SOURCES

FAMILIES = {
    "Deepfakes": "face_swap",
    "FaceSwap": "face_swap",
    "FaceShifter": "face_swap",
    "Face2Face": "reenactment_warp",
    "NeuralTextures": "reenactment_warp",
}
SPLITS = {"train": "train", "val": "valid", "test": "test"}


@dataclass(frozen=True)
class Video:
    """One video and the manipulation it shows, if any."""

    path: Path
    method: str | None

    @property
    def where(self) -> str:
        """The file."""
        return str(self.path)

    @property
    def key(self) -> str:
        """Stable key."""
        return f"ffpp/{self.method or 'original'}/{self.path.stem}"


def pairs(folder: Path) -> dict[str, str]:
    """Split of every original video.

    Raises:
        FaceLLMError: If a file is missing or is not a list of pairs, or a video is in two splits.
    """
    splits: dict[str, str] = {}
    for name, split in SPLITS.items():
        file = required(folder / f"{name}.json")
        try:
            content = json.loads(file.read_text(encoding="utf-8-sig"))
            numbers = [str(number) for target, source in content for number in (target, source)]
        except (ValueError, TypeError) as error:
            raise FaceLLMError(f"{file}: is not a list of pairs of videos ({error})") from error
        for number in numbers:
            if splits.setdefault(number, split) != split:
                raise FaceLLMError(f"{file}: video {number} is in {splits[number]} too")
    return splits


def read_ffpp(
    path: Path, *, compression: str = "c23", methods: tuple[str, ...] = tuple(FAMILIES)
) -> Iterator[Read]:
    """FaceForensics++.

    Args:
        path: Folder of the set.
        compression: ``raw``, ``c23`` or ``c40``.
        methods: Manipulations to read; those whose folder is not there are an error.
    """
    root = Path(path)
    unknown = [name for name in methods if name not in FAMILIES]
    if unknown:
        raise FaceLLMError(f"manipulation {unknown[0]!r} is none of {', '.join(FAMILIES)}")
    splits = pairs(required(root / "splits"))

    def parse(video: Video) -> FaceRow:
        target = video.path.stem.split("_")[0]
        if target not in splits:
            raise BadRow(BAD_LABEL, f"video {target!r} is in no pair of splits/")
        return FaceRow(
            source="ffpp",
            key=video.key,
            split=splits[target],
            path=video.path,
            media="clip",
            licence=SOURCES["ffpp"].terms,
            where=video.where,
            subject=target,
            fake=video.method is not None,
            forgery=FAMILIES[video.method] if video.method else None,
        )

    places: list[tuple[Path, str | None]] = [(root / "original_sequences" / "youtube", None)]
    places += [(root / "manipulated_sequences" / method, method) for method in methods]
    for folder, method in places:
        videos = (Video(file, method) for file in listed(folder / compression / "videos", VIDEOS))
        yield from outcomes("ffpp", videos, parse)
