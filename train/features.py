"""Features of the frozen encoder, cached once, for training the connector and the language model.

Writes ``features.npy`` (N, P, D) float16 of augmented training pictures and ``targets.npz``: for
every query a target distribution (N, n_labels) float16. A query whose label a picture carries gets
that label (soft where it is soft); the others get the throw-away heads' own distribution, so every
picture trains every readout.

Command: ``python -m facellm.train.features --cache .cache/default --batches 500``
"""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from torch import Tensor

from facellm.folders import default_cache
from facellm.label_targets import GAZE_SIGMA
from facellm.labels import ACTION_UNITS, AU_LEVELS, EXPRESSIONS, GAZE_DEGREES, QUERIES

from .batches import EncoderBatches
from .encoder import FOLDER, trained_encoder
from .encoder_config import load_encoder_run
from .encoder_losses import age_distribution

CONFIG = Path(__file__).parent / "configs" / "default-encoder.yaml"
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


def targets(batch: dict[str, Tensor], out: dict[str, Tensor]) -> dict[str, Tensor]:
    """Target distribution of every query: the label where there is one, else the head's.

    Action units always follow the heads: a distribution on every picture says more than a level on
    the renders alone.
    """
    shares = head_distributions(out)
    votes = batch["expr"][:, : len(EXPRESSIONS)]
    clear = votes.sum(1) > 0.3  # NaN compares false: rows without votes keep the head's
    shares["expr"][clear] = votes[clear] / votes[clear].sum(1, keepdim=True)
    rows = batch["age"] >= 0
    shares["age"][rows] = age_distribution(batch["age"][rows])
    for name in ("gender", "mask", "fake", "mouth_open", "eyes_closed"):
        label = batch[HEAD_OF.get(name, name)]
        shares[name][label >= 0] = torch.nn.functional.one_hot(label[label >= 0], 2).float()
    for index, name in enumerate(("gaze_yaw", "gaze_pitch")):
        rows = torch.isfinite(batch["gaze"][:, index])
        shares[name][rows] = gaze_distribution(batch["gaze"][rows, index])
    return shares


def main(argv: list[str] | None = None) -> None:
    """Cache features of ``--batches`` augmented batches."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--batches", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1007)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    model = trained_encoder(args.cache / FOLDER)
    run = load_encoder_run(CONFIG)
    source = EncoderBatches(args.cache, replace(run, seed=args.seed, mix=run.mix[-1:]))
    out_dir = args.cache / "features"
    out_dir.mkdir(parents=True, exist_ok=True)
    count = args.batches * len(source.batch(0)["landmarks"])
    shape = (count, model.vision_tower.n_patches, model.vision_tower.width)
    features = open_memmap(out_dir / "features.npy", mode="w+", dtype=np.float16, shape=shape)
    kept: list[dict[str, Tensor]] = []
    with ThreadPoolExecutor(1) as pool, torch.inference_mode():
        ahead = pool.submit(source.batch, 0)
        for index in range(args.batches):
            batch, ahead = ahead.result(), pool.submit(source.batch, index + 1)
            pixels = batch["pixel_values"].contiguous(memory_format=torch.channels_last)
            patches = model.features(pixels, batch["landmarks"])
            start = index * len(patches)
            features[start : start + len(patches)] = patches.numpy().astype(np.float16)
            kept.append({k: v.half() for k, v in targets(batch, model.heads(patches)).items()})
    features.flush()
    arrays = {q.name: torch.cat([part[q.name] for part in kept]).numpy() for q in QUERIES}
    np.savez(out_dir / "targets.npz", **arrays)  # type: ignore[arg-type]
    print(f"features of {count} pictures in {out_dir}")


if __name__ == "__main__":
    main()
