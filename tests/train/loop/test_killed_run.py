"""A run on a real corpus that is killed ends, resumed, with the weights of one that was not."""

import os
import signal
from dataclasses import replace
from multiprocessing import get_context

import pytest
import torch
from train_corpora import face_corpus, face_records, train_run

from facellm.train.loop.job import TrainJob, usual_makers
from facellm.train.loop.training import train
from facellm.train.run_sections import KeepConfig, ModelConfig, RatesConfig, ScheduleConfig

STEPS = 5


@pytest.fixture
def run(tiny_checkpoint, tmp_path):
    """Five records of five pictures, two checkpoints on the way, landmarks withheld at random."""
    folders = face_corpus(tmp_path, list(face_records(5, tasks=("expression",))))
    return replace(
        train_run(*folders, landmarks_dropped=0.5),
        stage="task",
        model=ModelConfig(start=str(tiny_checkpoint)),
        rates=RatesConfig(region_attention=1e-3, multi_modal_projector=1e-3),
        schedule=ScheduleConfig(steps=STEPS, micro_batch=1, global_batch=2, seed=3),
        keep=KeepConfig(save_every=2, valid_rows=0, checkpoints=9),
    )


def killed_at(step, run, out):
    """The run in a process that SIGKILL ends when it asks for a step's batches."""
    usual = usual_makers()

    def new_stream(*words, **options):
        stream = usual.new_stream(*words, **options)
        batches = stream.micro_batches

        def micro_batches(asked):
            if asked == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return batches(asked)

        stream.micro_batches = micro_batches
        return stream

    makers = replace(usual, new_stream=new_stream)
    job = TrainJob(run, out, quiet=True, makers=makers)
    process = get_context("fork").Process(target=train, args=(job,))
    process.start()
    process.join()
    return process.exitcode


def test_a_killed_and_resumed_run_ends_with_the_same_weights(run, tmp_path, weights_of):
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    train(TrainJob(run, straight, quiet=True))
    assert killed_at(3, run, broken) == -signal.SIGKILL
    found = sorted(path.name for path in broken.glob("checkpoint-*"))
    assert found == ["checkpoint-000002"]
    train(TrainJob(run, broken, resume=True, quiet=True))
    mine, theirs = weights_of(broken, STEPS), weights_of(straight, STEPS)
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    before = weights_of(straight, 2)
    assert not all(torch.equal(mine[name], before[name]) for name in mine)
