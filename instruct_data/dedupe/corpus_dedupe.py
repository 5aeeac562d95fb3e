"""The corpus builder's door to the search for near duplicates (``dedupe: perceptual``).

A fingerprint travels as one row of 576 bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facellm.errors import FaceLLMError
from facellm.near_duplicates.fingerprints import SIDE, Fingerprints, Thumbs, fingerprint
from facellm.near_duplicates.search import LEAST_LIKENESS

from .groups import duplicate_drops


class PerceptualDedupe:
    """Near duplicates by thumbnails.

    Args:
        likeness: Correlation from which two pictures are one, in (0, 1].
        within: Also inside one split; without it only rows that stand in a split of precedence go.
    """

    def __init__(self, likeness: float = LEAST_LIKENESS, within: bool = True) -> None:
        if not 0 < likeness <= 1:
            raise FaceLLMError(f"dedupe: likeness {likeness} is not in (0, 1]")
        self.likeness, self.within = likeness, within

    def fingerprint(self, picture: NDArray[np.uint8]) -> Thumbs:
        """(H, W, 3) uint8 RGB -> (576,) uint8."""
        return fingerprint(picture).ravel()

    def duplicate_drops(
        self, fingerprints: Thumbs, splits: Sequence[str], keys: Sequence[str]
    ) -> dict[str, str]:
        """Rows to drop, and as what: N fingerprints (N, 576), splits, ``source/key`` -> key: why.

        Raises:
            FaceLLMError: If the fingerprints are of another kind.
        """
        if fingerprints.dtype != np.uint8 or fingerprints.shape[1:] != (SIDE * SIDE,):
            raise FaceLLMError(
                f"fingerprints are (N, {SIDE * SIDE}) uint8, got {fingerprints.shape} "
                f"{fingerprints.dtype}: made by another version or another deduper"
            )
        prints = Fingerprints(fingerprints.reshape(-1, SIDE, SIDE))
        return duplicate_drops(prints, keys, splits, within=self.within, least=self.likeness)
