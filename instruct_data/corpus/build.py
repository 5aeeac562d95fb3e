"""Sources -> the shards of a corpus, by any number of processes, resumable, always the same bytes.

Example::

    counts = build(load_config(Path("local.yaml")), Path("corpus"), data=Path("data"))
    build(config, Path("corpus"), data=data, shard=(2, 8))     # the second of eight processes

Shards are the unit of everything: each is built from its own rows alone, in batches that end where
it ends, by one process at a time, and is there only when its counts are.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import torch

from facellm.errors import FaceLLMError
from facellm.processes import end_with_parent
from facellm.readers.row import Rejection

from ..readers import READERS
from .assembly import records_of
from .config import CorpusConfig
from .finish import finish
from .folder import CorpusFolder
from .index import Duplicates, drops_of, make_index, new_dedupe
from .plugins import read_source
from .record import Draft, Outcome, Step
from .rows import Item, Job, Part, RowStream, first_outcome
from .shards import ShardWriter
from .spending import ledger, spenders
from .steps import new_steps, run_steps

BATCH_ROWS = 64
BATCH_PIXELS = 48_000_000  # decoded at a time: 144 MB
Tell = Callable[[str], None]


def silent(line: str) -> None:
    """Tells nobody."""


def build(
    config: CorpusConfig,
    out: Path,
    *,
    data: Path,
    shard: tuple[int, int] | None = None,
    resume: bool = False,
) -> dict[str, Any] | None:
    """Build a corpus, or one process's part of it.

    Args:
        config: What to build.
        out: Folder of the corpus.
        data: Folder that the sources' paths start from.
        shard: (i, n) with i from 1 to n: every n-th shard only.
        resume: Go on where an earlier run ended.

    Returns:
        The counts of the whole corpus once every shard is there, else None.

    Raises:
        FaceLLMError: If the folder belongs to another config or already holds these shards, if
            input cannot be used, or if the disk is full.
    """
    return run(Job(config, data, out, Part(*shard) if shard else Part(), resume))


def run(job: Job, workers: int = 1, tell: Tell = silent) -> dict[str, Any] | None:
    """Do a job in one or several processes; see ``build``."""
    check_names(job)
    CorpusFolder(job.out).open(job.config)
    check_new(job)
    jobs = job.split(workers)
    if job.config.dedupe is not None:
        if job.part.count == 1:
            in_processes(make_index, jobs)
        tell(f"{len(drops_of(job))} near duplicates are left out")
    in_processes(partial(build_part, tell=tell), jobs)
    return finish(CorpusFolder(job.out), job.config)


def check_names(job: Job) -> None:
    """What a config names must exist before the folder is touched.

    Raises:
        FaceLLMError: If a source's reader, options or path, a step or its options do not.
    """
    new_steps(job.config)
    for source in job.config.sources:
        read_source(source, job.data)
        path = job.data / source.path
        if source.reader in READERS and not path.exists():  # a user's own may need no path
            raise FaceLLMError(f"{path}: no such file or folder (reader {source.reader!r})")
    if job.config.dedupe is not None:
        new_dedupe(job)


def check_new(job: Job) -> None:
    """Without ``resume`` none of the shards may be there yet."""
    there = [shard for shard in CorpusFolder(job.out).finished() if shard in job.part]
    if there and not job.resume:
        raise FaceLLMError(
            f"{job.out}: already holds {len(there)} of these shards; --resume goes on with them"
        )


def in_processes(function: Callable[[Job], None], jobs: list[Job]) -> None:
    """Do jobs side by side, one in this process."""
    if len(jobs) == 1:
        function(jobs[0])
        return
    # Spawned, not forked: torch's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(len(jobs), context, initializer=end_with_parent) as pool:
        for done in [pool.submit(function, job) for job in jobs]:
            done.result()


def build_part(job: Job, tell: Tell = silent) -> None:
    """Build the shards of a part that are not there."""
    folder, stream = CorpusFolder(job.out), RowStream(job.config, job.data)
    steps = new_steps(job.config)
    paying = spenders(steps)
    if job.config.dedupe is not None:
        steps.insert(0, Duplicates(drops_of(job)))
    with one_thread():
        for shard, items in stream.shards():
            if shard not in job.part or folder.is_finished(shard):
                continue
            with (
                folder.locked(shard),
                ledger(folder, shard, paying),
                ShardWriter(folder, shard) as writer,
            ):
                fill(writer, job, steps, items)
            tell(f"shard {shard}: {writer.counts.rows} rows, {writer.counts.turns} questions")
    folder.tell_rows(stream.totals())


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for torch and OpenCV: sums then do not depend on the machine's cores."""
    before, cv_before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        cv2.setNumThreads(cv_before)


def fill(writer: ShardWriter, job: Job, steps: list[Step], items: Iterable[Item]) -> None:
    """Write a shard's rows, in order."""
    for item, outcome in outcomes(job.config, steps, items):
        if isinstance(outcome, Rejection):
            writer.write_rejection(without_folder(outcome, job.data))
        else:
            source = job.config.sources[item.source]
            writer.write_records(records_of(outcome, source, job.data))


def without_folder(rejection: Rejection, data: Path) -> Rejection:
    """The rejection with paths from the data folder on: the corpus is the same wherever it lies."""
    folder = f"{data}{os.sep}"
    detail, where = (text.replace(folder, "") for text in (rejection.detail, rejection.where))
    return replace(rejection, detail=detail, where=where)


def outcomes(
    config: CorpusConfig, steps: list[Step], items: Iterable[Item]
) -> Iterator[tuple[Item, Outcome]]:
    """Rows -> what became of them.

    Rows are decoded one by one, then go on in batches that are bounded in rows and in pixels.
    """
    first = 1 + [step.name for step in steps].index("decode")
    waiting: list[tuple[Item, Outcome]] = []
    pixels = 0
    for item in items:
        outcome = run_steps(steps[:first], [first_outcome(config, item)])[0]
        if isinstance(outcome, Draft) and outcome.picture is not None:
            pixels += outcome.picture.shape[0] * outcome.picture.shape[1]
        waiting.append((item, outcome))
        if len(waiting) == BATCH_ROWS or pixels >= BATCH_PIXELS:
            yield from run_rest(steps[first:], waiting)
            waiting, pixels = [], 0
    yield from run_rest(steps[first:], waiting)


def run_rest(
    steps: list[Step], waiting: list[tuple[Item, Outcome]]
) -> Iterator[tuple[Item, Outcome]]:
    """Take what is still a draft through the other steps."""
    drafts = [outcome for _, outcome in waiting if isinstance(outcome, Draft)]
    after = iter(run_steps(steps, drafts))
    for item, outcome in waiting:
        yield item, next(after) if isinstance(outcome, Draft) else outcome
