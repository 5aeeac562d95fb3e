"""Pictures and clips, read in blocks: a clip gives a row per face of every sampled frame.

Between two blocks of a clip everything that is needed to go on (numbers of the faces, what they are
followed by, smoothing, counts) stands in the block's ``state``, so that a run that is killed inside
a long clip is resumed there; only decoding starts anew. Memory does not grow with the clip.

Example: ``for block in read_inputs(assistant, [Path("b.mp4")], (0, None), ReadOptions()): ...``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from facellm import block_reading
from facellm.assistant import FaceAssistant
from facellm.block_reading import ReadOptions, filled_units, read_blocks, table_columns
from facellm.calibrated import relative
from facellm.clip.following import Follower, ReadFrame, read_seen
from facellm.clip.frames import Clip, ClipFrame, Losses, sampled, span
from facellm.clip.opening import is_clip, open_clip
from facellm.clip.smoothing import Smoother
from facellm.errors import FaceLLMError
from facellm.journal import Block
from facellm.picture_files import shown_name
from facellm.results import ReadFace
from facellm.table_columns import Row, TableEntry
from facellm.tables import faceless_row, table_row

CLIP_BLOCK = 64  # sampled frames of a block
SPANS = 5  # stretches without a face that are told one by one
Position = tuple[int, dict[str, Any] | None]  # inputs finished, state inside the next one


def read_inputs(
    assistant: FaceAssistant, files: Sequence[Path], position: Position, options: ReadOptions
) -> Iterator[Block]:
    """Read what comes after ``position``, block by block, in the order of the files."""
    done, state = position
    start = 0
    for are_clips, group in groupby(files, lambda path: path.is_dir() or is_clip(path)):
        run = list(group)
        before = max(0, done - start)  # of this run, finished earlier
        start += len(run)
        if before >= len(run):
            continue
        if not are_clips:
            yield from read_blocks(assistant, run, before // block_reading.BLOCK, options)
            continue
        for path in run[before:]:
            yield from clip_blocks(assistant, path, state, options)
            state = None


def clip_blocks(
    assistant: FaceAssistant, path: Path, state: dict[str, Any] | None, options: ReadOptions
) -> Iterator[Block]:
    """One clip; a clip that cannot be used becomes a problem, not an error."""
    name = shown_name(path)
    try:
        if options.crops:
            raise FaceLLMError("is a clip; --crops takes pictures")
        clip = open_clip(path, options.frames)
        reader = ClipReader(assistant, clip, options)
        reader.restore(state)
        yield from reader.blocks()
    except FaceLLMError as error:
        reason = str(error).removeprefix(f"{path}: ")
        yield Block(clips=1, unreadable=1, problems=[(name, reason)])


@dataclass
class Faceless:
    """Stretches of sampled frames without a face, counted; the first few are kept."""

    frames: int = 0
    stretches: int = 0
    spans: list[list[float]] = field(default_factory=list)
    inside: bool = False

    def add(self, time: float, *, faceless: bool) -> None:
        """Take the next sampled frame."""
        if faceless:
            self.frames += 1
            if not self.inside:
                self.stretches += 1
                if self.stretches <= SPANS:
                    self.spans.append([time, time])
            elif self.stretches <= SPANS:
                self.spans[-1][1] = time
        self.inside = faceless

    def told(self, samples: int) -> str:
        """``no face in 12 of 120 sampled frames: 0:03.0 to 0:05.5``."""
        if self.frames == samples:
            return f"no face in any of {samples} sampled frames"
        spans = ", ".join(span(*ends) for ends in self.spans)
        more = self.stretches - len(self.spans)
        spans += f" and {more} more stretches" if more > 0 else ""
        return f"no face in {self.frames} of {samples} sampled frames: {spans}"


class ClipReader:
    """Reads a clip in blocks.

    Args:
        assistant: Loaded weights.
        clip: Opened.
        options: How it is sampled and read.
    """

    def __init__(self, assistant: FaceAssistant, clip: Clip, options: ReadOptions) -> None:
        self.assistant, self.clip, self.options = assistant, clip, options
        self.columns, self.units = table_columns(options), filled_units(assistant, options)
        self.spacing = 1 / options.fps if options.fps else 0.0
        self.follower = Follower(assistant, self.spacing)
        abstain_below = assistant.checkpoint.calibration.abstain_below
        self.smoother = Smoother(options.smooth, abstain_below)
        self.samples, self.faceless, self.unread = 0, Faceless(), Losses()

    def blocks(self) -> Iterator[Block]:
        """The rest of the clip."""
        chosen = sampled(self.clip.frames(self.spacing), self.options.fps)
        frames = islice(chosen, self.samples, None)
        hidden = True if self.options.quiet else None
        with tqdm(unit="frame", initial=self.samples, disable=hidden) as bar:
            going_on = True
            while going_on:
                block, before = Block(), self.samples
                for frame in self._read(self._counted(islice(frames, CLIP_BLOCK), bar)):
                    block.rows += self._rows(frame, block)
                going_on = self.samples - before == CLIP_BLOCK
                if going_on:
                    block.state = self.to_dict()
                else:
                    self._finish(block)
                yield block

    def _counted(self, frames: Iterable[ClipFrame], bar: Any) -> Iterator[ClipFrame]:
        for frame in frames:
            self.samples += 1
            bar.update()
            yield frame

    def _read(self, frames: Iterable[ClipFrame]) -> Iterator[ReadFrame]:
        seen = self.follower.follow(frames, self.unread)
        return read_seen(self.assistant, seen, self.options.batch)

    def _rows(self, frame: ReadFrame, block: Block) -> list[Row]:
        """Rows of a frame; one without a face is an empty row at its time."""
        name = self.clip.facts.name
        block.frames += 1
        self.faceless.add(frame.time, faceless=not frame.faces)
        if not frame.faces:
            block.faceless += 1
            return [faceless_row(name, frame.index, frame.time, self.columns)]
        faces = [self.smoother.smooth(found, frame.time) for found in frame.faces]
        own = self.options.baseline
        if own is not None and len(faces) == 1:
            calibration = self.assistant.checkpoint.calibration
            faces = [replace(f, reading=relative(f.reading, own, calibration)) for f in faces]
        return [table_row(self._entry(found, frame), self.columns) for found in faces]

    def _entry(self, found: ReadFace, frame: ReadFrame) -> TableEntry:
        return TableEntry(
            self.clip.facts.name,
            found.id,
            found.face,
            found.reading,
            self.units,
            frame.index,
            frame.time,
            self.options.smooth > 0,
        )

    def _finish(self, block: Block) -> None:
        """Say what was lost, and what is known of the clip as a whole."""
        name = self.clip.facts.name
        lost = self.clip.losses.lines() + self.unread.lines()
        read = self.samples - int(sum(count for count, *_ in self.unread.held.values()))
        block.clips = 1
        if not read:
            block.unreadable = 1
            reason = "; ".join(lost) or "the clip has no frame"
            block.problems.append((name, f"no frame could be used: {reason}"))
        else:
            gaps = [f"gap: {line}" for line in lost]
            gaps += [self.faceless.told(read)] if self.faceless.frames else []
            block.gaps = len(gaps)
            block.problems += [(name, gap) for gap in gaps]
        block.clip = self.clip.facts.to_dict() | {
            "sampled_frames": read,
            "frames_without_a_face": self.faceless.frames,
            "tracks": self.follower.tracker.next_number - 1,
            "lost": lost,
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; ``restore`` goes on exactly from here."""
        return {
            "samples": self.samples,
            "faceless": vars(self.faceless),
            "unread": self.unread.held,
            "follower": self.follower.to_dict(),
            "smoother": self.smoother.to_dict(),
        }

    def restore(self, record: dict[str, Any] | None) -> None:
        """Inverse of ``to_dict``; None starts at the beginning."""
        if record is None:
            return
        self.samples = record["samples"]
        self.faceless = Faceless(**record["faceless"])
        self.unread = Losses(record["unread"])
        self.follower.restore(record["follower"])
        self.smoother.restore(record["smoother"])
