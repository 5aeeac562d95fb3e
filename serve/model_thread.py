"""One thread that runs the model for everybody: readings in batches, answers a token in turn.

Readings that wait are taken together. Answers are written side by side: each round gives every one
of them its next words, so that a long answer does not keep a short one waiting; and readings and
answers get about the same share of the time, so that neither starves the other.

Example: ``thread.read(faces, done)``; ``thread.write(turns, bounds, put)``
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facellm.checkpoint import Checkpoint
from facellm.conversation import Conversation, FacePart, Turn
from facellm.engine import ReadingEngine
from facellm.generation import Choice, chosen_tokens, nucleus

from .engines import Bounds, EngineDown, Piece

MOST_FACES = 32  # of one batch
Tables = list[NDArray[np.float32]]
Outcome = Callable[[Any], None]  # takes a result, or an exception


@dataclass
class ReadJob:
    """Faces that wait to be read, and who wants to know."""

    faces: Sequence[FacePart]
    done: Outcome


@dataclass
class WriteJob:
    """An answer that is written.

    Attributes:
        turns: Of the conversation.
        bounds: Of the answer.
        put: Takes pieces.
        cancelled: Nobody wants it any more.
        words: Text as it becomes certain; None before the prompt is made.
        written: Ids so far.
        told: How many of them were handed out.
    """

    turns: Sequence[Turn]
    bounds: Bounds
    put: Outcome
    cancelled: bool = False
    words: Iterator[str] | None = None
    written: list[int] = field(default_factory=list)
    told: int = 0
    prompt_tokens: int = 0


class ModelThread:
    """See the module docstring.

    Args:
        checkpoint: Loaded weights.
        reader: Takes readings.
    """

    def __init__(self, checkpoint: Checkpoint, reader: ReadingEngine) -> None:
        self._checkpoint, self._reader = checkpoint, reader
        self._reads: deque[ReadJob] = deque()
        self._writes: list[WriteJob] = []
        self._change = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="facellm-model", daemon=True)
        self._thread.start()

    def read(self, faces: Sequence[FacePart], done: Outcome) -> None:
        """Let faces be read; ``done`` is called in the thread."""
        self._add(self._reads.append, ReadJob(faces, done))

    def write(self, turns: Sequence[Turn], bounds: Bounds, put: Outcome) -> WriteJob:
        """Let an answer be written; ``put`` is called in the thread, at last with its finish."""
        job = WriteJob(turns, bounds, put)
        self._add(self._writes.append, job)
        return job

    def _add(self, append: Callable[[Any], None], job: Any) -> None:
        with self._change:
            if self._closing:
                raise EngineDown("it is being stopped")
            append(job)
            self._change.notify()

    def close(self) -> None:
        """Stop after the step that is being made; everything that waits fails."""
        with self._change:
            self._closing = True
            self._change.notify()
        self._thread.join()
        for job in (*self._reads, *self._writes):
            (job.done if isinstance(job, ReadJob) else job.put)(EngineDown("it was stopped"))
        self._reads.clear()
        self._writes.clear()

    def _run(self) -> None:
        while True:
            with self._change:
                while not (self._reads or self._writes or self._closing):
                    self._change.wait()
                if self._closing:
                    return
            start = perf_counter()
            self._read_batch()
            until = perf_counter() + (perf_counter() - start)
            self._write_round()
            while self._reads and self._writes and perf_counter() < until and not self._closing:
                self._write_round()

    def _read_batch(self) -> None:
        """Read what waits, as much as one batch takes."""
        jobs: list[ReadJob] = []
        while self._reads and (
            not jobs or faces_of(jobs) + len(self._reads[0].faces) <= MOST_FACES
        ):
            jobs.append(self._reads.popleft())
        if not jobs:
            return
        try:
            images = self._checkpoint.processor.images([f for job in jobs for f in job.faces])
            tables = self._reader.logprobs(images["pixel_values"], images["landmarks"])
        except Exception as error:  # told to whoever asked; the thread goes on
            for job in jobs:
                job.done(error)
            return
        at = 0
        for job in jobs:
            end = at + len(job.faces)
            job.done([table[at:end] for table in tables])
            at = end

    def _write_round(self) -> None:
        """The next words of every answer."""
        for job in list(self._writes):
            if self._closing:
                return
            finished = job.cancelled
            if not finished:
                try:
                    finished = self._step(job)
                except Exception as error:  # told to whoever asked; the thread goes on
                    job.put(error)
                    finished = True
            if finished:
                self._writes.remove(job)

    def _step(self, job: WriteJob) -> bool:
        """The next words of an answer; True where it ends."""
        if job.words is None:
            job.words = self._begin(job)
        text = next(job.words, None)
        ids = tuple(job.written[job.told :])
        job.told = len(job.written)
        if text is not None:
            job.put(Piece(text, ids))
            return False
        full = len(job.written) >= job.bounds.longest
        job.put(Piece("", ids, "length" if full else "stop", job.prompt_tokens))
        return True

    def _begin(self, job: WriteJob) -> Iterator[str]:
        processor = self._checkpoint.processor
        prompt = processor.answer_prompt(Conversation(tuple(job.turns)))
        job.prompt_tokens = prompt["input_ids"].shape[1]
        bounds = job.bounds
        choice = Choice(bounds.longest)
        if bounds.temperature > 0:
            choice = Choice(bounds.longest, nucleus(bounds.temperature, bounds.top_p, bounds.seed))
        model, ids = self._checkpoint.model, processor.intent_choices(bounds.intent)
        tokens = chosen_tokens(model, prompt, ids, choice, processor.absent_ids)
        return processor.answer_pieces(tokens, job.written)


def faces_of(jobs: Sequence[ReadJob]) -> int:
    """Faces of some jobs."""
    return sum(len(job.faces) for job in jobs)
