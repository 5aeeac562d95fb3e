"""What may be said of a draft: the labels its row carries and what its landmarks measure.

Nothing else. What a row does not know stays None, and a sentence about it is not written.

Example: an FER+ row with ten votes whose mouth is wide open gives ``Facts(votes=Votes("surprise",
7, 10, (("fear", 2),), 1), geometry={"mouth opening": 3, "brows": 2}, mouth_open=True, ...)``.
Angles are whole degrees in steps of 5 (0 where straight), measures whole standard deviations from
neutral faces, as in the product's own context (``facellm.context``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from facellm.context import CITED_GEOMETRY, STRAIGHT_BELOW, round_angle, standing_out
from facellm.geometry import MEASURES, Geometry
from facellm.labels import ACTION_UNITS, AU_LEVELS, EXPRESSIONS
from facellm.readers.row import FaceRow
from facellm.shown import ShownUnit

from ..corpus.record import Draft
from .attributes import visible

LARGEST_Z = 4
# Inner-lip gap in distances of the outer eye corners. Of 10,000 renders whose gap is known, 90 %
# of those under the first have shut lips, 91 % of those over the second parted ones.
MOUTH_SHUT, MOUTH_OPEN = 0.03, 0.10
FAR_TURNED = 35  # degrees of yaw from which measures of the outline mean little
MENTIONED_FROM = 0.2  # intensity: every unit over .3 is said, none under .1


@dataclass(frozen=True)
class Votes:
    """How people read a face; votes for "not a face" are left out.

    Attributes:
        label: The expression most people named; None where most could not tell.
        count: People who named it.
        total: People in all.
        others: Further expressions with their votes, most votes first.
        unknown: People who could not tell.
    """

    label: str | None
    count: int
    total: int
    others: tuple[tuple[str, int], ...]
    unknown: int

    @property
    def percent(self) -> int:
        """Share of the label, in per cent."""
        return round(100 * self.count / self.total)

    @property
    def split(self) -> bool:
        """No expression has more than half of the votes, or two have equally many."""
        tied = bool(self.others) and self.others[0][1] == self.count
        return self.label is None or tied or 2 * self.count < self.total


@dataclass(frozen=True)
class Facts:
    """See the module docstring.

    Attributes:
        row: The labels.
        count: Faces found; None where none was looked for.
        votes: People's reading of the expression, or None.
        units: Active action units with FACS levels 1-5, strongest first; None where not coded.
        strengths: Whether the set coded strengths, or only presence.
        attributes: Visible attributes in words -> whether there; None where not labelled.
        pose: Yaw, pitch, roll, degrees; None without landmarks.
        geometry: Words of a measure that stands out -> z-score; None without landmarks.
        mouth_open: By the landmarks; None where hidden, near the bound or without landmarks.
    """

    row: FaceRow
    count: int | None = None
    votes: Votes | None = None
    units: tuple[ShownUnit, ...] | None = None
    strengths: bool = False
    attributes: dict[str, bool] | None = None
    pose: tuple[int, int, int] | None = None
    geometry: dict[str, int] | None = None
    mouth_open: bool | None = None

    @property
    def expression(self) -> str | None:
        """The label: that of the votes where they are clear, else the single annotator's."""
        if self.votes is not None:
            return None if self.votes.split else self.votes.label
        return self.row.expression


def votes_of(row: FaceRow) -> Votes | None:
    """The votes of a row; None without any, or where as many say that it is no face."""
    if row.votes is None:
        return None
    named, (unknown, no_face) = row.votes[: len(EXPRESSIONS)], row.votes[len(EXPRESSIONS) :]
    total = sum(named) + unknown
    if total == 0 or no_face >= max(*named, unknown):
        return None
    ranked = sorted(zip(EXPRESSIONS, named, strict=True), key=lambda item: -item[1])
    ranked = [(name, count) for name, count in ranked if count]
    if not ranked or unknown > ranked[0][1]:
        return Votes(None, unknown, total, tuple(ranked), 0)
    (label, count), *others = ranked
    return Votes(label, count, total, tuple(others), unknown)


def units_of(row: FaceRow) -> tuple[ShownUnit, ...] | None:
    """Active units of a row that have a name in FACS, strongest first; None where not coded."""
    if row.units is None:
        return None
    named = [(row.units[n], n) for n in ACTION_UNITS if row.units.get(n, 0.0) >= MENTIONED_FROM]
    return tuple(
        ShownUnit(number, max(1, min(AU_LEVELS - 1, round(value * (AU_LEVELS - 1)))), 100)
        for value, number in sorted(named, key=lambda item: -item[0])
    )


@lru_cache(maxsize=1)
def shipped_geometry() -> Geometry:
    """The coefficients of the shipped landmark weights, and their neutral faces."""
    from facellm.checkpoint import LANDMARKS, SHIPPED  # heavy: brings transformers along

    return Geometry.load(SHIPPED / LANDMARKS)


@dataclass(frozen=True)
class Measurements:
    """Of some faces, one row each: pose (N, 3) degrees, z-scores (N, K), measures (N, K)."""

    pose: NDArray[np.float64]
    z: NDArray[np.float64]
    raw: NDArray[np.float64]


def measured_face(draft: Draft, least_quality: float) -> NDArray[np.float32] | None:
    """Points (68, 2) of the face the labels speak of; None where it is not known or unsure.

    In a picture with several faces nobody knows whose labels they are.
    """
    if len(draft.faces) != 1 or draft.faces[0].quality < least_quality:
        return None
    return draft.faces[0].landmarks


def measure_all(points: NDArray[np.float32], geometry: Geometry) -> Measurements:
    """Measure faces (N, 68, 2) together."""
    return Measurements(geometry.pose(points), geometry.z_scores(points), geometry.measures(points))


def facts_of(
    drafts: Sequence[Draft], geometry: Geometry, least_quality: float = 0.5
) -> list[Facts]:
    """What may be said of drafts, in order.

    Args:
        drafts: With their faces, where those were looked for.
        geometry: Turns points into pose and z-scores.
        least_quality: Landmark quality under which nothing counts as measured.
    """
    points = [measured_face(draft, least_quality) for draft in drafts]
    held = [p for p in points if p is not None]
    found = measure_all(np.stack(held), geometry) if held else None
    told, place = [], 0
    for draft, own in zip(drafts, points, strict=True):
        told.append(facts_of_draft(draft, None if own is None else found, place))
        place += own is not None
    return told


def facts_of_draft(draft: Draft, found: Measurements | None, place: int) -> Facts:
    """Facts of one draft, its measures at ``place`` of ``found``."""
    row = draft.row
    pose = geometry = mouth = None
    if found is not None:
        yaw, pitch, roll = (straightened(angle) for angle in found.pose[place])
        pose = (yaw, pitch, roll)
        geometry, mouth = measures_said(row, found, place)
    return Facts(
        row=row,
        count=len(draft.faces) or None,
        votes=votes_of(row),
        units=units_of(row),
        strengths=row.units is not None and not set(row.units.values()) <= {0.0, 1.0},
        attributes=visible(row.attributes) or None if row.attributes else None,
        pose=pose,
        geometry=geometry,
        mouth_open=mouth,
    )


def straightened(degrees: float) -> int:
    """An angle in steps of 5 degrees, 0 where it counts as straight."""
    rounded = round_angle(float(degrees))
    return rounded if abs(rounded) >= STRAIGHT_BELOW else 0


def measures_said(
    row: FaceRow, found: Measurements, place: int
) -> tuple[dict[str, int] | None, bool | None]:
    """Measures that stand out, and whether the mouth is open; under a mask the brows are left."""
    if abs(found.pose[place, 0]) > FAR_TURNED:
        return None, None
    z: dict[str, float] = dict(zip(MEASURES, found.z[place].tolist(), strict=True))
    said = {
        CITED_GEOMETRY[name]: max(-LARGEST_Z, min(LARGEST_Z, round(z[name])))
        for name in standing_out(z)
        if not row.mask or name == "brow_height"
    }
    gap = found.raw[place, MEASURES.index("mouth_open")]
    if row.mask or MOUTH_SHUT <= gap <= MOUTH_OPEN:
        return said, None
    return said, bool(gap > MOUTH_OPEN)
