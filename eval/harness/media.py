"""What a sample shows: one picture, or a clip, opened when somebody looks at it and not before.

Example: ``Media(path=Path("a.jpg"), face="aligned").frames(1)[0].shape == (218, 178, 3)``.

``face`` says what the picture is of, since nothing else decides so much: ``crop`` (already a face
crop, taken whole), ``aligned`` (one face fills the picture, framed by the landmark network) or
``find`` (any picture: the detector looks for the face). Foreign models are sent the picture itself,
or its face crop where the run says so.

Pixels: (H, W, 3) uint8 RGB, upright.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facellm.errors import FaceLLMError
from facellm.images import load_image
from facellm.readers.outcome import PICTURES
from facellm.readers.row import FaceRow

Rgb = NDArray[np.uint8]
CROP, ALIGNED, FIND = "crop", "aligned", "find"
FACES = (CROP, ALIGNED, FIND)


@dataclass(frozen=True)
class Change:
    """A named way to change a picture, for probes that ask about it twice.

    Attributes:
        name: What is changed and how much, ``text "angry"``; part of the sample's digest, so two
            changes of one name must do the same.
        apply: (H, W, 3) uint8 -> (H, W, 3) uint8.
    """

    name: str
    apply: Callable[[Rgb], Rgb]


@dataclass(frozen=True)
class Media:
    """One picture or clip.

    Attributes:
        data: Encoded bytes of a picture; empty where ``path`` says where it lies.
        path: File of a picture or clip, or folder of frames.
        kind: ``picture``, ``clip`` (a video file) or ``frames`` (a folder), as ``FaceRow.media``.
        face: ``crop``, ``aligned`` or ``find``, see the module docstring.
        change: Done to every picture after it is decoded.
    """

    data: bytes = b""
    path: Path | None = None
    kind: str = "picture"
    face: str = FIND
    change: Change | None = None

    def __post_init__(self) -> None:
        if self.face not in FACES:
            raise ValueError(f"face {self.face!r} is none of {', '.join(FACES)}")
        if bool(self.data) == (self.path is not None):
            raise ValueError("a medium holds either bytes or a path")

    @classmethod
    def of(cls, row: FaceRow, face: str, change: Change | None = None) -> Media:
        """The medium of a reader's row."""
        return cls(row.picture if row.path is None else b"", row.path, row.media, face, change)

    @property
    def name(self) -> str:
        """Path, or ``picture``, for messages."""
        return "picture" if self.path is None else str(self.path)

    def digest(self) -> str:
        """SHA-256 of everything that decides what is seen: encoded bytes, framing, change."""
        found = hashlib.sha256(f"{self.kind} {self.face} ".encode())
        found.update((self.change.name if self.change else "").encode() + b"\0")
        for part in self._encoded():
            found.update(hashlib.sha256(part).digest())
        return found.hexdigest()

    def frames(self, most: int) -> list[Rgb]:
        """Pictures: one, or up to ``most`` of a clip, evenly spaced from its first to its last.

        Raises:
            FaceLLMError: If nothing can be decoded; the message names the file.
        """
        if self.kind == "picture":
            pictures = [load_image(self.data or self._place())]
        elif self.kind == "frames":
            files = self._frame_files()
            pictures = [load_image(files[place]) for place in spaced(len(files), most)]
        else:
            pictures = clip_frames(self._place(), most)
        return [self.change.apply(picture) for picture in pictures] if self.change else pictures

    def _place(self) -> Path:
        assert self.path is not None
        return self.path

    def _frame_files(self) -> list[Path]:
        folder = self._place()
        files = sorted(p for p in folder.glob("*") if p.suffix.lower() in PICTURES)
        if not files:
            raise FaceLLMError(f"{folder}: holds no frame ({', '.join(PICTURES)})")
        return files

    def _encoded(self) -> list[bytes]:
        if self.data:
            return [self.data]
        files = self._frame_files() if self.kind == "frames" else [self._place()]
        try:
            return [file.read_bytes() for file in files]
        except OSError as error:
            raise FaceLLMError(f"{self.name}: {error.strerror}") from error


def spaced(count: int, most: int) -> list[int]:
    """At most ``most`` of ``count`` places, evenly spaced, first and last among them."""
    if count <= most:
        return list(range(count))
    return np.linspace(0, count - 1, most).round().astype(int).tolist()


def clip_frames(path: Path, most: int) -> list[Rgb]:
    """Up to ``most`` evenly spaced frames of a video file, read once and in order."""
    from facellm.clip.opening import open_clip

    count = sum(1 for _ in open_clip(path).frames())
    wanted = set(spaced(count, most))
    frames = enumerate(open_clip(path).frames())
    pictures = [frame.pixels() for place, frame in frames if place in wanted]
    if not pictures:
        raise FaceLLMError(f"{path}: no frame of this clip can be decoded")
    return pictures
