"""``facellm build export CORPUS --format llava -o F``: a corpus in another layout."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from facellm.atomic import read_json
from facellm.errors import FaceLLMError

from .build_parser import new_subverb_parser
from .config import SPLITS
from .folder import CorpusFolder
from .shards import read_shards

NAMES = ("llava", "trl", "llamafactory")
EXAMPLES = """\
  facellm build export corpus/ --format llava -o llava/
  facellm build export corpus/ --format trl --split train -o trl/
  facellm build export corpus/ --format llamafactory -o factory/
"""


def new_export_parser() -> argparse.ArgumentParser:
    """Arguments of the verb."""
    parser = new_subverb_parser("export", "Write a corpus in another layout.", EXAMPLES)
    parser.add_argument("corpus", metavar="CORPUS", type=Path, help="folder of a finished corpus")
    parser.add_argument("--format", choices=NAMES, required=True, help=", ".join(NAMES))
    parser.add_argument(
        "--pictures", action="store_true", help="embedded pictures as files, named by the records"
    )
    parser.add_argument("--split", choices=SPLITS, help="only this one; without it all three")
    parser.add_argument(
        "-o", "--out", metavar="FOLDER", type=Path, required=True, help="a new or empty folder"
    )
    return parser


def main(argv: list[str]) -> int:
    """Run the verb."""
    args = new_export_parser().parse_intermixed_args(argv)
    from .exchange import FORMATS
    from .exchange.pictures import with_files

    folder = CorpusFolder(args.corpus)
    counts = finished_counts(folder)
    check_empty(args.out)
    for split in [args.split] if args.split else SPLITS:
        if split in counts["splits"]:
            records = read_shards(folder, split)
            records = with_files(records, args.out) if args.pictures else records
            number = FORMATS[args.format].export(records, args.out, split)
            if not args.quiet:
                print(f"{split}: {number} records: {args.out}", file=sys.stderr)
    return 0


def finished_counts(folder: CorpusFolder) -> dict[str, dict[str, int]]:
    """Counts of a corpus that is finished.

    Raises:
        FaceLLMError: If it is not.
    """
    if not folder.counts_file.is_file():
        raise FaceLLMError(f"{folder.path}: no finished corpus here (counts.json is missing)")
    return read_json(folder.counts_file)


def check_empty(out: Path) -> None:
    """Refuse a folder that holds something."""
    if out.is_file():
        raise FaceLLMError(f"{out}: is a file, not a folder")
    if out.is_dir() and any(out.iterdir()):
        raise FaceLLMError(f"{out}: is not empty")
