"""DeepSpeed compiles parts of itself when they are first used: for minutes, without a word.

Where that is about to happen it is told; where it would wait for a compilation that was killed, the
run stops and says what to delete. Each extension is built in a folder of its own; the builder keeps
its file ``lock`` there open while it works, and a killed one leaves it behind.

The default path compiles nothing: the optimizer is torch's, and ranks on CPUs talk by gloo alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from facellm.errors import FaceLLMError

Tell = Callable[[str], None]


@contextmanager
def compiling_told(tell: Tell) -> Iterator[None]:
    """Within the block DeepSpeed tells what it compiles, and never waits for a dead builder."""
    from deepspeed.ops.op_builder.builder import OpBuilder

    load = OpBuilder.jit_load

    def told(self: Any, verbose: bool = True) -> Any:
        check_extension(self.name, tell)
        return load(self, verbose)

    OpBuilder.jit_load = told
    try:
        yield
    finally:
        OpBuilder.jit_load = load


def check_extension(name: str, tell: Tell) -> None:
    """What there is to say before an extension is loaded.

    Raises:
        FaceLLMError: If a killed build has left its lock; the command that removes it is named.
    """
    folder = extension_folder(name)
    lock = folder / "lock"
    if lock.exists() and not is_held(lock):
        raise FaceLLMError(
            f"{lock}: left by a compilation that was killed; DeepSpeed would wait for it for ever. "
            f"If no other machine compiles there: rm {lock}"
        )
    if lock.exists():
        tell(f"DeepSpeed waits for another process that compiles {name} in {folder}")
    elif not (folder / f"{name}.so").is_file():
        tell(
            f"DeepSpeed compiles {name} into {folder}: minutes, once; a run without "
            "engine.config's optimizer needs none of it"
        )


def extension_folder(name: str) -> Path:
    """Where torch builds an extension."""
    from torch.utils.cpp_extension import _get_build_directory

    return Path(_get_build_directory(name, False))


def is_held(lock: Path) -> bool:
    """Whether a process of this machine has a file open; True where that cannot be found out."""
    processes = Path("/proc")
    if not processes.is_dir():
        return True
    wanted = lock.stat()
    for handle in processes.glob("[0-9]*/fd/*"):
        try:
            found = os.stat(handle)
        except OSError:  # gone meanwhile, or another user's
            continue
        if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
            return True
    return False


def compile_nothing_for_gloo() -> None:
    """Ranks of one machine would talk through a compiled shared-memory operator; gloo does too."""
    import deepspeed

    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
