"""What the exported engine costs in accuracy: ``python -m facellm.eval.engine --model DIR``.

The same validation crops are read by torch and by the engine file of the folder; printed are both
figures and their difference with a paired 95 % interval (rows are drawn once for both sides). Goals
bound the difference either way. Written to ``eval/engine.json`` with the digests of the weights.

Example line: ``| FER+ accuracy | 79.9 % | 79.8 % | -0.1 | -0.5 to 0.2 | 3,414 | 0.3 | yes |``.

Legend: N rows, B resamples, U action units.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from facellm.assistant import FaceAssistant
from facellm.checkpoint import weight_digests
from facellm.crop_reading import read_seen, see_crops
from facellm.engine import ReadingEngine
from facellm.engine_file import ENGINE
from facellm.engine_names import TORCH
from facellm.folders import default_cache
from facellm.labels import ACTION_UNITS
from facellm.openvino_engine import OpenVinoEngine
from facellm.reading import Reading

from .figure_expression import unique_argmax
from .figure_units import rig_truth
from .held_out import BATCH, VALID, Columns, HeldOut, spread
from .statistics import Estimate, Statistic, auc_statistic, estimate, mean_statistic

LEAST = 5  # rows of each kind that a unit's AUC is taken on
FORGERIES = {"real_vs_stylegan2": "StyleGAN2", "forged": "own forgeries"}
AGES = 1500  # rows of UTKFace
Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Difference:
    """One figure of both engines.

    Attributes:
        name: What was measured, on what.
        torch: The figure by torch.
        engine: The figure by the engine.
        change: Engine minus torch, with its paired interval and n.
        bound: Largest change either way that is allowed; None for information.
    """

    name: str
    torch: float
    engine: float
    change: Estimate
    bound: float | None

    @property
    def reached(self) -> bool | None:
        """Whether the change is within its bound."""
        return None if self.bound is None else abs(self.change.value) <= self.bound

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self) | {"reached": self.reached}


def difference(
    name: str, torch_side: Statistic, engine_side: Statistic, n: int, bound: float | None
) -> Difference:
    """Both figures and their change; a resample draws the same rows for both."""
    whole = np.ones((1, n))
    return Difference(
        name,
        float(torch_side(whole)[0]),
        float(engine_side(whole)[0]),
        estimate(lambda weights: engine_side(weights) - torch_side(weights), n),
        bound,
    )


class BothEngines:
    """Validation rows read by torch and by another engine.

    Args:
        held_out: Of an assistant on torch.
        engine: The other one.
    """

    def __init__(self, held_out: HeldOut, engine: ReadingEngine) -> None:
        self.held_out, self.engine = held_out, engine

    def rows(self, name: str, most: int | None = None) -> Ids:
        """Validation rows of a set, at most ``most`` of them."""
        rows = self.held_out.rows(name, VALID)
        return rows if most is None else spread(rows, most)

    def columns(self, name: str, rows: Ids) -> tuple[Columns, Columns]:
        """Readings of some rows by torch and by the engine, on the same crops and landmarks."""
        assistant = self.held_out.assistant
        sides: tuple[list[Reading], list[Reading]] = ([], [])
        for start in range(0, len(rows), BATCH):
            crops = [self.held_out.crop(name, int(row)) for row in rows[start : start + BATCH]]
            seen = see_crops(assistant.checkpoint, crops)
            for side, engine in zip(sides, (assistant.engine, self.engine), strict=True):
                side.extend(read_seen(assistant.checkpoint, engine, seen))
        return Columns.of(sides[0]), Columns.of(sides[1])


def expression_differences(both: BothEngines) -> Iterator[Difference]:
    """FER+ rows with one most voted expression: accuracy, and how often the top label changes."""
    rows = both.rows("ferplus")
    truth = unique_argmax(np.asarray(both.held_out.data("ferplus").labels["votes"][rows], np.int64))
    rows, truth = rows[truth >= 0], truth[truth >= 0]
    said = [side.expression.argmax(1) for side in both.columns("ferplus", rows)]
    right = [mean_statistic(labels == truth) for labels in said]
    yield difference("FER+ accuracy", right[0], right[1], len(rows), 0.003)
    kept, same = mean_statistic(np.ones(len(rows))), mean_statistic(said[0] == said[1])
    yield difference("FER+ rows with the same label", kept, same, len(rows), None)


def attribute_differences(both: BothEngines) -> Iterator[Difference]:
    """UTKFace: apparent age and gender."""
    rows = both.rows("utkface", AGES)
    labels = both.held_out.data("utkface").labels
    years, male = labels["age"][rows].astype(np.float64), labels["male"][rows].astype(bool)
    sides = both.columns("utkface", rows)
    errors = [mean_statistic(np.abs(side.age[:, 0] - years)) for side in sides]
    yield difference("UTKFace apparent age, MAE in years", errors[0], errors[1], len(rows), 0.05)
    right = [mean_statistic((side.male >= 0.5) == male) for side in sides]
    yield difference("UTKFace apparent gender accuracy", right[0], right[1], len(rows), 0.003)


def generated_differences(both: BothEngines) -> Iterator[Difference]:
    """Real against generated or forged pictures, each set alone."""
    for name, called in FORGERIES.items():
        rows = both.rows(name)
        fake = both.held_out.data(name).labels["fake"][rows] == 1
        aucs = [auc_statistic(fake, side.generated) for side in both.columns(name, rows)]
        yield difference(f"generated ({called}), AUC", aucs[0], aucs[1], len(rows), 0.003)


def unit_differences(both: BothEngines) -> Iterator[Difference]:
    """Action units on renders: every unit that tables show, and the mean of all."""
    rows = both.rows("rig")
    truth = rig_truth(both.held_out, VALID)
    enough = (truth.sum(0) >= LEAST) & ((~truth).sum(0) >= LEAST)
    sides = both.columns("rig", rows)
    aucs = [
        {
            number: auc_statistic(truth[:, column], side.units[:, column])
            for column, number in enumerate(ACTION_UNITS)
            if enough[column]
        }
        for side in sides
    ]
    shown = both.held_out.assistant.checkpoint.calibration.units_on_real_faces
    for number in (number for number in shown if number in aucs[0]):
        pair = [side[number] for side in aucs]
        yield difference(f"AU{number} on renders, AUC", pair[0], pair[1], len(rows), 0.003)
    if aucs[0]:
        means = [mean_of(list(side.values())) for side in aucs]
        name = f"mean of {len(aucs[0])} units on renders, AUC"
        yield difference(name, means[0], means[1], len(rows), 0.003)


def mean_of(statistics: list[Statistic]) -> Statistic:
    """Mean of several statistics; one that a resample leaves undefined does not count there."""
    return lambda weights: np.nanmean([one(weights) for one in statistics], axis=0)


FAMILIES = (
    expression_differences,
    attribute_differences,
    generated_differences,
    unit_differences,
)


def table(found: list[Difference]) -> str:
    """Markdown table."""
    lines = [
        "| figure | torch | engine | change | 95 % interval | n | allowed | reached |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for line in found:
        change = line.change
        interval = f"{change.low:+.4f} to {change.high:+.4f}"
        allowed = "" if line.bound is None else f"{line.bound:g}"
        reached = {None: "", True: "yes", False: "NO"}[line.reached]
        lines.append(
            f"| {line.name} | {line.torch:.4f} | {line.engine:.4f} | {change.value:+.4f} | "
            f"{interval} | {change.n:,} | {allowed} | {reached} |"
        )
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> None:
    """Compare, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", type=Path, required=True, help="folder of weights")
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--out", type=Path, default=Path("eval/engine.json"))
    parser.add_argument("--limit", type=int, help="rows a set, to try things out")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    assistant = FaceAssistant.load(args.model, engine=TORCH)
    engine = OpenVinoEngine(args.model / ENGINE)
    both = BothEngines(HeldOut(assistant, args.cache, args.limit), engine)
    found = [line for family in FAMILIES for line in family(both)]
    print(f"{engine.detail} beside {assistant.engine.detail}, validation rows")
    print(table(found))
    record = {
        "engine": engine.detail,
        "torch": assistant.engine.detail,
        "sha256": weight_digests(args.model),
        "split": "valid",
        "rows_per_split": args.limit or "all",
        "differences": [line.to_dict() for line in found],
    }
    args.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
