"""``facellm read PATH... [-o TABLE]``: one table row per face of pictures, folders and clips.

Pictures are decoded ahead in processes of their own and read in blocks; rows come in the order of
the files, faces left to right. A picture that cannot be used, and one without a face, is never a
row and never lost: it is listed with its reason in ``<TABLE>.problems.csv`` and counted in the last
line. Finished blocks stand in ``<TABLE>.journal`` until the table is complete, so that a run that
was interrupted or killed goes on with ``--resume`` and ends in the same table. How the table came
about stands in ``<TABLE>.manifest.json``.

Clips are sampled (``--fps``): a row per sampled frame and face, with its time and a number that
stays with the face over time. A sampled frame without a face is a row whose values are empty; what
of a clip could not be decoded is listed with its reason and times.

Example::

    $ facellm read holiday/ -o faces.csv
    118 pictures, 163 faces, 9 without a face, 2 unreadable (see faces.csv.problems.csv)
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facellm.adapter_labels import add_adapter_argument, check_adapter_folder
from facellm.baseline import Baseline
from facellm.cli import check_model_folder, load_assistant, new_parser, resolve
from facellm.clip_arguments import FASTEST, LONGEST_SMOOTHING, add_clip_arguments
from facellm.engine_names import AUTO, add_engine_argument
from facellm.errors import FaceLLMError
from facellm.journal import Block, Journal, check_unfinished, journal_path, resumable
from facellm.picture_files import find_pictures, shown_name
from facellm.remote import add_server_arguments
from facellm.table_columns import COLUMN_SETS, ColumnSet
from facellm.tables import CsvWriter, TableFile, check_table_path
from facellm.tally import Tally, problems_path, write_problems

if TYPE_CHECKING:
    from facellm.assistant import FaceAssistant
    from facellm.block_reading import ReadOptions

EXAMPLES = """\
  facellm read photo.jpg                       CSV on standard output
  facellm read holiday/ -o faces.csv           also .parquet and .jsonl
  facellm read holiday/ -o faces.csv --resume  go on where a run was interrupted
  facellm read "shots/*.png" -o faces.parquet
  facellm read faces/ --crops -o faces.csv     the pictures already are face crops
  facellm read clip.mp4 -o clip.csv            a row per face of 2 frames a second, with times
  facellm read clip.webm --fps all -o all.csv  every frame
  facellm read shots/ --frames 25 -o clip.csv  the folder is one clip of 25 pictures a second
  facellm read me/ --baseline me.json          relative to this person's own neutral
  facellm read holiday/ --server http://localhost:8000   a running `facellm serve`
  facellm read faces/ --adapter adapter/ -o a.csv  columns of your own labels, see adapt
  facellm read shots/ --engine torch           the model itself, not its faster quantised copy
"""


def new_read_parser() -> argparse.ArgumentParser:
    """Arguments of the verb."""
    parser = new_parser(
        "read", "Write one table row per face, in clips per face and frame.", EXAMPLES
    )
    parser.add_argument(
        "paths", metavar="PATH", nargs="+", help="pictures, clips, folders of them, patterns"
    )
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
        choices=tuple(COLUMN_SETS),
        metavar="SET",
        help="columns: default (py-feat's, and ours), openface or arkit",
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
        "--baseline",
        type=Path,
        metavar="FILE",
        help="relative to one person's neutral (`calibrate`)",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on where an earlier run of this table was stopped; same arguments",
    )
    add_clip_arguments(parser)
    add_server_arguments(parser)
    add_engine_argument(parser, AUTO)
    add_adapter_argument(parser)
    return parser


def main(argv: list[str]) -> int:
    """Run the verb; raises ``FaceLLMError`` for input that gives no table."""
    args = (parser := new_read_parser()).parse_intermixed_args(argv)
    if args.server:
        return resolve("facellm.remote_read_command:read_remotely")(args, parser)
    check_arguments(args)
    files, left_out = find_pictures(args.paths, as_clips=args.frames is not None)
    assistant = load_assistant(args.model, args.engine, adapter=args.adapter)
    args.added = assistant.added_columns
    if args.baseline is not None:
        args.baseline.check_weights(weight_digests_of(assistant))
    if args.out is None:
        tally = to_stdout(assistant, files, args)
    else:
        with resumable(args.out):
            tally = to_file(assistant, files, args)
    if not args.quiet:
        where = "listed above" if args.out is None else f"see {problems_path(args.out)}"
        other = f", {left_out} other files left out" if left_out else ""
        print(tally.summary(where) + other, file=sys.stderr)
    return 0


def check_arguments(args: argparse.Namespace) -> None:
    """Refuse what would fail later, before anything heavy is imported."""
    args.baseline = None if args.baseline is None else Baseline.load(args.baseline)
    check_model_folder(args.model)
    check_adapter_folder(args.adapter)
    if args.batch < 1:
        raise FaceLLMError(f"--batch {args.batch}: must be at least 1")
    if not 0 <= args.fps <= FASTEST:
        raise FaceLLMError(f"--fps {args.fps:g}: must lie in 0 to {FASTEST:g}; 0 is every frame")
    if not 0 <= args.smooth <= LONGEST_SMOOTHING:
        raise FaceLLMError(f"--smooth {args.smooth:g}: must lie in 0 to {LONGEST_SMOOTHING:g} s")
    if args.frames is not None and not 0 < args.frames <= FASTEST:
        raise FaceLLMError(f"--frames {args.frames:g}: must be above 0 and at most {FASTEST:g}")
    if args.workers < 0:
        raise FaceLLMError(f"--workers {args.workers}: must be at least 0")
    if args.out is not None:
        check_table_path(args.out)
        if args.resume:
            check_unfinished(args.out)
    elif args.resume:
        raise FaceLLMError("--resume needs the table of the earlier run: -o TABLE")


def weight_digests_of(assistant: FaceAssistant) -> dict[str, str]:
    """File -> SHA-256 of the weights in use."""
    return assistant.checkpoint.digests()


def options_of(args: argparse.Namespace) -> ReadOptions:
    """The arguments that say how pictures are read."""
    from facellm.block_reading import ReadOptions

    return ReadOptions(**{field.name: getattr(args, field.name) for field in fields(ReadOptions)})


def to_stdout(assistant: FaceAssistant, files: list[Path], args: argparse.Namespace) -> Tally:
    """CSV on standard output, block by block; problems on stderr."""
    from facellm.block_reading import table_columns
    from facellm.clip.clip_reading import read_inputs

    options = options_of(args)
    blocks = read_inputs(assistant, files, (0, None), options)
    return print_table(table_columns(options), blocks)


def print_table(columns: ColumnSet, blocks: Iterable[Block]) -> Tally:
    """Write blocks to standard output as CSV as they come; problems go to stderr at the end."""
    tally, writer = Tally(), CsvWriter(sys.stdout, columns.columns, own=False)
    for block in blocks:
        writer.write(block.rows)
        tally.add(block)
    for file, reason in tally.problems:
        print(f"{file}: {reason}", file=sys.stderr)
    check_any_read(tally)
    return tally


def to_file(assistant: FaceAssistant, files: list[Path], args: argparse.Namespace) -> Tally:
    """Blocks into the journal, then the table from the journal."""
    from facellm.block_reading import table_columns
    from facellm.clip.clip_reading import read_inputs

    options = options_of(args)
    path = journal_path(args.out)
    journal = Journal(path, run_record(assistant, files, args), resume=args.resume)
    try:
        position = (journal.inputs, journal.state)
        for block in read_inputs(assistant, files, position, options):
            journal.append(block)
    except KeyboardInterrupt:
        inside = f" and {journal.state['samples']} frames of a clip" if journal.state else ""
        done = f"{journal.inputs} of {len(files)} pictures{inside} are done"
        print(f"{done}; --resume goes on", file=sys.stderr)
        raise
    tally = Tally()
    with TableFile(args.out, table_columns(options).columns) as writer:
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
    asked = ("columns", "crops", "all_units", "batch", "fps", "frames", "smooth")
    return {
        "facellm": version("facellm"),
        "weights": weight_digests_of(assistant)[WEIGHTS][:16],
        "pictures": len(files),
        "names": hashlib.sha256(names).hexdigest()[:16],
        **{name: getattr(args, name) for name in asked},
        "baseline": None if args.baseline is None else args.baseline.name,
        "engine": assistant.engine.name,
        "adapter": assistant.checkpoint.adapter,
    }


def check_any_read(tally: Tally) -> None:
    """An input of which nothing could be used is an error, not an empty table."""
    tried = tally.pictures + tally.clips
    if tally.unreadable == tried:
        file, reason = tally.problems[0]
        others = f" (and {tried - 1} more)" if tried > 1 else ""
        raise FaceLLMError(f"nothing could be read: {file}: {reason}{others}")


def write_manifest(assistant: FaceAssistant, args: argparse.Namespace, tally: Tally) -> None:
    """``TABLE.manifest.json``: how the table came about."""
    from facellm.block_reading import filled_units, table_columns
    from facellm.table_manifest import (
        clip_record,
        manifest,
        manifest_path,
        with_adapter,
        with_baseline,
        with_engine,
    )

    options = options_of(args)
    record = manifest(
        assistant.checkpoint,
        table_columns(options).columns,
        filled_units(assistant, options),
        tally.counts(),
        crops=args.crops,
    )
    record = with_adapter(with_engine(record, assistant.engine), assistant.engine)
    if tally.clip_facts:
        record = clip_record(record, tally.clip_facts, args.fps, args.smooth)
    if args.baseline is not None:
        record = with_baseline(record, args.baseline, tally.unmarked)
    path = manifest_path(args.out)
    path.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
