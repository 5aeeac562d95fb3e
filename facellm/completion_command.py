"""``facellm completion SHELL``: a script that teaches a shell the verbs, options and choices.

The script is written by ``shtab`` from the very parsers the verbs use, so it offers what they
accept. Nothing of this is imported when another verb runs, and no Python runs at a press of TAB.

Example::

    $ eval "$(facellm completion bash)"
    $ facellm re<TAB>             facellm read
    $ facellm read --columns <TAB>     arkit  default  openface
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from facellm.cli import VERBS, Parser, help_of_verbs, parser_of

SHELLS = ("bash", "zsh", "fish")
# Metavars of arguments that name a file.
FILES = ("PHOTO", "PATH", "TABLE", "PICTURE", "CLIP", "CSV", "FILE", "JSON", "CONFIG")
EXAMPLES = """\
  eval "$(facellm completion bash)"            for this shell; in ~/.bashrc for every one
  facellm completion zsh > ~/.zfunc/_facellm   a folder of zsh's $fpath
  facellm completion fish > ~/.config/fish/completions/facellm.fish
"""


def new_completion_parser() -> argparse.ArgumentParser:
    """Arguments of the verb."""
    parser = Parser(
        prog="facellm completion",
        description="Print a script that completes facellm's verbs and options in a shell.",
        epilog=f"examples:\n{EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=", ".join(SHELLS))
    return parser


def main(argv: list[str]) -> int:
    """Run the verb."""
    args = new_completion_parser().parse_args(argv)
    import shtab

    sys.stdout.write(shtab.complete(whole_parser(), args.shell).rstrip("\n") + "\n")
    return 0


def whole_parser() -> argparse.ArgumentParser:
    """One parser of all verbs, with a word for the shell about every argument that names a file."""
    parser = argparse.ArgumentParser(prog="facellm")
    parser.add_argument("-V", "--version", action="version", help="show the version")
    verbs = parser.add_subparsers(metavar="VERB")
    described = help_of_verbs()
    for verb in VERBS:
        own = parser_of(verb)
        for action in own._actions:
            complete_files(action)
        verbs.add_parser(verb, parents=[own], add_help=False, help=described[verb])
    return parser


def complete_files(action: argparse.Action) -> None:
    """Let the shell offer files, or folders, where an argument names one."""
    import shtab

    if action.metavar in FILES:
        action.complete = shtab.FILE  # type: ignore[attr-defined]
    elif action.type is Path:
        action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
