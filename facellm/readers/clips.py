"""Clips with one expression each: DFEW, CREMA-D, MAFW, FERV39k; and RAER's study behaviours.

::

    DFEW      EmoLabel_DataSplit/train(single-labeled)/set_1.csv   video_name,label
              Clip/clip_224x224_16f/00001/ or Clip/clip_224x224/00001/ or Clip/original/1.mp4
    CREMA-D   VideoFlash/1001_DFA_ANG_XX.flv, VideoDemographics.csv   ActorID,Age,Sex,Race,...
    MAFW      Train & Test Set/single/no_caption/set_1/train.txt   00001.mp4 anger
              data/clips/00001.mp4 or data/frames/00001/
    FERV39k   4_setups/All_scenes/train_All.csv   Action/Sad/0010 Sad
              2_ClipsforFaceCrop/Action/Sad/0010/
    RAER      list file   frames/clip_0001 143 5   (folder, frames, class from 1)

A tenth of a given training list becomes ``valid``. CREMA-D is split by actor; its labels are what
the actor was asked to show. Checked: names, columns and codes against the sets' READMEs (MAFW) or
public readers (the others); not checked: DFEW's original videos, whose place varies, and RAER's
lists, known only from its authors' loader.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from facellm.errors import FaceLLMError
from facellm.labels import MAX_AGE, split_of
from facellm.readers.emotion_codes import CREMA_D, DFEW, FERV39K, MAFW, RAER
from facellm.readers.outcome import (
    BAD_LABEL,
    NO_COUNTERPART,
    VIDEOS,
    BadRow,
    NamedFile,
    Read,
    existing,
    given_or_valid,
    listed,
    outcomes,
    required,
)
from facellm.readers.row import FaceRow
from facellm.readers.sources import SOURCES
from facellm.readers.text_files import Line, column_lines, csv_lines

GIVEN = ("train", "test")


def expression_of(line: Line, column: str, codes: Mapping[str, str | None]) -> str:
    """Our label of a code.

    Raises:
        BadRow: If it is no code of the set, or has no counterpart.
    """
    code = line.one_of(column, codes)
    label = codes[code]
    if label is None:
        raise BadRow(NO_COUNTERPART, f"{column} {code}")
    return label


def clip_row(source: str, name: str, split: str, place: Path, **labels: object) -> FaceRow:
    """Row of a clip: a folder of frames, or a video file."""
    return FaceRow(
        source=source,
        key=f"{source}/{name}",
        split=given_or_valid(split, f"{source}/{name}"),
        path=place,
        media="frames" if place.is_dir() else "clip",
        licence=SOURCES[source].terms,
        **labels,  # type: ignore[arg-type]
    )


def read_dfew(path: Path, *, fold: int = 1) -> Iterator[Read]:
    """DFEW, single-labelled clips.

    Args:
        path: Folder of the set.
        fold: One of its five folds.
    """
    root, clips = Path(path), Path(path) / "Clip"
    for split in GIVEN:
        folder = required(root / "EmoLabel_DataSplit" / f"{split}(single-labeled)")
        file = required(folder / f"set_{fold}.csv", folder / f"{split}_set_{fold}.csv")

        def parse(line: Line, split: str = split) -> FaceRow:
            number = line.whole("video_name", 1, 99999)
            label = expression_of(line, "label", DFEW)
            name = f"{number:05d}"
            place = existing(
                clips / "clip_224x224_16f" / name,
                clips / "clip_224x224" / name,
                clips / "original" / f"{number}.mp4",
                clips / "original" / f"{name}.mp4",
            )
            return clip_row("dfew", name, split, place, where=line.where, expression=label)

        yield from outcomes("dfew", csv_lines(file, ("video_name", "label")), parse)


def actors(file: Path) -> dict[str, tuple[int, bool, str | None]]:
    """Age, apparent gender and group of every actor; empty where the file is not there.

    Raises:
        FaceLLMError: If a line is unusable: 91 lines are worth repairing.
    """
    if not file.is_file():
        return {}
    people = {}
    for line in csv_lines(file, ("ActorID", "Age", "Sex")):
        try:
            male = line.one_of("Sex", {"Male": 1, "Female": 0}) == "Male"
            age = line.whole("Age", 0, MAX_AGE)
            people[line.text("ActorID")] = (age, male, line.values.get("Race") or None)
        except BadRow as bad:
            raise FaceLLMError(f"{line.where}: {bad}") from None
    return people


def read_crema_d(path: Path, *, videos: str = "VideoFlash") -> Iterator[Read]:
    """CREMA-D.

    Args:
        path: Folder of the set.
        videos: Folder of the videos under it.
    """
    root = Path(path)
    people = actors(root / "VideoDemographics.csv")

    def parse(clip: NamedFile) -> FaceRow:
        parts = clip.path.stem.split("_")
        if len(parts) != 4 or parts[2] not in CREMA_D:
            raise BadRow(BAD_LABEL, f"{clip.path.name!r} is not ACTOR_SENTENCE_EMOTION_LEVEL")
        age, male, group = people.get(parts[0], (None, None, None))
        return FaceRow(
            source="crema_d",
            key=f"crema_d/{clip.path.stem}",
            split=split_of(f"crema_d/{parts[0]}"),
            path=clip.path,
            media="clip",
            licence=SOURCES["crema_d"].terms,
            where=clip.where,
            subject=parts[0],
            expression=CREMA_D[parts[2]],
            age=age,
            male=male,
            group=group,
        )

    return outcomes("crema_d", map(NamedFile, listed(root / videos, VIDEOS)), parse)


def read_mafw(path: Path, *, fold: int = 1) -> Iterator[Read]:
    """MAFW, single-labelled clips; the states without a counterpart are rejections.

    Args:
        path: Folder of the set.
        fold: One of its five folds.
    """
    root = Path(path)
    lists = root / "Train & Test Set" / "single" / "no_caption" / f"set_{fold}"
    for split in GIVEN:

        def parse(line: Line, split: str = split) -> FaceRow:
            name = line.text("clip")
            label = expression_of(line, "label", MAFW)
            places = [root / "data" / "clips" / name, root / "clips" / name]
            places.append(root / "data" / "frames" / Path(name).stem)
            place = existing(*places)
            return clip_row("mafw", name, split, place, where=line.where, expression=label)

        lines = column_lines(required(lists / f"{split}.txt"), ("clip", "label"))
        yield from outcomes("mafw", lines, parse)


def read_ferv39k(path: Path, *, lists: str = "4_setups/All_scenes") -> Iterator[Read]:
    """FERV39k.

    Args:
        path: Folder of the set.
        lists: Folder of ``train_All.csv`` and ``test_All.csv`` under it.
    """
    root = Path(path)
    for split in GIVEN:

        def parse(line: Line, split: str = split) -> FaceRow:
            name = line.text("clip")
            label = expression_of(line, "label", FERV39K)
            place = existing(root / "2_ClipsforFaceCrop" / name)
            return clip_row("ferv39k", name, split, place, where=line.where, expression=label)

        lines = column_lines(required(root / lists / f"{split}_All.csv"), ("clip", "label"))
        yield from outcomes("ferv39k", lines, parse)


def read_raer(
    path: Path, *, split: str = "train", frames: str = "", agreed: bool = False
) -> Iterator[Read]:
    """RAER: one list file.

    Args:
        path: The list.
        split: Of this list: ``train`` or ``test``.
        frames: Folder the list's paths are relative to; that of the list if empty.
        agreed: You hold the source's agreement, which faculty alone can ask for.

    Raises:
        FaceLLMError: Without ``agreed``, or for a split that is neither.
    """
    path = Path(path)
    if not agreed:
        raise FaceLLMError("raer: clips of students, on request of faculty only: say agreed: true")
    if split not in GIVEN:
        raise FaceLLMError(f"raer: split {split!r} is none of {', '.join(GIVEN)}")
    root = Path(frames) if frames else path.parent

    def parse(line: Line) -> FaceRow:
        name = line.text("clip")
        behaviour = RAER[line.one_of("class", RAER)]
        place = existing(root / name)
        return clip_row("raer", name, split, place, where=line.where, behaviour=behaviour)

    return outcomes("raer", column_lines(path, ("clip", "frames", "class")), parse)
