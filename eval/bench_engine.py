"""The exported engine beside torch: vision tower, fusion and readout prefill of the same crops.

Runs of the two take turns, so that another load of the machine falls on both, and the ratio is that
of medians. Landmarks are found before the clock starts; one pair of lines has them inside, as
``facellm read`` does.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from facellm.assistant import FaceAssistant
from facellm.bench_lines import Line, Rgb, missing, new_photo
from facellm.crop_reading import SeenCrops, read_crops, see_crops
from facellm.crops import upright_crop
from facellm.engine import ReadingEngine
from facellm.engine_file import ENGINE, EngineUnusable
from facellm.openvino_engine import OpenVinoEngine

BATCHES = (1, 16, 32)
LEAST_RATIO = 2.0


def engine_lines(assistant: FaceAssistant, runs: int) -> list[Line]:
    """Crops a second of both engines and their ratio, for every size of batch.

    Args:
        assistant: On torch.
        runs: Medians are of so many; one more goes first and is not counted.

    Returns:
        One line that says why where the weights have no engine that can be used.
    """
    start = time.perf_counter()
    try:
        other = OpenVinoEngine(assistant.checkpoint.folder / ENGINE)
    except EngineUnusable as error:
        return [missing("engine beside torch", str(error))]
    lines = [Line(f"engine ({other.detail}): start", time.perf_counter() - start, "s", None, 1)]
    size = assistant.checkpoint.processor.crop_size
    face = assistant.read(new_photo(0))[0].face
    crops = [upright_crop(new_photo(2 * index), face, size) for index in range(max(BATCHES))]
    engines: tuple[ReadingEngine, ReadingEngine] = (assistant.engine, other)
    for batch in BATCHES:
        seen = see_crops(assistant.checkpoint, crops[:batch])
        rates = side_by_side([prefill(engine, seen) for engine in engines], batch, runs)
        *sides, ratio = pair_lines(f"encoder and prefill, batches of {batch}", rates, runs)
        lines += [*sides, replace(ratio, goal=LEAST_RATIO)]
    whole = [whole_reading(assistant, engine, crops) for engine in engines]
    rates = side_by_side(whole, len(crops), runs)
    return lines + pair_lines(f"landmarks and reading, batches of {len(crops)}", rates, runs)


def prefill(engine: ReadingEngine, seen: SeenCrops) -> Callable[[], object]:
    """Log-probabilities of crops whose landmarks are known."""
    return lambda: engine.logprobs(seen.pixel_values, seen.landmarks)


def whole_reading(
    assistant: FaceAssistant, engine: ReadingEngine, crops: Sequence[Rgb]
) -> Callable[[], object]:
    """Crops to readings, landmarks included."""
    return lambda: read_crops(assistant.checkpoint, engine, crops)


def side_by_side(
    pair: Sequence[Callable[[], object]], count: int, runs: int
) -> tuple[float, float]:
    """Crops a second of two ways of reading ``count`` crops that take turns."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(runs + 1):
        for taken, read in zip(seconds, pair, strict=True):
            start = time.perf_counter()
            read()
            taken.append(time.perf_counter() - start)
    first, second = (count / statistics.median(taken[1:]) for taken in seconds)
    return first, second


def pair_lines(what: str, rates: tuple[float, float], runs: int) -> list[Line]:
    """Crops a second by torch and by the engine, and their ratio.

    Args:
        what: Was measured.
        rates: By torch and by the engine.
        runs: They are medians of.
    """
    return [
        Line(f"{what}: torch", rates[0], "/s", None, runs),
        Line(f"{what}: engine", rates[1], "/s", None, runs),
        Line(f"{what}: engine over torch", rates[1] / rates[0], "x", None, runs, at_least=True),
    ]
