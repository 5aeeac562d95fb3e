"""A person's own neutral face as a baseline: what their measures and units read when nothing shows.

Some faces rest with low brows or lifted lip corners; against the population that reads as an
expression. A baseline holds the level each measure and each action unit has on one person's resting
face, and ``apply`` gives readings relative to it. Expression shares, age and everything else stay
as they are: no sound way to correct them was validated.

The file holds 11 measures, 21 units and how they were taken; no picture, no points, no embedding.
Nothing in it is made to tell people apart, and nothing here compares two people.

Example of a file (shortened)::

    {"kind": "facellm baseline", "version": 1, "weights": {"model.safetensors": "3468fd...", ...},
     "frames": {"given": 40, "used": 31, "left_out": {"no face found": 2, ...}}, "command": "...",
     "measures": {"mouth_open": {"level": -0.31, "spread": 0.2}, ...},
     "units": {"AU04": {"probability": 0.41, "intensity": 0.2, "spread": 0.1}, ...}}

Units: levels and spreads of measures are z-scores against neutral faces
(``facellm.geometry``); those of units lie in [0, 1], ``spread`` is that of the probability.

Sources: "neutralise first" of GaFET; Abbott, "A method of computing the effectiveness of an
insecticide", J. Econ. Entomol. 18 (1925), for taking a resting rate off a probability.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from facellm.errors import FaceLLMError
from facellm.geometry import MEASURES
from facellm.labels import ACTION_UNITS
from facellm.reading import Reading, UnitReading

KIND, VERSION = "facellm baseline", 1
THRESHOLDS = ("calibration.json",)  # changes no level
RESTING_SHARE = 0.16  # of frames that may lie below a unit's resting level
HIGHEST_REST = 0.95  # a unit's resting level counts as at most this, so that it can still rise


@dataclass(frozen=True)
class MeasureLevel:
    """A measure on the resting face: z-score against neutral faces, and its spread over frames."""

    level: float
    spread: float


@dataclass(frozen=True)
class UnitLevel:
    """A unit on the resting face, all in [0, 1].

    Probability and intensity are what five of six resting frames exceed; ``spread`` is that of the
    probability over frames.
    """

    probability: float
    intensity: float
    spread: float


@dataclass(frozen=True)
class Baseline:
    """One person's neutral levels.

    Attributes:
        measures: Every name of ``MEASURES`` -> its level.
        units: Every number of ``ACTION_UNITS`` -> its level.
        weights: File -> SHA-256 of the weights it was read with; it fits no others.
        frames: ``given``, ``used``, ``left_out`` (reason -> count).
        quality: Median landmark quality of the used frames, [0, 1].
        command: That made it; empty from Python.
        facellm: Version that made it.
        name: File name and the start of its SHA-256, as rows carry it; empty before it is saved.
    """

    measures: Mapping[str, MeasureLevel]
    units: Mapping[int, UnitLevel]
    weights: Mapping[str, str]
    frames: Mapping[str, Any]
    quality: float
    command: str = ""
    facellm: str = ""
    name: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; levels to four decimals."""
        return {
            "kind": KIND,
            "version": VERSION,
            "facellm": self.facellm,
            "command": self.command,
            "weights": dict(self.weights),
            "frames": dict(self.frames),
            "quality": round(self.quality, 4),
            "measures": {name: rounded(level) for name, level in self.measures.items()},
            "units": {f"AU{n:02d}": rounded(level) for n, level in self.units.items()},
        }

    def save(self, path: Path) -> Baseline:
        """Write the JSON file; the same baseline with the file's name.

        Raises:
            FaceLLMError: If the file cannot be written.
        """
        text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n"
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise FaceLLMError(f"{path}: cannot be written ({error.strerror})") from error
        return replace(self, name=file_name(path, text.encode()))

    @classmethod
    def load(cls, path: str | Path) -> Baseline:
        """Read a file that ``save`` wrote.

        Raises:
            FaceLLMError: If there is no such file, it is not JSON, not a baseline or one of another
                version, or lacks a value; the message names the file and what is wrong.
        """
        path = Path(path)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise FaceLLMError(f"{path}: cannot be read ({error.strerror})") from error
        try:
            record = json.loads(data)
        except ValueError as error:
            raise FaceLLMError(f"{path}: not JSON, so no baseline ({error})") from error
        if not isinstance(record, dict) or record.get("kind") != KIND:
            raise FaceLLMError(f"{path}: not a baseline; `facellm calibrate` writes one")
        if record.get("version") != VERSION:
            raise FaceLLMError(
                f"{path}: baseline of version {record.get('version')!r}, this facellm reads "
                f"version {VERSION}; calibrate again"
            )
        try:
            return replace(from_record(record), name=file_name(path, data))
        except KeyError as error:
            raise FaceLLMError(f"{path}: damaged baseline, {error.args[0]} missing") from error
        except (TypeError, ValueError, AttributeError) as error:
            raise FaceLLMError(f"{path}: damaged baseline ({error})") from error

    def check_weights(self, digests: Mapping[str, str]) -> None:
        """Refuse readings of other weights: their levels mean something else.

        Args:
            digests: File -> SHA-256 of the weights in use (``facellm.checkpoint.weight_digests``).

        Raises:
            FaceLLMError: Naming the first file that differs, and both digests.
        """
        for file in {**self.weights, **digests}:
            made, used = self.weights.get(file, "none"), digests.get(file, "none")
            if made != used and file not in THRESHOLDS:
                raise FaceLLMError(
                    f"baseline {self.name}: made with {file} sha256 {made[:16]}, in use is "
                    f"{used[:16]}; calibrate again with these weights"
                )

    def apply(self, reading: Reading) -> Reading:
        """The reading relative to this person's neutral.

        z-scores become distances from the person's own level, still in standard deviations of the
        population's neutral faces; a unit's probability and intensity become what lies above its
        resting level (``above_rest``). ``evidence`` is not taken again here: it depends on the
        weights' calibration (``facellm.calibrated``).
        """
        units = {
            number: UnitReading(
                above_rest(unit.probability, self.units[number].probability),
                above_rest(unit.intensity, self.units[number].intensity),
            )
            for number, unit in reading.action_units.items()
        }
        geometry = reading.geometry
        if geometry is not None:
            geometry = {name: z - self.measures[name].level for name, z in geometry.items()}
        return replace(reading, action_units=units, geometry=geometry, baseline=self.name)


def above_rest(now: float, rest: float) -> float:
    """What a probability or an intensity holds beyond its resting level, in [0, 1].

    Abbott's formula ``(now - rest) / (1 - rest)``: unchanged where the face rests at 0, 0 at rest
    or below, 1 at 1.
    """
    rest = min(max(rest, 0.0), HIGHEST_REST)
    return min(max((now - rest) / (1 - rest), 0.0), 1.0)


def rounded(level: MeasureLevel | UnitLevel) -> dict[str, float]:
    """A level with four decimals."""
    return {name: round(value, 4) for name, value in asdict(level).items()}


def file_name(path: Path, data: bytes) -> str:
    """``me.json:1f3c0a9b2d4e``: name and the start of the SHA-256, as rows carry it."""
    return f"{path.name}:{hashlib.sha256(data).hexdigest()[:12]}"


def from_record(record: Mapping[str, Any]) -> Baseline:
    """Inverse of ``Baseline.to_dict``, without the name; every value is needed and finite."""
    measures = {name: MeasureLevel(**record["measures"][name]) for name in MEASURES}
    units = {number: UnitLevel(**record["units"][f"AU{number:02d}"]) for number in ACTION_UNITS}
    for name, level in [*measures.items(), *((f"AU{n:02d}", unit) for n, unit in units.items())]:
        for part, value in asdict(level).items():
            share = isinstance(level, UnitLevel)
            if not math.isfinite(value) or (share and not 0 <= value <= 1):
                bound = "in [0, 1]" if share else "finite"
                raise ValueError(f"{name} {part} {value!r} is not {bound}")
    weights = {str(file): str(digest) for file, digest in record["weights"].items()}
    if not weights:
        raise ValueError("weights is empty")
    return Baseline(
        measures,
        units,
        weights,
        record["frames"],
        float(record["quality"]),
        str(record["command"]),
        str(record["facellm"]),
    )
