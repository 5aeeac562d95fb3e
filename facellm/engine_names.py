"""Names of the engines that take readings, and which one is used where nobody says; imports little.

Example: ``FACELLM_ENGINE=torch facellm read holiday/``
"""

from __future__ import annotations

import argparse
import os

from facellm.errors import FaceLLMError

AUTO, TORCH, OPENVINO = "auto", "torch", "openvino"
ENGINES = (AUTO, TORCH, OPENVINO)
VARIABLE = "FACELLM_ENGINE"


def usual_engine(otherwise: str = AUTO) -> str:
    """The engine that ``FACELLM_ENGINE`` names, ``otherwise`` where it is not set.

    Raises:
        FaceLLMError: If it names none; the message holds those there are.
    """
    name = os.environ.get(VARIABLE, "")
    return check_engine(name, f"{VARIABLE}={name}") if name else otherwise


def check_engine(name: str, shown: str = "") -> str:
    """The name, if it is one of ``ENGINES``.

    Args:
        name: What was given.
        shown: How an error calls it.

    Raises:
        FaceLLMError: If it is none; the message holds those there are.
    """
    if name not in ENGINES:
        given = shown or f"engine {name!r}"
        raise FaceLLMError(f"{given}: must be one of {', '.join(ENGINES)}")
    return name


def add_engine_argument(parser: argparse.ArgumentParser, otherwise: str) -> None:
    """``--engine`` of a verb that uses ``otherwise`` where neither it nor the variable is given."""
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        metavar="NAME",
        help=f"what takes readings: auto (the fastest there is), torch or openvino "
        f"(default: {VARIABLE}, else {otherwise})",
    )
