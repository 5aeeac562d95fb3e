"""How alike two fingerprints are, at the shift at which they are most alike.

What is compared is a band between fine and coarse. Coarse changes are taken off: they are the lamp
and the shape that all faces share, and aligned strangers agree in them. The finest are taken off
too: they move most when a copy is shifted by half a pixel. Then the correlation of the middle of
one with every window of the other (up to 2 of 24 pixels away), and a parabola through the best and
its neighbours, since the best shift lies between whole pixels.

Shapes: K pairs, W windows, fingerprints of 24 x 24 pixels.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from facellm.near_duplicates.fingerprints import MIDDLE, SIDE, SPREAD, Thumbs
from facellm.near_duplicates.hashing import OFFSETS, REACH, WINDOW

FINE, COARSE = 0.7, 1.5  # pixels of the thumbnail, sigmas between which the band lies
LEAST_DETAIL = 0.025 * SPREAD  # grey levels: a smooth ramp has no detail to compare
PIXELS = WINDOW * WINDOW
BLOCK = 512
Floats = NDArray[np.float32]


def _blur(sigma: float) -> Floats:
    """(24, 24): this times a column of pixels is the column blurred."""
    eye = np.eye(SIDE, dtype=np.float32)
    return cv2.GaussianBlur(eye, (1, 0), sigmaX=sigma, sigmaY=sigma).astype(np.float32)


def _windows() -> Floats:
    """(576, W): which pixels a window holds."""
    held = np.zeros((SIDE, SIDE, len(OFFSETS)), np.float32)
    for number, (dy, dx) in enumerate(OFFSETS):
        held[REACH + dy :, REACH + dx :, number][:WINDOW, :WINDOW] = 1
    return held.reshape(-1, len(OFFSETS))


SMOOTH, SMOOTHER, WINDOWS = _blur(FINE), _blur(COARSE), _windows()


def likeness(first: Thumbs, second: Thumbs) -> Floats:
    """Best correlation of pairs over shifts.

    Args:
        first: (K, 24, 24).
        second: (K, 24, 24); mirror it beforehand to compare with its mirror image.

    Returns:
        (K,) in [-1, 1]; 0 where one of the two has no detail.
    """
    parts = [
        _block(first[start : start + BLOCK], second[start : start + BLOCK])
        for start in range(0, len(first), BLOCK)
    ]
    return np.concatenate([np.zeros(0), *parts], dtype=np.float32, casting="same_kind")


def detail(thumbs: Thumbs) -> Floats:
    """(K, 24, 24) fingerprints -> the band of them that is compared, float32."""
    values = thumbs.astype(np.float32) - MIDDLE
    band = SMOOTH @ values @ SMOOTH.T - SMOOTHER @ values @ SMOOTHER.T
    return band.astype(np.float32, copy=False)


def _block(first: Thumbs, second: Thumbs) -> Floats:
    one = detail(first)[:, REACH : SIDE - REACH, REACH : SIDE - REACH]
    one = one - one.mean(axis=(1, 2), keepdims=True)
    own = np.sqrt(np.einsum("kyx,kyx->k", one, one))[:, None]
    picture = detail(second)
    other = picture.reshape(len(second), -1)
    variance = (other**2) @ WINDOWS - (other @ WINDOWS) ** 2 / PIXELS
    norms = np.sqrt(np.maximum(variance, 0))
    products = np.stack(
        [
            np.einsum(
                "kyx,kyx->k", one, picture[:, REACH + dy :, REACH + dx :][:, :WINDOW, :WINDOW]
            )
            for dy, dx in OFFSETS
        ],
        axis=1,
    )
    bar = LEAST_DETAIL * WINDOW  # of a norm
    good = (norms > bar) & (own > bar)
    share = np.where(good, products / np.maximum(norms * own, 1e-6), 0)
    return _peak(share.astype(np.float32))


def _peak(correlations: Floats) -> Floats:
    """(K, W) correlations at whole pixels -> (K,) the highest between them, at most 1."""
    edge = 2 * REACH + 1
    table = np.pad(correlations.reshape(-1, edge, edge), ((0, 0), (1, 1), (1, 1)), mode="reflect")
    rows = np.arange(len(table))
    y, x = np.divmod(correlations.argmax(axis=1), edge)
    best = table[rows, y + 1, x + 1]
    gain = np.zeros_like(best)
    for dy, dx in ((0, 1), (1, 0)):
        before, after = table[rows, y + 1 - dy, x + 1 - dx], table[rows, y + 1 + dy, x + 1 + dx]
        bend = 2 * best - before - after  # at the edge both are the same, and nothing is gained
        gain += (after - before) ** 2 / (8 * np.maximum(bend, 1e-6))
    return np.minimum(best + gain, 1)
