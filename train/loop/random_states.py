"""Random states of a process, saved and set: a resumed run draws what an uninterrupted one would.

Example: ``save_random(folder / "rng-0.pt")`` ... ``load_random(folder / "rng-0.pt")``.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch


def seed_all(seed: int) -> None:
    """Seed Python, numpy and torch."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def random_states() -> dict[str, Any]:
    """States of Python, numpy and torch, of plain types and tensors only."""
    name, keys, place, has_gauss, gauss = np.random.get_state(legacy=True)
    return {
        "python": random.getstate(),
        "numpy": (name, torch.from_numpy(np.asarray(keys).copy()), place, has_gauss, gauss),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def save_random(path: Path) -> None:
    """Write the states of this process."""
    torch.save(random_states(), path)


def load_random(path: Path) -> None:
    """Set this process to states that ``save_random`` wrote."""
    state = torch.load(path, weights_only=True)
    version, inner, gauss = state["python"]
    random.setstate((version, tuple(inner), gauss))
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy(), *rest))
    torch.set_rng_state(state["torch"])
    if state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"])
