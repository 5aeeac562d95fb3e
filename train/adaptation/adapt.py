"""A user's labelled faces -> an adapter with its calibration and its report.

The base stays as it is: the adapter's labels are read in a prefill of their own
(``facellm.adapted_engine``), so a new label cannot change any reading, and a correction changes the
reading it is about alone, by as much as validation faces bear out.

Output: PEFT's two files, ``labels.json``, ``calibration.json``, ``report.json``, ``report.md``.
"""

from __future__ import annotations

import copy
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from facellm.adapted_engine import shifted, with_adapter
from facellm.adapter_labels import AdaptedLabel, correction, new_label, save_labels
from facellm.assistant import FaceAssistant
from facellm.atomic import told_in_words, write_json, write_text
from facellm.engine_file import source_digest
from facellm.errors import FaceLLMError
from facellm.label_reader import LabelReader, shared_copy
from facellm.labels import QUERY_INDEX

from ..adapters import inject_lora, save_adapter
from ..run_sections import LoraSettings
from .faces import SeenFaces, see_faces
from .learning import Learned, Lessons, Plan, Targets, calibrated, learn, said_of
from .report import report_text, verdict
from .scoring import label_record, largest_change, old_tasks, read_shares
from .table import FaceTable, query_of

RANK = 8
LEAST_OF_CLASS, LEAST_TRAIN, LEAST_HELD = 10, 20, 5  # faces
SIDES = ("left", "right")  # words of labels that a mirror would turn around


@dataclass(frozen=True)
class AdaptRun:
    """What is asked for.

    Attributes:
        table: Labelled faces.
        out: Folder of the adapter.
        crops: Pictures are face crops already.
        seed: Of everything that is drawn.
        cache: Folder of prepared sets for the old tasks, or None.
        quiet: No progress.
        tell: Called with a line of progress.
    """

    table: FaceTable
    out: Path
    crops: bool = False
    seed: int = 0
    cache: Path | None = None
    quiet: bool = False
    tell: Callable[[str], None] = lambda _: None


def adapt(assistant: FaceAssistant, run: AdaptRun) -> dict[str, Any]:
    """Teach, calibrate, judge and write; the report, JSON-ready.

    Raises:
        FaceLLMError: If too few faces can be used, or the folder cannot be written.
    """
    start = time.monotonic()
    torch.manual_seed(run.seed)
    faces = see_faces(assistant, run.table, crops=run.crops, quiet=run.quiet)
    check_counts(run.table, faces)
    run.tell(f"{len(faces.lines)} faces seen in {time.monotonic() - start:.0f} s")
    labels, targets = labels_of(run.table), targets_of(run.table, faces)
    reader, learned = taught(assistant, run, faces, labels, targets)
    base = base_readings(assistant, faces, labels)
    fitted = fit(reader, faces, targets, base)
    part = run.out.with_name(f"{run.out.name}.{os.getpid()}.part")
    try:
        with told_in_words(run.out):
            save_adapter(reader.model, part, str(assistant.checkpoint.folder))
            save_labels(part, fitted)
        report = judged(assistant, run, (faces, targets, base), part)
        report |= {
            "training": training_record(reader, learned, run, faces),
            "seconds": round(time.monotonic() - start, 1),
        }
        write_json(part / "report.json", report)
        write_text(part / "report.md", report_text(report))
        put_in_place(part, run.out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return report


def put_in_place(part: Path, out: Path) -> None:
    """Give a finished folder its name; an adapter that had it goes when the new one is there."""
    old = out.with_name(f"{out.name}.{os.getpid()}.old")
    with told_in_words(out):
        if out.exists():
            out.replace(old)
        part.replace(out)
        shutil.rmtree(old, ignore_errors=True)


def labels_of(table: FaceTable) -> list[AdaptedLabel]:
    """Labels with their tokens, in the order of the table's columns of ours, then the others."""
    labels, spare = [correction(name, query_of(name)) for name in table.corrected], 0
    for name, classes in table.classes.items():
        labels.append(new_label(name, classes, spare))
        spare += 1 + len(classes)
    return labels


def targets_of(table: FaceTable, faces: SeenFaces) -> Targets:
    """(N, K) of every label; rows of NaN where a face has none."""
    found: Targets = []
    for label in labels_of(table):
        target = np.full((len(faces.lines), len(label.tokens)), np.nan, np.float32)
        for row, line in enumerate(faces.lines):
            if label.name in line.values:
                target[row] = table.target(label.name, line.values[label.name])
        found.append(target)
    return found


def check_counts(table: FaceTable, faces: SeenFaces) -> None:
    """Refuse what cannot be learned or judged; ``FaceLLMError`` names label, count and bound."""
    tail = ""
    if table.problems:
        tail = f"; first of {len(table.problems)} left out: {': '.join(table.problems[0])}"
    for name in table.labels:
        rows = [row for row, line in enumerate(faces.lines) if name in line.values]
        held = Counter(faces.lines[row].values[name] for row in rows)
        for text in table.classes.get(name, ()):
            if held[text] < LEAST_OF_CLASS:
                raise FaceLLMError(
                    f"{table.path}: {held[text]} usable faces of {name} {text!r}, at least "
                    f"{LEAST_OF_CLASS} are needed{tail}"
                )
        for split, least in (("train", LEAST_TRAIN), ("valid", LEAST_HELD), ("test", LEAST_HELD)):
            count = int((faces.split[rows] == split).sum())
            if count < least:
                raise FaceLLMError(
                    f"{table.path}: {count} usable faces of label {name!r} fall into {split}, at "
                    f"least {least} are needed (a column split can say which){tail}"
                )
            seen = {faces.lines[row].values[name] for row in rows if faces.split[row] == split}
            absent = [text for text in table.classes.get(name, ()) if text not in seen]
            if absent and split == "train":
                raise FaceLLMError(f"{table.path}: no face of {name} {absent[0]!r} is in train")


def taught(
    assistant: FaceAssistant,
    run: AdaptRun,
    faces: SeenFaces,
    labels: Sequence[AdaptedLabel],
    targets: Targets,
) -> tuple[LabelReader, Learned]:
    """A reader whose adapters have learned the training faces."""
    checkpoint = assistant.checkpoint
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        model = shared_copy(checkpoint.model)
    else:  # the assistant's own weights stay where they are
        model = copy.deepcopy(checkpoint.model).to(device)  # type: ignore[arg-type]
    inject_lora(model, LoraSettings(rank=RANK, alpha=2.0 * RANK, dropout=0.1))
    cast(Any, model).adapter_base_digest = source_digest(checkpoint.folder)
    names = " ".join(
        [*run.table.classes, *(c for held in run.table.classes.values() for c in held)]
    )
    mirror = not any(side in names.lower() for side in SIDES)
    plan = Plan(seed=run.seed, mirror=mirror)
    reader = LabelReader(model, checkpoint.processor, labels)
    lessons = Lessons(faces.visual, targets, faces.rows("train"), faces.rows("valid"))
    return reader, learn(reader, lessons, plan, run.tell)


def base_readings(
    assistant: FaceAssistant, faces: SeenFaces, labels: Sequence[AdaptedLabel]
) -> list[NDArray | None]:
    """(N, K) log-probabilities of the base for each correction, as a reading has them."""
    if not any(label.corrects for label in labels):
        return [None for _ in labels]
    pieces = [
        assistant.engine.logprobs(faces.pixel_values[rows], faces.landmarks[rows])
        for rows in torch.arange(len(faces.lines)).split(32)
    ]
    shift = assistant.checkpoint.calibration.generated_shift
    found: list[NDArray | None] = []
    for label in labels:
        if not label.corrects:
            found.append(None)
            continue
        table = np.concatenate([tables[QUERY_INDEX[label.corrects]] for tables in pieces])
        found.append(shifted(table, -shift) if label.corrects == "fake" else table)
    return found


def fit(
    reader: LabelReader, faces: SeenFaces, targets: Targets, base: Sequence[NDArray | None]
) -> list[AdaptedLabel]:
    """Labels with temperature and strength from the validation faces."""
    rows = faces.rows("valid")
    said = said_of(reader, faces.visual, rows)
    return [
        calibrated(label, table, target[rows], None if held is None else held[rows])
        for label, table, target, held in zip(reader.labels, said, targets, base, strict=True)
    ]


def judged(
    assistant: FaceAssistant,
    run: AdaptRun,
    held: tuple[SeenFaces, Targets, Sequence[NDArray | None]],
    folder: Path,
) -> dict[str, Any]:
    """The saved adapter, loaded as it will be, on the held-out faces."""
    faces, targets, base = held
    rows = faces.rows("test")
    engine = with_adapter(assistant.engine, assistant.checkpoint, folder)
    said = engine.label_logprobs(faces.pixel_values[rows], faces.landmarks[rows])
    records: dict[str, Any] = {}
    for label, table, target, before in zip(engine.facts.labels, said, targets, base, strict=True):
        here = np.isfinite(target[rows, 0])
        old = None if before is None else before[rows][here]
        shares = read_shares(label, table[here], old)
        groups = faces.group[rows][here]
        old_shares = None if old is None else np.exp(old)
        record = label_record(label, shares, target[rows][here], groups, old_shares)
        record |= {"corrects": label.corrects, "temperature": label.temperature}
        record |= {"strength": label.strength} if label.corrects else {}
        values = [line.values[label.name] for line in faces.lines if label.name in line.values]
        record |= {} if label.corrects else {"classes": dict(sorted(Counter(values).items()))}
        records[label.name] = record | {"verdict": verdict(record)}
    return {
        "adapter": run.out.resolve().name,
        "table": run.table.path.name,
        "base_sha256": source_digest(assistant.checkpoint.folder),
        "faces": face_counts(run.table, faces),
        "labels": records,
        "old_tasks": {
            "largest_change": largest_change(engine, faces, rows),
            "corrected": [label.corrects for label in engine.facts.corrections],
            "sets": old_tasks(engine, assistant.checkpoint, run.cache),
        },
        "problems": [list(problem) for problem in run.table.problems],
    }


def face_counts(table: FaceTable, faces: SeenFaces) -> dict[str, int]:
    """How many faces there are of what."""
    splits = {name: int((faces.split == name).sum()) for name in ("train", "valid", "test")}
    return {
        "lines": len(faces.lines) + len(table.problems),
        "used": len(faces.lines),
        "left_out": len(table.problems),
        **splits,
        "test_groups": len(np.unique(faces.group[faces.rows("test")])),
    }


def training_record(
    reader: LabelReader, learned: Learned, run: AdaptRun, faces: SeenFaces
) -> dict[str, Any]:
    """How the adapter learned, JSON-ready."""
    weights = [w for name, w in reader.model.named_parameters() if ".lora_" in name]
    return {
        "rank": RANK,
        "parameters": sum(w.numel() for w in weights),
        "epochs": len(learned.losses),
        "best_epoch": learned.best + 1,
        "validation_losses": [round(loss, 5) for loss in learned.losses],
        "seed": run.seed,
        "device": str(weights[0].device),
        "threads": torch.get_num_threads(),
        "views": int(faces.visual.shape[1]),
    }
