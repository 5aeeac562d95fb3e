"""How a table came about, as JSON beside it: versions, weights, command, columns, methods text.

Example: ``faces.csv.manifest.json`` holds ``{"facellm": "0.1.0", "command": "facellm read ...",
"weights": {"model.safetensors": "3468fda1..."}, "columns": [{"name": "AU12", "meaning": ...}]}``.
"""

from __future__ import annotations

import platform
import shlex
import sys
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from facellm.adapted_engine import AdaptedEngine
from facellm.adapter_labels import column_of
from facellm.baseline import Baseline
from facellm.checkpoint import WEIGHTS, Checkpoint
from facellm.engine import ReadingEngine
from facellm.table_columns import ARKIT
from facellm.table_notes import column_record

PACKAGES = ("facellm", "torch", "transformers", "opencv-python-headless", "pillow", "numpy")
METHODS = (
    "Faces were found with OpenCV's cascade classifiers, verified and located by a 68-point "
    "landmark network, and each face crop was read by facellm {version} (weights sha256 {digest}; "
    "{crops}). Expression shares follow the eight FER+ categories; the expression is left open "
    "below a confidence of {abstain:.2f}, a threshold fixed on validation data. Action units were "
    "learned on rendered faces; {units}. Apparent age and gender are impressions of a picture, not "
    "facts about a person. Head pose and z-scores are geometry measured on the landmarks. Values "
    "describe what faces show, not what people feel. Held-out figures with intervals are in the "
    "model card."
)
OWN_NEUTRAL = (
    " Geometry and action units of pictures with one face are relative to the person's own neutral "
    "level ({name}; {used} of {given} calibration frames): z-scores minus their median, units by "
    "Abbott's formula (p - p0) / (1 - p0) with p0 the level that 84 % of these frames exceed."
)
ENGINE = " Log-probabilities were computed by {engine}."

ADAPTER = (
    " The adapter {name} (sha256 {digest}) was read besides; its own labels are {added}, and it "
    "corrects {corrected}. Every other column is that of the unadapted weights."
)

CLIPS = (
    " {clips} clip(s) were decoded by {decoders}, turned as their files say, and sampled {rate} by "
    "presentation time; {frames} sampled frames were read, {faceless} of them without a face, and "
    "frames that could not be decoded are listed with the clip. Faces were followed by place, size "
    "and looks; their numbers hold within one clip and identify nobody.{smoothed}"
)
SMOOTHED = " Expression shares were smoothed over time (causal, time constant {seconds:g} s)."


def manifest(
    checkpoint: Checkpoint,
    columns: Sequence[str],
    units: Collection[int],
    counts: dict[str, int],
    *,
    crops: bool,
) -> dict[str, Any]:
    """Everything a reader of the table must know, JSON-ready.

    Args:
        checkpoint: The weights it was read with.
        columns: Of the table, in order.
        units: Action units that were filled.
        counts: Pictures, faces and problems met.
        crops: The pictures were given as face crops.
    """
    digests = checkpoint.digests()
    return {
        "facellm": version("facellm"),
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["facellm", *sys.argv[1:]]),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "weights": digests,
        "thresholds": {
            "abstain_below": checkpoint.calibration.abstain_below,
            "units_filled": list(units),
        },
        "counts": counts,
        "columns": [column_record(name) for name in columns],
        "methods": methods(checkpoint, digests[WEIGHTS], units, crops=crops),
    }


def clip_record(
    record: dict[str, Any], clips: Sequence[dict[str, Any]], fps: float, smooth: float
) -> dict[str, Any]:
    """A manifest with how clips were read, JSON-ready.

    Args:
        record: Of ``manifest``.
        clips: What is known of each clip.
        fps: Samples a second, 0 for every frame.
        smooth: Seconds of smoothing, 0 for none.
    """
    decoders = sorted({clip["decoder"] for clip in clips})
    text = CLIPS.format(
        clips=len(clips),
        decoders=" and ".join(decoders),
        rate=f"at {fps:g} frames a second" if fps else "frame by frame",
        frames=sum(clip["sampled_frames"] for clip in clips),
        faceless=sum(clip["frames_without_a_face"] for clip in clips),
        smoothed=SMOOTHED.format(seconds=smooth) if smooth else "",
    )
    settings = {"fps": fps or "all", "smooth_seconds": smooth, "decoders": decoders}
    return record | {
        "sampling": settings,
        "clips": list(clips),
        "methods": record["methods"] + text,
    }


def methods(checkpoint: Checkpoint, digest: str, units: Collection[int], *, crops: bool) -> str:
    """A paragraph for a methods section."""
    real = checkpoint.calibration.units_on_real_faces
    listed = ", ".join(f"AU{number}" for number in units) or "none"
    held = "which pass a ranking check on real faces" if set(units) <= set(real) else "as asked for"
    return METHODS.format(
        version=version("facellm"),
        digest=digest[:16],
        crops="pictures were given as face crops" if crops else "EXIF orientation applied",
        abstain=checkpoint.calibration.abstain_below,
        units=f"filled are {listed}, {held}",
    )


def with_engine(record: dict[str, Any], engine: ReadingEngine) -> dict[str, Any]:
    """A manifest with what took the readings: a quantised engine moves them a little."""
    said = ENGINE.format(engine=engine.detail)
    return record | {"engine": engine.detail, "methods": record["methods"] + said}


def with_adapter(record: dict[str, Any], engine: ReadingEngine) -> dict[str, Any]:
    """The manifest of a table that was read with an adapter; as it is without one."""
    if not isinstance(engine, AdaptedEngine):
        return record
    facts = engine.facts
    added = {
        column_of(label.name, name): f"probability that the face shows {label.name} {name}"
        for label in facts.added
        for name in label.classes
    }
    scope = f"trained on the labels of adapter {facts.name}"
    columns = [
        {**column, "meaning": added[column["name"]], "unit": "0 to 1", "scope": scope}
        if column["name"] in added
        else column
        for column in record["columns"]
    ]
    said = ADAPTER.format(
        name=facts.name,
        digest=facts.digest[:16],
        added=", ".join(label.name for label in facts.added) or "none",
        corrected=", ".join(label.name for label in facts.corrections) or "nothing",
    )
    used = {"name": facts.name, "sha256": facts.digest}
    return record | {"adapter": used, "columns": columns, "methods": record["methods"] + said}


def with_baseline(record: dict[str, Any], baseline: Baseline, unmarked: int) -> dict[str, Any]:
    """The manifest of a table read with a baseline: what it was, which columns it changed.

    Args:
        record: Of ``manifest``.
        baseline: That was used.
        unmarked: Rows it was not applied to, as their picture shows several faces.
    """
    return record | {
        "baseline": {"name": baseline.name, "rows_without": unmarked, **baseline.to_dict()},
        "columns": [relative_column(column) for column in record["columns"]],
        "methods": record["methods"] + OWN_NEUTRAL.format(name=baseline.name, **baseline.frames),
    }


def relative_column(column: dict[str, str]) -> dict[str, str]:
    """A column's record, with what it is relative to where the row names a baseline."""
    name = column["name"]
    unit = name[:2] in {"AU", "au"} or (name in ARKIT and column["scope"])
    if not unit and not name.startswith("z_"):
        return column
    change = "beyond the resting level" if unit else "against the person's own neutral"
    return column | {"meaning": f"{column['meaning']}; where a baseline is named, {change}"}


def manifest_path(table: Path) -> Path:
    """Where a table's manifest lies."""
    return table.with_name(table.name + ".manifest.json")
