"""``facellm build audit FACES -o suspicious.csv``: labels that neighbours do not bear out.

FACES is a prepared set (a folder with ``images.npy``), a built corpus (a folder of Parquet
shards) or a CSV with columns path and label. The table is ranked, the most suspicious first;
nothing is changed. A label in it is one to look at, not one to delete.

Example line: ``fer2013/1823,anger,sadness,0.9512,yes``.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from facellm.atomic import atomic_file
from facellm.cli import check_model_folder, load_assistant, new_parser
from facellm.errors import FaceLLMError
from facellm.face import Face
from facellm.folders import check_place, default_data

from .audit import FEWEST, Audit, audit
from .audit_features import FEATURES, Described, Rgb, describe
from .audit_rows import Find, Input, LeftOut, labelled_faces

HEADER = ("id", "label", "neighbours_label", "score", "suspicious")
EXAMPLES = """\
  facellm build audit corpus/ -o suspicious.csv
  facellm build audit labels.csv --crops -o suspicious.csv   every picture is one face crop
  facellm build audit .cache/default/ferplus --all -o ranking.csv
"""


def new_audit_parser() -> argparse.ArgumentParser:
    """Arguments of the verb."""
    parser = new_parser(
        "build audit", "List labels that the most alike faces do not bear out.", EXAMPLES
    )
    parser.add_argument(
        "faces", metavar="FACES", type=Path, help="prepared set, built corpus, or CSV of path,label"
    )
    parser.add_argument(
        "-o", "--out", type=Path, metavar="CSV", required=True, help="the ranking; replaced"
    )
    parser.add_argument("--all", action="store_true", help="every row, not the suspicious alone")
    parser.add_argument("--crops", action="store_true", help="every picture is one face crop")
    parser.add_argument(
        "--data", type=Path, default=default_data(), help="folder of a corpus's pictures"
    )
    parser.add_argument(
        "--features",
        choices=tuple(FEATURES),
        default="tower",
        help="of the vision tower (default), or gradients that no training has touched",
    )
    return parser


def main(argv: list[str]) -> int:
    """Run the verb; raises ``FaceLLMError`` for input that cannot be audited."""
    args = new_audit_parser().parse_args(argv)
    check_place(args.out)
    check_model_folder(args.model)
    if not args.faces.exists():
        raise FaceLLMError(f"{args.faces}: no such file or folder")
    assistant = load_assistant(args.model)
    left_out = LeftOut()
    find = None if args.crops else largest(assistant.detector.detect)
    given = Input(args.faces, args.data, find)
    described = describe(labelled_faces(given, left_out), assistant.checkpoint, args.features)
    kept = common_classes(described, left_out)
    found = audit(described.features[kept], described.points[kept], labels_of(described, kept))
    written = write(found, [described.ids[row] for row in kept], args.out, everything=args.all)
    if not args.quiet:
        tell(found, left_out, f"{written} rows in {args.out}")
    return 0


def largest(detect: Callable[[Rgb], Sequence[Face]]) -> Find:
    """A detector -> picture -> its largest face, or None."""

    def find(pixels: Rgb) -> Face | None:
        return max(detect(pixels), key=lambda face: face.box_xyxy.area, default=None)

    return find


def labels_of(described: Described, rows: np.ndarray) -> list[str]:
    """Labels of some rows."""
    return [described.labels[row] for row in rows]


def common_classes(described: Described, left_out: LeftOut) -> np.ndarray:
    """Rows of classes that hold enough samples to be compared."""
    classes, back, counts = np.unique(
        np.array(described.labels, str), return_inverse=True, return_counts=True
    )
    rare = counts < FEWEST
    for row in np.flatnonzero(rare[back]):
        left_out.add("rare class", f"{described.ids[row]}: {described.labels[row]}")
    if not (~rare).any():
        raise FaceLLMError(
            f"{len(described.labels)} labelled faces in {len(classes)} classes, none of {FEWEST} "
            f"or more{summary(left_out)}"
        )
    return np.flatnonzero(~rare[back])


def write(found: Audit, ids: list[str], out: Path, *, everything: bool) -> int:
    """Write the ranking; returns its rows."""
    chosen = [suspect for suspect in found.ranking if everything or suspect.suspicious]
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(HEADER)
    for suspect in chosen:
        label, neighbours_label = suspect.label, suspect.neighbours_label
        score, flag = f"{suspect.score:.4f}", "yes" if suspect.suspicious else "no"
        table.writerow((ids[suspect.row], label, neighbours_label, score, flag))
    with atomic_file(out) as file:
        file.write(text.getvalue().encode())
    return len(chosen)


def tell(found: Audit, left_out: LeftOut, where: str) -> None:
    """One line on stderr, and what was left out."""
    suspicious = sum(suspect.suspicious for suspect in found.ranking)
    line = f"{suspicious} of {len(found.ranking)} labels are suspicious{summary(left_out)}"
    print(f"{line}: {where}", file=sys.stderr)


def summary(left_out: LeftOut) -> str:
    """``; left out: 3 no face (first: labels.csv:7)``."""
    if not left_out.counts:
        return ""
    reasons = (
        f"{count} {reason} (first: {left_out.first[reason]})"
        for reason, count in left_out.counts.most_common()
    )
    return "; left out: " + ", ".join(reasons)
