"""What the evaluation harness costs and saves: ``python -m facellm.eval.bench --parts harness``.

Figures are ratios of medians; what is compared takes turns in one run, after a turn that does not
count. Pictures are new ones in every turn wherever an answer could be kept.

- cache: a task of our model's log-probabilities, asked and then taken from the file of answers, key
  by key, scored both times;
- shared prefix: options scored after one pass over the prompt, and after one pass each;
- overhead: a Python function asked by the harness, answers on disk, and in a bare loop, CPU time;
- many questions at once (``facellm.eval.bench_endpoints``).

Example line: ``| kept answers over asking | 312.00 x | >= 100 x | yes |``.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from facellm.assistant import FaceAssistant
from facellm.bench_lines import Line, Rgb
from facellm.crops import upright_crop
from facellm.labels import EXPRESSIONS

from .answering import answer_prompts
from .bench_endpoints import endpoint_lines, far_away, serving
from .bench_samples import QUESTION, pictures, small_photo, task_of, timed, turns
from .harness.media import CROP, FIND, Media
from .harness.models.function import FunctionModel
from .harness.models.local import LocalModel
from .harness.sample import CLOSED, FREE
from .harness.store import AnswerStore

ASKED, PLAIN = 8, 64  # samples a turn: of the cache, of the bare loop
TURNS = 3  # at most, where a turn takes seconds


def harness_lines(assistant: FaceAssistant, runs: int, model: Path | None = None) -> list[Line]:
    """Everything of the module docstring.

    Args:
        assistant: On the torch engine.
        runs: Turns; at most three where one takes seconds.
        model: Folder of weights that the server is started with; None for those shipped.
    """
    local, few = LocalModel(assistant), min(runs, TURNS)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        lines = cache_lines(local, place, few) + prefix_lines(local, runs)
        lines += overhead_lines(place, runs)
        lines += endpoint_lines("an endpoint of 0.2 s an answer", far_away(), place, few)
        return lines + endpoint_lines("our server", serving(model), place, few)


def cache_lines(local: LocalModel, folder: Path, runs: int) -> list[Line]:
    """Asked, and taken from the file of answers."""
    size = local.assistant.checkpoint.processor.crop_size
    face = local.assistant.detector.detect(small_photo(0))[0]

    def pairs() -> Iterator[tuple[float, float]]:
        store = AnswerStore(None, folder / "answers.sqlite")
        while True:
            files = pictures(folder, ASKED, lambda p: upright_crop(p, face, size))
            task = task_of(files, CROP, (CLOSED,))
            yield timed(task, local, store), timed(task, local, store)

    cold, warm = turns(pairs(), runs)
    return [
        Line("harness: a question asked, log-probabilities", 1e3 * cold / ASKED, "ms", None, runs),
        Line("harness: the same from the cache", 1e3 * warm / ASKED, "ms", None, runs),
        Line("kept answers over asking", cold / warm, "x", 100.0, runs, at_least=True),
    ]


def prefix_lines(local: LocalModel, runs: int) -> list[Line]:
    """Eight options after one pass over the prompt, and after one pass each."""
    photo = small_photo(0)
    found = local.assistant.read(photo)[0]
    crop = upright_crop(photo, found.face, local.assistant.checkpoint.processor.crop_size)
    [prompt] = answer_prompts(local.assistant, [crop], [found.reading], [QUESTION])

    def pairs() -> Iterator[tuple[float, float]]:
        while True:
            marks = [time.perf_counter()]
            for shared in (True, False):
                local.option_logprobs(prompt, EXPRESSIONS, shared=shared)
                marks.append(time.perf_counter())
            yield marks[1] - marks[0], marks[2] - marks[1]

    together, alone = turns(pairs(), runs)
    return [
        Line("harness: 8 options scored, shared prefix", 1e3 * together, "ms", None, runs),
        Line("shared prefix over one pass an option", alone / together, "x", None, runs),
    ]


def overhead_lines(folder: Path, runs: int) -> list[Line]:
    """A Python function by the harness, and in a bare loop over the same files, in CPU time.

    Both compute in one thread, and a millisecond is lost in what other processes take.
    """
    (file,) = pictures(folder, 1)
    copies = [folder / f"copy{number}.png" for number in range(PLAIN)]
    for copy in copies:
        copy.write_bytes(file.read_bytes())
    task = task_of(copies, FIND, (FREE,))

    def answer(shown: list[Rgb], question: str, options: Sequence[str]) -> str:
        return "neutral"

    stores = count()

    def pairs() -> Iterator[tuple[float, float]]:
        while True:
            start = time.process_time()
            for copy in copies:
                answer(Media(path=copy).frames(1), QUESTION, ())
            bare = time.process_time() - start
            store = AnswerStore(folder / f"own{next(stores)}.sqlite", None)
            model = FunctionModel("bench:answer", answer)
            yield timed(task, model, store, time.process_time), bare

    through, bare = turns(pairs(), runs)
    each = 1e3 * (through - bare) / PLAIN
    return [
        Line("harness: a bare loop, CPU", 1e3 * bare / PLAIN, "ms", None, runs),
        Line("harness: overhead a sample, CPU", each, "ms", None, runs),
        Line("harness over a bare loop, CPU", through / bare, "x", None, runs),
    ]
