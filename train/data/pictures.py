"""Faces of samples -> crops and landmarks, in order, decoded in processes of their own or here."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facellm.errors import FaceLLMError
from facellm.folders import default_data

from ..run_config import DataConfig
from ..sample import FaceImage
from .seeing import STILL, Jitter, Look, Rgb, begin_seeing, see_or_say

TASK_PICTURES = 8  # handed to a process at once


@dataclass(frozen=True)
class Wanted:
    """A face and how it is looked at.

    Attributes:
        sample: Id, for messages.
        image: The face.
        jitter: See ``seeing``.
    """

    sample: str
    image: FaceImage
    jitter: Jitter = STILL


Seen = tuple[Rgb, NDArray[np.float32] | None]


class Pictures:
    """Cuts faces out of pictures; ``close`` ends its processes.

    Args:
        data: Where the pictures lie, and how many processes decode; 0 decodes here.
        size: Side of a crop.
    """

    def __init__(self, data: DataConfig, size: int) -> None:
        self.folder, self.size = Path(data.pictures or default_data()), size
        self._pool = _new_pool(data.workers) if data.workers else None

    def crops(self, wanted: Sequence[Wanted]) -> list[Seen]:
        """Crop (S, S, 3) and landmarks (68, 2) in [0, 1] of it, or None, for each face, in order.

        Raises:
            FaceLLMError: If a picture is missing or unreadable, or brings its process down; the
                sample is named.
        """
        looks = [self._look(want) for want in wanted]
        work = partial(see_or_say, size=self.size)
        if self._pool is None:
            seen = [work(look) for look in looks]
        else:
            try:
                seen = list(self._pool.map(work, looks, chunksize=TASK_PICTURES))
            except BrokenProcessPool as error:
                names = ", ".join(dict.fromkeys(want.sample for want in wanted))
                raise FaceLLMError(f"a decoding process died on one of: {names}") from error
        return [_seen(want, found) for want, found in zip(wanted, seen, strict=True)]

    def _look(self, want: Wanted) -> Look:
        image = want.image
        if image.data is None and not self.folder.is_dir():
            raise FaceLLMError(
                f"{want.sample}: pictures folder {self.folder} is missing; set data.pictures"
            )
        return Look(
            self.folder,
            image.path,
            image.box_xyxy,
            image.landmarks,
            image.data,
            image.whole,
            want.jitter,
        )

    def close(self) -> None:
        """End the processes; what they are at is dropped."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)


def _seen(want: Wanted, found: Seen | str) -> Seen:
    if isinstance(found, str):
        raise FaceLLMError(f"sample {want.sample}: {found}")
    return found


def _new_pool(workers: int) -> ProcessPoolExecutor:
    # Spawned, not forked: torch's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, context, initializer=begin_seeing)
