"""Choose, on validation data only, when to abstain, which units to show, what to call generated.

``abstain_below``: the smallest expression confidence from which the answered FER+ validation faces
(published label) are right in 95 % of cases, by the accuracy's lower bound at nine in ten.
``units_on_real_faces``: action units that reach AUC .75 in their check on real faces
(``facellm.eval.figure_units``). ``generated_shift``: what brings one real validation photograph in
twenty to .5. All go into the weights' own ``calibration.json``;
the test split is never looked at.

Command: ``python -m facellm.eval.calibrate --model DIR --cache .cache/default``
"""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from facellm.assistant import FaceAssistant
from facellm.checkpoint import CALIBRATION
from facellm.engine_names import TORCH
from facellm.folders import default_cache
from facellm.readout import Calibration

from .evidence import cited_measures, hiding_outcomes
from .figure_units import CHECKS, real_columns, run_check, units_passing
from .held_out import BATCH, VALID, Columns, HeldOut, spread
from .statistics import abstain_threshold

LEAST_ACCURACY = 0.95  # of the answered faces: 5 % risk
SURENESS = 0.9  # that new faces keep to it
FALSE_ALARMS = 0.05  # share of real photographs that may be called generated
PHOTOGRAPHS = {"utkface": 600, "real_vs_stylegan2": 600}  # sets and most rows of each
NEVER = 1.01  # a confidence no reading has


def fit(columns: Columns, truth: NDArray[np.int64], base: Calibration) -> Calibration:
    """Thresholds of readings whose label is known.

    Args:
        columns: Readings of N validation faces.
        truth: (N,) index of the published majority.
        base: What is not fitted here is kept from it.
    """
    right = columns.expression.argmax(1) == truth
    threshold = abstain_threshold(columns.confidence, right, LEAST_ACCURACY, SURENESS)
    return replace(
        base,
        abstain_below=NEVER if math.isinf(threshold) else round(threshold, 4),
        units_on_real_faces=units_passing(columns, truth),
    )


def generated_shift(held_out: HeldOut) -> float:
    """Log-odds over which ``generated`` lies for ``FALSE_ALARMS`` of the real validation faces."""
    found = []
    for name, most in PHOTOGRAPHS.items():
        rows = held_out.rows(name, VALID)
        if "fake" in held_out.data(name).labels:
            rows = rows[held_out.data(name).labels["fake"][rows] == 0]
        crops = [held_out.crop(name, int(row)) for row in spread(rows, most)]
        for start in range(0, len(crops), BATCH):
            readings = held_out.assistant.read_crops(crops[start : start + BATCH])
            found += [reading.generated for reading in readings]
    shares = np.clip(found, 1e-6, 1 - 1e-6)
    return round(float(np.quantile(np.log(shares / (1 - shares)), 1 - FALSE_ALARMS)), 4)


def main(argv: list[str] | None = None) -> None:
    """Read the validation faces, fit, write, and say what came out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", type=Path, required=True, help="folder of weights")
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--limit", type=int, help="validation rows, to try things out")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    assistant = FaceAssistant.load(args.model, engine=TORCH)
    saved = assistant.checkpoint
    unshifted = replace(saved.calibration, generated_shift=0.0)
    assistant.checkpoint = replace(saved, calibration=unshifted)
    held_out = HeldOut(assistant, args.cache, args.limit)
    columns, truth = real_columns(held_out, VALID)
    outcomes = hiding_outcomes(held_out)
    shift = generated_shift(held_out)
    base = replace(unshifted, cited=cited_measures(outcomes), generated_shift=shift)
    fitted = fit(columns, truth, base)
    answered = columns.confidence >= fitted.abstain_below
    right = columns.expression.argmax(1) == truth
    print(f"{len(truth)} validation faces, accuracy {right.mean():.4f}")
    print(
        f"abstain below {fitted.abstain_below}: {answered.mean():.3f} answered, "
        f"accuracy {right[answered].mean() if answered.any() else math.nan:.4f}"
    )
    print(f"{FALSE_ALARMS:.0%} of real photographs called generated: log-odds less {shift}")
    for check in CHECKS:
        print(f"{check.name}: AUC {run_check(check, columns, truth).value:.3f}")
    print(f"units shown in tables: {', '.join(f'AU{n}' for n in fitted.units_on_real_faces)}")
    for (expression, measure), stronger in sorted(outcomes.items()):
        print(f"{expression} {measure}: {np.mean(stronger):.2f} of {len(stronger)}")
    print(f"cited: {fitted.cited}")
    fitted.save(args.model / CALIBRATION)


if __name__ == "__main__":
    main()
