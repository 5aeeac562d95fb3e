"""What an adapter of ``facellm adapt`` reads: its labels, their tokens and their calibration.

A folder ``adapter/`` holds LoRA weights in PEFT layout, ``labels.json`` and ``calibration.json``.
A label is either new, a label set of the user's own, asked at a spare query token behind all others
and answered by spare tokens; or a correction of one of ``labels.QUERIES``, asked where that query
stands and answered by its own tokens.

Example of ``labels.json`` (shortened)::

    {"kind": "facellm adapter", "version": 1, "labels": [{"name": "hair", "query": "<spare_0>",
     "tokens": ["<spare_1>", "<spare_2>"], "classes": ["long", "short"], "corrects": ""}]}
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from facellm.errors import FaceLLMError
from facellm.labels import QUERIES, QUERY_INDEX

KIND, VERSION = "facellm adapter", 1
LABELS, CALIBRATION = "labels.json", "calibration.json"
WEIGHTS = "adapter_model.safetensors"
DIGESTED = (WEIGHTS, LABELS, CALIBRATION)
SPARE = 128  # reserved tokens <spare_0> ... of the frozen tokenizer
LIKELY = 0.5  # share from which a class is called shown


@dataclass(frozen=True)
class AdaptedLabel:
    """One label of an adapter.

    Attributes:
        name: Column of the user's table.
        query: Query token.
        tokens: Label tokens, in the order of the classes.
        classes: What they stand for; of a correction the tokens themselves.
        corrects: Name of the query it corrects, empty for a new label.
        temperature: Log-probabilities are divided by it; above 1 makes them less sure.
        strength: Of a correction, in [0, 1]: weight of the adapted log-probabilities beside those
            of the base; 0 leaves the base's reading as it is.
    """

    name: str
    query: str
    tokens: tuple[str, ...]
    classes: tuple[str, ...]
    corrects: str = ""
    temperature: float = 1.0
    strength: float = 1.0


@dataclass(frozen=True)
class AdapterFacts:
    """An adapter without its weights.

    Attributes:
        folder: Where it lies.
        labels: What it reads.
        digest: SHA-256 over weights, labels and calibration.
    """

    folder: Path
    labels: tuple[AdaptedLabel, ...]
    digest: str

    @property
    def name(self) -> str:
        """What tables and answers call it: the folder's name."""
        return self.folder.resolve().name

    @property
    def added(self) -> tuple[AdaptedLabel, ...]:
        """Labels of the user's own."""
        return tuple(label for label in self.labels if not label.corrects)

    @property
    def corrections(self) -> tuple[AdaptedLabel, ...]:
        """Corrections of our readings that are in use."""
        return tuple(label for label in self.labels if label.corrects and label.strength > 0)

    def columns(self) -> tuple[str, ...]:
        """Table columns of the new labels: ``hair.long``, one probability a class."""
        return tuple(column_of(label.name, c) for label in self.added for c in label.classes)


def column_of(label: str, name: str) -> str:
    """Table column of one class of a new label."""
    return f"{label}.{name}"


def has_labels(folder: Path) -> bool:
    """Whether a folder is one of ``facellm adapt``, and not a LoRA adapter alone."""
    return (folder / LABELS).is_file()


def new_label(name: str, classes: Sequence[str], first: int) -> AdaptedLabel:
    """A label set of the user's own on spare tokens ``first``, ``first + 1`` ...

    Raises:
        FaceLLMError: If the spare tokens do not suffice.
    """
    last = first + len(classes)
    if last >= SPARE:
        raise FaceLLMError(
            f"label {name!r}: {last + 1} spare tokens are needed with the labels before it, the "
            f"tokenizer holds {SPARE}; use fewer classes or labels"
        )
    tokens = tuple(f"<spare_{first + 1 + place}>" for place in range(len(classes)))
    return AdaptedLabel(name, f"<spare_{first}>", tokens, tuple(classes))


def correction(name: str, query: str) -> AdaptedLabel:
    """A correction of one of ``labels.QUERIES`` by the name of that query."""
    known = QUERIES[QUERY_INDEX[query]]
    return AdaptedLabel(name, known.token, known.labels, known.labels, query)


def save_labels(folder: Path, labels: Sequence[AdaptedLabel]) -> None:
    """Write ``labels.json`` and ``calibration.json``; the folder exists."""
    from facellm.atomic import write_json

    fitted = ("temperature", "strength")
    records = [asdict(label) for label in labels]
    bare = [{k: v for k, v in record.items() if k not in fitted} for record in records]
    write_json(folder / LABELS, {"kind": KIND, "version": VERSION, "labels": bare})
    calibration = {record["name"]: {k: record[k] for k in fitted} for record in records}
    write_json(folder / CALIBRATION, calibration)


def load_facts(folder: Path) -> AdapterFacts:
    """Read an adapter's labels and calibration.

    Raises:
        FaceLLMError: If a file is missing, damaged or of another version.
    """
    check_adapter_folder(folder)
    record, fitted = (_json(folder / name) for name in (LABELS, CALIBRATION))
    if record.get("kind") != KIND or record.get("version") != VERSION:
        found = f"{record.get('kind')!r} version {record.get('version')!r}"
        raise FaceLLMError(f"{folder / LABELS}: {found}, expected {KIND!r} version {VERSION}")
    try:
        labels = tuple(_label(held, fitted[held["name"]]) for held in record["labels"])
    except (KeyError, TypeError, ValueError) as error:
        raise FaceLLMError(f"{folder / LABELS}: not labels of this version ({error})") from error
    digest = hashlib.sha256()
    for name in DIGESTED:
        digest.update(hashlib.sha256((folder / name).read_bytes()).digest())
    return AdapterFacts(folder, labels, digest.hexdigest())


def check_adapter_folder(folder: Path | None) -> None:
    """Refuse a mistyped ``--adapter`` before anything heavy is imported."""
    for name in (LABELS, CALIBRATION, "adapter_config.json", WEIGHTS):
        if folder is not None and not (folder / name).is_file():
            raise FaceLLMError(f"{folder}: not an adapter of `facellm adapt`, {name} missing")


def add_adapter_argument(parser: argparse.ArgumentParser) -> None:
    """``--adapter`` of a verb that takes readings."""
    parser.add_argument(
        "--adapter", type=Path, metavar="FOLDER", help="read with this too (`facellm adapt`)"
    )


def adapter_words(name: str, adapted: Mapping[str, Mapping[str, float]]) -> str:
    """What an adapter reads off one face, by rule: ``The adapter me reads: hair long 82 %.``."""
    said = []
    for label, shares in adapted.items():
        best = max(shares, key=shares.__getitem__)
        open_too = "" if shares[best] >= LIKELY else ", left open"
        said.append(f"{label} {best} {100 * shares[best]:.0f} %{open_too}")
    return f"The adapter {name} reads: {'; '.join(said)}."


def _label(held: dict[str, Any], fitted: Mapping[str, float]) -> AdaptedLabel:
    lists = {key: tuple(map(str, held[key])) for key in ("tokens", "classes")}
    label = AdaptedLabel(
        str(held["name"]),
        str(held["query"]),
        corrects=str(held["corrects"]),
        temperature=float(fitted["temperature"]),
        strength=float(fitted["strength"]),
        **lists,
    )
    if len(label.tokens) != len(label.classes) or len(label.tokens) < 2:
        raise ValueError(f"{label.name}: {len(label.tokens)} tokens, {len(label.classes)} classes")
    if label.corrects and label.corrects not in QUERY_INDEX:
        raise ValueError(f"{label.name}: no query {label.corrects!r}")
    if not label.temperature > 0 or not 0 <= label.strength <= 1:
        raise ValueError(f"{label.name}: temperature {label.temperature}, {label.strength=}")
    return label


def _json(path: Path) -> dict[str, Any]:
    from facellm.atomic import read_json

    record = read_json(path)
    if not isinstance(record, dict):
        raise FaceLLMError(f"{path}: not a JSON object")
    return record
