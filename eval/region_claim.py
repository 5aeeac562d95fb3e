"""The claim behind FRGCA, measured: does knowing where the regions lie help to say which side?

Rendered faces, turned by any angle, carry two cues (``region_cues``): one brow raised, one eye
painted shut. A tiny model of the product's own class (conv-hybrid tower, FRGCA, projector,
Llama) is asked ``<q_brow>`` and ``<q_eye>`` and answers left or right at the query tokens. Three
arms, equal in parameters, data and steps offered, trained until the validation loss stops falling:

- ``right``: the face's landmarks (before the edit: they hold no answer),
- ``other``: another face's landmarks,
- ``none``: no landmarks, FRGCA is the identity.

Trained with right landmarks the model is also probed with ones that are mirrored, another face's or
missing: mirrored ones should drop it below chance if it listens to them.

Command (two hours on one core; two processes share the work)::

    python -m facellm.eval.region_claim --cache .cache/default --out eval/region_claim.json

Identities of training, validation and test are disjoint. Intervals are 95 %, over test pictures.

Legend: N pictures, P patches, Q questions (brow, eye).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from facellm.folders import default_cache
from facellm.prepared import PreparedSet

from .region_toy import (
    TURNS,
    ClaimRun,
    CuePictures,
    cue_pictures,
    new_toy,
    read_sides,
    train_arm,
)
from .statistics import estimate, mean_statistic

ARMS = ("right", "other", "none")
PROBES = ("mirrored", "other", "none")
QUESTIONS = ("brow", "eye")


def figures(hits: list[np.ndarray]) -> dict[str, Any]:
    """Accuracy per question over the seeds' answers (seeds, N, Q), interval over pictures."""
    stacked = np.stack(hits).astype(np.float64)
    out = {}
    for index, question in enumerate(QUESTIONS):
        found = estimate(mean_statistic(stacked[:, :, index].mean(0)), stacked.shape[1])
        per_seed = [round(float(value), 4) for value in stacked[:, :, index].mean(1)]
        out[question] = {name: round(value, 4) for name, value in asdict(found).items()}
        out[question]["per_seed"] = per_seed
    return out


def measure(rig: PreparedSet, run: ClaimRun, folder: Path) -> dict[str, Any] | None:
    """Train every arm with every seed and collect the figures.

    Each finished arm is a file in ``folder``: an interrupted measurement goes on, and two processes
    given the same command share the work.

    Returns:
        The figures; None while another process still works on an arm.
    """
    digest = hashlib.sha256(json.dumps(asdict(run)).encode()).hexdigest()[:12]
    folder = folder / digest
    folder.mkdir(parents=True, exist_ok=True)
    stages = [cue_pictures(rig, 0, run.train, run.degrees * part) for part in TURNS]
    valid, test = (cue_pictures(rig, split, run.held_out, run.degrees) for split in (1, 2))
    jobs = [(seed, arm) for seed in range(run.seeds) for arm in ARMS]
    for seed, arm in jobs:
        path = folder / f"{arm}-{seed}.json"
        if path.is_file() or not take(path.with_suffix(".taken")):
            continue
        record = measure_arm((stages, valid, test), arm, seed, run)
        path.write_text(json.dumps(record))
        print(arm, seed, np.mean(record["hits"], 0).round(4), record["log"], flush=True)
    paths = {(seed, arm): folder / f"{arm}-{seed}.json" for seed, arm in jobs}
    if not all(path.is_file() for path in paths.values()):
        return None
    return collected({job: json.loads(path.read_text()) for job, path in paths.items()}, run)


def take(path: Path) -> bool:
    """Claim a job for this process by a file; what a process left that is gone is taken over."""
    try:
        with path.open("x") as file:
            file.write(str(os.getpid()))
        return True
    except FileExistsError:
        holder = path.read_text()
    try:
        os.kill(int(holder), 0)
    except (ValueError, ProcessLookupError):
        path.write_text(str(os.getpid()))
        return True
    except PermissionError:  # alive, and somebody else's
        return False
    return False


Pictures = tuple[list[CuePictures], CuePictures, CuePictures]  # training stages, valid, test


def measure_arm(pictures: Pictures, arm: str, seed: int, run: ClaimRun) -> dict[str, Any]:
    """Train one arm with one seed: its answers on the test pictures, and those to the probes."""
    stages, valid, test = pictures
    model, log = train_arm(stages, valid, arm, seed, run)
    probes = PROBES if arm == "right" else ()
    return {
        "log": log,
        "hits": read_sides(model, test, arm)[0].tolist(),
        "probes": {probe: read_sides(model, test, probe)[0].tolist() for probe in probes},
    }


def collected(records: dict[tuple[int, str], dict[str, Any]], run: ClaimRun) -> dict[str, Any]:
    """Figures of all arms and seeds."""

    def arm_figures(arm: str) -> dict[str, Any]:
        runs = [records[seed, arm] for seed in range(run.seeds)]
        hits = [np.array(record["hits"]) for record in runs]
        return figures(hits) | {"runs": [record["log"] for record in runs]}

    def probe_figures(probe: str) -> dict[str, Any]:
        runs = [records[seed, "right"] for seed in range(run.seeds)]
        return figures([np.array(record["probes"][probe]) for record in runs])

    return {
        "settings": asdict(run),
        "parameters": sum(p.numel() for p in new_toy(0).parameters()),
        "arms": {arm: arm_figures(arm) for arm in ARMS},
        "trained_right_probed_with": {probe: probe_figures(probe) for probe in PROBES},
    }


def table(result: dict[str, Any]) -> str:
    """The figures as a Markdown table."""
    lines = ["| landmarks | " + " | ".join(f"which {q}" for q in QUESTIONS) + " |"]
    lines.append("|---|" + "---|" * len(QUESTIONS))
    rows = {f"trained with {arm}": values for arm, values in result["arms"].items()}
    probed = result["trained_right_probed_with"]
    rows |= {f"trained with right, probed with {probe}": v for probe, v in probed.items()}
    for name, values in rows.items():
        cells = [
            f"{100 * values[q]['value']:.1f} % "
            f"[{100 * values[q]['low']:.1f}, {100 * values[q]['high']:.1f}]"
            for q in QUESTIONS
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> None:
    """Run the measurement, write JSON, print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    for name, value in asdict(ClaimRun()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    run = ClaimRun(**{name: getattr(args, name) for name in asdict(ClaimRun())})
    result = measure(PreparedSet(args.cache / "rig"), run, args.cache / "region_claim")
    if result is None:
        print("another process still works on some arms; the last one to finish writes the figures")
        return
    args.out.write_text(json.dumps(result, indent=2) + "\n")
    print(table(result))


if __name__ == "__main__":
    main()
