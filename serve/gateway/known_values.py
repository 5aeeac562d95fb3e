"""What a schema may ask for, and the forms each value can take, from what was read.

A value has several forms, the plainest first: ``age`` is 34.1, or 34, or an object with its
interval. Whoever fills a schema takes the first form that fits it. Every form comes from the
reading; nothing is made up to fit.

Example: ``FACE_VALUES["mask"](face, None)`` -> ``[False, 0.02]``
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from facellm.labels import EXPRESSIONS
from facellm.reading import UNIT_SHOWN
from facellm.results import ReadFace

PLACES = 4  # decimals
FACES = "faces"
Labels = Collection[Any] | None  # what an enum leaves, None where it leaves all


@dataclass(frozen=True)
class Told:
    """What is known of a picture beside its faces.

    Attributes:
        faces: Read ones.
        answer: Words, where they were asked for.
        intent: What the question asks for, where words were.
        notice: Said with every answer.
    """

    faces: tuple[ReadFace, ...]
    answer: str | None
    intent: str | None
    notice: str


def rounded(value: Any) -> Any:
    """Floats inside anything to four decimals."""
    if isinstance(value, Mapping):
        return {name: rounded(held) for name, held in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(held) for held in value]
    return round(value, PLACES) if isinstance(value, float) else value


def best(shares: Mapping[str, float], labels: Labels) -> list[Any]:
    """The likeliest label among those an enum leaves; then the shares themselves."""
    left = [name for name in shares if labels is None or name in labels]
    top = [max(left, key=shares.__getitem__)] if left else []
    return [*top, rounded(dict(shares))]


def expression(face: ReadFace, labels: Labels) -> list[Any]:
    """A label, or shares; left open (null) first where the reading abstains."""
    found = best(face.reading.expression, labels)
    return [None, *found] if face.reading.abstain else found


def units(face: ReadFace, labels: Labels) -> list[Any]:
    """Units that are active: names, numbers, or probability and intensity of every one."""
    reading = face.reading
    active = reading.active_units()
    names = [f"AU{n:02d}" for n in active]
    every = {f"AU{n:02d}": asdict(u) for n, u in reading.action_units.items()}
    plain = {name: unit["probability"] for name, unit in every.items()}
    if labels is not None:
        names, active = [n for n in names if n in labels], [n for n in active if n in labels]
    return [names, active, rounded(every), rounded(plain)]


def age(face: ReadFace, _: Labels) -> list[Any]:
    """Years: the mean, whole, or with its interval."""
    found = face.reading.age
    interval = {"mean": found.mean, "low": found.low, "high": found.high}
    return rounded([found.mean, round(found.mean), interval, [found.low, found.high]])


def chance(name: str) -> Callable[[ReadFace, Labels], list[Any]]:
    """A probability: yes or no, or the number."""

    def forms(face: ReadFace, _: Labels) -> list[Any]:
        value = getattr(face.reading, name)
        return [value >= UNIT_SHOWN, round(value, PLACES)]

    return forms


def number(name: str) -> Callable[[ReadFace, Labels], list[Any]]:
    """A number as it is."""
    return lambda face, _: [round(getattr(face.reading, name), PLACES)]


def angles(name: str) -> Callable[[ReadFace, Labels], list[Any]]:
    """Angles by name or in order; null where they were not measured."""

    def forms(face: ReadFace, _: Labels) -> list[Any]:
        value = getattr(face.reading, name)
        if value is None:
            return [None]
        return rounded([dict(zip(("yaw", "pitch", "roll"), value, strict=False)), value])

    return forms


def geometry(face: ReadFace, _: Labels) -> list[Any]:
    """Standard deviations from neutral faces; null without landmarks."""
    return [rounded(face.reading.geometry)]


FACE_VALUES: dict[str, Callable[[ReadFace, Labels], list[Any]]] = {
    "expression": expression,
    "action_units": units,
    "age": age,
    "gender": lambda face, labels: best(face.reading.gender, labels),
    "mask": chance("mask"),
    "mouth_open": chance("mouth_open"),
    "eyes_closed": chance("eyes_closed"),
    "generated": chance("generated"),
    "pose": angles("pose"),
    "gaze": angles("gaze"),
    "geometry": geometry,
    "evidence": lambda face, _: [list(face.reading.evidence)],
    "confidence": number("confidence"),
    "quality": number("quality"),
    "abstain": lambda face, _: [face.reading.abstain],
    "id": lambda face, _: [face.id],
    "box_xyxy": lambda face, _: [face.face.box_xyxy.to_list()],
}
PICTURE_VALUES: dict[str, Callable[[Told], list[Any]]] = {
    "answer": lambda told: [told.answer],
    "intent": lambda told: [told.intent],
    "face_count": lambda told: [len(told.faces)],
    "notice": lambda told: [told.notice],
}
LABELLED = {"expression": EXPRESSIONS, "gender": ("female", "male")}
