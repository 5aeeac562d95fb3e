"""Colours of the rig's skin: a random look, painted on vertices.

The rig has no textures. Paint on vertices moves with them: a raised brow is seen. Every mark is a
function of the rest position of a vertex: distance to a brow line, to the lips, to the hairline.

Example: ``SkinMap.build(rig).paint(np.random.default_rng(3))`` -> linear RGB of 14,062 skin
vertices and a hair lift.

Shapes: S = 14,062 skin vertices. Colours: linear RGB in [0, 1]. Lengths: rig units, about 0.8 cm.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .rig import N_SKIN_VERTICES, Rig

Array = NDArray[Any]
Rng = np.random.Generator

# Linear RGB of natural hair, from black over brown and red to blond, and grey.
HAIR = (
    (0.01, 0.009, 0.008),
    (0.03, 0.018, 0.012),
    (0.08, 0.045, 0.025),
    (0.2, 0.07, 0.03),
    (0.4, 0.27, 0.13),
    (0.3, 0.3, 0.3),
)
_HAIR_WEIGHTS = (0.32, 0.28, 0.18, 0.06, 0.09, 0.07)


@dataclass(frozen=True)
class Skin:
    """What one look puts on the skin vertices.

    Attributes:
        albedo: Linear RGB, (S, 3), float32.
        lift: Outward displacement by hair volume, rig units, (S,), float32.
        gloss: Strength of the highlight, (S,), float32.
        hair: Linear RGB of the hair, (3,).
        long_hair: Whether hair falls behind the head.
    """

    albedo: Array
    lift: Array
    gloss: Array
    hair: Array
    long_hair: bool


@dataclass(frozen=True)
class SkinMap:
    """Where things are on the rest mesh, computed once per rig.

    Attributes:
        rest: Rest positions, (S, 3).
        brow: Height above the brow line and position along it (0 inner end, 1 outer end), (S, 2);
            far away elsewhere.
        lips: Signed distance to the lip outline, positive on the lips, (S,).
        lash: Distance to the upper and the lower lid margins, (S, 2).
        hairline: Height above the plane of an average hairline, (S,); negative on ears and face.
        beard: How much a beard covers, 0-1, (S,).
    """

    rest: Array
    brow: Array
    lips: Array
    lash: Array
    hairline: Array
    beard: Array

    @classmethod
    def build(cls, rig: Rig) -> "SkinMap":
        """Measure the rest mesh of a rig."""
        rest = rig.neutral[:N_SKIN_VERTICES]
        marks = rig.neutral[rig.landmark_vertices]
        front = (rest[:, 2] > 4.5)[:, None]
        half = marks[22:27]
        x = np.abs(rest[:, 0])
        along = (x - half[0, 0]) / (half[-1, 0] - half[0, 0])
        # The published brow points run along the upper edge of the brow.
        above = rest[:, 1] - np.interp(x, half[:, 0], half[:, 1]) + 0.24
        brow = np.where(front, np.stack([above, along], axis=1), 99.0)
        upper = np.concatenate([_along(marks[36:40]), _along(marks[42:46])])
        lower = np.concatenate([_along(marks[[36, 41, 40, 39]]), _along(marks[[42, 47, 46, 45]])])
        lash = np.stack([_distance(rest, upper), _distance(rest, lower)], axis=1)
        lips = _inside(rest, _along(marks[[*range(48, 60), 48]])[:, :2])
        lips = np.where(rest[:, 2] > 9.0, lips, -9.0)
        hairline = rest[:, 1] - 1.1 * rest[:, 2] - 0.2
        hairline = np.where((x > 7.6) & (rest[:, 1] < 6.5) & (rest[:, 2] > -1.5), -9.0, hairline)
        hairline = np.where(rest[:, 1] < -5.0, -9.0, hairline)
        jaw = _smooth((-1.0 - rest[:, 1] - 0.25 * (x - 3).clip(0)) / 1.5) * _smooth(
            (rest[:, 1] + 8.8) / 1.5
        )
        sideburn = (
            _smooth((x - 5.6) / 0.8)
            * _smooth((4.0 - rest[:, 1]) / 1.5)
            * _smooth((rest[:, 1] + 6) / 2)
        )
        shaved = _smooth((rest[:, 2] - 2.6) / 1.5)
        return cls(rest, brow, lips, lash, hairline, np.maximum(jaw, sideburn) * shaved)

    def paint(self, rng: Rng) -> Skin:
        """Draw a look.

        Args:
            rng: Source of randomness.

        Returns:
            Colours and hair volume of the skin vertices.
        """
        n = len(self.rest)
        tone = skin_tone(rng)
        hair = hair_colour(tone, rng)
        albedo = tone * (1 + rng.uniform(0.03, 0.1) * _waves(self.rest, rng, 0.9))[:, None]
        albedo = albedo * (1 + rng.uniform(0.0, 0.05) * rng.standard_normal(n))[:, None]
        flush = np.array([1.0, rng.uniform(0.72, 0.95), rng.uniform(0.75, 0.95)])
        x = np.abs(self.rest[:, 0])
        cheek = np.exp(-((x - 4.3) ** 2 + (self.rest[:, 1] - 0.3) ** 2) / 5) * (self.rest[:, 2] > 4)
        nose = np.exp(-(x**2 + (self.rest[:, 1] - 0.6) ** 2) / 2.5) * (self.rest[:, 2] > 9)
        albedo = _mix(albedo, albedo * flush, np.maximum(cheek, 0.7 * nose))
        albedo = _mix(
            albedo, tone * lip_tint(rng), rng.uniform(0.6, 1.0) * _smooth(self.lips / 0.16 + 0.5)
        )
        if rng.random() < 0.25:
            stubble = rng.uniform(0.25, 0.95) * self.beard * (1 - _smooth(self.lips / 0.2 + 1.2))
            albedo = _mix(albedo, hair * 1.2 + 0.1 * tone, stubble * rng.uniform(0.75, 1.0, n))
        lashes = np.exp(-((self.lash / (0.12, 0.09)) ** 2)) * (
            rng.uniform(0.4, 0.95),
            rng.uniform(0.1, 0.5),
        )
        albedo = _mix(albedo, np.full(3, 0.012), lashes.max(axis=1))
        albedo = _mix(albedo, np.minimum(hair * 0.7, tone * 0.3), self._brows(rng))
        covered, lift = self._hair(rng)
        albedo = _mix(albedo, hair * (1 + 0.35 * _waves(self.rest, rng, 4.0))[:, None], covered)
        albedo = self._clothe(albedo, rng)
        gloss = rng.uniform(0.0, 0.14) * (1 - covered) + 0.15 * (self.lips > 0)
        return Skin(
            albedo.clip(0.004, 0.95).astype(np.float32),
            lift.astype(np.float32),
            gloss.astype(np.float32),
            hair,
            bool(covered.max() > 0.5 and rng.random() < 0.35),
        )

    def creases(self, units: Mapping[int, float], rng: Rng) -> Array:
        """Shade of the skin folds that the shapes are too coarse to hold.

        Args:
            units: Action unit -> intensity in [0, 1]; only 1, 2, 4, 6, 9 and 17 fold the skin here.
            rng: Source of randomness: how deep this skin folds, from not at all to deep.

        Returns:
            Factor on the light that reaches a skin vertex, (S,), in [0.3, 1].
        """
        y, x = self.rest[:, 1], np.abs(self.rest[:, 0])
        front = self.rest[:, 2] > 6.0
        depth = rng.uniform(0.0, 0.6)
        rows = np.exp(-(((y[:, None] - (7.3, 8.3, 9.2) + 0.02 * x[:, None] ** 2) / 0.15) ** 2)).max(
            axis=1
        )
        ray = np.arctan2(y - 3.3, x - 4.4)
        fan = np.exp(-(((ray[:, None] - (-0.45, 0.05, 0.5)) / 0.11) ** 2)).max(axis=1)
        out = np.hypot(y - 3.3, x - 4.4)
        marks = {
            1: rows * _smooth((3.4 - x) / 1.0),
            2: rows * _smooth((x - 2.0) / 1.0) * _smooth((6.0 - x) / 1.0),
            4: np.exp(-(((x - 0.45) / 0.16) ** 2))
            * _smooth((y - 4.5) / 0.5)
            * _smooth((6.9 - y) / 0.7),
            6: fan * _smooth((out - 0.35) / 0.2) * _smooth((1.9 - out) / 0.6) * (x > 4.4),
            9: np.exp(-(((y[:, None] - (3.5, 4.1, 4.7) - 0.25 * x[:, None]) / 0.14) ** 2)).max(
                axis=1
            )
            * _smooth((1.2 - x) / 0.4),
            17: rng.uniform(0, 1, len(y)) * np.exp(-((x / 1.4) ** 2) - ((y + 5.9) / 0.7) ** 2),
        }
        shade = sum(
            (marks[unit] * value for unit, value in units.items() if unit in marks),
            np.zeros(len(y)),
        )
        return 1 - depth * (shade * front).clip(0, 1)

    def _brows(self, rng: Rng) -> Array:
        """Opacity of the brows, (S,): a tapering band, with hairs."""
        above, along = self.brow[:, 0], self.brow[:, 1]
        thick = rng.uniform(0.26, 0.46) * np.interp(
            along, (0, 0.3, 1), (1, 1, rng.uniform(0.45, 0.8))
        )
        ends = _smooth((along + rng.uniform(0.0, 0.12)) / 0.08) * _smooth((1.12 - along) / 0.2)
        band = np.exp(-(((np.abs(above - rng.uniform(-0.1, 0.1)) / thick).clip(max=9)) ** 4)) * ends
        return band * rng.uniform(0.6, 1.0) * rng.uniform(0.75, 1.0, len(band))

    def _hair(self, rng: Rng) -> tuple[Array, Array]:
        """Cover of the scalp in [0, 1] and outward lift, (S,) each."""
        if rng.random() < 0.07:
            return np.zeros(len(self.rest)), np.zeros(len(self.rest))
        line = self.hairline - rng.uniform(-1.3, 1.6) + 0.5 * _waves(self.rest, rng, 1.5)
        line = line + rng.uniform(-1.5, 0.5) * np.exp(
            -((self.rest[:, 0] - rng.uniform(-3, 3)) ** 2) / 6
        )
        cover = np.where(self.hairline > -8, _smooth(line / 0.35 + 0.5), 0.0)
        volume = (
            rng.uniform(0.05, 1.6) * _smooth(line / 2.5) * (1 + 0.3 * _waves(self.rest, rng, 2.5))
        )
        return cover, np.where(self.hairline > -8, volume, 0.0)

    def _clothe(self, albedo: Array, rng: Rng) -> Array:
        """Cloth below a random neckline."""
        neckline = rng.uniform(-14.5, -10.5) + 0.05 * self.rest[:, 0] ** 2 * rng.uniform(-0.3, 1.0)
        cloth = rng.uniform(0.01, 0.8, 3) * rng.uniform(0.2, 1.0)
        return _mix(albedo, cloth, _smooth((neckline - self.rest[:, 1]) / 0.3))


def skin_tone(rng: Rng) -> Array:
    """Linear RGB of a skin, (3,); its typology angle is uniform, -55 (dark) to 65 degrees (light).

    Source: ITA = atan((L* - 50) / b*) of Chardon et al., 1991, solved for L*.
    """
    ita = np.deg2rad(rng.uniform(-55, 65))
    yellow = rng.uniform(11, 20)
    # Very light skin is less yellow: without this L* would leave the range of skin.
    yellow = min(yellow, 27 / max(np.tan(ita), 0.1), 20 / max(-np.tan(ita), 0.1))
    lab = np.array([[[50 + yellow * np.tan(ita), rng.uniform(8, 15), yellow]]], dtype=np.float32)
    return cv2.cvtColor(lab, cv2.COLOR_LAB2LRGB)[0, 0].astype(np.float64).clip(0.02, 0.9)


def hair_colour(tone: Array, rng: Rng) -> Array:
    """Linear RGB of hair; light hair only on lighter skin, grey on any, (3,)."""
    hair = np.array(HAIR[rng.choice(len(HAIR), p=_HAIR_WEIGHTS)]) * rng.uniform(0.7, 1.4)
    fair = hair[0] > 1.3 * hair[2] and hair[0] > 0.06
    return np.minimum(hair, 0.5 * tone) if fair and tone[1] < 0.25 else hair


def lip_tint(rng: Rng) -> Array:
    """Factor from skin to lip colour, (3,)."""
    return np.array([rng.uniform(0.7, 0.98), rng.uniform(0.38, 0.72), rng.uniform(0.42, 0.75)])


def _waves(points: Array, rng: Rng, frequency: float) -> Array:
    """Smooth noise on the mesh, about [-1.5, 1.5], (S,)."""
    directions = rng.normal(0, frequency, (6, 3)).astype(np.float32)
    return (
        np.sin(points @ directions.T + rng.uniform(0, 6.28, 6).astype(np.float32)).mean(axis=1)
        * 1.7
    )


def _mix(base: Array, over: Array, opacity: Array) -> Array:
    """Alpha blend per vertex."""
    return base + (over - base) * opacity[:, None]


def _smooth(value: Array) -> Array:
    """Smooth step from 0 to 1 over [0, 1]."""
    value = np.clip(value, 0, 1)
    return value * value * (3 - 2 * value)


def _along(corners: Array, per_edge: int = 8) -> Array:
    """Points every 1/8 of each edge of a polyline."""
    steps = np.linspace(0, len(corners) - 1, per_edge * (len(corners) - 1) + 1)
    return np.stack([np.interp(steps, range(len(corners)), c) for c in corners.T], axis=1)


def _distance(points: Array, line: Array) -> Array:
    """Distance of points to a sampled line, same dimension."""
    return np.sqrt(((points[:, None] - line[None]) ** 2).sum(axis=2).min(axis=1))


def _inside(points: Array, outline: Array) -> Array:
    """Signed distance in x, y to a closed outline, positive inside, (S,)."""
    contour = outline.astype(np.float32)[:, None]
    near = np.flatnonzero(np.abs(points[:, :2] - outline.mean(axis=0)).max(axis=1) < 5)
    signed = np.full(len(points), -9.0)
    for index in near:
        signed[index] = cv2.pointPolygonTest(
            contour, (float(points[index, 0]), float(points[index, 1])), True
        )
    return signed
