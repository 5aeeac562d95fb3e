"""``facellm read PATH... [-o TABLE]``: one table row per face of pictures, folders and patterns.

Faces of several pictures are read in one batch; rows come in the order of the files, faces left to
right. A picture that cannot be used, and one without a face, is never a row and never lost: it is
listed with its reason in ``<TABLE>.problems.csv`` and counted in the last line.

Example::

    $ facellm read holiday/ -o faces.csv
    118 pictures, 163 faces, 9 without a face, 2 unreadable (see faces.csv.problems.csv)
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from facellm.cli import check_model_folder, load_assistant, new_parser
from facellm.errors import FaceLLMError
from facellm.picture_files import find_pictures, shown_name
from facellm.tables import (
    CsvWriter,
    TableFile,
    TableWriter,
    check_column_set,
    check_table_path,
    table_row,
)

if TYPE_CHECKING:
    from facellm.assistant import FaceAssistant
    from facellm.face import BoundingBox
    from facellm.images import Rgb

NO_FACE = "no face found"
EXAMPLES = """\
  facellm read photo.jpg                       CSV on standard output
  facellm read holiday/ -o faces.csv           also .parquet and .jsonl
  facellm read "shots/*.png" -o faces.parquet
  facellm read faces/ --crops -o faces.csv     the pictures already are face crops
"""


@dataclass
class Tally:
    """What a run has met.

    Attributes:
        pictures: Opened or tried.
        faces: Rows written.
        problems: (file, reason) of pictures that gave no row.
        unreadable: How many of the problems are pictures that could not be used at all.
    """

    pictures: int = 0
    faces: int = 0
    unreadable: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)

    def summary(self, where: str) -> str:
        """The last line of a run."""
        faceless = len(self.problems) - self.unreadable
        line = (
            f"{self.pictures} pictures, {self.faces} faces, {faceless} without a face, "
            f"{self.unreadable} unreadable"
        )
        return f"{line} ({where})" if self.problems else line


@dataclass(frozen=True)
class Found:
    """A face that waits for its batch."""

    file: str
    number: int
    box: BoundingBox
    crop: Rgb


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
    parser.add_argument("--columns", default="default", metavar="SET", help="default")
    parser.add_argument(
        "--batch", type=int, default=16, metavar="N", help="faces read at once (default: 16)"
    )
    return parser


def main(argv: list[str]) -> int:
    """Run the verb; raises ``FaceLLMError`` for input that gives no table."""
    args = new_read_parser().parse_intermixed_args(argv)
    check_column_set(args.columns)
    check_model_folder(args.model)
    if args.batch < 1:
        raise FaceLLMError(f"--batch {args.batch}: must be at least 1")
    if args.out is not None:
        check_table_path(args.out)
    files, left_out = find_pictures(args.paths)
    assistant, tally = load_assistant(args.model), Tally()
    with open_table(args.out) as writer:
        read_files(assistant, files, writer, tally, args)
        report_problems(args.out, tally)
        if tally.unreadable == len(files):
            file, reason = tally.problems[0]
            others = f" (and {len(files) - 1} more)" if len(files) > 1 else ""
            raise FaceLLMError(f"nothing could be read: {file}: {reason}{others}")
    if not args.quiet:
        where = "listed above" if args.out is None else f"see {problems_path(args.out)}"
        other = f", {left_out} other files left out" if left_out else ""
        print(tally.summary(where) + other, file=sys.stderr)
    return 0


def open_table(out: Path | None) -> AbstractContextManager[TableWriter]:
    """The table file, or CSV on standard output."""
    return nullcontext(CsvWriter(sys.stdout, own=False)) if out is None else TableFile(out)


def read_files(
    assistant: FaceAssistant,
    files: list[Path],
    writer: TableWriter,
    tally: Tally,
    args: argparse.Namespace,
) -> None:
    """Read every picture in batches of faces and write the rows."""
    from tqdm import tqdm

    # disable=None: a bar on a terminal, silence in a log file.
    progress = tqdm(files, unit="picture", disable=True if args.quiet else None)
    batch: list[Found] = []
    for path in progress:
        tally.pictures += 1
        batch += find_faces(assistant, path, tally, crops=args.crops)
        while len(batch) >= args.batch:
            write_batch(assistant, batch[: args.batch], writer, args)
            batch = batch[args.batch :]
    if batch:
        write_batch(assistant, batch, writer, args)


def find_faces(
    assistant: FaceAssistant, path: Path, tally: Tally, *, crops: bool
) -> Iterator[Found]:
    """Cut the faces out of a picture; one that cannot be used becomes a problem, not an error."""
    from facellm.crops import upright_crop
    from facellm.images import load_image
    from facellm.refine import whole_picture_face

    name, checkpoint = shown_name(path), assistant.checkpoint
    try:
        pixels = load_image(path)
    except FaceLLMError as error:
        tally.unreadable += 1
        tally.problems.append((name, str(error).removeprefix(f"{path}: ")))
        return
    if crops:
        faces = [whole_picture_face(pixels, checkpoint.landmark_net)]
    else:
        faces = assistant.detector.detect(pixels)
    if not faces:
        tally.problems.append((name, NO_FACE))
    tally.faces += len(faces)
    for number, face in enumerate(faces, start=1):
        crop = upright_crop(pixels, face, checkpoint.processor.crop_size, whole=crops)
        yield Found(name, number, face.box_xyxy, crop)


def write_batch(
    assistant: FaceAssistant, batch: list[Found], writer: TableWriter, args: argparse.Namespace
) -> None:
    """Read faces together and append their rows."""
    from facellm.labels import ACTION_UNITS

    units = ACTION_UNITS if args.all_units else assistant.checkpoint.calibration.units_on_real_faces
    readings = assistant.read_crops([found.crop for found in batch])
    writer.write(
        [
            table_row(found.file, found.number, found.box, reading, units)
            for found, reading in zip(batch, readings, strict=True)
        ]
    )


def problems_path(out: Path) -> Path:
    """Where a table's problems are listed."""
    return out.with_name(out.name + ".problems.csv")


def report_problems(out: Path | None, tally: Tally) -> None:
    """List files that gave no row: beside the table, or on stderr where there is none."""
    if out is None:
        for file, reason in tally.problems:
            print(f"{file}: {reason}", file=sys.stderr)
        return
    path = problems_path(out)
    path.unlink(missing_ok=True)  # of an earlier run
    if tally.problems:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("file", "reason"))
            writer.writerows(tally.problems)
