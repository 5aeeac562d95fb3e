"""What forgeries are made from: real faces of any set, one after the other, pixels when needed.

A source is ``READER=PATH`` (a reader of ``instruct_data.readers``), the folder of a prepared set
(``images.npy`` and ``labels.npz``), a folder of pictures and clips, or one clip. Rows that their
set calls generated, and dialogues, are left out and counted.

Example: ``open_sources(["utkface=../shared/data/utkface.parquet"], Options())``.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from facellm.clip.frames import Clip
from facellm.clip.opening import is_clip, open_clip
from facellm.errors import FaceLLMError
from facellm.images import load_image
from facellm.labels import split_of
from facellm.picture_files import pictures_in
from facellm.prepared import PreparedSet
from facellm.readers.row import FaceRow, Rejection

from ..readers import Read, open_set
from .warp import Points, Rgb

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Options:
    """How sources are read.

    Attributes:
        frames: Pictures a second of a folder that is one clip; None where folders hold pictures.
        people: Every folder inside a folder of pictures is one person.
    """

    frames: float | None = None
    people: bool = False


@dataclass(frozen=True)
class RealFace:
    """A picture or a clip of a real face.

    Attributes:
        source: Name of its set.
        key: Of its row, with the set's name before it.
        split: ``train``, ``valid`` or ``test``.
        licence: Terms of its set.
        where: For messages.
        pixels: Gives the picture, (H, W, 3) uint8 RGB; None for a clip.
        clip: Opens the clip; None for a picture.
        subject: Person, where the set says.
        points: (68, 2) pixels as the set brings them, or None.
    """

    source: str
    key: str
    split: str
    licence: str
    where: str
    pixels: Callable[[], Rgb] | None = None
    clip: Callable[[], Clip] | None = field(default=None, repr=False)
    subject: str | None = None
    points: Points | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Sources:
    """Real faces, and how many rows were left out for which reason."""

    faces: list[RealFace]
    left_out: Counter[str]


def open_sources(typed: Sequence[str], options: Options) -> Sources:
    """Every usable row of the sources, in order.

    Raises:
        FaceLLMError: If a source is none of the four kinds, no row is usable, or two rows have the
            same key, as those of folders of one name may.
    """
    left_out: Counter[str] = Counter()
    faces = [face for text in typed for face in _open(text, options, left_out)]
    if not faces:
        raise FaceLLMError(f"no real face in {', '.join(typed)}; left out: {dict(left_out)}")
    key, times = Counter(face.key for face in faces).most_common(1)[0]
    if times > 1:
        raise FaceLLMError(f"{', '.join(typed)}: {times} rows have the key {key}; keys must differ")
    return Sources(faces, left_out)


def _open(text: str, options: Options, left_out: Counter[str]) -> Iterator[RealFace]:
    name, mark, rest = text.partition("=")
    if mark and not Path(text).exists():
        return _from_rows(open_set(name, Path(rest)), options, left_out)
    path = Path(text)
    if not path.exists():
        raise FaceLLMError(f"{path}: no such file or folder")
    if (path / "images.npy").is_file() and (path / "labels.npz").is_file():
        return _from_prepared(path, left_out)
    if path.is_file() and not is_clip(path):
        raise FaceLLMError(f"{path}: say which reader reads this file, as READER=PATH")
    if path.is_file() or options.frames is not None:
        return iter([_clip_face(path, path.parent.name, options)])
    return _from_folder(path, options)


def _from_rows(
    rows: Iterable[Read], options: Options, left_out: Counter[str]
) -> Iterator[RealFace]:
    for row in rows:
        if isinstance(row, Rejection):
            left_out[row.reason] += 1
        elif row.fake or row.forgery:
            left_out["already made"] += 1
        elif row.media == "dialogue":
            left_out["a dialogue"] += 1
        else:
            yield _row_face(row, options)


def _row_face(row: FaceRow, options: Options) -> RealFace:
    moves = row.media in ("clip", "frames")
    rate = (options.frames or 25.0) if row.media == "frames" else None
    points = None if row.landmarks is None else np.asarray(row.landmarks, np.float64)
    return RealFace(
        source=row.source,
        key=f"{row.source}:{row.key}",
        split=row.split,
        licence=row.licence,
        where=row.where or f"{row.source} {row.key}",
        pixels=None if moves else partial(_decode, row),
        clip=partial(open_clip, row.path or "", rate) if moves else None,
        subject=row.subject,
        points=points,
    )


def _decode(row: FaceRow) -> Rgb:
    """Pixels of a row's picture; an unreadable one is told by where it stands."""
    try:
        with Image.open(io.BytesIO(row.load())) as picture:
            return load_image(picture)
    except (UnidentifiedImageError, OSError) as error:
        raise FaceLLMError(f"{row.where or row.key}: not a picture ({error})") from error


def _from_prepared(folder: Path, left_out: Counter[str]) -> Iterator[RealFace]:
    prepared = PreparedSet(folder)
    count = len(prepared.images)
    keys = prepared.labels.get("key", np.arange(count))
    fake = prepared.labels.get("fake", np.zeros(count))
    for index in range(count):
        if fake[index] > 0:
            left_out["already made"] += 1
            continue
        yield RealFace(
            source=folder.name,
            key=f"{folder.name}:{keys[index]}",
            split=SPLITS[int(prepared.labels["split"][index])],
            licence="",
            where=f"{folder}, row {index}",
            pixels=partial(_stored, prepared, index),
            points=prepared.points(index),
        )


def _stored(prepared: PreparedSet, index: int) -> Rgb:
    pixels = np.asarray(prepared.images[index])
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))


def _from_folder(folder: Path, options: Options) -> Iterator[RealFace]:
    files, _ = pictures_in(folder)
    for path in files:
        name = path.relative_to(folder).as_posix()
        person = name.split("/")[0] if options.people and "/" in name else None
        if is_clip(path):
            yield _clip_face(path, folder.name, options, person)
            continue
        yield RealFace(
            source=folder.name,
            key=f"{folder.name}:{name}",
            split=split_of(f"{folder.name}/{person or name}"),
            licence="",
            where=str(path),
            pixels=partial(load_image, path),
            subject=person,
        )


def _clip_face(path: Path, source: str, options: Options, person: str | None = None) -> RealFace:
    return RealFace(
        source=source or "clip",
        key=f"{source or 'clip'}:{path.name}",
        split=split_of(f"{source}/{person or path.name}"),
        licence="",
        where=str(path),
        clip=partial(open_clip, path, options.frames if path.is_dir() else None),
        subject=person,
    )
