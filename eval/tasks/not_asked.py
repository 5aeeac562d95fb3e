"""Questions of other people's benchmarks that nobody is asked here, ours or any other model.

Benchmarks ask who somebody is, whether two pictures show one person, of what race a person is, or
what character a face tells. A harness that scored such answers would train models towards them. So
these questions are counted under ``not asked: REASON``, stand in every report, and the score says
over how many questions it was taken; there is no option to ask them.

Parts of a benchmark that are about such things by their name are left out whole by its task; the
words of ``not_asked.json`` (regular expressions) find single questions elsewhere.

Example: ``reason_not_to_ask("Which race is the person?")`` -> ``"race"``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from facellm.readers.row import Rejection

NOT_ASKED = "not asked"
IDENTITY, RECOGNITION, RACE, TRAITS = "identity", "recognition", "race", "traits"


@cache
def _words() -> dict[str, re.Pattern[str]]:
    """Reason -> what gives it away."""
    text = files("facellm.eval.tasks").joinpath("not_asked.json").read_text(encoding="utf-8")
    return {
        reason: re.compile(rf"(?<!\w)(?:{'|'.join(parts)})(?!\w)", re.I)
        for reason, parts in json.loads(text).items()
    }


def reason_not_to_ask(question: str, options: Sequence[str] = ()) -> str | None:
    """``identity``, ``recognition``, ``race`` or ``traits``; None for a question that may be asked.

    Args:
        question: Its words.
        options: What may be answered: a question can name races in its options alone.
    """
    text = "\n".join((question, *options))
    return next((reason for reason, words in _words().items() if words.search(text)), None)


def not_asked(source: str, key: str, reason: str, where: str) -> Rejection:
    """The rejection of such a question."""
    return Rejection(source, key, "task", f"{NOT_ASKED}: {reason}", "", where)
