"""``facellm read PATH... [-o TABLE]``: one table row per face of pictures, folders and patterns.

Pictures are decoded ahead in processes of their own and read in blocks; rows come in the order of
the files, faces left to right. A picture that cannot be used, and one without a face, is never a
row and never lost: it is listed with its reason in ``<TABLE>.problems.csv`` and counted in the last
line. Finished blocks stand in ``<TABLE>.journal`` until the table is complete, so that a run that
was interrupted or killed goes on with ``--resume`` and ends in the same table. How the table came
about stands in ``<TABLE>.manifest.json``.

Example::

    $ facellm read holiday/ -o faces.csv
    118 pictures, 163 faces, 9 without a face, 2 unreadable (see faces.csv.problems.csv)
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import sys
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facellm.baseline import Baseline
from facellm.cli import check_model_folder, load_assistant, new_parser
from facellm.errors import FaceLLMError
from facellm.journal import Block, Journal
from facellm.picture_files import find_pictures, shown_name
from facellm.table_columns import MARK, ColumnSet
from facellm.tables import (
    CsvWriter,
    TableFile,
    check_table_path,
    column_set,
)

if TYPE_CHECKING:
    from facellm.assistant import FaceAssistant
    from facellm.block_reading import ReadOptions

EXAMPLES = """\
  facellm read photo.jpg                       CSV on standard output
  facellm read holiday/ -o faces.csv           also .parquet and .jsonl
  facellm read holiday/ -o faces.csv --resume  go on where a run was interrupted
  facellm read "shots/*.png" -o faces.parquet
  facellm read faces/ --crops -o faces.csv     the pictures already are face crops
  facellm read me/ --baseline me.json -o t.csv relative to this person's own neutral
"""


@dataclass
class Tally:
    """What a run has met.

    Attributes:
        pictures: Opened or tried.
        faces: Rows written.
        problems: (file, reason) of pictures that gave no row.
        unreadable: How many of the problems are pictures that could not be used at all.
        unmarked: Rows a baseline was not applied to: their picture shows several faces.
    """

    pictures: int = 0
    faces: int = 0
    unreadable: int = 0
    unmarked: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)

    def add(self, block: Block) -> None:
        """Count a finished block."""
        self.pictures += block.pictures
        self.faces += len(block.rows)
        self.unreadable += block.unreadable
        self.unmarked += sum(MARK in row and row[MARK] is None for row in block.rows)
        self.problems += block.problems

    def summary(self, where: str) -> str:
        """The last line of a run."""
        faceless = len(self.problems) - self.unreadable
        line = (
            f"{self.pictures} pictures, {self.faces} faces, {faceless} without a face, "
            f"{self.unreadable} unreadable"
        )
        if self.unmarked:
            line += f", {self.unmarked} without the baseline (several faces)"
        return f"{line} ({where})" if self.problems else line


def new_read_parser() -> argparse.ArgumentParser:
    """Arguments of the verb."""
    parser = new_parser("read", "Write one table row per face.", EXAMPLES)
    parser.add_argument("paths", metavar="PATH", nargs="+", help="pictures, folders, patterns")
    parser.add_argument(
        "-o", "--out", type=Path, metavar="TABLE", help=".csv, .parquet or .jsonl; replaced"
    )
    parser.add_argument(
        "--crops", action="store_true", help="every picture is one face crop: no detection"
    )
    parser.add_argument(
        "--all-units",
        action="store_true",
        help="fill every action unit, also those that do not hold up on real faces",
    )
    parser.add_argument(
        "--columns",
        default="default",
        metavar="SET",
        help="default (py-feat's, and ours), openface or arkit",
    )
    parser.add_argument(
        "--batch", type=int, default=16, metavar="N", help="faces read at once (default: 16)"
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help="processes that decode pictures ahead; 0 decodes in this one (default: 1)",
    )
    parser.add_argument(
        "--baseline", type=Path, metavar="FILE", help="one person's neutral (`facellm calibrate`)"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on where an earlier run of this table stopped"
    )
    return parser


def main(argv: list[str]) -> int:
    """Run the verb; raises ``FaceLLMError`` for input that gives no table."""
    args = new_read_parser().parse_intermixed_args(argv)
    check_arguments(args)
    files, left_out = find_pictures(args.paths)
    assistant = load_assistant(args.model)
    if args.baseline is not None:
        args.baseline.check_weights(weight_digests_of(assistant))
    tally = (
        to_stdout(assistant, files, args) if args.out is None else to_file(assistant, files, args)
    )
    if not args.quiet:
        where = "listed above" if args.out is None else f"see {problems_path(args.out)}"
        other = f", {left_out} other files left out" if left_out else ""
        print(tally.summary(where) + other, file=sys.stderr)
    return 0


def check_arguments(args: argparse.Namespace) -> None:
    """Refuse what would fail later, before anything heavy is imported."""
    columns_of(args)
    args.baseline = None if args.baseline is None else Baseline.load(args.baseline)
    check_model_folder(args.model)
    if args.batch < 1:
        raise FaceLLMError(f"--batch {args.batch}: must be at least 1")
    if args.workers < 0:
        raise FaceLLMError(f"--workers {args.workers}: must be at least 0")
    if args.out is not None:
        check_table_path(args.out)
    elif args.resume:
        raise FaceLLMError("--resume needs the table of the earlier run: -o TABLE")


def columns_of(args: argparse.Namespace) -> ColumnSet:
    """The columns of the table, marked where it is read with a baseline."""
    return column_set(args.columns, marked=args.baseline is not None)


def weight_digests_of(assistant: FaceAssistant) -> dict[str, str]:
    """File -> SHA-256 of the weights in use."""
    from facellm.checkpoint import weight_digests

    return weight_digests(assistant.checkpoint.folder)


def options_of(args: argparse.Namespace) -> ReadOptions:
    """The arguments that say how pictures are read."""
    from facellm.block_reading import ReadOptions

    names = ("columns", "crops", "all_units", "batch", "workers", "quiet", "baseline")
    return ReadOptions(**{name: getattr(args, name) for name in names})


def to_stdout(assistant: FaceAssistant, files: list[Path], args: argparse.Namespace) -> Tally:
    """CSV on standard output, block by block; problems on stderr."""
    from facellm.block_reading import read_blocks

    tally = Tally()
    writer = CsvWriter(sys.stdout, columns_of(args).columns, own=False)
    for block in read_blocks(assistant, files, 0, options_of(args)):
        writer.write(block.rows)
        tally.add(block)
    for file, reason in tally.problems:
        print(f"{file}: {reason}", file=sys.stderr)
    check_any_read(tally)
    return tally


def to_file(assistant: FaceAssistant, files: list[Path], args: argparse.Namespace) -> Tally:
    """Blocks into the journal, then the table from the journal."""
    from facellm.block_reading import BLOCK, read_blocks

    path = args.out.with_name(args.out.name + ".journal")
    journal = Journal(path, run_record(assistant, files, args), resume=args.resume)
    try:
        for block in read_blocks(assistant, files, journal.blocks, options_of(args)):
            journal.append(block)
    except KeyboardInterrupt:
        done = min(len(files), journal.blocks * BLOCK)
        print(f"{done} of {len(files)} pictures are done; --resume goes on", file=sys.stderr)
        raise
    tally = Tally()
    with TableFile(args.out, columns_of(args).columns) as writer:
        for block in journal:
            writer.write(block.rows)
            tally.add(block)
        write_problems(args.out, tally)
        check_any_read(tally)
        write_manifest(assistant, args, tally)
    path.unlink()
    return tally


def run_record(
    assistant: FaceAssistant, files: list[Path], args: argparse.Namespace
) -> dict[str, Any]:
    """What must be equal for a run to go on with another run's journal."""
    from facellm.checkpoint import WEIGHTS

    names = "\n".join(map(shown_name, files)).encode()
    return {
        "facellm": version("facellm"),
        "weights": weight_digests_of(assistant)[WEIGHTS][:16],
        "pictures": len(files),
        "names": hashlib.sha256(names).hexdigest()[:16],
        "columns": args.columns,
        "crops": args.crops,
        "all_units": args.all_units,
        "batch": args.batch,
        "baseline": None if args.baseline is None else args.baseline.name,
    }


def check_any_read(tally: Tally) -> None:
    """An input of which nothing could be used is an error, not an empty table."""
    if tally.unreadable == tally.pictures:
        file, reason = tally.problems[0]
        others = f" (and {tally.pictures - 1} more)" if tally.pictures > 1 else ""
        raise FaceLLMError(f"nothing could be read: {file}: {reason}{others}")


def write_manifest(assistant: FaceAssistant, args: argparse.Namespace, tally: Tally) -> None:
    """``TABLE.manifest.json``: how the table came about."""
    from facellm.block_reading import filled_units
    from facellm.table_manifest import manifest, manifest_path, with_baseline

    counts = {
        "pictures": tally.pictures,
        "faces": tally.faces,
        "without_a_face": len(tally.problems) - tally.unreadable,
        "unreadable": tally.unreadable,
    }
    record = manifest(
        assistant.checkpoint,
        columns_of(args).columns,
        filled_units(assistant, options_of(args)),
        counts,
        crops=args.crops,
    )
    if args.baseline is not None:
        record = with_baseline(record, args.baseline, tally.unmarked)
    path = manifest_path(args.out)
    path.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def problems_path(out: Path) -> Path:
    """Where a table's problems are listed."""
    return out.with_name(out.name + ".problems.csv")


def write_problems(out: Path, tally: Tally) -> None:
    """List files that gave no row beside the table."""
    path = problems_path(out)
    path.unlink(missing_ok=True)  # of an earlier run
    if tally.problems:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("file", "reason"))
            writer.writerows(tally.problems)
