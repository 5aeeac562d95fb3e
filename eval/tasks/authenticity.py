"""Real or fake: FaceForensics++ videos, and FFHQ photographs against StyleGAN2 faces.

A picture or clip is called fake from a probability of .5 on; AUC and the equal error rate need no
threshold. FaceForensics++ is read at compression c23, its videos drawn together with the
manipulations of the same target, and each method has figures of its own against the originals.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from facellm.errors import FaceLLMError
from facellm.readers.ffpp import FAMILIES
from facellm.readers.row import FaceRow, Rejection
from facellm.reading import Reading

from ..harness.measures import accuracy, area_under_curve, average_recall, equal_error
from ..harness.media import ALIGNED, FIND, Media
from ..harness.sample import Row, Sample
from ..harness.scorers import label_scorer
from ..harness.task import Data, Metric, Task
from ..scoring.lexicon import family
from . import published
from .rows import samples_of

PICTURE = "Is this picture a real photograph of a face, or is it fake?"
VIDEO = "Is the face in this video real, or is it fake?"
REAL, FAKE = "real", "fake"
ORIGINAL = "original"
FIXED = "fake is called from probability .5 on, in every way of asking"


def shares(reading: Reading) -> dict[str, float]:
    """Probability of both labels."""
    return {REAL: 1 - reading.generated, FAKE: reading.generated}


def picture(row: FaceRow) -> Sample | None:
    """A picture and whether it is generated."""
    label = FAKE if row.fake else REAL
    return Sample(row.key, (Media.of(row, ALIGNED),), PICTURE, (REAL, FAKE), label)


def real_vs_stylegan2() -> Task:
    """Real or generated.

    One generator, 256 px, so it says nothing about other forgeries; a linear model on a 12 px
    thumbnail reaches AUC .76 on these rows, from content alone.
    """
    return Task(
        name="real_vs_stylegan2",
        version=1,
        title="FFHQ photographs against StyleGAN2 faces: AUC, balanced accuracy",
        data=Data(
            "real_vs_stylegan2",
            "FFHQ and StyleGAN2 samples of https://github.com/NVlabs",
            ("real_vs_stylegan2.parquet",),
            layout="one parquet file with columns image {bytes, path}, fake and group",
            size="1,442 pictures",
        ),
        samples=samples_of("real_vs_stylegan2", picture),
        score=label_scorer(shares, family("authenticity")),
        metrics=(area_under_curve(FAKE), equal_error(FAKE), average_recall("balanced accuracy")),
        plots=("roc", "reliability"),
        fixed=FIXED,
    )


def video(row: FaceRow) -> Sample | None:
    """A video and whether it is manipulated; ``ffpp/Deepfakes/000_003`` tells the method."""
    label = FAKE if row.fake else REAL
    media = (Media.of(row, FIND),)
    columns = {"method": row.key.split("/")[1]}
    return Sample(row.key, media, VIDEO, (REAL, FAKE), label, columns, cluster=row.subject)


def videos(path: Path, split: str) -> Iterator[Sample | Rejection]:
    """Originals and the manipulations that are there.

    Raises:
        FaceLLMError: If there is no manipulation at all.
    """
    folder = path / "manipulated_sequences"
    methods = tuple(name for name in FAMILIES if (folder / name).is_dir())
    if not methods:
        raise FaceLLMError(f"{folder}: holds none of {', '.join(FAMILIES)}")
    yield from samples_of("ffpp", video, methods=methods)(path, split)


def against_originals(metric: Metric, method: str) -> Metric:
    """A figure on the originals and the videos of one method."""

    def counts(row: Row) -> bool:
        return metric.counts(row) and row.columns["method"] in (ORIGINAL, method)

    return replace(metric, name=f"{metric.name} on {method}", counts=counts)


def ffpp() -> Task:
    """FaceForensics++."""
    curve, balanced = area_under_curve(FAKE), average_recall("balanced accuracy")
    return Task(
        name="ffpp",
        version=1,
        title="FaceForensics++ (c23): is the face of a video manipulated, by method too",
        data=Data(
            "ffpp",
            "https://github.com/ondyari/FaceForensics (request form)",
            ("FaceForensics++", "ffpp"),
            size="1,000 videos and up to 5 manipulations of each; 140 of 1,000 test",
        ),
        samples=videos,
        score=label_scorer(shares, family("authenticity")),
        metrics=(
            *(curve, equal_error(FAKE), balanced, accuracy()),
            *(against_originals(m, method) for method in FAMILIES for m in (curve, balanced)),
        ),
        published=published.FFPP,
        plots=("roc", "reliability"),
        fixed=FIXED,
    )
