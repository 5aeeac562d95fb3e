"""Where the project's tools look for data, keep what can be rebuilt, and may write."""

from __future__ import annotations

import os
from pathlib import Path

from facellm.errors import FaceLLMError


def default_cache() -> Path:
    """Folder of everything training can rebuild: env ``FACELLM_CACHE`` or ``.cache/default``."""
    return Path(os.environ.get("FACELLM_CACHE", ".cache/default"))


def default_data() -> Path:
    """Folder of the parquet files: env ``FACELLM_DATA`` or ``../shared/data``."""
    return Path(os.environ.get("FACELLM_DATA", "../shared/data"))


def check_place(path: Path, what: str = "file") -> None:
    """Refuse a file that could not be written, before any work is done for it."""
    if path.is_dir():
        raise FaceLLMError(f"{path}: is a folder, not a {what}")
    if not path.parent.is_dir():
        raise FaceLLMError(f"{path}: the folder {path.parent} does not exist")
