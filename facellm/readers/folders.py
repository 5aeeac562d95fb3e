"""A folder a class, with or without a folder a split above; and InFER, which may be held as one.

::

    faces/train/happy/01.jpg  faces/test/happy/02.jpg      or      faces/happy/01.jpg

InFER's layout on disk is not published; 600 people and seven expressions are. It is read as folders
named by expression, or as a CSV with the options of ``plain_csv``. Not checked against the set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facellm.errors import FaceLLMError
from facellm.labels import split_of
from facellm.readers.emotion_codes import WORDS
from facellm.readers.outcome import (
    PICTURES,
    NamedFile,
    Read,
    given_or_valid,
    listed,
    outcomes,
    required,
)
from facellm.readers.plain_csv import read_plain_csv
from facellm.readers.row import FaceRow
from facellm.readers.sources import SOURCES

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "valid",
    "valid": "valid",
    "validation": "valid",
    "test": "test",
    "testing": "test",
}
YES_NO = ("mask", "fake", "male")
FIELDS = ("expression", "behaviour", *YES_NO)


@dataclass(frozen=True)
class Naming:
    """What the folders are: set, label and its classes.

    Attributes:
        source: Name of the set.
        licence: Its terms.
        field: Field of ``FaceRow`` that folders name.
        classes: Folder -> value; for expressions common words are known without.
    """

    source: str
    licence: str
    field: str = "expression"
    classes: Mapping[str, Any] | None = None

    def value(self, folder: Path) -> Any:
        """Value of a folder.

        Raises:
            FaceLLMError: If the folder is no class: a whole class is worth a word.
        """
        if self.classes is not None and folder.name in self.classes:
            value = self.classes[folder.name]
            if self.field in YES_NO and not isinstance(value, bool):
                raise FaceLLMError(f"class {folder.name!r}: {value!r} is not true or false")
            return value
        if self.classes is None and self.field == "expression" and folder.name.lower() in WORDS:
            return WORDS[folder.name.lower()]
        words = WORDS if self.classes is None and self.field == "expression" else {}
        known = ", ".join(sorted(self.classes or words)) or "none: give classes"
        raise FaceLLMError(f"{folder}: {folder.name!r} is no class; known are {known}")


def subfolders(path: Path) -> list[Path]:
    """Folders of a folder, by name."""
    return sorted(p for p in required(path).iterdir() if p.is_dir() and p.name[0] != ".")


def class_rows(
    root: Path, folder: Path, naming: Naming, split_by: Callable[[str], str]
) -> Iterator[Read]:
    """Rows of one class; ``split_by`` says a row's split by its key."""
    value = naming.value(folder)

    def parse(picture: NamedFile) -> FaceRow:
        key = f"{naming.source}/{picture.path.relative_to(root).as_posix()}"
        return FaceRow(
            source=naming.source,
            key=key,
            split=split_by(key),
            path=picture.path,
            licence=naming.licence,
            where=picture.where,
            **{naming.field: value},
        )

    return outcomes(naming.source, map(NamedFile, listed(folder, PICTURES)), parse)


def tree_rows(root: Path, naming: Naming) -> Iterator[Read]:
    """Rows of all classes.

    Folders on top are splits if all are named like splits; where they hold no validation, a tenth
    of training becomes it.
    """
    tops = subfolders(root)
    if not tops:
        raise FaceLLMError(f"{root}: holds no folders of classes")
    given = [SPLIT_NAMES.get(top.name.lower()) for top in tops]
    if not all(given):
        for folder in tops:
            yield from class_rows(root, folder, naming, split_of)
        return
    for top, split in zip(tops, given, strict=True):

        def split_by(key: str, split: str = str(split)) -> str:
            return split if "valid" in given else given_or_valid(split, key)

        for folder in subfolders(top):
            yield from class_rows(root, folder, naming, split_by)


def read_class_folders(
    path: Path,
    *,
    source: str = "",
    field: str = "expression",
    classes: Mapping[str, Any] | None = None,
    licence: str = SOURCES["class_folders"].terms,
) -> Iterator[Read]:
    """A folder a class.

    Args:
        path: Folder of the set.
        source: Its name; that of the folder if empty.
        field: What the folders name: expression, behaviour, mask, fake or male.
        classes: Folder -> value, where the names are not common words for expressions.
        licence: Its terms.
    """
    if field not in FIELDS:
        raise FaceLLMError(f"field {field!r} is none of {', '.join(FIELDS)}")
    return tree_rows(Path(path), Naming(source or Path(path).name, licence, field, classes))


def read_infer(path: Path, **options: Any) -> Iterator[Read]:
    """InFER: folders of expressions, or a CSV file with the options of ``plain_csv``."""
    path, terms = Path(path), SOURCES["infer"].terms
    if not path.is_dir():
        return read_plain_csv(path, source="infer", licence=terms, **options)
    if unknown := sorted(set(options) - {"classes"}):
        raise FaceLLMError(f"infer: folders of classes take no option {unknown[0]!r}")
    return tree_rows(path, Naming("infer", terms, classes=options.get("classes")))
