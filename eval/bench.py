"""Speed and memory on this machine: ``python -m facellm.eval.bench [--parts ask tables ...]``.

Cold: the command in a process of its own on a photo of 1000 x 1000 px; importing torch and the
other packages is counted apart, as the command itself reports it. Warm: a loaded assistant and a
photo it has not seen. Both photos are scikit-image's astronaut, enlarged, with another light, crop
and mirroring each time. Medians of ``--runs`` runs; the load of the machine is printed beside them,
since on a busy machine every figure is an upper bound.

Example line: ``| detection + reading, new photo | 212 ms | <= 300 ms | yes |``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from facellm.assistant import FaceAssistant
from facellm.bench_lines import Line, machine, new_photo, table
from facellm.crops import upright_crop
from facellm.generation import greedy_tokens

from .answering import answer_prompts
from .bench_clips import clip_lines
from .bench_engine import engine_lines
from .bench_tables import table_lines
from .measured_process import run_measured

TOKENS = 60
PARTS = ("ask", "engine", "tables", "clips")
BATCH = 32
QUESTION = "What expression does this face show?"
Rgb = NDArray[np.uint8]


def cold_runs(model: Path | None, runs: int) -> list[dict[str, float]]:
    """Run the command ``runs`` times; its own timings and peak memory of each."""
    records = []
    for index in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            photo = Path(folder) / "photo.jpg"
            Image.fromarray(new_photo(1000 + index)).save(photo, quality=92)
            command = [sys.executable, "-m", "facellm", "ask", str(photo), QUESTION, "--json"]
            command += [] if model is None else ["--model", str(model)]
            records.append(cold_run(command))
    return records


def cold_run(command: list[str]) -> dict[str, float]:
    """One run of ``facellm ask --json``: seconds of each stage, wall clock, peak memory in MB."""
    done = run_measured(command)
    return {**json.loads(done.printed)["timings"], "wall": done.seconds, "peak": done.peak}


def cold_lines(records: list[dict[str, float]]) -> list[Line]:
    """Medians of the cold runs."""
    runs = len(records)

    def median(value: Callable[[dict[str, float]], float]) -> float:
        return statistics.median(value(record) for record in records)

    own = ("load", "decode", "detect", "read", "first_word")
    first = median(lambda record: sum(record[name] for name in own))
    return [
        Line("cold start, imports alone", median(lambda r: r["import"]), "s", None, runs),
        Line("cold start, own share until the first word", first, "s", 2.0, runs),
        Line(
            "cold start, own share until the last word",
            median(lambda r: r["wall"] - r["import"]),
            "s",
            None,
            runs,
        ),
        Line("cold start, loading the weights", median(lambda r: r["load"]), "s", None, runs),
        Line("peak memory of the process", median(lambda r: r["peak"]), "MB", 1500.0, runs),
    ]


@contextmanager
def never_stopping(assistant: FaceAssistant) -> Iterator[None]:
    """Let answers run on, so that each is exactly as long as asked for."""
    config = assistant.checkpoint.model.config.text_config
    stop, config.eos_token_id = config.eos_token_id, -1
    try:
        yield
    finally:
        config.eos_token_id = stop


def write_marks(assistant: FaceAssistant, prompt: dict[str, Tensor]) -> list[float]:
    """Seconds from the start until each of 60 tokens is written."""
    saved = assistant.checkpoint
    start, marks = time.perf_counter(), []
    with never_stopping(assistant):
        for _ in greedy_tokens(saved.model, prompt, saved.processor.intent_ids, TOKENS):
            marks.append(time.perf_counter() - start)
    return marks


@torch.inference_mode()
def write_without_cache(assistant: FaceAssistant, prompt: dict[str, Tensor]) -> float:
    """Seconds to write 60 tokens when every token reads the whole text again."""
    model: Any = assistant.checkpoint.model
    start = time.perf_counter()
    embeds = model.embed(prompt["input_ids"], prompt["pixel_values"], prompt["landmarks"])
    for _ in range(TOKENS):
        out = model.language_model(inputs_embeds=embeds, use_cache=False, logits_to_keep=1)
        token = out.logits[0, -1].argmax()
        embeds = torch.cat([embeds, model.get_input_embeddings()(token[None, None])], 1)
    return time.perf_counter() - start


def warm_run(assistant: FaceAssistant, photo: Rgb) -> dict[str, float]:
    """Stages of one question about a new photo, then 60 tokens with and without the cache."""
    stream = assistant.ask_stream(photo, QUESTION)
    for _ in stream:
        pass
    answer = stream.answer
    assert answer is not None
    assert answer.faces, "no face found in the photo"
    size = assistant.checkpoint.processor.crop_size
    crop = upright_crop(photo, answer.faces[0].face, size)
    [prompt] = answer_prompts(assistant, [crop], [answer.faces[0].reading], [QUESTION])
    marks = write_marks(assistant, prompt)
    look = answer.timings.detect + answer.timings.read
    return {
        "detect": answer.timings.detect,
        "read": answer.timings.read,
        "look": look,
        "first_word": answer.timings.first_word,
        "sixty": look + marks[-1],
        "token": (marks[-1] - marks[0]) / (len(marks) - 1),
        "cached": marks[-1],
        "uncached": write_without_cache(assistant, prompt),
    }


def warm_lines(assistant: FaceAssistant, runs: int) -> list[Line]:
    """Medians over new photos; two more go first and are not counted."""
    records = [warm_run(assistant, new_photo(index)) for index in range(runs + 2)][2:]
    median = {name: statistics.median(r[name] for r in records) for name in records[0]}
    return [
        Line("warm, new photo: detection", 1e3 * median["detect"], "ms", None, runs),
        Line("warm, new photo: reading", 1e3 * median["read"], "ms", None, runs),
        Line("warm, new photo: detection + reading", 1e3 * median["look"], "ms", 300.0, runs),
        Line("warm: first word after the reading", 1e3 * median["first_word"], "ms", 100.0, runs),
        Line("warm, new photo: answer of 60 tokens, in all", median["sixty"], "s", 2.0, runs),
        Line("warm: one further token", 1e3 * median["token"], "ms", None, runs),
        Line(
            "60 tokens: without over with key-value cache",
            median["uncached"] / median["cached"],
            "x",
            None,
            runs,
        ),
    ]


def batch_lines(assistant: FaceAssistant, runs: int) -> list[Line]:
    """Crops read per second, 32 at a time and one by one, on the same crops."""
    size = assistant.checkpoint.processor.crop_size
    face = assistant.read(new_photo(0))[0].face
    crops = [upright_crop(new_photo(2 * index), face, size) for index in range(BATCH)]
    together, single = [], []
    for _ in range(runs + 1):
        start = time.perf_counter()
        assistant.read_crops(crops)
        middle = time.perf_counter()
        for crop in crops:
            assistant.read_crops([crop])
        together.append(middle - start)
        single.append(time.perf_counter() - middle)
    batched, alone = statistics.median(together[1:]), statistics.median(single[1:])
    return [
        Line("crops read, batches of 32", BATCH / batched, "/s", None, runs),
        Line("crops read, one by one", BATCH / alone, "/s", None, runs),
        Line("batches of 32 over one by one", alone / batched, "x", None, runs),
    ]


def ask_lines(assistant: FaceAssistant, model: Path | None, runs: int) -> list[Line]:
    """Cold, warm and batched: what a question costs."""
    warm = warm_lines(assistant, runs) + batch_lines(assistant, runs)
    return cold_lines(cold_runs(model, runs)) + warm


def main(argv: list[str] | None = None) -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", type=Path, help="folder of weights (default: those shipped)")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, metavar="PART")
    parser.add_argument("--mediapipe", type=Path, help="Python that has MediaPipe, for a ratio")
    parser.add_argument("--out", type=Path, help="also write the lines as JSON")
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    before = machine(args.threads)
    assistant = FaceAssistant.load(args.model)  # as `facellm read`: by the fastest engine
    by_torch = FaceAssistant(assistant.checkpoint, assistant.detector)  # as `facellm ask`
    parts = {
        "ask": lambda: ask_lines(by_torch, args.model, args.runs),
        "engine": lambda: engine_lines(by_torch, args.runs),
        "tables": lambda: table_lines(assistant, args.runs, args.mediapipe),
        "clips": lambda: clip_lines(assistant, args.runs),
    }
    lines = [line for name in args.parts for line in parts[name]()]
    after = machine(args.threads)
    print(f"{before['cores']} cores, {args.threads} threads, medians of {args.runs} runs")
    print(f"tables and clips are read by {assistant.engine.detail}, the rest by torch")
    print(f"load average {before['load_average']} before, {after['load_average']} after")
    print(table(lines))
    if args.out:
        record = {"before": before, "after": after, "lines": [asdict(line) for line in lines]}
        args.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
