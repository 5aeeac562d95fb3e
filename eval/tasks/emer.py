"""EMER: why does somebody in a clip show an emotion? Open words, rated by judges.

Layout: ``final-EMER-reason.csv`` (version 2, 332 clips: ``names`` or ``name``, ``chinese``,
``english``) or ``gt-eng.csv`` (version 1, 100 clips: ``names``, ``emotions``, ``subtitles``,
``reasons``), and the clips of MER 2023 as ``video/NAME.mp4`` or ``.avi``.

The references speak of sound and subtitles too, which a model that sees frames alone cannot know:
"completeness" and "reference" are bounded by that, for every such model alike. The published scores
(overlap of clues and labels, rated 1-10 by GPT with Chinese prompts) are another scale; they do not
stand beside ours.

Checked on the published repository: the columns and first rows of version 2, the README's word on
version 1. Not checked: the file of version 1, how the clips are named beside their key.

Source: EMER, arXiv 2306.15401; https://github.com/zeroQiaoba/AffectGPT.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from facellm.errors import FaceLLMError
from facellm.readers.outcome import NO_PICTURE, NO_VALUE, VIDEOS, required
from facellm.readers.row import Rejection
from facellm.readers.sources import AGREEMENT

from ..harness.judging import judged_scorer, rated_against, rated_axes, words_scorer
from ..harness.media import FIND, Media
from ..harness.sample import FREE, Sample
from ..harness.task import Data, Task
from .choices import in_split

NAME = "emer"
QUESTION = "What emotion does the person in this clip show, and what in the clip shows it?"
FILES = ("final-EMER-reason.csv", "gt-eng.csv")


def samples(path: Path, split: str) -> Iterator[Sample | Rejection]:
    """Clips, in the order of the file."""
    file = path if path.is_file() else required(*(path / name for name in FILES))
    with file.open(encoding="utf-8-sig", newline="") as lines:
        for number, row in enumerate(csv.DictReader(lines), start=2):
            name, text = (row.get("name") or row.get("names")), reference_of(row)
            where = f"{file}, line {number}"
            if name is None or text is None:
                raise FaceLLMError(f"{where}: needs the columns name and english, or reasons")
            if in_split(split, name):
                yield sample(name, text, file.parent, where)


def reference_of(row: dict[str, str]) -> str | None:
    """The reference in English; None where the file has no such column."""
    return row.get("english") if "english" in row else row.get("reasons")


def sample(name: str, text: str, folder: Path, where: str) -> Sample | Rejection:
    """One clip."""
    if not text.strip():
        return Rejection(NAME, name, "task", NO_VALUE, "no reference", where)
    places = [part / f"{name}{end}" for part in (folder / "video", folder) for end in VIDEOS]
    clip = next((place for place in places if place.is_file()), None)
    if clip is None:
        return Rejection(NAME, name, "task", NO_PICTURE, f"{places[0]}: no such file", where)
    media = (Media(path=clip, kind="clip", face=FIND),)
    return Sample(name, media, QUESTION, (), {"reference": text.strip()})


def emer() -> Task:
    """EMER."""
    return Task(
        name=NAME,
        version=1,
        title="EMER: reasons for an emotion shown in a clip, rated by judges",
        data=Data(
            NAME,
            "https://github.com/zeroQiaoba/AffectGPT (EMER), clips of MER 2023",
            (NAME,),
            layout="final-EMER-reason.csv or gt-eng.csv, and video/NAME.mp4",
            terms=AGREEMENT,
            size="332 clips (100 in version 1)",
        ),
        samples=samples,
        score=judged_scorer(words_scorer),
        metrics=rated_axes(),
        ways=(FREE,),
        trained_on=(NAME, "mer2023"),
        judge=rated_against(lambda sample: sample.target["reference"]),
    )
