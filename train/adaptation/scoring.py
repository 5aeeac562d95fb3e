"""The held-out part of an adaptation: every label against the unadapted model and the base rate.

Also what became of the old tasks: the largest change of any reading that is not corrected, and, of
those that are, figures on prepared sets the user has (``FACELLM_CACHE``), whose faces the adapter
never saw.

Legend: n faces, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from facellm.adapted_engine import AdaptedEngine, mixed, tempered
from facellm.adapter_labels import AdaptedLabel
from facellm.checkpoint import Checkpoint
from facellm.crop_reading import see_crops
from facellm.label_targets import readout_targets
from facellm.labels import QUERIES, QUERY_INDEX
from facellm.prepared import PreparedSet
from facellm.prepared_crops import WHOLE, cut

from .faces import SeenFaces
from .figures import difference, interval, mean_of, statistics_of

FEW = 100  # held-out faces under which an interval is called wide
OLD_SETS = {"ferplus": ("expr",), "utkface": ("age", "gender"), "face_mask": ("mask",)}
OLD_FACES = 300  # of a prepared set, spread over its test part


def label_record(
    label: AdaptedLabel,
    shares: NDArray,
    target: NDArray,
    groups: NDArray[np.str_],
    base: NDArray | None,
) -> dict[str, Any]:
    """Figures of one label on labelled held-out faces, JSON-ready.

    Args:
        label: With its calibration.
        shares: (n, K) as it is read in use.
        target: (n, K).
        groups: (n,).
        base: (n, K) of the unadapted model; None for a new label, which it does not have.
    """
    found = statistics_of(label.corrects, shares, target)
    record: dict[str, Any] = {
        "n": len(target),
        "figures": {k: interval(s, groups, b).to_dict() for k, (s, b) in found.items()},
    }
    if len(target) < FEW:
        record["note"] = f"{len(target)} held-out faces: the intervals are wide"
    if base is not None:
        before = statistics_of(label.corrects, base, target)
        record["unadapted"] = {k: interval(s, groups, b).to_dict() for k, (s, b) in before.items()}
        record["difference"] = {
            k: interval(difference(found[k][0], before[k][0]), groups, b).to_dict()
            for k, (_, b) in before.items()
        }
    else:
        true = target.argmax(1)
        usual = int(np.bincount(true).argmax())
        record["base_rate"] = {
            "class": label.classes[usual],
            "share": float((true == usual).mean()),
        }
        over = difference(found["accuracy"][0], mean_of(true == usual))
        record["difference"] = {"accuracy over the base rate": interval(over, groups).to_dict()}
    return record


def read_shares(label: AdaptedLabel, adapted: NDArray, base: NDArray | None) -> NDArray[np.float64]:
    """(n, K) probabilities of a label as ``AdaptedEngine`` gives them."""
    said = tempered(label, adapted)
    if base is None:
        return np.exp(said)
    shares = np.exp(np.asarray(mixed(base, said, label.strength), np.float64))
    return shares / shares.sum(1, keepdims=True)


def largest_change(engine: AdaptedEngine, faces: SeenFaces, rows: NDArray[np.int64]) -> float:
    """Largest change of a log-probability that no correction is meant to move; 0 is expected."""
    corrected = {QUERY_INDEX[label.corrects] for label in engine.facts.corrections}
    most = 0.0
    for piece in torch.from_numpy(rows).split(32):
        pixels, points = faces.pixel_values[piece], faces.landmarks[piece]
        pairs = zip(
            engine.logprobs(pixels, points), engine.engine.logprobs(pixels, points), strict=True
        )
        changes = [np.abs(a - b).max() for q, (a, b) in enumerate(pairs) if q not in corrected]
        most = max(most, *map(float, changes))
    return most


def old_tasks(engine: AdaptedEngine, checkpoint: Checkpoint, cache: Path | None) -> dict[str, Any]:
    """Corrected readings on prepared sets, adapted and not, by set and query; empty without."""
    queries = {label.corrects for label in engine.facts.corrections}
    found: dict[str, Any] = {}
    for name, held in OLD_SETS.items():
        folder = None if cache is None else cache / name
        asked = [query for query in held if query in queries]
        if asked and folder is not None and (folder / "images.npy").is_file():
            found |= set_records(engine, checkpoint, folder, asked)
    return found


def set_records(
    engine: AdaptedEngine, checkpoint: Checkpoint, folder: Path, queries: Sequence[str]
) -> dict[str, Any]:
    """Figures of some queries on the test part of one prepared set."""
    data = PreparedSet(folder)
    rows = data.rows(2) if (data.labels["split"] == 2).any() else data.rows(1)
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, OLD_FACES).astype(int))]
    size, whole = checkpoint.processor.crop_size, folder.name in WHOLE
    keys = [key for key in data.labels if key in ("votes", "age", "male", "mask")]
    targets = [readout_targets({key: data.labels[key][row] for key in keys}) for row in rows]
    after: list[list[NDArray]] = []
    before: list[list[NDArray]] = []
    for start in range(0, len(rows), 32):
        crops = [cut(data, row, size, whole=whole) for row in rows[start : start + 32]]
        seen = see_crops(checkpoint, crops)
        after.append(engine.logprobs(seen.pixel_values, seen.landmarks))
        before.append(engine.engine.logprobs(seen.pixel_values, seen.landmarks))
    found = {}
    for query in queries:
        place = QUERY_INDEX[query]
        known = np.array([query in target for target in targets])
        target = np.stack([t[query] for t in targets if query in t])
        new, old = (
            np.exp(np.concatenate([tables[place] for tables in side])[known])
            for side in (after, before)
        )
        label = AdaptedLabel(query, QUERIES[place].token, QUERIES[place].labels, (), query)
        groups = np.array([str(row) for row in rows[known]])
        found[f"{folder.name} {query}"] = label_record(label, new, target, groups, old)
    return found
