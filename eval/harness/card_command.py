"""``facellm eval card``: the figures and sections of a model card, whole or not at all."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..marked_text import replace_marked
from .card import MARKS, card, read_words
from .eval_parser import new_subverb_parser
from .results import read_results

EXAMPLES = """\
  facellm eval card final/results.json --words card.yaml
  facellm eval card final/results.json --words card.yaml --card CARD.md
"""
DESCRIPTION = """\
Write the sections of a model card (Mitchell et al.) from a run on test splits and a YAML file of
what people have to say: intended_use, factors, training_data, ethical_considerations, caveats. A
field that is missing is an error. Printed, or put between <!-- eval --> and <!-- end of eval -->.
"""


def new_card_parser() -> argparse.ArgumentParser:
    """Arguments of the sub-verb."""
    parser = new_subverb_parser("card", DESCRIPTION, EXAMPLES)
    parser.add_argument("results", metavar="FILE", type=Path, help="results.json of a run")
    parser.add_argument("--words", type=Path, required=True, help="YAML file, see above")
    parser.add_argument("--card", type=Path, help="model card whose part is replaced")
    return parser


def main(argv: list[str]) -> int:
    """Run the sub-verb."""
    args = new_card_parser().parse_args(argv)
    text = card(read_results(args.results), read_words(args.words))
    if args.card is None:
        print(text)
    else:
        replace_marked(args.card, MARKS, text)
        print(f"{args.card}: written")
    return 0
