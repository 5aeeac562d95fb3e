"""The real sets, where they lie beside the repository; a test that needs one skips, saying so."""

import os
from pathlib import Path

import pytest

# Absolute: tests change folder, and FACELLM_DATA may be a path from the checkout.
DATA = Path(
    os.environ.get("FACELLM_DATA", Path(__file__).parents[3] / "shared" / "data")
).absolute()


def needs(name):
    """The marker of a test that reads a file of the data folder."""
    return pytest.mark.skipif(
        not (DATA / name).is_file(), reason=f"{name} is not in {DATA} (set FACELLM_DATA)"
    )


needs_rig = needs("ict_facekit/ict_facekit.npz")
