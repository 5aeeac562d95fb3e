"""What near duplicates between training and test are worth: figures with and without them.

FER+ and UTKFace hold photographs twice, cropped, mirrored or compressed anew, on both sides of
their splits; FER+ names some of these rows, and those were never trained on. Here the test rows
that still have a near duplicate among the rows trained on are found by the corpus builder's search
(which saw no label), and the main figures are taken without them.

Command, after ``facellm build index`` and a build have left ``corpus/index/drops.json``::

    python -m facellm.eval.near_duplicates --drops corpus/index/drops.json \
        --out eval/near_duplicates.json
"""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from facellm.assistant import FaceAssistant
from facellm.checkpoint import weight_digests
from facellm.engine_names import TORCH
from facellm.errors import FaceLLMError
from facellm.folders import default_cache
from facellm.votes import published_majority

from .held_out import TEST, TRAIN, HeldOut
from .statistics import Estimate, estimate, mean_statistic, share

_TOLD = re.compile(r"near duplicate of (?P<stays>.+) \(\w+\)")


def groups_of(drops: dict[str, str]) -> dict[str, set[str]]:
    """Row that stays -> rows of its group, itself among them; keys are ``source/key``.

    Raises:
        FaceLLMError: If a reason is not the builder's.
    """
    groups: dict[str, set[str]] = {}
    for key, reason in drops.items():
        found = _TOLD.fullmatch(reason)
        if found is None:
            raise FaceLLMError(f"drops: {key}: {reason!r} does not name the row that stays")
        groups.setdefault(found["stays"], {found["stays"]}).add(key)
    return groups


def seen_in_training(drops: dict[str, str], trained: set[str]) -> set[str]:
    """Every row of a group that holds a row trained on."""
    groups = groups_of(drops).values()
    return {key for group in groups if group & trained for key in group}


def keys_of(held_out: HeldOut, name: str, split: int) -> list[str]:
    """``source/key`` of the rows of a split."""
    return [f"{name}/{key}" for key in held_out.labels(name, "key", split)]


def parts(values: NDArray[Any], seen: NDArray[np.bool_], *, hits: bool) -> dict[str, Any]:
    """An estimate over all rows, those without a near duplicate in training, and those with."""

    def of(rows: NDArray[np.bool_]) -> dict[str, Any]:
        taken = values[rows]
        found: Estimate = share(taken) if hits else estimate(mean_statistic(taken), len(taken))
        return {name: round(value, 4) for name, value in asdict(found).items()}

    everything = np.ones(len(values), bool)
    return {"all": of(everything), "without": of(~seen), "near_duplicates": of(seen)}


def measure(held_out: HeldOut, drops: dict[str, str]) -> dict[str, Any]:
    """The figures of FER+ and UTKFace, JSON-ready."""
    trained = {key for name in ("ferplus", "utkface") for key in keys_of(held_out, name, TRAIN)}
    both = seen_in_training(drops, trained)
    seen = {
        name: np.array([key in both for key in keys_of(held_out, name, TEST)])
        for name in ("ferplus", "utkface")
    }
    votes = np.asarray(held_out.labels("ferplus", "votes"), np.int64)
    truth = published_majority(votes)
    counted = truth >= 0
    right = held_out.columns("ferplus").expression.argmax(1) == truth
    columns = held_out.columns("utkface")
    years = np.abs(columns.age[:, 0] - held_out.labels("utkface", "age").astype(float))
    gender = (columns.male > 0.5) == (held_out.labels("utkface", "male") == 1)
    return {
        "FER+ expression accuracy, published": parts(
            right[counted], seen["ferplus"][counted], hits=True
        ),
        "UTKFace apparent age, mean absolute error": parts(years, seen["utkface"], hits=False),
        "UTKFace apparent gender": parts(gender, seen["utkface"], hits=True),
    }


def table(figures: dict[str, Any]) -> str:
    """The figures as a Markdown table."""
    lines = ["| figure | all rows | without | near duplicates alone |", "|---|---|---|---|"]
    for name, values in figures.items():
        cells = [
            f"{part['value']:.3f} [{part['low']:.3f}, {part['high']:.3f}], n {part['n']:,}"
            for part in values.values()
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", type=Path, help="folder of weights (default: those shipped)")
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--drops", type=Path, required=True, help="index/drops.json of a corpus")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    assistant = FaceAssistant.load(args.model, engine=TORCH)
    drops = json.loads(args.drops.read_text(encoding="utf-8"))
    figures = measure(HeldOut(assistant, args.cache), drops)
    weights = weight_digests(assistant.checkpoint.folder)
    args.out.write_text(json.dumps({"sha256": weights, "figures": figures}, indent=1) + "\n")
    print(table(figures))


if __name__ == "__main__":
    main()
