"""FER+ votes of ten taggers: shares to train on and majority labels to score against.

A row of votes is (10,): neutral, happiness, surprise, sadness, anger, disgust, fear, contempt,
unknown, not a face.
"""

from __future__ import annotations

import numpy as np

from facellm.labels import EXPRESSIONS


def vote_shares(votes: np.ndarray) -> np.ndarray:
    """FER+ votes (10,) -> shares (9,) over eight expressions and unknown; NF votes are dropped."""
    counted = votes[:9].astype(np.float64)
    return counted / max(counted.sum(), 1.0)


def published_majority(votes: np.ndarray) -> np.ndarray:
    """FER+ majority label by the published rule.

    Votes of one tagger are dropped; the label needs more than half of what is left; unknown and
    not-a-face rows are dropped.

    Args:
        votes: (N, 10).

    Returns:
        (N,) index into ``EXPRESSIONS``, -1 where the row does not count.

    Source: FER+, arXiv 1608.01041, section 3, and the authors' code.
    """
    counted = np.where(votes > 1, votes, 0).astype(np.float64)
    total = counted.sum(1)
    best = counted.argmax(1)
    clear = counted.max(1) > 0.5 * np.maximum(total, 1e-9)
    return np.where(clear & (best < len(EXPRESSIONS)) & (total > 0), best, -1)
