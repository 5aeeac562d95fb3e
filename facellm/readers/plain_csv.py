"""Any CSV file with a picture a line: columns mapped to fields by options.

Example of options in a build's YAML::

    source: clinic
    columns: {path: file, expression: mood, age: years, units.12: au12, attributes.hat: hat}
    classes: {happy: happiness, flat: neutral}
    missing: ["-1"]

Fields: ``path`` (required), ``split``, ``subject``, ``group``, ``expression``, ``behaviour``,
``age``, ``valence``, ``arousal``, ``male``, ``mask``, ``fake``, ``units.N`` in [0, 1],
``attributes.NAME``. An empty cell, NULL, NaN and whatever ``missing`` names are missing values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facellm.errors import FaceLLMError
from facellm.labels import ACTION_UNITS, EXPRESSIONS, MAX_AGE, split_of
from facellm.readers.emotion_codes import WORDS
from facellm.readers.outcome import BAD_LABEL, NO_LABEL, BadRow, Read, existing, outcomes
from facellm.readers.row import FaceRow
from facellm.readers.sources import SOURCES
from facellm.readers.text_files import Line, csv_lines

TEXTS = ("subject", "group", "behaviour")
YES_NO = ("male", "mask", "fake")
TRUTH = {
    **dict.fromkeys(("1", "true", "yes", "y"), True),
    **dict.fromkeys(("0", "false", "no", "n"), False),
}
SPLITS = {"train": "train", "val": "valid", "valid": "valid", "validation": "valid", "test": "test"}
PLAIN = ("path", "split", "expression", "age", "valence", "arousal", *TEXTS, *YES_NO)


@dataclass(frozen=True)
class Mapped:
    """Which column means what.

    Attributes:
        source: Name of the set.
        licence: Its terms.
        columns: Field -> column.
        classes: Text of the expression column -> one of ``labels.EXPRESSIONS``.
        missing: Texts that mean "no value".
    """

    source: str
    licence: str
    columns: Mapping[str, str]
    classes: Mapping[str, str] = field(default_factory=dict)
    missing: Sequence[str] = ()

    def check(self) -> None:
        """Refuse fields and classes that do not exist.

        Raises:
            FaceLLMError: Naming the value and what is allowed.
        """
        if "path" not in self.columns:
            raise FaceLLMError("columns: the field 'path' names no column")
        for name in self.columns:
            kind, _, rest = name.partition(".")
            unit = kind == "units" and rest.isdigit() and int(rest) in ACTION_UNITS
            if not (name in PLAIN or unit or (kind == "attributes" and rest)):
                units = ", ".join(map(str, ACTION_UNITS))
                known = f"{', '.join(PLAIN)}, units.N with N of {units}, attributes.NAME"
                raise FaceLLMError(f"columns: field {name!r} is none of {known}")
        for text, label in self.classes.items():
            if label not in EXPRESSIONS:
                known = ", ".join(EXPRESSIONS)
                raise FaceLLMError(f"classes: {text!r} means {label!r}, which is none of {known}")

    def has(self, line: Line, name: str) -> bool:
        """Whether a line has a value for a field."""
        return name in self.columns and not line.is_empty(self.columns[name], self.missing)

    def truth(self, line: Line, name: str) -> bool:
        """A yes/no value."""
        text = line.text(self.columns[name]).lower()
        if text not in TRUTH:
            raise BadRow(BAD_LABEL, f"{self.columns[name]} {text!r} is none of {', '.join(TRUTH)}")
        return TRUTH[text]

    def expression(self, line: Line) -> str:
        """One of our labels, by ``classes`` or by common words."""
        text = line.text(self.columns["expression"])
        label = self.classes.get(text) or (None if self.classes else WORDS.get(text.lower()))
        if label is None:
            known = ", ".join(self.classes or WORDS)
            raise BadRow(BAD_LABEL, f"{self.columns['expression']} {text!r} is none of {known}")
        return label

    def parts(self, line: Line, kind: str) -> list[tuple[str, str]]:
        """Fields of a kind that a line has: name after the point, and the field."""
        names = [name for name in self.columns if name.startswith(f"{kind}.")]
        return [(name.partition(".")[2], name) for name in names if self.has(line, name)]

    def labels(self, line: Line) -> dict[str, Any]:
        """Values of all labels a line has.

        Raises:
            BadRow: If one is out of range, or there is none.
        """
        found: dict[str, Any] = {
            name: self.truth(line, name) for name in YES_NO if self.has(line, name)
        }
        if self.has(line, "behaviour"):
            found["behaviour"] = line.text(self.columns["behaviour"])
        if self.has(line, "expression"):
            found["expression"] = self.expression(line)
        if self.has(line, "age"):
            found["age"] = line.whole(self.columns["age"], 0, MAX_AGE)
        for name in ("valence", "arousal"):
            if self.has(line, name):
                found[name] = line.number_of(self.columns[name], -1, 1)
        if units := self.parts(line, "units"):
            found["units"] = {int(n): line.number_of(self.columns[f], 0, 1) for n, f in units}
        if attributes := self.parts(line, "attributes"):
            found["attributes"] = {n: self.truth(line, f) for n, f in attributes}
        if not found:
            raise BadRow(NO_LABEL, "no label column has a value")
        return found

    def split(self, line: Line, key: str, subject: str | None) -> str:
        """The given split, or one by subject or key."""
        group = f"{self.source}/{subject}" if subject else key
        if not self.has(line, "split"):
            return split_of(group)
        text = line.text(self.columns["split"]).lower()
        if text not in SPLITS:
            raise BadRow(BAD_LABEL, f"split {text!r} is none of {', '.join(SPLITS)}")
        return SPLITS[text]


def read_plain_csv(
    path: Path,
    *,
    columns: Mapping[str, str],
    source: str = "plain_csv",
    pictures: str = "",
    **options: Any,
) -> Iterator[Read]:
    """A CSV file and its options.

    Args:
        path: The file.
        columns: Field -> column.
        source: Name of the set.
        pictures: Folder the column of paths is relative to; that of the file if empty.
        **options: ``licence``, ``classes`` and ``missing``.

    Raises:
        FaceLLMError: If an option or a column does not exist.
    """
    path = Path(path)
    root = Path(pictures) if pictures else path.parent
    unknown = sorted(set(options) - {"licence", "classes", "missing"})
    if unknown:
        raise FaceLLMError(f"plain_csv: no option {unknown[0]!r}")
    terms = options.pop("licence", SOURCES["plain_csv"].terms)
    mapped = Mapped(source, terms, columns, **options)
    mapped.check()

    def parse(line: Line) -> FaceRow:
        name = line.text(columns["path"])
        subject = line.text(columns["subject"]) if mapped.has(line, "subject") else None
        return FaceRow(
            source=source,
            key=f"{source}/{name}",
            split=mapped.split(line, f"{source}/{name}", subject),
            path=existing(root / name),
            licence=terms,
            where=line.where,
            subject=subject,
            group=line.text(columns["group"]) if mapped.has(line, "group") else None,
            **mapped.labels(line),
        )

    return outcomes(source, csv_lines(path, columns.values()), parse)
