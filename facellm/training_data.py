"""What a model says it was trained on: ``training_data.json`` in its folder.

Example: ``{"sets": {"ferplus": ["train"], "utkface": ["train"]}, "note": "..."}``; names are those
of ``facellm.readers.sources.SOURCES``, splits are ``train``, ``valid`` and ``test``. A folder
without the file says nothing: what its model has seen is unknown, which is not the same as nothing.
"""

from __future__ import annotations

import json
from pathlib import Path

from facellm.errors import FaceLLMError

TRAINING_DATA = "training_data.json"
SPLITS = ("train", "valid", "test")


def read_training_data(folder: Path) -> dict[str, list[str]] | None:
    """Set -> splits that the model of a folder was trained on; None where nobody says.

    Raises:
        FaceLLMError: If the file is there and is not such a record.
    """
    file = folder / TRAINING_DATA
    if not file.is_file():
        return None
    try:
        sets = json.loads(file.read_text(encoding="utf-8"))["sets"]
        return {str(name): checked_splits(splits) for name, splits in sets.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FaceLLMError(f"{file}: not a record of training data ({error})") from error


def checked_splits(splits: object) -> list[str]:
    """Splits, if they are some.

    Raises:
        ValueError: If one is not known.
    """
    if not isinstance(splits, list) or not splits or set(splits) - set(SPLITS):
        raise ValueError(f"{splits!r} is no list of {', '.join(SPLITS)}")
    return splits
