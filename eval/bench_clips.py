"""What clips cost: frames a second, and how the cost grows with faces and with minutes.

Clips are made here: a still of one to sixteen faces (scikit-image's astronaut, each mirrored and
lit in its own way) that drifts a little from frame to frame, as MP4. ``growth`` is the cost of the
largest over the smallest divided by how much larger it is: 1 is linear growth, below it is cheaper.
Faces are counted as found: those that are overlooked must not make the growth look small.

Example line: ``| 1 -> 16 faces: growth of the cost of a frame | 0.42 x | <= 0.8 x | yes |``.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.data import astronaut

from facellm.assistant import FaceAssistant
from facellm.bench_lines import Line
from facellm.block_reading import ReadOptions
from facellm.clip.clip_reading import read_inputs
from facellm.errors import FaceLLMError

from .measured_process import run_measured

FACES = (1, 2, 4, 8, 16)
SIDE, RATE = 640, 10  # pixels; frames a second
SAMPLED = 16  # frames of a clip with several faces that are read
MINUTES = (1, 10)
SPARSE = 0.5  # frames a second read of a long clip
GOAL = 0.8
Rgb = NDArray[np.uint8]


def crowd(count: int) -> Rgb:
    """(640, 640, 3) uint8: ``count`` faces on a grid of 4 x 4 places, background elsewhere."""
    cell = SIDE // 4
    face = cv2.resize(astronaut()[0:260, 90:350], (cell, cell), interpolation=cv2.INTER_AREA)
    picture = np.full((SIDE, SIDE, 3), 128, np.uint8)
    rng = np.random.default_rng(7)
    for place in range(count):
        row, column = divmod(place, 4)
        lit = np.clip(255 * (face / 255.0) ** rng.uniform(0.8, 1.25), 0, 255).astype(np.uint8)
        lit = lit[:, ::-1] if place % 2 else lit
        picture[row * cell : (row + 1) * cell, column * cell : (column + 1) * cell] = lit
    return picture


def write_clip(path: Path, picture: Rgb, seconds: float) -> None:
    """An MP4 of the picture drifting by up to 3 pixels."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuv420p"
        for index in range(int(seconds * RATE)):
            moved = np.roll(picture, round(3 * np.sin(index / 7)), axis=1)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(moved, format="rgb24")))
        file.mux(stream.encode())


def clip_seconds(assistant: FaceAssistant, path: Path, fps: float) -> tuple[float, int, int]:
    """Seconds to read a clip in this process, sampled frames, rows of faces."""
    start = time.perf_counter()
    blocks = list(read_inputs(assistant, [path], (0, None), ReadOptions(fps=fps, quiet=True)))
    frames, rows = sum(b.frames for b in blocks), sum(len(b.rows) for b in blocks)
    return time.perf_counter() - start, frames, rows


def face_lines(assistant: FaceAssistant, folder: Path, runs: int) -> list[Line]:
    """Frames a second with one to sixteen faces, and the growth of a frame's cost."""
    cost: dict[float, float] = {}  # faces found in a frame -> seconds a frame
    lines: list[Line] = []
    for count in FACES:
        path = folder / f"faces{count}.mp4"
        write_clip(path, crowd(count), SAMPLED / 2)
        records = [clip_seconds(assistant, path, 2.0) for _ in range(runs + 1)][1:]
        frames, rows = records[0][1:]
        if not rows:
            raise FaceLLMError(f"{path}: none of the {count} faces was found")
        seconds = statistics.median(record[0] for record in records) / frames
        cost[rows / frames] = seconds
        found = f"{count} faces ({rows / frames:.1f} found)" if count > 1 else "1 face"
        lines.append(Line(f"clip, {found}", 1 / seconds, " frames/s", None, runs))
    name = f"{FACES[0]} -> {FACES[-1]} faces: growth of the cost of a frame"
    return [*lines, Line(name, growth(cost), "x", GOAL, runs)]


def growth(cost: Mapping[float, float]) -> float:
    """Cost of the largest over the smallest, over how much larger it is; 1 is linear.

    Args:
        cost: Size -> cost, of at least two sizes above 0.
    """
    small, large = min(cost), max(cost)
    if small == large:
        raise FaceLLMError(f"growth needs two sizes, all are {small:g}")
    return cost[large] / cost[small] / (large / small)


def command_seconds(path: Path) -> tuple[float, float]:
    """Seconds and peak memory in MB of ``facellm read`` on a clip, a process of its own."""
    command = [sys.executable, "-m", "facellm", "read", str(path), "--fps", str(SPARSE), "--quiet"]
    done = run_measured(command)
    return done.seconds, done.peak


def minute_lines(folder: Path, runs: int) -> list[Line]:
    """The command on a clip of one minute and of ten, start included, and its peak memory."""
    cost: dict[float, float] = {}
    peak: dict[int, float] = {}
    lines: list[Line] = []
    for minutes in MINUTES:
        path = folder / f"minutes{minutes}.mp4"
        write_clip(path, crowd(1), 60 * minutes)
        records = [command_seconds(path) for _ in range(runs)]
        cost[minutes] = statistics.median(seconds for seconds, _ in records)
        peak[minutes] = statistics.median(memory for _, memory in records)
        name = f"clip of {minutes} min, {SPARSE:g} frames a second, the whole command"
        lines.append(Line(name, cost[minutes], "s", None, runs))
    first, last = MINUTES
    name = f"{first} -> {last} minutes: growth of the command's time"
    lines.append(Line(name, growth(cost), "x", GOAL, runs))
    memory = f"{first} -> {last} minutes: peak memory over peak memory"
    return [*lines, Line(memory, peak[last] / peak[first], "x", None, runs)]


def clip_lines(assistant: FaceAssistant, runs: int) -> list[Line]:
    """Everything of the module docstring."""
    with tempfile.TemporaryDirectory() as folder:
        return face_lines(assistant, Path(folder), runs) + minute_lines(Path(folder), min(runs, 3))
