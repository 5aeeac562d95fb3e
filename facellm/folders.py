"""Where the project's tools look for data and keep what can be rebuilt."""

from __future__ import annotations

import os
from pathlib import Path


def default_cache() -> Path:
    """Folder of everything training can rebuild: env ``FACELLM_CACHE`` or ``.cache/default``."""
    return Path(os.environ.get("FACELLM_CACHE", ".cache/default"))


def default_data() -> Path:
    """Folder of the parquet files: env ``FACELLM_DATA`` or ``../shared/data``."""
    return Path(os.environ.get("FACELLM_DATA", "../shared/data"))
