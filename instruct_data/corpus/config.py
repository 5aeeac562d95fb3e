"""What a corpus is made of: one YAML file, these dataclasses its only schema.

Example::

    name: faces
    seed: 1
    sources:
      - {reader: ferplus, path: ferplus.parquet, faces: crops}
      - {reader: utkface, path: utkface.parquet, faces: crops, limit: 1000}
    annotators: [grammar]

``facellm.instruct_data/configs/local.yaml`` is a whole one.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from facellm.strict_yaml import read_yaml

SPLITS = ("train", "valid", "test")
FacesMode = Literal["crops", "detect", "none"]


@dataclass(frozen=True)
class PluginConfig:
    """One of a registry (``plugins``), or of the user's own as ``module:name``.

    Attributes:
        name: Name in the registry, or ``module:name``.
        options: Keyword arguments of its factory.
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_text(cls, text: str) -> PluginConfig:
        """``grammar`` for ``{name: grammar}``."""
        return cls(text)


@dataclass(frozen=True)
class SourceConfig:
    """One set to read.

    Attributes:
        reader: Name of a reader.
        path: File or folder under the data folder (``--data``).
        options: Further keyword arguments of the reader.
        faces: ``crops``: every picture is a face crop; ``detect``: faces are looked for; ``none``.
        limit: Rows taken at most, from the first on; all of them without it.
        splits: Splits taken.
        embed: Pictures go into the shards; without it they are referred to.
    """

    reader: str
    path: str
    options: dict[str, Any] = field(default_factory=dict)
    faces: FacesMode = "detect"
    limit: int | None = None
    splits: tuple[Literal["train", "valid", "test"], ...] = SPLITS
    embed: bool = False

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"limit {self.limit} is less than 1")


@dataclass(frozen=True)
class PictureBounds:
    """What a picture must have to be kept; what falls short is rejected and counted.

    Attributes:
        several_faces: ``keep`` pictures with several faces, or ``reject`` them.
        landmarks: 68 points of every face are ``required``, or ``optional``.
        least_quality: Landmark quality in [0, 1] under which points count as not located.
        least_side: Shorter side of the picture, pixels.
        least_face: Longer side of the largest face's box, pixels.
        least_blur: Sharpness (``filters.sharpness``) of the largest face, 8-bit levels squared;
            pictures without faces are not judged. The default rejects faces blurred by 6 % of their
            side and hardly any as sets hold them (``bench --parts blur``).
    """

    several_faces: Literal["keep", "reject"] = "reject"
    landmarks: Literal["required", "optional"] = "required"
    least_quality: float = 0.3
    least_side: int = 32
    least_face: int = 24
    least_blur: float = 50.0


@dataclass(frozen=True)
class QuestionsConfig:
    """How questions are put.

    Attributes:
        per_record: Questions and answers in one record at most.
        typo_rate: Share of questions with typing errors.
        terse_rate: Share of questions that leave small words out.
    """

    per_record: int = 8
    typo_rate: float = 0.15
    terse_rate: float = 0.1

    def __post_init__(self) -> None:
        if self.per_record < 1:
            raise ValueError(f"per_record {self.per_record} is less than 1")
        for name in ("typo_rate", "terse_rate"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} {getattr(self, name)} is not in 0..1")


@dataclass(frozen=True)
class CorpusConfig:
    """A whole corpus.

    Attributes:
        sources: Sets, in order.
        annotators: Who writes answers, in order.
        name: Letters, digits, ``-`` and ``_``; title of the card.
        seed: Of everything random.
        shard_rows: Rows read for one shard.
        pictures: Bounds of pictures and faces.
        questions: How questions are put.
        rating: Who rates, or nobody.
        filters: Filters of the text, in order.
        dedupe: Who finds near duplicates, or nobody.
    """

    sources: tuple[SourceConfig, ...]
    annotators: tuple[PluginConfig, ...]
    name: str = "corpus"
    seed: int = 0
    shard_rows: int = 2000
    pictures: PictureBounds = PictureBounds()
    questions: QuestionsConfig = QuestionsConfig()
    rating: PluginConfig | None = None
    filters: tuple[PluginConfig, ...] = ()
    dedupe: PluginConfig | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", self.name):
            raise ValueError(f"name {self.name!r} has other signs than letters, digits, - and _")
        if self.shard_rows < 1:
            raise ValueError(f"shard_rows {self.shard_rows} is less than 1")
        if not self.sources:
            raise ValueError("sources is empty")
        if not self.annotators:
            raise ValueError("annotators is empty: nobody would write an answer")

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, every field."""
        return asdict(self)


def load_config(path: Path) -> CorpusConfig:
    """Read a config; see ``strict_yaml.read_yaml`` for what is refused."""
    return read_yaml(path, CorpusConfig)
