"""``facellm build CONFIG.yaml -o corpus/``: labelled faces in, an instruction corpus out.

Sub-verbs live in modules of their own and are named here as strings; each has ``main(argv)`` and
``new_NAME_parser()``.

Example::

    $ facellm build local.yaml --data ../shared/data -o corpus/ --workers 2
    shard 0: 2000 rows, 12881 questions
    ...
    60104 rows, 398210 records, 431877 questions: corpus/
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from facellm.cli import resolve

from .corpus.build_parser import add_job_arguments, job_of, new_subverb_parser

if TYPE_CHECKING:
    from .corpus.rows import Job

SUBVERBS = {
    "index": "facellm.instruct_data.corpus.index_command:main",
    "export": "facellm.instruct_data.corpus.export_command:main",
    "import": "facellm.instruct_data.corpus.import_command:main",
    "audit": "facellm.instruct_data.dedupe.audit_command:main",
    "forge": "facellm.instruct_data.forge.forge_command:main",
    "synth": "facellm.instruct_data.forge.synth_command:main",
    "readings": "facellm.instruct_data.under_readings.readings_command:main",
}
DESCRIPTION = """\
Build an instruction corpus: labelled faces in; Parquet shards of questions and answers, rejections
with reasons, counts and a dataset card out.

CONFIG may be `local`, the config that comes with facellm, or a file. Instead of CONFIG:
  facellm build index ...    fingerprints of near duplicates, before a build in parts
  facellm build export ...   a corpus as LLaVA, TRL or LLaMA-Factory read it
  facellm build import ...   such files as a corpus
  facellm build audit ...    labels that look wrong by their neighbourhood
  facellm build forge ...    manipulated pictures with known masks
  facellm build synth ...    rendered faces with exact labels
  facellm build readings ... conversations written under readings, as the product answers
"""
EXAMPLES = """\
  facellm build corpus.yaml -o corpus/
  facellm build corpus.yaml -o corpus/ --resume --workers 2
  facellm build corpus.yaml --data . -o second/
"""


def new_build_parser() -> argparse.ArgumentParser:
    """Arguments of the verb."""
    parser = new_subverb_parser("", DESCRIPTION, EXAMPLES)
    add_job_arguments(parser)
    parser.add_argument(
        "--resume", action="store_true", help="go on with a corpus that was begun or killed"
    )
    return parser


def main(argv: list[str]) -> int:
    """Run the verb or one of its sub-verbs."""
    if argv and argv[0] in SUBVERBS:
        return resolve(SUBVERBS[argv[0]])(argv[1:])
    args = new_build_parser().parse_intermixed_args(argv)
    job = job_of(args)
    from .corpus.build import run, silent
    from .corpus.folder import CorpusFolder
    from .corpus.spending import spent, told

    counts = run(job, args.workers, silent if args.quiet else tell_stderr)
    if not args.quiet:
        for line in told(spent(CorpusFolder(job.out))):
            tell_stderr(line)
        tell_stderr(summary(counts, job))
    return 0


def subverb_parser(name: str) -> argparse.ArgumentParser:
    """A sub-verb's own parser: ``new_NAME_parser`` of its module."""
    module, _, _ = SUBVERBS[name].partition(":")
    return resolve(f"{module}:new_{name}_parser")()


def tell_stderr(line: str) -> None:
    """A line about progress."""
    print(line, file=sys.stderr, flush=True)


def summary(counts: dict[str, int] | None, job: Job) -> str:
    """The last line of a run."""
    if counts is None:
        return f"part {job.part.index}/{job.part.count} is done, others are not yet: {job.out}"
    return (
        f"{counts['rows']} rows, {counts['records']} records, {counts['turns']} questions: "
        f"{job.out}"
    )
