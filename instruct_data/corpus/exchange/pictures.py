"""Embedded pictures of a corpus as files, for layouts that can only name them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from facellm.atomic import atomic_file, told_in_words
from facellm.errors import FaceLLMError

from ..record import ImageRef, Record

FOLDER = "images"


def with_files(records: Iterable[Record], out: Path) -> Iterator[Record]:
    """The records with pictures as files under ``out/images`` instead of bytes.

    Raises:
        FaceLLMError: If a record refers to a picture that the corpus does not hold.
    """
    with told_in_words(out):
        (out / FOLDER).mkdir(parents=True, exist_ok=True)
    for record in records:
        images = tuple(file_of(image, out, record.id) for image in record.images)
        yield replace(record, images=images)


def file_of(image: ImageRef, out: Path, identity: str) -> ImageRef:
    """The picture written under the digest of its bytes; records of one picture share a file."""
    if image.data is None:
        raise FaceLLMError(
            f"{identity}: {image.path} is not embedded; build with 'embed: true' for its source"
        )
    name = f"{hashlib.sha256(image.data).hexdigest()[:32]}{ending(image.data)}"
    file = out / FOLDER / name
    if not file.is_file():
        with atomic_file(file) as written:
            written.write(image.data)
    return ImageRef(f"{FOLDER}/{name}")


def ending(data: bytes) -> str:
    """``.jpg`` and so on, by the bytes themselves; none for what is no picture."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            name = (picture.format or "").lower()
    except UnidentifiedImageError:
        return ""
    return f".{'jpg' if name == 'jpeg' else name}"
