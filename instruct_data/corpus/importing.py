"""Records of another layout -> a corpus folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .config import SourceConfig
from .exchange import FORMATS
from .written import write_corpus


def import_records(path: Path, form: str, out: Path) -> dict[str, Any]:
    """Write the records of ``path`` as a corpus into the new folder ``out``.

    Returns:
        The counts, as in ``counts.json``.

    Raises:
        FaceLLMError: If a record does not fit, by its number, or there are none.
    """
    source = SourceConfig(form, path.name, faces="none")
    return write_corpus(FORMATS[form].read(path), source, "imported", out)
