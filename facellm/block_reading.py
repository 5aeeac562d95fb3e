"""Many pictures read in blocks: decoded ahead, faces of several pictures in one batch.

A block is a fixed number of consecutive files and batches never reach over its end, so a run that
is taken up again at a block gives the same rows to the last digit.

Example: ``for block in read_blocks(assistant, files, 0, ReadOptions()): print(len(block.rows))``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from facellm.assistant import FaceAssistant
from facellm.baseline import Baseline
from facellm.calibrated import relative
from facellm.crops import upright_crop
from facellm.decoding import decode
from facellm.face import Face
from facellm.journal import Block
from facellm.labels import ACTION_UNITS
from facellm.picture_files import shown_name
from facellm.refine import whole_picture_face
from facellm.table_columns import ColumnSet, Row, TableEntry
from facellm.tables import column_set, table_row, with_added, with_smoothed

Rgb = NDArray[np.uint8]
NO_FACE = "no face found"
BLOCK = 32  # pictures of a block
FEW = 8  # so many pictures are decoded here: starting a process takes longer


@dataclass(frozen=True)
class ReadOptions:
    """How pictures are read.

    Attributes:
        columns: Name of a column set (``facellm.table_columns``).
        crops: Every picture is one face crop: no detection.
        all_units: Fill every action unit.
        batch: Faces read at once.
        workers: Processes that decode ahead; 0 decodes in this one.
        quiet: No progress bar.
        fps: Frames of a clip sampled a second; 0 takes every one.
        frames: Pictures a second of folders that are clips; None where folders are not.
        smooth: Seconds over which expressions are smoothed in clips; 0 leaves them as read.
        baseline: One person's neutral; applied where a picture or frame shows one face.
        added: Columns of an adapter's labels.
    """

    columns: str = "default"
    crops: bool = False
    all_units: bool = False
    batch: int = 16
    workers: int = 1
    quiet: bool = False
    fps: float = 2.0
    frames: float | None = None
    smooth: float = 0.0
    baseline: Baseline | None = None
    added: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """A face that waits for its batch; ``alone`` where its picture shows no other."""

    file: str
    number: int
    face: Face
    crop: Rgb
    alone: bool = True


def read_blocks(
    assistant: FaceAssistant, files: Sequence[Path], done: int, options: ReadOptions
) -> Iterator[Block]:
    """Read the pictures after the first ``done`` blocks, block by block."""
    rest = files[done * BLOCK :]
    workers = 0 if len(rest) < FEW else options.workers
    # disable=None: a bar on a terminal, silence in a log file.
    hidden = True if options.quiet else None
    bar = tqdm(total=len(files), initial=len(files) - len(rest), unit="picture", disable=hidden)
    with bar:
        pictures = decode(rest, workers)
        for _ in range(0, len(rest), BLOCK):  # islice: one picture in memory, not a block
            yield read_block(assistant, islice(pictures, BLOCK), options, bar)


def read_block(
    assistant: FaceAssistant,
    pictures: Iterable[tuple[Path, Rgb | str]],
    options: ReadOptions,
    bar: Any,
) -> Block:
    """Detect and read the faces of some decoded pictures, ``--batch`` faces at once."""
    block, waiting = Block(), []
    for path, pixels in pictures:
        block.pictures += 1
        waiting += find_faces(assistant, path, pixels, block, crops=options.crops)
        while len(waiting) >= options.batch:
            block.rows += read_batch(assistant, waiting[: options.batch], options)
            waiting = waiting[options.batch :]
        bar.update()
    if waiting:
        block.rows += read_batch(assistant, waiting, options)
    return block


def find_faces(
    assistant: FaceAssistant, path: Path, pixels: Rgb | str, block: Block, *, crops: bool
) -> Iterator[Found]:
    """Cut the faces out of a picture; one that cannot be used becomes a problem, not an error."""
    name, checkpoint = shown_name(path), assistant.checkpoint
    if isinstance(pixels, str):
        block.unreadable += 1
        block.problems.append((name, pixels))
        return
    if crops:
        faces = [whole_picture_face(pixels, checkpoint.landmark_net)]
    else:
        faces = assistant.detector.detect(pixels)
    if not faces:
        block.problems.append((name, NO_FACE))
    for number, face in enumerate(faces, start=1):
        crop = upright_crop(pixels, face, checkpoint.processor.crop_size, whole=crops)
        yield Found(name, number, face, crop, alone=len(faces) == 1)


def read_batch(assistant: FaceAssistant, batch: list[Found], options: ReadOptions) -> list[Row]:
    """Read faces together: their rows."""
    units = filled_units(assistant, options)
    readings = assistant.read_crops([found.crop for found in batch])
    own, calibration = options.baseline, assistant.checkpoint.calibration
    if own is not None:  # of several faces nobody knows which one is the baseline's
        readings = [
            relative(reading, own, calibration) if found.alone else reading
            for found, reading in zip(batch, readings, strict=True)
        ]
    entries = [
        TableEntry(found.file, found.number, found.face, reading, units)
        for found, reading in zip(batch, readings, strict=True)
    ]
    columns = table_columns(options)
    return [table_row(entry, columns) for entry in entries]


def table_columns(options: ReadOptions) -> ColumnSet:
    """The columns asked for; ``baseline`` and ``smoothed`` are among them where they are used."""
    columns = column_set(options.columns, marked=options.baseline is not None)
    columns = with_added(columns, options.added)
    return with_smoothed(columns) if options.smooth > 0 else columns


def filled_units(assistant: FaceAssistant, options: ReadOptions) -> tuple[int, ...]:
    """Action units that the table fills."""
    real = assistant.checkpoint.calibration.units_on_real_faces
    return ACTION_UNITS if options.all_units else real
