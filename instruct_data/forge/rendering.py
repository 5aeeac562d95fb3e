"""Renders of the face rig as labelled pictures: everything about them is known exactly.

Face i of a set depends on the seed, i and what was asked for alone: its person, units, pose, gaze,
camera, light and skin. People are those after the fixed population of ``rig.identity_table``, so
no face of a render set shares a person with the rig set of `make train-default`; splits are by
person. Skins go round the six bins of ``skin``.

Points are the projection of the 68 landmark vertices of the skin, on the pixel grid of the stored
picture; hair painted over the temples may cover the outermost two. AU25 is measured on the mesh
(``rig_truth``), every other unit is as posed.

Example of a record (shortened)::

    {"key": "synth/5e1c20aa/17", "family": "rendered_avatar", "units": {"6": 0.41, "12": 0.9, ...},
     "pose": [12.1, -3.0, 4.4], "skin": {"ita": -41.2, "bin": "dark", ...}, "caption": "...", ...}
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facellm.errors import FaceLLMError
from facellm.labels import ACTION_UNITS

from ..rig import N_IDENTITIES, Rig, expression_from_units, identity_table
from ..rig_camera import angles
from ..rig_light import Lights
from ..rig_sample import FaceSample, lid_shapes, sample_face
from ..rig_scene import FaceRenderer
from ..rig_truth import label_face
from .captions import caption
from .codebook import Posed, Range, pose_expression, pose_units
from .encoding import QUALITY, to_jpeg
from .skin import ITA_BINS, bin_of, ita_of, look_in, tone_of
from .store import as_lines, file_of, part_path, write_whole

PART = 20  # faces a part
FAMILY, METHOD = "rendered_avatar", "rig_render"
LICENCE = "rendered from ICT-FaceKit light (MIT)"


@dataclass(frozen=True)
class Wanted:
    """What a set of renders is.

    Attributes:
        rig: Folder of the rig.
        n: Faces.
        size: Width and height, pixels.
        people: Persons the faces are drawn from.
        seed: Of everything drawn.
        units: Units every face shows, with their ranges; None where they are drawn.
        expressions: Of the codebook; empty where units are drawn freely.
    """

    rig: Path
    n: int
    size: int
    people: int
    seed: int = 0
    units: Mapping[int, Range] | None = None
    expressions: tuple[str, ...] = field(default=())

    @property
    def name(self) -> str:
        """Eight letters that stand for everything face i depends on but i."""
        asked = (self.seed, self.size, self.people, sorted((self.units or {}).items()))
        return hashlib.sha256(repr((*asked, self.expressions)).encode()).hexdigest()[:8]

    @property
    def n_parts(self) -> int:
        """How many parts the set has."""
        return -(-self.n // PART)


class Studio:
    """The rig with its renderer; draws, renders and labels the faces of a set."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted, self.rig = wanted, load_rig(wanted.rig)
        self.population = identity_table(N_IDENTITIES + wanted.people)

    @cached_property
    def renderer(self) -> FaceRenderer:
        """Made when the first picture is wanted; labels need none."""
        return FaceRenderer(self.rig, self.wanted.size, self.population)

    def draw(self, index: int) -> tuple[FaceSample, Posed]:
        """Face ``index`` of the set."""
        wanted, rng = self.wanted, np.random.default_rng([self.wanted.seed, index])
        drawn = sample_face(self.rig, rng)
        posed = self._posed(index, rng)
        if posed is None:
            posed, expression = Posed(drawn.units), drawn.expression
        else:
            named = expression_from_units(posed.units, posed.units)
            expression = self.rig.expression_values(named | lid_shapes(drawn.eyes, named))
        # Walks through people, and through skins at another pace, so that the two do not go along.
        person = N_IDENTITIES + index % wanted.people
        skin = tuple(ITA_BINS)[(index + index // len(ITA_BINS)) % len(ITA_BINS)]
        sample = replace(
            drawn,
            identity=person,
            expression=expression,
            units=posed.units,
            look=look_in(rng, skin),
        )
        return sample, posed

    def _posed(self, index: int, rng: np.random.Generator) -> Posed | None:
        wanted = self.wanted
        if wanted.units is not None:
            return pose_units(wanted.units, rng)
        if wanted.expressions:
            return pose_expression(wanted.expressions[index % len(wanted.expressions)], rng)
        return None

    def label(self, index: int) -> dict[str, Any]:
        """The exact labels of a face, without its picture and its light."""
        sample, posed = self.draw(index)
        exact = label_face(self.rig, sample, self.population)
        units = {
            unit: round(float(x), 4) for unit, x in zip(ACTION_UNITS, exact["au"], strict=True)
        }
        tone = tone_of(sample.look)
        ita = ita_of(tone)
        rng = np.random.default_rng([self.wanted.seed, index, 1])
        return {
            "key": f"synth/{self.wanted.name}/{index}",
            "fake": True,
            "family": FAMILY,
            "method": METHOD,
            "units": {str(unit): value for unit, value in units.items()},
            "codebook": posed.codebook,
            "strength": None if posed.strength is None else round(posed.strength, 4),
            "landmarks": _plain(exact["landmarks"] * self.wanted.size),
            "pose": _plain(exact["pose"]),
            "gaze": _plain(exact["gaze"]),
            "mouth_open": round(float(exact["mouth_open"]), 5),
            "eye_open": _plain(exact["eye_open"]),
            "skin": {"ita": round(ita, 2), "bin": bin_of(ita), "albedo": _plain(tone)},
            "caption": caption(units, rng),
            "split": ("train", "valid", "test")[int(exact["split"])],
            "subject": f"rig-{sample.identity}",
            "seed": [self.wanted.seed, index],
            "look": sample.look,
        }

    def make_part(self, part: int, out: Path) -> None:
        """Render the faces of a part and write it."""
        cv2.setNumThreads(1)
        first, last = part * PART, min((part + 1) * PART, self.wanted.n)
        records = [self._make(index, out) for index in range(first, last)]
        write_whole(part_path(out, part), as_lines(records))

    def _make(self, index: int, out: Path) -> dict[str, Any]:
        sample, _ = self.draw(index)
        picture, lights = self.renderer.render_lit(sample)
        file, place = file_of(out, "pictures", index, f"{index:06d}.jpg")
        write_whole(file, to_jpeg(picture))
        return {
            **self.label(index),
            "light": light_of(lights),
            "media": "picture",
            "picture": place,
            "mask": None,
            "regions": [],
            "whole": True,
            "width": self.wanted.size,
            "height": self.wanted.size,
            "source": "synth",
            "licence": LICENCE,
            "jpeg_quality": QUALITY,
        }


def light_of(lights: Lights) -> dict[str, Any]:
    """Lamps by yaw and pitch (degrees, camera frame) and colour (linear RGB), and ambient light."""
    lamps = [
        {"from": _plain(np.array(angles(toward))), "colour": _plain(colour)}
        for toward, colour in zip(lights.directions, lights.colours, strict=True)
    ]
    return {"lamps": lamps, "ambient": _plain(lights.ambient)}


def _plain(values: NDArray[np.floating]) -> Any:
    """Numbers with four decimals, JSON-ready."""
    return values.astype(np.float64).round(4).tolist()


def load_rig(folder: Path) -> Rig:
    """The rig; what is wrong with the folder is the user's error."""
    try:
        return Rig.load(folder)
    except (ValueError, OSError, KeyError) as error:
        raise FaceLLMError(f"{folder}: no ICT-FaceKit light rig: {error}") from error
