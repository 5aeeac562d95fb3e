"""``facellm eval``: measure any model on face tasks, compare two, write the card's figures.

Sub-verbs live in modules of their own and are named here as strings; each has ``main(argv)`` and
``new_NAME_parser()``.
"""

from __future__ import annotations

import argparse

from facellm.cli import resolve
from facellm.errors import FaceLLMError

from .harness.eval_parser import new_subverb_parser

PLACE = "facellm.eval.harness"
SUBVERBS = {
    "tasks": f"{PLACE}.tasks_command:main",
    "run": f"{PLACE}.run_command:main",
    "compare": f"{PLACE}.compare_command:main",
    "card": f"{PLACE}.card_command:main",
    "contamination": f"{PLACE}.contamination_command:main",
    "export": f"{PLACE}.export_command:main",
}
DESCRIPTION = """\
Measure models on face tasks: ours, any OpenAI-compatible endpoint, any image-text model of
transformers, a Python function. SUBVERB is one of:
  tasks           what there is to measure, where to get the data
  run             measure a model; results.json, a row a sample, a report
  compare         differences between two runs, with intervals
  card            the figures and sections of a model card
  contamination   pictures of a corpus that stand in a task too
  export          the tasks as lmms-eval reads them
"""
EXAMPLES = """\
  facellm eval tasks
  facellm eval run --tasks ferplus --limit 8 -o measured/
"""


def new_eval_parser() -> argparse.ArgumentParser:
    """Arguments of the verb."""
    parser = new_subverb_parser("", DESCRIPTION, EXAMPLES)
    parser.add_argument(
        "subverb", metavar="SUBVERB", choices=tuple(SUBVERBS), help=", ".join(SUBVERBS)
    )
    parser.add_argument("rest", nargs="*", help=argparse.SUPPRESS)
    return parser


def subverb_parser(name: str) -> argparse.ArgumentParser:
    """The parser of a sub-verb."""
    module, _, _ = SUBVERBS[name].partition(":")
    return resolve(f"{module}:new_{name}_parser")()


def main(argv: list[str]) -> int:
    """Run a sub-verb."""
    if not argv or argv[0] in ("-h", "--help"):
        new_eval_parser().parse_args(argv or ["--help"])
    if argv[0] not in SUBVERBS:
        raise FaceLLMError(f"unknown sub-verb {argv[0]!r}; they are {', '.join(SUBVERBS)}")
    return resolve(SUBVERBS[argv[0]])(argv[1:])
