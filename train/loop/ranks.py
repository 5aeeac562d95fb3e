"""The processes of a run: which one this is, how many there are, and sums over all of them.

Launchers (torchrun, ``deepspeed``) tell each process by ``RANK``, ``WORLD_SIZE``, ``LOCAL_RANK``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
from torch import Tensor
from torch import distributed as dist

from facellm.errors import FaceLLMError

from ..run_config import TrainRun


@dataclass(frozen=True)
class Ranks:
    """This process among those of the run.

    Attributes:
        rank: From 0; rank 0 writes and talks.
        world: Number of processes.
        device: Where this one computes.
    """

    rank: int = 0
    world: int = 1
    device: torch.device = torch.device("cpu")  # noqa: RUF009

    @property
    def first(self) -> bool:
        """Whether this is the one that writes and talks."""
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """Sum over all ranks, float64, on the CPU."""
        values = values.double()
        if self.world == 1:
            return values.cpu()
        values = values.to(self.device)
        dist.all_reduce(values)
        return values.cpu()

    def wait(self) -> None:
        """Go on when all have come here."""
        if self.world > 1:
            dist.barrier()


def launched() -> tuple[int, int, int]:
    """Rank, number of ranks and rank on this machine, as the launcher says; (0, 1, 0) without."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    rank, world, local = (os.environ.get(name, "") for name in names)
    return int(rank or 0), int(world or 1), int(local or 0)


def find_ranks(run: TrainRun) -> Ranks:
    """This process's place.

    Raises:
        FaceLLMError: If several processes were started for the single engine, or the rows of a
            step cannot be shared out among them.
    """
    rank, world, local = launched()
    if world > 1 and run.engine.kind == "single":
        raise FaceLLMError(
            f"{world} processes were started, but engine.kind is single: "
            "--set engine.kind=deepspeed"
        )
    rows, shared = run.schedule.global_batch, world * run.schedule.micro_batch
    if rows % shared:
        raise FaceLLMError(
            f"global_batch {rows} is no multiple of {world} ranks times micro_batch "
            f"{run.schedule.micro_batch}"
        )
    if not torch.cuda.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")  # said, DeepSpeed does not wonder aloud
        return Ranks(rank, world)
    device = torch.device("cuda", local)
    return Ranks(rank, world, device)
