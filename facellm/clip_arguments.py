"""Arguments of ``facellm read`` about clips only: which frames, and how smooth."""

from __future__ import annotations

import argparse

FASTEST, LONGEST_SMOOTHING = 1000.0, 60.0  # frames a second; seconds


def add_clip_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments about clips only."""
    parser.add_argument(
        "--fps",
        type=rate,
        default=2.0,
        metavar="N",
        help="frames of a clip sampled a second, by their times; all or 0 takes all (default: 2)",
    )
    parser.add_argument(
        "--frames",
        type=float,
        metavar="RATE",
        help="a folder is one clip: its pictures by the numbers in their names, RATE a second",
    )
    parser.add_argument(
        "--smooth",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="smooth expressions of clips over time; adds a column `smoothed` (default: off)",
    )


def rate(text: str) -> float:
    """``2``, ``0.5``; ``all`` and ``0`` are every frame."""
    return 0.0 if text == "all" else float(text)
