"""Write the text corpus: readings, a question, and the answer the grammar writes from them.

Without ``--readings`` the readings are drawn at random, so that the language model learns to copy
what stands in the context instead of guessing; with it they are a model's own, as lines
``{"row": 12, "reading": {...}}`` (``facellm.train.own_readings``), and each line of the corpus
names the cached pictures (``rows``) its faces show.

Command::

    python -m facellm.instruct_data.build_text --out .cache/default/text/synthetic.jsonl

A line: ``{"readings": ["<reading>..."], "turns": [["how old?", "<ask_age>About <age_34> ..."],
...]}``. Several questions share one context, which is most of a line's tokens; values in answers
are pointers (``facellm.pointers``).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from facellm.context import reading_text
from facellm.labels import INTENTS
from facellm.pointers import to_pointers
from facellm.reading import Reading

from .grammar import compose_answer
from .questions import sample_question
from .synthetic_readings import sample_reading

FACE_COUNTS, FACE_SHARES = (0, 1, 2, 3), (0.04, 0.8, 0.12, 0.04)
# Refusals have the widest range of wordings, descriptions are the longest answers.
OFTEN = frozenset({"off_topic", "out_of_bounds", "describe"})
Rng = np.random.Generator


def corpus_line(readings: list[Reading], intents: list[str], rng: Rng) -> dict[str, Any]:
    """One conversation about the given faces, a turn for each intent."""
    turns = []
    for intent in intents:
        answer = to_pointers(compose_answer(readings, intent, rng), readings)
        turns.append([sample_question(rng, intent), f"<ask_{intent}>{answer}"])
    return {"readings": [reading_text(reading) for reading in readings], "turns": turns}


def draw_intents(rng: Rng) -> list[str]:
    """One to five different intents; those in ``OFTEN`` about twice as often as the others."""
    count = int(rng.integers(1, 6))
    weights = np.array([2.0 if intent in OFTEN else 1.0 for intent in INTENTS])
    picked = rng.choice(len(INTENTS), count, replace=False, p=weights / weights.sum())
    return [INTENTS[i] for i in picked]


def synthetic_lines(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Conversations about random readings, every intent equally often."""
    for index in range(count):
        rng = np.random.default_rng((seed, index))
        faces = int(rng.choice(FACE_COUNTS, p=FACE_SHARES))
        readings = [sample_reading(rng) for _ in range(faces)]
        yield corpus_line(readings, draw_intents(rng), rng)


def own_lines(path: Path, count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Conversations about a model's own readings of cached pictures."""
    with path.open() as file:
        own = [json.loads(text) for text in file]
    for index in range(count):
        rng = np.random.default_rng((seed, index))
        faces = int(rng.choice(FACE_COUNTS, p=FACE_SHARES))
        picks = [own[i] for i in rng.integers(0, len(own), faces)]
        readings = [Reading.from_dict(pick["reading"]) for pick in picks]
        line = corpus_line(readings, draw_intents(rng), rng)
        yield line | {"rows": [pick["row"] for pick in picks]}


def main(argv: list[str] | None = None) -> None:
    """Write a corpus file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--readings", type=Path, default=None)
    parser.add_argument("--n", type=int, default=36000)
    parser.add_argument("--seed", type=int, default=5)
    args = parser.parse_args(argv)
    lines = synthetic_lines(args.n, args.seed)
    if args.readings is not None:
        lines = own_lines(args.readings, args.n, args.seed)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with args.out.open("w") as file:
        for line in lines:
            file.write(json.dumps(line) + "\n")
    print(f"{args.n} conversations in {args.out}")


if __name__ == "__main__":
    main()
