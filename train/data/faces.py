"""The faces of a corpus's records: where they lie, and which stand alone in their picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facellm.parquet_pictures import RowGroups
from facellm.prepared_crops import WHOLE, WHOLE_KEY

from ..sample import FaceImage
from .records import PICTURE_LEAF, Facts, Records

FaceName = tuple[str, bytes]  # path of the picture and box


class RecordFaces:
    """Faces of the records of one corpus.

    Args:
        records: The corpus.
        corpus: Its place among the run's.
    """

    def __init__(self, records: Records, corpus: int) -> None:
        self.records, self.corpus = records, corpus
        self._embedded: dict[Path, RowGroups] = {}

    def of(self, number: int, facts: Facts) -> Iterator[FaceImage]:
        """The faces of a record: all of its one picture, or one of each of its pictures."""
        if not facts.pictures:
            return
        embedded = self._pictures_of(number)
        for index, (box, points) in enumerate(zip(facts.boxes, facts.points, strict=True)):
            picture = index if len(facts.pictures) > 1 else 0
            yield FaceImage(
                corpus=self.corpus,
                path=facts.pictures[picture],
                box_xyxy=tuple(box.tolist()),
                landmarks=points if np.isfinite(points).all() else None,
                data=embedded[picture],
                whole=facts.source in WHOLE or WHOLE_KEY in facts.pictures[picture],
            )

    def alone(self, numbers: NDArray[np.int64]) -> Iterator[tuple[int, FaceName]]:
        """Records with one face in one picture, and that face's name; a name may come again."""
        records = self.records
        for number in numbers.tolist():
            faces = slice(records.face_starts[number], records.face_starts[number + 1])
            pictures = records.columns["pictures"][number]
            if faces.stop - faces.start == 1 and len(pictures) == 1:
                yield number, (pictures[0]["path"].as_py(), records.boxes[faces].tobytes())

    def _pictures_of(self, number: int) -> list[bytes | None]:
        file, row = self.records.place(number)
        if file not in self._embedded:
            self._embedded[file] = RowGroups(file, PICTURE_LEAF)
        return [image["bytes"] for image in self._embedded[file].value(row)]
