"""What a method has made of one real face, and how it is written: pictures, masks, their places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .encoding import to_jpeg, to_mask
from .naming import named_regions
from .store import file_of, write_whole
from .warp import Points, Rgb


class Unusable(Exception):
    """A face of which nothing can be made: short fixed words, and what exactly."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


@dataclass(frozen=True)
class Made:
    """A forged picture, or the forged frames of a clip.

    Attributes:
        before: The real pictures.
        after: The forged ones, as many.
        masks: (H, W) bool each: where they differ.
        shares: Region -> share of the masks that lies in it.
        drawn: What the method drew at random.
        others: Keys of other rows that went into it.
        points: (68, 2) pixels of the real picture; None for a clip.
        points_after: The same of the forged one.
        rate: Frames a second of a clip; None for a picture.
    """

    before: Sequence[Rgb]
    after: Sequence[Rgb]
    masks: Sequence[NDArray[np.bool_]]
    shares: dict[str, float]
    drawn: dict[str, Any]
    others: tuple[str, ...] = ()
    points: Points | None = None
    points_after: Points | None = None
    rate: float | None = None

    def write(self, out: Path, item: int) -> dict[str, Any]:
        """Write forged pictures and masks; the entries of the record that only forgeries have."""
        places = [
            self._write(out, kind, f"{item:06d}", data)
            for kind, data in (
                ("pictures", [to_jpeg(pixels) for pixels in self.after]),
                ("masks", [to_mask(mask) for mask in self.masks]),
            )
        ]
        return {
            "picture": places[0],
            "mask": places[1],
            "mask_share": round(float(np.mean(self.masks)), 5),
            "regions": list(named_regions(self.shares)),
            "shares": {name: round(value, 4) for name, value in self.shares.items()},
            "drawn": self.drawn,
        }

    def write_real(self, out: Path, item: int) -> dict[str, Any]:
        """Write the untouched pictures in the same encoding; the entry of the record."""
        data = [to_jpeg(pixels) for pixels in self.before]
        return {"picture": self._write(out, "pictures", f"{item:06d}-real", data)}

    def common(self, points: Points | None) -> dict[str, Any]:
        """Entries that the forgery's record and the real one's both have."""
        height, width = self.before[0].shape[:2]
        entries = {"media": "picture", "width": width, "height": height}
        if points is not None:
            entries["landmarks"] = points.round(2).tolist()
        if self.rate is not None:
            entries |= {"media": "frames", "frames": len(self.before), "rate": round(self.rate, 3)}
        return entries

    def _write(self, out: Path, kind: str, name: str, data: list[bytes]) -> str:
        """One file, or a folder of numbered frames; its place in ``out``."""
        ending = ".png" if kind == "masks" else ".jpg"
        if self.rate is None:
            path, place = file_of(out, kind, int(name[:6]), name + ending)
            write_whole(path, data[0])
            return place
        folder, place = file_of(out, kind, int(name[:6]), name)
        folder.mkdir(exist_ok=True)
        for number, frame in enumerate(data):
            write_whole(folder / f"{number:05d}{ending}", frame)
        return place
