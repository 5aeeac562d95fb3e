"""What comes on standard input in place of a file: a picture in memory, or a clip in a file.

A clip is read from several places, which a pipe does not allow, so it is spooled to a temporary
file of bounded size in ``TMPDIR`` that is gone when the work is over, however it ends: where the
system has ``/proc`` the file never has a name, so not even a kill leaves it behind.

Example::

    piped = read_stdin()
    if piped.is_clip:
        with piped.file() as path:
            clip = named(open_clip(path))
"""

from __future__ import annotations

import io
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from facellm.errors import FaceLLMError

if TYPE_CHECKING:
    from facellm.clip.frames import Clip
    from facellm.images import Rgb

STDIN = "-"  # how it is typed
NAME = "standard input"
MOST_BYTES = 256 * 2**20  # of a picture
MOST_CLIP_BYTES = 4 * 2**30
START = 4096  # bytes that tell a clip
CHUNK = 2**20  # bytes copied at once
OPEN_FILES = Path("/proc/self/fd")


@dataclass(frozen=True)
class Piped:
    """What came.

    Attributes:
        data: The whole of a picture; of a video how it begins, the rest waits in the pipe.
        is_clip: Whether it has frames over time.
    """

    data: bytes
    is_clip: bool

    @contextmanager
    def file(self) -> Iterator[Path]:
        """All of it as a file, for as long as the context lasts.

        Raises:
            FaceLLMError: If it is larger than 4 GiB or the disk is full; errors that name the file
                name standard input instead.
        """
        nameless = OPEN_FILES.is_dir()
        kept = tempfile.TemporaryFile if nameless else tempfile.NamedTemporaryFile
        with kept(prefix="facellm-") as file:
            path = OPEN_FILES / str(file.fileno()) if nameless else Path(file.name)
            try:
                self._spool(file)
                yield path
            except FaceLLMError as error:
                raise FaceLLMError(str(error).replace(str(path), NAME)) from error

    def _spool(self, file: IO[bytes]) -> None:
        size, chunk = 0, self.data
        try:
            while chunk:
                size += len(chunk)
                if size > MOST_CLIP_BYTES:
                    raise FaceLLMError(
                        f"{NAME}: more than {MOST_CLIP_BYTES:,} bytes; save it and name the file"
                    )
                file.write(chunk)
                chunk = sys.stdin.buffer.read(CHUNK)
            file.flush()
        except OSError as error:
            place = f"{tempfile.gettempdir()}; TMPDIR names another folder"
            raise FaceLLMError(
                f"{NAME}: {error.strerror} after {size:,} bytes in {place}"
            ) from error


def read_stdin() -> Piped:
    """Read a picture whole, within 256 MiB, and of a video so much that it is known for one.

    Raises:
        FaceLLMError: If nothing came, or too much.
    """
    from facellm.clip.opening import begins_as_video, moves

    stream = sys.stdin.buffer
    data = stream.read(START)
    if not data:
        raise FaceLLMError(f"{NAME}: the file is empty")
    if begins_as_video(data):
        return Piped(data, is_clip=True)
    data += stream.read(MOST_BYTES + 1 - len(data))
    if len(data) > MOST_BYTES:
        raise FaceLLMError(f"{NAME}: more than {MOST_BYTES:,} bytes")
    return Piped(data, is_clip=moves(io.BytesIO(data)))


def named(clip: Clip) -> Clip:
    """The clip, called standard input in all that is said of it."""
    clip.facts = replace(clip.facts, name=NAME)
    return clip


def picture_from_bytes(data: bytes) -> Rgb:
    """Decode a picture that never was a file."""
    from PIL import Image

    from facellm.images import load_image

    try:
        with warnings.catch_warnings():  # our own bound on the size is checked in load_image
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(data))
    except Image.DecompressionBombError as error:
        raise FaceLLMError(f"{NAME}: {error}") from error
    except (OSError, SyntaxError, ValueError) as error:
        reason = "neither a picture nor a clip, or of a kind that is not known"
        raise FaceLLMError(f"{NAME}: {reason}") from error
    return load_image(picture)
