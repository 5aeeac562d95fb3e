"""One rank and two, by DeepSpeed over gloo on this machine, one thread each: tokens a second.

All ranks are started first and then wait at their standard input; a line lets a world take a turn,
so the worlds take turns. A step has the same rows whatever the number of ranks. Graphics cards are
hidden from them: two ranks on one card would measure something else.

A rank: ``python -m facellm.train.bench.ranks RUN.json OUT STEPS``. The first one answers each line
with ``{"tokens": 4011, "seconds": 2.31}``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import torch

from facellm.bench_lines import Line, missing, spread
from facellm.errors import FaceLLMError

from ..loop.ds_engine import free_port, join_ranks
from ..loop.ranks import find_ranks
from ..run_config import run_of
from ..train_command import quiet_transformers
from .setting import Setting
from .turns import Steps, in_turns, ratio

WORLDS = (1, 2)
ANSWER = '{"tokens"'
WAIT = 10.0  # seconds that a rank is given to end


def rank_lines(setting: Setting, folder: Path) -> list[Line]:
    """Tokens a second of one and of two ranks, and their ratio; a line that says why not.

    Args:
        setting: What to train.
        folder: For runs; created.
    """
    if find_spec("deepspeed") is None:
        return [missing("1 and 2 ranks", "pip install 'facellm[deepspeed]'")]
    sizes = setting.sizes
    half = sizes.rows // max(WORLDS)
    run = setting.run("engine.kind=deepspeed", f"schedule.micro_batch={half}")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "run.json"
    file.write_text(json.dumps(run.to_dict()))
    work = [sys.executable, "-m", __spec__.name, str(file)]
    with ExitStack() as opened:
        worlds = {
            world: opened.enter_context(
                closing(World([*work, str(folder / f"{world}"), str(sizes.steps)], world, folder))
            )
            for world in WORLDS
        }
        rates = in_turns({str(size): world.take for size, world in worlds.items()}, sizes.runs)
    one, two = (rates[str(world)] for world in WORLDS)
    return [
        spread("1 rank, one thread: real tokens", one, "/s"),
        spread("2 ranks, one thread each: real tokens", two, "/s"),
        ratio("real tokens/s: 2 ranks over 1", two, one),
    ]


class World:
    """Some ranks in processes of their own; ``close`` ends them.

    Args:
        command: Of every rank.
        size: Number of ranks.
        folder: Where their stderr goes.
    """

    def __init__(self, command: Sequence[str], size: int, folder: Path) -> None:
        self.said = [folder / f"stderr-{size}-{rank}" for rank in range(size)]
        shared = {"WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
        shared |= {"OMP_NUM_THREADS": 1, "CUDA_VISIBLE_DEVICES": ""}
        self.ranks: list[subprocess.Popen[str]] = []
        for rank, said in enumerate(self.said):
            place = shared | {"RANK": rank, "LOCAL_RANK": rank}
            with said.open("w") as errors:
                self.ranks.append(
                    subprocess.Popen(
                        command,
                        env=os.environ | {name: str(value) for name, value in place.items()},
                        stdin=subprocess.PIPE,
                        stdout=subprocess.DEVNULL if rank else subprocess.PIPE,
                        stderr=errors,
                        text=True,
                    )
                )

    def take(self) -> float:
        """The next turn: tokens a second.

        Raises:
            FaceLLMError: If a rank has died; holds what it said last.
        """
        try:
            for rank in self.ranks:
                _input_of(rank).write("\n")
                _input_of(rank).flush()
        except BrokenPipeError as error:
            raise self._dead() from error
        for line in self.ranks[0].stdout or ():
            if line.startswith(ANSWER):  # libraries print too
                answer = json.loads(line)
                return answer["tokens"] / answer["seconds"]
        raise self._dead()

    def _dead(self) -> FaceLLMError:
        lines = [line for file in self.said for line in file.read_text().splitlines()]
        return FaceLLMError(f"a rank has ended: {lines[-1] if lines else 'it said nothing'}")

    def close(self) -> None:
        """End the ranks; nothing that they hold is wanted any more."""
        for rank in self.ranks:
            rank.terminate()
        for rank in self.ranks:
            try:
                rank.wait(WAIT)
            except subprocess.TimeoutExpired:
                rank.kill()
                rank.wait()
            with suppress(BrokenPipeError):  # it ended before it had read all
                _input_of(rank).close()
            if rank.stdout is not None:
                rank.stdout.close()


def _input_of(rank: subprocess.Popen[str]) -> IO[str]:
    assert rank.stdin is not None  # a pipe was asked for
    return rank.stdin


def work(steps: Steps, asked: Iterable[str], out: IO[str]) -> None:
    """A turn for every line asked, with an answer from the first rank.

    Args:
        steps: Of this rank.
        asked: Lines; what they say does not matter.
        out: Where answers go.
    """
    ranks = steps.training.ranks
    for _ in asked:
        turn = steps.take()
        tokens = ranks.sum(torch.tensor([turn.work.tokens])).item()
        if ranks.first:
            out.write(json.dumps({"tokens": tokens, "seconds": turn.seconds}) + "\n")
            out.flush()


def main(argv: list[str]) -> None:
    """One rank."""
    file, out, count = argv
    torch.set_num_threads(1)
    quiet_transformers()
    run = run_of(json.loads(Path(file).read_text()))
    if run.engine.kind == "deepspeed":
        join_ranks(find_ranks(run))
    with closing(Steps(run, Path(out), int(count))) as steps:
        work(steps, sys.stdin, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
