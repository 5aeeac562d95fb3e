"""A toy run: batches in memory for the toy checkpoint, and a command for tests with several ranks.

Rows hold a made-up face, an answer of made-up ids and sometimes a readout target; a row depends on
seed, step and its number in the step alone. ``python train_toys.py CONFIG OUT [--set ...]`` runs it
under any launcher; ``TOY_KILL`` (``save:4:1``, ``step:3:0``) kills a rank with SIGKILL.
"""

import argparse
import importlib.util
import json
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from facellm.labels import QUERIES
from facellm.train.loop import checkpoints
from facellm.train.loop.ds_engine import free_port
from facellm.train.loop.job import Makers, TrainJob
from facellm.train.run_config import load_run
from facellm.train.sample import TrainBatch, TrainingSample

PATCHES = 9
CONFIG = """\
stage: task
model: {{start: "{start}"}}
data: {{corpora: [toys]}}
rates: {{region_attention: 1.0e-3, multi_modal_projector: 1.0e-3, language_model: 1.0e-3}}
schedule: {{steps: 6, micro_batch: 2, global_batch: 4, warmup: 0.3, seed: 3}}
keep: {{save_every: 2, log_every: 1, valid_rows: 4, checkpoints: 9}}
"""


def write_config(folder, start):
    """The toy's config file."""
    path = folder / "toy.yaml"
    path.write_text(CONFIG.format(start=start))
    return path


class ToyRow:
    """One sample: ids, how many are learned, a face or none, one query or none."""

    def __init__(self, seed, processor, *, face=True):
        rng = np.random.default_rng(seed)
        words = rng.integers(300, 400, rng.integers(6, 14)).tolist()
        learned = int(rng.integers(2, len(words)))
        self.ids = [processor.image_token_id] * (PATCHES * face) + words
        self.labels = [-100] * (len(self.ids) - learned) + words[-learned:]
        self.pixels = rng.normal(size=(3, 96, 96)).astype(np.float32) if face else None
        self.points = rng.uniform(0.2, 0.8, (68, 2)).astype(np.float32)
        self.query = int(rng.integers(len(QUERIES))) if rng.random() < 0.7 else None
        count = 0 if self.query is None else len(processor.label_ids[self.query])
        self.target = rng.dirichlet([1.0] * count) if count else None
        self.sample = TrainingSample("/".join(map(str, seed)), self.ids, self.labels)


def batch_of(rows, processor):
    """Rows as one padded batch."""
    longest, widest = max(len(row.ids) for row in rows), max(map(len, processor.label_ids))
    shape = (len(rows), longest)
    asked = [(number, row) for number, row in enumerate(rows) if row.query is not None]
    faces = [row for row in rows if row.pixels is not None]
    batch = TrainBatch(
        input_ids=torch.full(shape, processor.tokenizer.pad_token_id),
        labels=torch.full(shape, -100),
        segments=torch.zeros(shape, dtype=torch.int64),
        positions=torch.arange(longest).repeat(len(rows), 1),
        samples=[row.sample for row in rows],
        readout_at=torch.zeros(len(asked), 3, dtype=torch.int64),
        readout_targets=torch.zeros(len(asked), widest),
    )
    for number, row in enumerate(rows):
        length = len(row.ids)
        batch.input_ids[number, :length] = torch.tensor(row.ids)
        batch.labels[number, :length] = torch.tensor(row.labels)
        batch.segments[number, :length] = 1
    for place, (number, row) in enumerate(asked):
        batch.readout_at[place] = torch.tensor([number, len(row.ids) - 1, row.query])
        batch.readout_targets[place, : len(row.target)] = torch.from_numpy(row.target)
    if faces:
        batch.pixel_values = torch.from_numpy(np.stack([row.pixels for row in faces]))
        batch.landmarks = torch.from_numpy(np.stack([row.points for row in faces]))
    return batch


class ToyStream:
    """As ``BatchStream``; rows of a step are the same however they are shared out."""

    steps_per_epoch = 4
    left_out: dict = {}  # noqa: RUF012
    poisoned = -1  # the step whose row 0 shows no numbers
    faceless = (1,)  # rows of every step without a face

    def __init__(self, run, processor, *, rank=0, world=1, split="train", features=None):
        self.plan, self.processor = run.schedule, processor
        self.rank, self.world, self.split = rank, world, split

    def micro_batches(self, step):
        kill_at("step", step, self.rank)
        share = self.plan.global_batch // self.world
        first = self.rank * share
        starts = range(first, first + share, self.plan.micro_batch)
        return [self._batch(step, range(s, s + self.plan.micro_batch)) for s in starts]

    def _batch(self, step, numbers):
        split = int(self.split == "valid")
        rows = [
            ToyRow((self.plan.seed, split, step, n), self.processor, face=n not in self.faceless)
            for n in numbers
        ]
        batch = batch_of(rows, self.processor)
        if step == self.poisoned and 0 in numbers:
            batch.pixel_values[:] = torch.nan
        return batch

    def close(self):
        """Nothing runs."""


def toy_makers(stream=ToyStream):
    """The product's own model and parts, the toy's batches."""
    from facellm.train.build_model import build_model
    from facellm.train.parts import prepare_parts

    return Makers(build_model, prepare_parts, stream)


def kill_at(what, step, rank):
    """End this process as ``kill -9`` does, where ``TOY_KILL`` says so, and note when."""
    if os.environ.get("TOY_KILL") == f"{what}:{step}:{rank}":
        noted = os.environ.get("TOY_NOTE")
        if noted:
            Path(noted).write_text(what)
        os.kill(os.getpid(), signal.SIGKILL)


def kill_during_saves():
    """Let ``TOY_KILL=save:STEP:RANK`` strike when a checkpoint's files are written."""
    write = checkpoints.save_random

    def struck(path):
        write(path)
        step = int(path.parent.name.split("-")[1].split(".")[0])
        kill_at("save", step, int(path.stem.split("-")[1]))

    checkpoints.save_random = struck


def toy_run(words):
    """``CONFIG OUT [--set ...] [--resume]`` in this process; a user's error is one line."""
    from facellm.errors import FaceLLMError
    from facellm.train.loop.training import train

    parser = argparse.ArgumentParser()
    parser.add_argument("config", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--local_rank")
    args = parser.parse_args(words)
    try:
        run = load_run(args.config, args.set)
        train(TrainJob(run, args.out, resume=args.resume, quiet=True, makers=toy_makers()))
    except FaceLLMError as error:
        raise SystemExit(f"facellm: error: {error}") from error


def run_forked(job):
    """Run a job on ranks forked from this process, which has imported everything.

    ``{"words": [...], "environment": {...}, "world": 2, "limit": BYTES}`` -> exit codes, what each
    rank said on stderr, and seconds.
    """
    world, start = job.get("world", 2), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        shared = job | {"said": folder, "port": str(free_port())}
        ranks = {fork_rank(shared, rank, world): rank for rank in range(world)}
        codes = [0] * world
        while ranks:
            process, status = os.wait()
            codes[ranks.pop(process)] = os.waitstatus_to_exitcode(status)
            if status:  # as a launcher does: one is gone, all go
                for other in ranks:
                    os.kill(other, signal.SIGTERM)
        said = [path.read_text() for path in sorted(Path(folder).iterdir())]
    return {"codes": codes, "said": said, "seconds": time.monotonic() - start}


def fork_rank(job, rank, world):
    """One rank in a process of its own; its id."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        sys.stderr = open(Path(job["said"]) / str(rank), "w")  # noqa: SIM115
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, "MASTER_PORT": job["port"]}
        names = job.get("environment", {}) | {"MASTER_ADDR": "127.0.0.1"}
        os.environ.update(names | {name: str(value) for name, value in place.items()})
        if "limit" in job:
            resource.setrlimit(resource.RLIMIT_FSIZE, (job["limit"], job["limit"]))
        toy_run(job["words"])
        code = 0
    except SystemExit as error:
        sys.stderr.write(f"{error}\n")
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def main():
    """One run by its words; or ``--serve``: jobs from stdin, one JSON a line, results to stdout."""
    from transformers.utils import logging

    from facellm.cli import quiet_libraries

    torch.set_num_threads(1)
    quiet_libraries()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    kill_during_saves()
    if sys.argv[1] != "--serve":
        toy_run(sys.argv[1:])
        return
    os.environ["DS_ACCELERATOR"] = "cpu"
    if importlib.util.find_spec("deepspeed"):  # imported before the forks
        importlib.import_module("deepspeed")
    for line in sys.stdin:
        sys.stdout.write(json.dumps(run_forked(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
