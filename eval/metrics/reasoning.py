"""REGE of FABA-Bench: recognition plus generation, each up to 100.

Recognition is accuracy (expressions) or the mean F1 of twelve action units; generation is the mean
ROUGE-L F-score of answers against reference descriptions. The authors compute ROUGE-L with the
package ``rouge`` 1.0.1, and so do we count: sentences end at a full stop, words are split at white
space with case and marks kept, the longest common subsequences of a reference sentence with all
answer sentences are united, and every different word counts once. An empty answer scores 0; the
published code leaves it out of the mean.

Example: ``rouge_l("the brows are low", "the brows are raised")`` -> ``0.75``.

Source: EmoLA, arXiv 2404.05052, section 4 (REGE), and its evaluation code for the details.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ..statistics import Estimate, Statistic, mean_f1_statistic, mean_statistic
from .bootstrap import PLAIN, Bootstrap, measured, same_length

FABA_UNITS = (1, 2, 4, 5, 6, 10, 12, 17, 24, 25, 26, 43)  # of the 20 labelled, those that count


def rouge_l(reference: str, answer: str) -> float:
    """ROUGE-L F-score as the package ``rouge`` 1.0.1 gives it; 0 where either has no word.

    Args:
        reference: Text.
        answer: Text.

    Returns:
        In [0, 1].
    """
    said, wanted = _sentences(answer), _sentences(reference)
    united: set[str] = set()
    for sentence in wanted:
        for other in said:
            united |= _common(sentence, other)
    if not united:
        return 0.0
    recall = len(united) / len({word for sentence in wanted for word in sentence})
    precision = len(united) / len({word for sentence in said for word in sentence})
    return 2 * precision * recall / (precision + recall + 1e-8)


def _sentences(text: str) -> list[list[str]]:
    # ``" ".join(part.split()).split(" ")`` of an all-blank part is one empty word there; so here.
    return [" ".join(part.split()).split(" ") for part in text.split(".") if part]


def _common(first: Sequence[str], second: Sequence[str]) -> set[str]:
    """Words of the longest common subsequence; of several the one the package walks back to."""
    n, m = len(first), len(second)
    table = [[0] * (m + 1) for _ in range(n + 1)]
    for i, word in enumerate(first, 1):
        above, row = table[i - 1], table[i]
        for j, other in enumerate(second, 1):
            row[j] = above[j - 1] + 1 if word == other else max(above[j], row[j - 1])
    words, i, j = set(), n, m
    while i and j:
        if first[i - 1] == second[j - 1]:
            words.add(first[i - 1])
            i, j = i - 1, j - 1
        elif table[i - 1][j] > table[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return words


def rege_of_labels(
    right: ArrayLike, overlap: ArrayLike, how: Bootstrap = PLAIN
) -> dict[str, Estimate]:
    """REGE of expressions.

    Args:
        right: (n,) whether the label is right.
        overlap: (n,) ``rouge_l`` of the answers, in [0, 1].
        how: What is drawn.

    Returns:
        ``recognition``, ``generation`` (0 to 100 each) and ``REGE``, their sum.

    Raises:
        FaceLLMError: If lengths differ or there is no row.
    """
    hits = np.asarray(right, np.float64)
    return _rege(mean_statistic(hits), hits, overlap, how)


def rege_of_units(
    truth: ArrayLike, said: ArrayLike, overlap: ArrayLike, how: Bootstrap = PLAIN
) -> dict[str, Estimate]:
    """REGE of action units; ``truth`` and ``said`` are (n, U) bool, best of ``FABA_UNITS``."""
    known, given = np.asarray(truth, bool), np.asarray(said, bool)
    same_length(truth=known, said=given)
    return _rege(mean_f1_statistic(known, given), known, overlap, how)


def _rege(
    recognition: Statistic, rows: np.ndarray, overlap: ArrayLike, how: Bootstrap
) -> dict[str, Estimate]:
    texts = np.asarray(overlap, np.float64)
    n = same_length(rows=rows, overlap=texts)
    generation = mean_statistic(texts)
    return {
        "recognition": measured(lambda w: 100 * recognition(w), n, how),
        "generation": measured(lambda w: 100 * generation(w), n, how),
        "REGE": measured(lambda w: 100 * (recognition(w) + generation(w)), n, how),
    }
