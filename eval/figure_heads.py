"""Readouts beside the throw-away heads the encoder was pretrained with, on the same test faces.

The heads are not shipped. Training leaves what they reached on the test split in
``<cache>/encoder/heads_test.json`` (``facellm.train.evaluate_encoder``); the readouts must come
within half a point. Without that file there is nothing to compare and no line.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from facellm.votes import published_majority

from .figure import Figure, Findings, Goal
from .held_out import HeldOut
from .statistics import Estimate

HALF_POINT = 0.005


def read_figures(held_out: HeldOut) -> dict[str, float]:
    """What the readouts reach, under the names of the heads' file."""
    truth = published_majority(np.asarray(held_out.labels("ferplus", "votes"), np.int64))
    said = held_out.columns("ferplus").expression.argmax(1)
    people = held_out.columns("utkface")
    years = np.asarray(held_out.labels("utkface", "age"), np.float64)
    male = np.asarray(held_out.labels("utkface", "male"), bool)
    return {
        "ferplus_accuracy": float((said == truth)[truth >= 0].mean()),
        "utkface_mae": float(np.abs(people.age[:, 0] - years).mean()),
        "utkface_gender": float(((people.male >= 0.5) == male).mean()),
    }


def head_figures(held_out: HeldOut) -> Findings:
    """Differences readout - head; none where training left no figures of the heads."""
    path = held_out.cache / "encoder" / "heads_test.json"
    if not path.is_file():
        return Findings()
    heads: dict[str, Any] = json.loads(path.read_text())
    read = read_figures(held_out)
    lines = {
        "ferplus_accuracy": ("FER+ accuracy, readout minus head", "%", Goal(-HALF_POINT)),
        "utkface_mae": ("apparent age error, readout minus head", "years", None),
        "utkface_gender": ("apparent gender, readout minus head", "%", Goal(-HALF_POINT)),
    }
    findings = Findings()
    for name, (title, unit, goal) in lines.items():
        if name not in heads:
            continue
        apart = read[name] - float(heads[name])
        count = int(heads.get(f"{name.split('_')[0]}_n", 0))
        note = f"head {float(heads[name]):.4f}, readout {read[name]:.4f}; same faces, no interval"
        estimate = Estimate(apart, float("nan"), float("nan"), count)
        findings.figures.append(Figure(title, estimate, goal, unit, note=note))
    return findings
