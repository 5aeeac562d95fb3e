"""A question about a clip -> the answer ``facellm ask clip.mp4`` gives, from the guard's frames.

The guard hands out a bounded number of frames with their times; they are followed and read as a
local clip's are, the engine judges what is asked, and the sentences are put together by rules.
Following runs in a thread of its own and asks the engine for readings from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from facellm.assistant import FULL_DESCRIPTION, FaceAssistant
from facellm.clip.asking import WRITER, timeline_record
from facellm.clip.frames import EVERY_FRAME, ClipFacts, ClipFrame, Losses
from facellm.clip.telling import OVERVIEW, asks_for_overview, tell
from facellm.clip.timeline import Timeline, read_timeline
from facellm.labels import DECLINED
from facellm.reading import Reading

from ..ports import ClipFrames
from .turns import conversed
from .words import Said, Wish, not_allowed, spoken_words

if TYPE_CHECKING:
    from .chat import Asked
    from .house import House
    from .talk import Talk

LONGEST_READ = 60.0  # seconds the engine may take for one batch of a clip's faces


@dataclass(frozen=True)
class ClipAnswer:
    """An answer about a clip.

    Attributes:
        text: Sentences.
        record: What they were put together from, JSON-ready.
        sizes: Width and height of the frames.
        looked: Seconds spent on decoding, finding and reading.
    """

    text: str
    record: dict[str, Any]
    sizes: tuple[tuple[int, int], ...]
    looked: float


class HeldClip:
    """Frames in memory as a ``facellm.clip.frames.Clip``.

    Args:
        held: At least one frame.
    """

    def __init__(self, held: ClipFrames) -> None:
        height, width = held.frames[0].shape[:2]
        self.facts = ClipFacts("clip", "guard", "", (width, height))
        self.losses, self._held = Losses(), held

    def frames(self, spacing: float = EVERY_FRAME) -> Iterator[ClipFrame]:
        """All of them; the guard has left out what is not looked at."""
        pairs = zip(self._held.frames, self._held.times, strict=True)
        for index, (pixels, moment) in enumerate(pairs):
            yield ClipFrame(index, moment, partial(_same, pixels))

    def seconds(self) -> float:
        """Time of the last one."""
        return self._held.times[-1]


def _same(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return pixels


class ClipReader:
    """What following a clip asks of a ``FaceAssistant``, from a thread beside the event loop."""

    def __init__(self, house: House, loop: asyncio.AbstractEventLoop) -> None:
        self.checkpoint, self.detector = house.looker.sight, house.looker.detector
        self._house, self._loop = house, loop

    def read_crops(self, crops: Sequence[NDArray[np.uint8]]) -> list[Reading]:
        """Readings of crops (S, S, 3), by the gateway's engine."""
        work = self._house.looker.read_crops(crops)
        found = asyncio.run_coroutine_threadsafe(work, self._loop)
        return [reading for reading, _ in found.result(LONGEST_READ)]


async def answer_clip(house: House, talk: Talk, asked: Asked, said: Said) -> ClipAnswer:
    """Answer the talk's last question; what was said before does not matter to it.

    Raises:
        FaceLLMError: What the guard refuses, or where no frame can be used.
        ApiError: 403 where emotions may not be told.
    """
    start, wish = perf_counter(), asked.wish(house)
    assert talk.clip is not None
    if not wish.emotions:  # a timeline is one of expressions
        raise not_allowed()
    clip = HeldClip(await house.looker.guard.clip(talk.clip))
    house.metrics.pictures.labels("clip").inc()
    reader = cast(FaceAssistant, ClipReader(house, asyncio.get_running_loop()))
    samples = max(2, len(list(clip.frames())))
    timeline = await asyncio.to_thread(read_timeline, reader, clip, samples)
    looked = perf_counter() - start
    text = await told(house, timeline, talk.question, wish, said)
    record = timeline_record(timeline) | {"written_by": WRITER, "frames": timeline.frames()}
    size = clip.facts.size
    return ClipAnswer(text, record, () if size is None else (size,), looked)


async def told(house: House, timeline: Timeline, question: str, wish: Wish, said: Said) -> str:
    """Words about a timeline, in answer to a question."""
    parts = []
    if timeline.tracks:
        crop = timeline.main_tracks()[0].crop
        assert crop is not None  # every track has a sight
        parts = [(await house.looker.read_crops([crop]))[0][1]]
    turns = conversed(parts, (), question)
    # Without a question a picture is described and a clip is told as a whole.
    unasked = question == FULL_DESCRIPTION
    overview = not timeline.tracks or unasked or asks_for_overview(question)
    said.intent = OVERVIEW if overview else await house.writer.intent(turns)
    if said.intent in DECLINED:
        declined = "".join([text async for text in spoken_words(house, turns, wish, said)])
        return declined.strip()
    text = tell(timeline, said.intent)
    refusal = house.policy.after(text)
    return text if refusal is None else said.refuse(house, refusal)
