"""What the parsers of ``facellm build`` and of its sub-verbs share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from facellm.cli import Parser
from facellm.errors import FaceLLMError
from facellm.folders import default_data

if TYPE_CHECKING:
    from .rows import Job

CONFIGS = Path(__file__).parents[1] / "configs"  # that come with facellm, by name


def new_subverb_parser(name: str, description: str, examples: str) -> Parser:
    """A parser; ``name`` is empty for ``facellm build`` itself."""
    parser = Parser(
        prog=f"facellm build {name}".rstrip(),
        description=description,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quiet", action="store_true", help="nothing on stderr but errors")
    return parser


def add_job_arguments(parser: argparse.ArgumentParser) -> None:
    """What says which corpus, and which part of it."""
    parser.add_argument("config", metavar="CONFIG", help="YAML file, or local")
    parser.add_argument(
        "-o", "--out", metavar="FOLDER", type=Path, required=True, help="folder of the corpus"
    )
    parser.add_argument(
        "--data",
        type=Path,
        help="folder of the sets (default: that of CONFIG; for local FACELLM_DATA)",
    )
    parser.add_argument("--shard", metavar="I/N", default="1/1", help="part of N, from 1/N to N/N")
    parser.add_argument("--workers", type=int, default=1, help="processes (default: %(default)s)")


def job_of(args: argparse.Namespace) -> Job:
    """What the arguments ask for.

    Raises:
        FaceLLMError: If one of them does not fit.
    """
    from .config import load_config
    from .rows import Job, Part

    if args.workers < 1:
        raise FaceLLMError(f"--workers {args.workers} is less than 1")
    part = Part.parse(args.shard)
    own, file = CONFIGS / f"{args.config}.yaml", Path(args.config)
    file = own if own.is_file() and not file.exists() else file
    data = args.data or (default_data() if file == own else file.parent)
    if not data.is_dir():
        raise FaceLLMError(f"{data}: no such folder of data; --data names another")
    return Job(load_config(file), data, args.out, part, getattr(args, "resume", False))
