"""The reading once more, behind its conversation: copying, learned at ten times the density.

Saying values after their names is all that answers copy: models of this size learn to copy
(induction heads, arXiv 2209.11895) hundreds of steps sooner from it. Expressions and units have no
name before them, so they come in order and their names are learned too; the rest comes shuffled,
and its values alone are learned.

Example: ``<age_34>`` is learned after ``<q_age>`` of ``... <q_mask><no><p_95><q_age><age_34>``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from facellm.context import STRAIGHT
from facellm.processor import FaceLLMProcessor

VALUE = re.compile(r"<(?:p|age|deg|z|level)_[-+\d]+>|<(?:(?:fe)?male|yes|no|real|generated)>")
NAME = re.compile(r"<(?:expr_[a-z]+|q_au\d+)>")
# A name and the values that stand behind it in a reading's context.
_GROUP = re.compile(r"(<q_\w+>| [a-z][a-z -]*|<expr_\w+>)((?:<(?!q_|expr_|/|no_geo)[^>]+>)+)")


def echo_text(reading: str, rng: np.random.Generator) -> str:
    """Names and values of a context: expressions and units in order, the rest shuffled."""
    said = reading.replace(f" head {STRAIGHT}", "")  # no value, and words follow it
    groups = ["".join(parts) for parts in _GROUP.findall(said)]
    ordered = [group for group in groups if group.startswith(("<expr_", "<q_au"))]
    others = [group for group in groups if group not in ordered]
    return "".join(ordered) + "".join(others[i] for i in rng.permutation(len(others)))


def echo_labels(
    ids: Sequence[int], labels: Sequence[int], processor: FaceLLMProcessor
) -> list[int]:
    """Labels (T,) with those of the echo, which is all that stands behind the last ``<|end|>``."""
    end = processor.token_id("<|end|>")
    last = len(ids) - 1 - list(reversed(ids)).index(end)
    learned = learned_ids(processor.tokenizer)
    return [
        index if place > last and index in learned else label
        for place, (index, label) in enumerate(zip(ids, labels, strict=True))
    ]


@lru_cache(maxsize=4)
def learned_ids(tokenizer: Any) -> frozenset[int]:
    """Ids of values and of names of expressions and units."""
    words = tokenizer.get_vocab().items()
    return frozenset(i for word, i in words if VALUE.fullmatch(word) or NAME.fullmatch(word))
