"""What the parsers of ``facellm eval`` and of its sub-verbs share."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from facellm.cli import Parser
from facellm.errors import FaceLLMError


def new_subverb_parser(name: str, description: str, examples: str) -> Parser:
    """A parser; ``name`` is empty for ``facellm eval`` itself."""
    return Parser(
        prog=f"facellm eval {name}".rstrip(),
        description=description,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_data_argument(parser: argparse.ArgumentParser) -> None:
    """``--data NAME=PATH`` and ``--agreed SET``, as often as one likes."""
    parser.add_argument(
        "--data",
        metavar="NAME=PATH",
        action="append",
        default=[],
        help="where a set lies (default: looked for in FACELLM_DATA)",
    )
    parser.add_argument(
        "--agreed",
        metavar="SET",
        action="append",
        default=[],
        help="you hold the agreement that the source of this set wants",
    )


def data_paths(given: Sequence[str]) -> dict[str, Path]:
    """Set -> path.

    Raises:
        FaceLLMError: If one is not NAME=PATH.
    """
    found = {}
    for text in given:
        name, equals, path = text.partition("=")
        if not equals or not name or not path:
            raise FaceLLMError(f"--data {text!r}: must be NAME=PATH, as ferplus=sets/fer")
        found[name] = Path(path)
    return found


def whole_number(text: str) -> int:
    """A number of at least 1, for argparse."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number
