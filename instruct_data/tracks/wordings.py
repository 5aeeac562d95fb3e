"""Wordings of the questions of the tracks, from ``questions.json``; see ``wording`` for templates.

Example: ``track_question("academic_emotion", rng)`` -> ``"What is this student seen doing?"``.
"""

from __future__ import annotations

import json
import random
from functools import cache
from importlib.resources import files

from ..wording import choose


@cache
def templates() -> dict[str, list[str]]:
    """Templates by kind of question."""
    text = (
        files("facellm.instruct_data.tracks").joinpath("questions.json").read_text(encoding="utf-8")
    )
    return json.loads(text)


def track_question(kind: str, rng: random.Random) -> str:
    """One wording of a kind of question."""
    return choose(rng.choice(templates()[kind]), rng)
