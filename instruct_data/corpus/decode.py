"""Row -> upright pixels; of a clip or a folder of frames the middle frame.

Which frame it was stands in the draft's note ``moment``, as what is added to the path in the
record: ``#t=3.2`` (seconds, as in W3C's media fragments) or ``/00012.jpg``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from facellm.clip.opening import open_clip
from facellm.clip.picture_frames import natural
from facellm.errors import FaceLLMError
from facellm.images import Rgb, load_image
from facellm.picture_files import PICTURE_ENDINGS
from facellm.readers.row import FaceRow

from .record import Draft, Outcome, reject


class Decode:
    """Decodes every picture; dialogues have none."""

    name = "decode"

    def __call__(self, drafts: Sequence[Draft]) -> list[Outcome]:
        """Drafts with ``picture``; rejects ``unreadable picture``."""
        return [self._decode(draft) for draft in drafts]

    def _decode(self, draft: Draft) -> Outcome:
        if draft.row.media == "dialogue":
            return draft
        try:
            picture, moment = pixels_of(draft.row)
        except FaceLLMError as error:
            return reject(draft, self.name, "unreadable picture", str(error))
        notes = draft.notes | ({"moment": moment} if moment else {})
        return replace(draft, picture=picture, notes=notes)


def pixels_of(row: FaceRow) -> tuple[Rgb, str]:
    """(H, W, 3) uint8 of a row, and which moment of a clip they are.

    Raises:
        FaceLLMError: If the file is missing or unreadable, or the folder holds no frames.
    """
    if row.path is None:
        return load_image(row.picture), ""
    if row.media == "clip":
        return middle_frame(row.path)
    if row.media == "frames":
        files = [p for p in row.path.glob("*") if p.suffix.lower() in PICTURE_ENDINGS]
        if not files:
            raise FaceLLMError(f"{row.path}: holds no pictures")
        file = sorted(files, key=lambda path: natural(path.name))[len(files) // 2]
        return load_image(file), f"/{file.name}"
    return load_image(row.path), ""


def middle_frame(path: Path) -> tuple[Rgb, str]:
    """The first frame in the second half of a clip."""
    clip = open_clip(path)
    middle = clip.seconds() / 2
    for frame in clip.frames(middle):
        if frame.time >= middle:
            return frame.pixels(), f"#t={frame.time:.6g}"
    raise FaceLLMError(f"{path}: no frame in its second half")
