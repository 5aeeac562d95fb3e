"""Near-duplicate groups over splits and sources, and which rows of them go.

Example: ``duplicate_drops(prints, ["a/1", "b/7"], ["test", "train"])`` ->
``{"b/7": "near duplicate of a/1 (test)"}``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from facellm.errors import FaceLLMError
from facellm.near_duplicates.fingerprints import Fingerprints
from facellm.near_duplicates.search import LEAST_LIKENESS, Pairs, near_pairs

from ..corpus.joined import repeated

AGAIN = 4  # searches after the first at most
PRECEDENCE = ("test", "valid", "train")  # whose row stays, first to last


def duplicate_groups(count: int, pairs: Pairs) -> NDArray[np.int64]:
    """Which group each row is in.

    Args:
        count: Rows N.
        pairs: Near duplicates among them; what is joined by a chain of them is one group.

    Returns:
        (N,) number of the group: its first row, so a row of its own has its own number.
    """
    links = coo_array((np.ones(len(pairs), bool), (pairs.first, pairs.second)), (count, count))
    _, labels = connected_components(links, directed=False)
    _, first, back = np.unique(labels, return_index=True, return_inverse=True)
    return first[back]


def duplicate_drops(
    prints: Fingerprints,
    keys: Sequence[str],
    splits: Sequence[str],
    *,
    within: bool = True,
    least: float = LEAST_LIKENESS,
) -> dict[str, str]:
    """Rows to leave out so that no two of what stays are near duplicates, and why.

    What stays is searched again until nothing is found, since one search misses a few in ten
    thousand pairs.

    One row of a group stays: that of the test split before validation before training, and of
    these the first. So a training row that also stands in an evaluation split goes, and never the
    other way about.

    Args:
        prints: Fingerprints of N rows.
        keys: ``source/key`` of each, each once.
        splits: ``train``, ``valid`` or ``test`` each.
        within: Also inside one split; without it only rows that stand in a split of precedence.
        least: Likeness from which two pictures are one.

    Returns:
        Key -> reason, in the order of the rows.

    Raises:
        FaceLLMError: If a key stands twice, a split is unknown or the lengths differ.
    """
    if not len(prints) == len(keys) == len(splits):
        raise FaceLLMError(f"{len(prints)} fingerprints, {len(keys)} keys and {len(splits)} splits")
    pairs = near_pairs(prints, least)
    drops = drops_of(pairs, keys, splits, within=within)
    for _ in range(AGAIN):  # what stays is hashed against medians of its own
        stay = np.flatnonzero([key not in drops for key in keys])
        pairs += near_pairs(prints, least, stay)
        before, drops = len(drops), drops_of(pairs, keys, splits, within=within)
        if len(drops) == before:
            break
    return drops


def drops_of(
    pairs: Pairs, keys: Sequence[str], splits: Sequence[str], *, within: bool = True
) -> dict[str, str]:
    """``duplicate_drops`` of pairs already found."""
    if unknown := sorted(set(splits) - set(PRECEDENCE)):
        raise FaceLLMError(f"splits {unknown} are none of {', '.join(PRECEDENCE)}")
    if (twice := repeated(keys)) is not None:
        raise FaceLLMError(f"key {twice!r} stands {sum(key == twice for key in keys)} times")
    groups = duplicate_groups(len(keys), pairs)
    ranks = np.array([PRECEDENCE.index(split) for split in splits], np.int64)
    order = np.lexsort((ranks, groups))  # stable: rows of one rank stay in their order
    _, first = np.unique(groups[order], return_index=True)
    stays = np.arange(len(groups))
    stays[groups[order[first]]] = order[first]
    stays = stays[groups]  # (N,) the row of each row's group that stays
    goes = (ranks > ranks[stays]) | (within & (stays != np.arange(len(groups))))
    return {
        keys[row]: f"near duplicate of {keys[stays[row]]} ({splits[stays[row]]})"
        for row in np.flatnonzero(goes).tolist()
    }
