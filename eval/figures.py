"""All held-out figures of a set of weights: ``python -m facellm.eval.figures --model DIR``.

Prints a table (figure, value, 95 % interval, n, goal, reached) and writes it with every detail as
JSON. ``--only expression,units`` measures some families; what the file already holds of the others
stays, as long as it was measured on the same weights. ``--limit N`` takes N rows a split, to try
things out: such a file says so and is never mistaken for the real figures.

Everything is read the way the product reads it (``facellm.eval.held_out``) on the test split; what
was chosen after training (``facellm.eval.calibrate``) was chosen on the validation split.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from facellm.assistant import FaceAssistant
from facellm.checkpoint import weight_digests
from facellm.engine_names import TORCH
from facellm.errors import FaceLLMError
from facellm.folders import default_cache

from .figure import Findings, table
from .figure_attributes import attribute_figures, generated_figures, mask_figures
from .figure_expression import expression_figures
from .figure_heads import head_figures
from .figure_parsed import parsed_figures
from .figure_regions import region_figures
from .figure_text import description_figures, wording_figures
from .figure_units import pose_figures, real_unit_figures, rig_figures
from .held_out import HeldOut
from .marked_text import replace_marked

FAMILIES: dict[str, Callable[[HeldOut], Findings]] = {
    "expression": expression_figures,
    "attributes": attribute_figures,
    "generated": generated_figures,
    "mask": mask_figures,
    "units_on_renders": rig_figures,
    "units_on_real_faces": real_unit_figures,
    "pose_and_gaze": pose_figures,
    "parsed_answers": parsed_figures,
    "descriptions": description_figures,
    "cited_regions": region_figures,
    "wordings": wording_figures,
    "readouts_against_heads": head_figures,
}
CARD_MARKS = ("<!-- figures -->", "<!-- end of figures -->")


def provenance(folder: Path, limit: int | None) -> dict[str, Any]:
    """Which weights, thresholds and rows the figures belong to."""
    return {"sha256": weight_digests(folder), "split": "test", "rows_per_split": limit or "all"}


def earlier_families(path: Path, source: dict[str, Any]) -> dict[str, Any]:
    """Families of an earlier run that belong to the same weights and rows."""
    if not path.is_file():
        return {}
    record = json.loads(path.read_text())
    return record["families"] if record["provenance"] == source else {}


def measure(held_out: HeldOut, names: list[str]) -> dict[str, Any]:
    """Findings of the named families, JSON-ready; progress goes to the terminal."""
    families = {}
    for name in names:
        start = time.monotonic()
        families[name] = FAMILIES[name](held_out).to_dict()
        print(f"{name}: {time.monotonic() - start:.0f} s", flush=True)
    return families


def chosen_families(text: str | None) -> list[str]:
    """Names given by ``--only``, in the order of the table; all of them without."""
    if text is None:
        return list(FAMILIES)
    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in FAMILIES]
    if unknown:
        raise FaceLLMError(f"unknown family {unknown[0]!r}; they are {', '.join(FAMILIES)}")
    return [name for name in FAMILIES if name in names]


def print_report(families: dict[str, Any]) -> None:
    """The table, and the notes of the lines below it."""
    records = [record for name in families for record in families[name]["figures"]]
    print(table(records))
    missed = [record["name"] for record in records if record["reached"] is False]
    print(f"goals reached: {sum(r['reached'] is True for r in records)}, missed: {len(missed)}")
    for name in missed:
        print(f"  missed: {name}")


def write_card(path: Path, families: dict[str, Any]) -> None:
    """Replace what stands between the figure marks of a model card by the table.

    Raises:
        FaceLLMError: If the card does not hold both marks, in this order.
    """
    records = [record for name in families for record in families[name]["figures"]]
    notes = [f"- {r['name']}: {r['note']}" for r in records if r["note"]]
    body = "\n".join([table(records), "", *notes])
    replace_marked(path, CARD_MARKS, body)


def main(argv: list[str] | None = None) -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", type=Path, help="folder of weights (default: those shipped)")
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--out", type=Path, default=Path("eval/figures.json"))
    parser.add_argument("--card", type=Path, help="model card whose table of figures is replaced")
    parser.add_argument("--only", help=f"comma-separated, of {', '.join(FAMILIES)}")
    parser.add_argument("--limit", type=int, help="rows a split, to try things out")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    assistant = FaceAssistant.load(args.model, engine=TORCH)
    source = provenance(assistant.checkpoint.folder, args.limit)
    families = earlier_families(args.out, source)
    names = chosen_families(args.only)
    families |= measure(HeldOut(assistant, args.cache, args.limit), names)
    families = {name: families[name] for name in FAMILIES if name in families}
    print_report(families)
    args.out.write_text(json.dumps({"provenance": source, "families": families}, indent=1) + "\n")
    if args.card is not None:
        write_card(args.card, families)


if __name__ == "__main__":
    main()
