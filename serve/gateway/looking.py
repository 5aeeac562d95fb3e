"""Pictures as strangers send them -> read faces, and the parts that carry them into a prompt.

The guard decodes, faces are found here, every face of a request is read in one go by the engine.
A picture that comes again, as with every further question of a conversation, is not looked at
again: its faces are remembered for some minutes, under a salted hash and in memory only.

Example: ``seen = await looker.look([data], most=16)``; ``seen[0].faces[0].reading.age``

Legend: S side of a crop.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facellm.context import reading_text
from facellm.conversation import FacePart
from facellm.crop_reading import measure_face
from facellm.crops import crop_landmarks, upright_crop
from facellm.detection import FaceDetector
from facellm.face import Face
from facellm.reading import Reading
from facellm.readout import Measured, reading_from_logprobs
from facellm.refine import whole_picture_face
from facellm.results import ReadFace

from ..engines import ServingEngine
from ..ports import Guard
from ..sight import Sight
from .failures import ApiError
from .request_log import hash_prefix

AT_ONCE = 16  # faces of one call of the engine
REMEMBERED, REMEMBERED_SECONDS = 64, 600.0  # pictures


@dataclass(frozen=True)
class Seen:
    """A picture that was looked at.

    Attributes:
        size: Width and height, pixels.
        faces: Left to right.
        parts: What carries each into a prompt.
        prefix: Of the hash of its bytes, for the log.
    """

    size: tuple[int, int]
    faces: tuple[ReadFace, ...]
    parts: tuple[FacePart, ...]
    prefix: str

    def noted(self) -> dict[str, Any]:
        """For the log."""
        return {"sha256": self.prefix, "size": list(self.size), "faces": len(self.faces)}


@dataclass(frozen=True)
class Found:
    """Faces of a picture before they are read; a crop (S, S, 3) each."""

    size: tuple[int, int]
    faces: tuple[Face, ...]
    crops: tuple[NDArray[np.uint8], ...]


class Looker:
    """See the module docstring.

    Args:
        sight: Locates faces and measures them.
        detector: Finds faces.
        engine: Takes readings.
        guard: Decodes.
    """

    def __init__(
        self, sight: Sight, detector: FaceDetector, engine: ServingEngine, guard: Guard
    ) -> None:
        self.sight, self.detector, self.engine, self.guard = sight, detector, engine, guard
        # One thread: a second search of the same cascades would only wait for the first.
        self.eyes = ThreadPoolExecutor(1, "facellm-eyes")
        self._remembered: OrderedDict[bytes, tuple[float, Seen]] = OrderedDict()
        self._salt = os.urandom(16)

    async def close(self) -> None:
        """End the guard and the thread, forget every picture."""
        self.eyes.shutdown(wait=False, cancel_futures=True)
        self._remembered.clear()
        await self.guard.close()

    async def look(self, data: Sequence[bytes], most: int, *, crops: bool = False) -> list[Seen]:
        """Faces of pictures with their readings.

        Args:
            data: Encoded pictures.
            most: Faces that all of them may show together.
            crops: Every picture already is one face crop.

        Raises:
            FaceLLMError: What the guard refuses; ``ApiError`` 400 for too many faces.
            EngineDown: See there.
        """
        keys = [self._key(one, crops) for one in data]
        seen = {key: held for key in keys if (held := self._recall(key)) is not None}
        fresh = {key: one for key, one in zip(keys, data, strict=True) if key not in seen}
        found = {key: await self.find(one, crops) for key, one in fresh.items()}
        faces = {key: len(held.faces) for key, held in {**seen, **found}.items()}
        if (count := sum(faces[key] for key in keys)) > most:
            raise ApiError(400, "too_many_faces", f"{count} faces, at most {most} are taken")
        everything = [crop for held in found.values() for crop in held.crops]
        read = iter(await self.read_crops(everything))
        for key, held in found.items():
            pairs = [next(read) for _ in held.crops]
            numbered = zip(held.faces, pairs, strict=True)
            read_faces = tuple(ReadFace(n, f, p[0]) for n, (f, p) in enumerate(numbered, start=1))
            parts = tuple(part for _, part in pairs)
            seen[key] = Seen(held.size, read_faces, parts, hash_prefix(fresh[key]))
            self._remember(key, seen[key])
        return [seen[key] for key in keys]

    async def find(self, data: bytes, crops: bool) -> Found:
        """Decode a picture and cut its faces out."""
        pixels = await self.guard.picture(data)
        return await self.in_thread(self._find, pixels, crops)

    def _find(self, pixels: NDArray[np.uint8], whole: bool) -> Found:
        net, size = self.sight.landmark_net, self.sight.processor.crop_size
        faces = [whole_picture_face(pixels, net)] if whole else self.detector.detect(pixels)
        cut = tuple(upright_crop(pixels, face, size, whole=whole) for face in faces)
        return Found((pixels.shape[1], pixels.shape[0]), tuple(faces), cut)

    async def read_crops(
        self, crops: Sequence[NDArray[np.uint8]]
    ) -> list[tuple[Reading, FacePart]]:
        """Readings of face crops (S, S, 3), and the parts that carry them into a prompt."""
        out: list[tuple[Reading, FacePart]] = []
        for start in range(0, len(crops), AT_ONCE):
            some = crops[start : start + AT_ONCE]
            parts, measured = await self.in_thread(self._locate, some)
            tables = await self.engine.logprobs(parts)
            for row, (part, values) in enumerate(zip(parts, measured, strict=True)):
                logprobs = [table[row] for table in tables]
                reading = reading_from_logprobs(logprobs, values, self.sight.calibration)
                carried = FacePart(part.crop, part.landmarks_unit, reading_text(reading))
                out.append((reading, carried))
        return out

    def _locate(
        self, crops: Sequence[NDArray[np.uint8]]
    ) -> tuple[list[FacePart], list[Measured | None]]:
        points, quality = crop_landmarks(self.sight.landmark_net, crops)
        parts = [FacePart(crop, unit) for crop, unit in zip(crops, points, strict=True)]
        pairs = zip(points, quality, strict=True)
        return parts, [measure_face(self.sight.geometry, u, float(sure)) for u, sure in pairs]

    async def in_thread(self, work: Any, *args: Any) -> Any:
        """Run what takes long beside the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self.eyes, work, *args)

    def _key(self, data: bytes, crops: bool) -> bytes:
        return hashlib.blake2b(data, key=self._salt, person=b"crop" if crops else b"").digest()

    def _recall(self, key: bytes) -> Seen | None:
        until, seen = self._remembered.get(key, (0.0, None))
        if seen is None or monotonic() > until:
            self._remembered.pop(key, None)
            return None
        self._remembered.move_to_end(key)
        return seen

    def _remember(self, key: bytes, seen: Seen) -> None:
        now = monotonic()
        for old in [k for k, (until, _) in self._remembered.items() if now > until]:
            del self._remembered[old]
        self._remembered[key] = (now + REMEMBERED_SECONDS, seen)
        while len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)
