"""``facellm build readings``: conversations written under readings, as a corpus.

Made ones need nothing; own ones a built corpus and a model's readings of its pictures.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from facellm.errors import FaceLLMError

from ..corpus.build_parser import new_subverb_parser

EXAMPLES = """\
  facellm build readings --made 200 -o made/
"""
DESCRIPTION = """\
Write conversations under readings, as the product answers: about readings drawn at random (--made),
which need no picture, or about a model's own (--corpus with --readings, a file that
`python -m facellm.train.own_readings` writes).
"""


def new_readings_parser() -> argparse.ArgumentParser:
    """Arguments of the verb."""
    parser = new_subverb_parser("readings", DESCRIPTION, EXAMPLES)
    parser.add_argument(
        "--made", metavar="N", type=int, default=0, help="conversations, no picture"
    )
    parser.add_argument("--corpus", metavar="FOLDER", type=Path, help="a built corpus")
    parser.add_argument("--readings", metavar="FILE", type=Path, help="a model's readings of it")
    parser.add_argument(
        "--n", type=int, default=12000, help="training conversations (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=5, help="of everything random")
    parser.add_argument(
        "-o", "--out", metavar="FOLDER", type=Path, required=True, help="a new or empty folder"
    )
    return parser


def main(argv: list[str]) -> int:
    """Run the verb."""
    args = new_readings_parser().parse_intermixed_args(argv)
    own = args.corpus is not None or args.readings is not None
    if own == bool(args.made) or (args.corpus is None) != (args.readings is None):
        raise FaceLLMError("give --made N, or --corpus FOLDER with --readings FILE")
    for name in ("made", "n", "seed"):
        if getattr(args, name) < 0:
            raise FaceLLMError(f"--{name} {getattr(args, name)} is less than 0")
    from ..corpus.config import SourceConfig
    from ..corpus.folder import CorpusFolder
    from ..corpus.written import write_corpus
    from .records import made_records, own_records

    if args.corpus is not None and args.readings is not None:
        from facellm.stored_readings import StoredReadings

        if not (args.corpus / "manifest.json").is_file():
            raise FaceLLMError(f"{args.corpus}: no corpus (it has no manifest.json)")
        stored = StoredReadings.load(args.readings)
        records = own_records(CorpusFolder(args.corpus), stored, args.n, args.seed)
        source = SourceConfig("own_readings", str(args.corpus), faces="none")
    else:
        records = made_records(args.made, args.seed)
        source = SourceConfig("made_readings", f"seed {args.seed}", faces="none")
    counts = write_corpus(records, source, "under-readings", args.out)
    if not args.quiet:
        told = f"{counts['records']} records, {counts['turns']} questions: {args.out}"
        print(told, file=sys.stderr)
    return 0
