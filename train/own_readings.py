"""The encoder's readings of the cached pictures, as text for the corpus builder.

Geometry is not cached with the features, so it is drawn from neutral-face statistics, and so is
which of it may be cited: the answers of this stage learn to cite whatever the context shows.

Command: ``python -m facellm.train.own_readings --cache .cache/default --n 8000``
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from facellm.context import CITED_GEOMETRY
from facellm.folders import default_cache
from facellm.labels import QUERIES
from facellm.readout import Calibration, Measured, reading_from_logprobs

ABSTAIN_BELOW, CITED_RATE = 0.6, 0.7  # about what calibration leads to later


def main(argv: list[str] | None = None) -> None:
    """Write ``<cache>/text/own_readings.jsonl``."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--n", type=int, default=8000)
    parser.add_argument("--seed", type=int, default=3)
    args = parser.parse_args(argv)
    stored = np.load(args.cache / "features" / "targets.npz")
    tables = [stored[query.name] for query in QUERIES]
    rng = np.random.default_rng(args.seed)
    rows = np.sort(rng.choice(len(tables[0]), min(args.n, len(tables[0])), replace=False))
    out = args.cache / "text" / "own_readings.jsonl"
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w") as file:
        for row in rows:
            logprobs = [np.log(table[row].astype(np.float64) + 1e-6) for table in tables]
            pose = tuple(float(angle) for angle in rng.normal(0, (15, 8, 6)))
            zscores = {name: float(rng.normal(0, 1.5)) for name in CITED_GEOMETRY}
            measured = None if rng.random() < 0.1 else Measured(pose, zscores, 0.9)  # type: ignore[arg-type]
            reading = reading_from_logprobs(logprobs, measured, Calibration(ABSTAIN_BELOW))
            cited = tuple(name for name in reading.evidence if rng.random() < CITED_RATE)
            reading = replace(reading, evidence=cited)
            file.write(json.dumps({"row": int(row), "reading": reading.to_dict()}) + "\n")
    print(f"{len(rows)} readings in {out}")


if __name__ == "__main__":
    main()
