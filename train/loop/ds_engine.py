"""DeepSpeed: ZeRO 1 to 3 over the ranks of ``deepspeed`` or torchrun, offload where asked for.

Sources: ZeRO, arXiv 1910.02054; ZeRO-Offload, arXiv 2101.06840; by the library, not by us.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from facellm.errors import FaceLLMError

from ..run_config import TrainRun
from ..sample import TrainBatch
from ..trainee import Trainee
from .ds_compile import Tell, compile_nothing_for_gloo, compiling_told
from .ds_config import deepspeed_config, own_config
from .ds_norms import batch_norms_in_float32
from .ds_scalars import scalars_taken
from .engines import Groups, new_optimizer, set_rates
from .ranks import Ranks

FOLDER = "deepspeed"  # in a checkpoint
BYTES_A_NUMBER = 16  # weights, master copy, two moments


def deepspeed_module() -> Any:
    """The ``deepspeed`` package; ``FaceLLMError`` with the command where it is missing."""
    try:
        import deepspeed
    except ImportError as error:
        raise FaceLLMError(
            "engine.kind is deepspeed, and it is not installed: pip install 'facellm[deepspeed]'"
        ) from error
    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
    return deepspeed


def join_ranks(ranks: Ranks) -> None:
    """Meet the other ranks; one process alone is its own launcher."""
    deepspeed = deepspeed_module()
    if ranks.device.type == "cpu":
        compile_nothing_for_gloo()
    else:
        torch.cuda.set_device(ranks.device)
    if "MASTER_ADDR" not in os.environ:
        alone = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1"}
        os.environ.update(alone | {"MASTER_PORT": str(free_port())})
    backend = "nccl" if ranks.device.type == "cuda" else "gloo"
    deepspeed.init_distributed(dist_backend=backend, auto_mpi_discovery=False, verbose=False)


def free_port() -> int:
    """A port nobody listens at."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class DeepSpeedEngine:
    """See ``engines.Engine``.

    Args:
        trainee: Model and losses.
        groups: What is trained (``engines.new_optimizer``).
        run: The run's config.
        ranks: Of this process; ``join_ranks`` has been called.
        tell: Gets a line where DeepSpeed is about to compile something.
    """

    def __init__(
        self, trainee: Trainee, groups: Groups, run: TrainRun, ranks: Ranks, tell: Tell
    ) -> None:
        deepspeed = deepspeed_module()
        self.trainee, self.device, self.plan = trainee, ranks.device, run.schedule
        own = own_config(Path(run.engine.config)) if run.engine.config else None
        width = trainee.model.config.text_config.hidden_size
        config = deepspeed_config(run, ranks.world, width, own)
        built = "optimizer" in config  # then DeepSpeed builds it
        if run.schedule.precision == "bf16":
            batch_norms_in_float32(trainee)
        with compiling_told(tell), scalars_taken():
            self.engine, self.optimizer, _, _ = deepspeed.initialize(
                model=trainee,
                model_parameters=_with_rates(groups) if built else None,
                optimizer=None if built else new_optimizer(groups, run),
                config=config,
            )
        if config.get("zero_optimization", {}).get("stage") == 3:
            # Losses use the output table without calling its module; ZeRO must fetch it.
            table = trainee.model.get_output_embeddings().weight
            deepspeed.zero.register_external_parameter(trainee, table)

    def forward(self, batch: TrainBatch) -> dict[str, Tensor]:
        """Losses of a micro batch; autocast joins float32 inputs and buffers to bf16 weights."""
        wanted = self.plan.precision == "bf16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=wanted):
            return self.engine(batch.to(self.device))

    def backward(self, total: Tensor) -> None:
        """Add gradients; DeepSpeed divides by the number of micro batches."""
        self.engine.backward(total)
        if not self.engine.is_gradient_accumulation_boundary():
            self.engine.step()  # counts the micro batch; the optimizer waits

    def step(self, rate: float) -> float:
        """Clip and step."""
        set_rates(self.optimizer, rate)
        self.engine.step()
        return float(self.engine.get_global_grad_norm() or 0.0)

    def train(self, mode: bool) -> None:
        """Training or evaluation mode."""
        self.engine.train(mode)

    def save(self, folder: Path) -> None:
        """Every rank writes its part; frozen weights are not written."""
        with _quiet():
            self.engine.save_checkpoint(
                str(folder), tag=FOLDER, save_latest=False, exclude_frozen_parameters=True
            )

    def load(self, folder: Path) -> None:
        """Read what ``save`` wrote."""
        if not (folder / FOLDER).is_dir():
            raise FileNotFoundError(f"{folder / FOLDER} is missing")
        with _quiet():
            found, _ = self.engine.load_checkpoint(
                str(folder), tag=FOLDER, load_module_strict=False
            )
        if found is None:
            raise FileNotFoundError(f"{folder / FOLDER}: DeepSpeed cannot read it")


def _with_rates(groups: Groups) -> Groups:
    return [group | {"lr": group["peak"]} for group in groups]


@contextmanager
def _quiet() -> Iterator[None]:
    """DeepSpeed prints a line a file."""
    logger = logging.getLogger("DeepSpeed")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
