"""The throw-away heads' outputs as one distribution per query: what the encoder reads."""

from __future__ import annotations

import torch
from torch import Tensor

from facellm.label_targets import GAZE_SIGMA
from facellm.labels import ACTION_UNITS, AU_LEVELS, EXPRESSIONS, GAZE_DEGREES

HEAD_OF = {"gender": "male"}  # query name -> head name where they differ


def gaze_distribution(degrees: Tensor) -> Tensor:
    """(N,) degrees -> (N, n_bins) Gaussian over the gaze bins."""
    bins = torch.tensor(GAZE_DEGREES, dtype=torch.float32)
    return (-0.5 * ((bins - degrees[:, None]) / GAZE_SIGMA) ** 2).softmax(-1)


def head_distributions(out: dict[str, Tensor]) -> dict[str, Tensor]:
    """Outputs of the heads as one distribution per query, (N, n_labels)."""
    au = out["au"].unflatten(-1, (len(ACTION_UNITS), AU_LEVELS)).softmax(-1)
    shares = {f"au{number}": au[:, index] for index, number in enumerate(ACTION_UNITS)}
    shares["expr"] = out["expr"][:, : len(EXPRESSIONS)].softmax(-1)
    for index, name in enumerate(("gaze_yaw", "gaze_pitch")):
        shares[name] = gaze_distribution(out["gaze"][:, index] * 10)
    for name in ("age", "gender", "mask", "fake", "mouth_open", "eyes_closed"):
        shares[name] = out[HEAD_OF.get(name, name)].softmax(-1)
    return shares
