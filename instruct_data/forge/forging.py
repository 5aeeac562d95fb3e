"""Forgeries of real faces: which face, which method, which other person; pictures, masks, records.

Item i of a run depends on the seed, i and the list of faces alone. Every face is taken once before
any is taken twice, and then with another method. The first time a face is taken, an untouched copy
is written beside the forgery with the same encoding (``encoding``). Another person's face comes
from the same set and the same split, and never from the same subject where the set names subjects,
so no face crosses a split.

Example of a record (shortened)::

    {"key": "utkface:utkface/7/mouth_warp/0-12", "family": "audio_driven_2d",
     "method": "mouth_warp", "picture": "pictures/0000/000012.jpg",
     "mask": "masks/0000/000012.png", "regions": ["lips"], "split": "train",
     "sources": ["utkface:utkface/7"], "seed": [0, 12], ...}
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from facellm.errors import FaceLLMError

from .clip_forging import forge_clip
from .clips import CLIPS
from .encoding import QUALITY
from .families import family_of
from .made import Made, Unusable
from .naming import region_shares
from .points import Locator, usable
from .sources import RealFace
from .stills import STILLS, Forged, Portrait, changed, like_grey
from .store import as_lines, part_path, write_whole
from .warp import Points, Rgb

PART = 20  # items a part
METHODS = (*STILLS, *CLIPS)
TRIES = 3  # draws before a change that cannot be seen is given up
LEAST_CHANGE, LEAST_SHARE = 4, 0.01  # levels of a channel, on that share of the face's box
OTHERS = 20  # people tried before there is none to swap with


@dataclass(frozen=True)
class Plan:
    """What a run makes.

    Attributes:
        faces: Real faces.
        n: Items wanted.
        methods: Names in ``METHODS``.
        seed: Of everything drawn.
        real: Whether an untouched copy of each face is written too.
    """

    faces: Sequence[RealFace]
    n: int
    methods: tuple[str, ...] = METHODS
    seed: int = 0
    real: bool = True

    @property
    def n_parts(self) -> int:
        """How many parts the run has."""
        return -(-self.n // PART)


class Forger:
    """Makes the parts of a plan.

    Args:
        plan: What to make.
        locator: Finds faces where their set brings no points.
        out: Folder of the run.
    """

    def __init__(self, plan: Plan, locator: Locator, out: Path) -> None:
        self.plan, self.locator, self.out = plan, locator, out
        self._points: dict[int, Points | None] = {}
        self._paths: dict[int, list[Points | None]] = {}

    @cached_property
    def order(self) -> np.ndarray:
        """The faces in the order in which they are taken."""
        return np.random.default_rng(self.plan.seed).permutation(len(self.plan.faces))

    @cached_property
    def pools(self) -> dict[tuple[str, str], list[int]]:
        """Pictures by set and split: who may be swapped with whom."""
        pools: dict[tuple[str, str], list[int]] = defaultdict(list)
        for index, face in enumerate(self.plan.faces):
            if face.pixels is not None:
                pools[face.source, face.split].append(index)
        return pools

    def make_part(self, part: int) -> None:
        """Make the items of a part and write it."""
        lines: list[dict[str, Any]] = []
        for item in range(part * PART, min((part + 1) * PART, self.plan.n)):
            lines += self._item(item)
        write_whole(part_path(self.out, part), as_lines(lines))

    def _item(self, item: int) -> list[dict[str, Any]]:
        """Records of one item, or its rejection."""
        turn, place = divmod(item, len(self.plan.faces))
        index = int(self.order[place])
        face = self.plan.faces[index]
        kind = CLIPS if face.clip is not None else STILLS
        legal = [name for name in self.plan.methods if name in kind]
        method = legal[(place + turn) % len(legal)] if legal else ""
        rng = np.random.default_rng([self.plan.seed, item])
        try:
            made = self._made(index, method, rng)
        except Unusable as error:
            return [self._rejection(face, method, item, (error.reason, error.detail))]
        except FaceLLMError as error:
            return [self._rejection(face, method, item, ("cannot be read", str(error)))]
        records = [self._record(face, method, item, made)]
        if self.plan.real and turn == 0:
            records.append(self._real(face, item, made))
        return records

    def _made(self, index: int, method: str, rng: np.random.Generator) -> Made:
        """Forge one face."""
        face = self.plan.faces[index]
        if not method:
            raise Unusable("no method for it", "a clip" if face.clip else "a picture")
        if face.clip is not None:
            return forge_clip(face, method, rng, partial(self._followed, index))
        portrait, how = self._portrait(index), STILLS[method]
        other = self._other(index, rng) if how.needs_other else None
        second = None if other is None else self._portrait(other)
        draws = (how.make(portrait, second, rng) for _ in range(TRIES))
        forged, mask = _seen(portrait, draws)
        return Made(
            before=[portrait.pixels],
            after=[forged.pixels],
            masks=[mask],
            shares=region_shares(mask, portrait.points),
            points=portrait.points,
            points_after=portrait.points if forged.points is None else forged.points,
            drawn=dict(forged.drawn),
            others=() if other is None else (self.plan.faces[other].key,),
        )

    def _followed(self, index: int, frames: Sequence[Rgb]) -> list[Points | None]:
        """Points of a clip's face; remembered for the next time it is taken."""
        if index not in self._paths:
            self._paths[index] = self.locator.clip(frames)
        return self._paths[index]

    def _portrait(self, index: int) -> Portrait:
        """A face's picture with its points; the points are remembered."""
        face = self.plan.faces[index]
        assert face.pixels is not None
        pixels: Rgb = face.pixels()
        if index not in self._points:
            self._points[index] = (
                face.points if face.points is not None else self.locator.still(pixels)
            )
        points = self._points[index]
        if points is None:
            raise Unusable("no face")
        if not usable(points):
            raise Unusable("face too small or without points", face.where)
        return Portrait(pixels, points)

    def _other(self, index: int, rng: np.random.Generator) -> int:
        """Another person of the same set and split, with a face."""
        face = self.plan.faces[index]
        pool = self.pools[face.source, face.split]
        for _ in range(OTHERS):
            other = int(rng.choice(pool))
            subject = self.plan.faces[other].subject
            if other == index or (subject is not None and subject == face.subject):
                continue
            try:
                self._portrait(other)
            except (Unusable, FaceLLMError):
                continue  # it is told where it is taken itself
            return other
        raise Unusable("nobody to swap with", f"{len(pool)} pictures of split {face.split}")

    def _record(self, face: RealFace, method: str, item: int, made: Made) -> dict[str, Any]:
        """Write a forgery; its record."""
        return {
            "key": f"{face.key}/{method}/{self.plan.seed}-{item}",
            "fake": True,
            "family": family_of(method),
            "method": method,
            **made.write(self.out, item),
            **made.common(made.points_after),
            "seed": [self.plan.seed, item],
            "sources": [face.key, *made.others],
            **_origin(face),
        }

    def _real(self, face: RealFace, item: int, made: Made) -> dict[str, Any]:
        """Write the untouched copy; its record."""
        return {
            "key": f"{face.key}/real",
            "fake": False,
            "family": None,
            "method": None,
            **made.write_real(self.out, item),
            "mask": None,
            "regions": [],
            **made.common(made.points),
            "seed": [self.plan.seed, item],
            "sources": [face.key],
            **_origin(face),
        }

    def _rejection(
        self, face: RealFace, method: str, item: int, why: tuple[str, str]
    ) -> dict[str, Any]:
        return {
            "key": face.key,
            "item": item,
            "method": method,
            "reason": why[0],
            "detail": why[1],
            "where": face.where,
        }


def _origin(face: RealFace) -> dict[str, Any]:
    """What a record keeps of the face it is made from."""
    return {
        "source": face.source,
        "split": face.split,
        "subject": face.subject,
        "licence": face.licence,
        "where": face.where,
        "jpeg_quality": QUALITY,
    }


def _seen(portrait: Portrait, tries: Iterable[Forged]) -> tuple[Forged, np.ndarray]:
    """The first draw that changes enough to be seen, and its mask."""
    box = np.ptp(portrait.points, axis=0)
    for forged in tries:
        pixels = like_grey(portrait.pixels, forged.pixels)
        change = np.abs(pixels.astype(np.int16) - portrait.pixels).max(-1)
        if (change >= LEAST_CHANGE).sum() >= LEAST_SHARE * float(box.prod()):
            return replace(forged, pixels=pixels), changed(portrait.pixels, pixels)
    raise Unusable("too little changed", f"in {TRIES} draws")
