"""Only where the model is sure: how often it is right on your labels, and what it leaves open.

Run: ``python docs/cookbook/06_risk_and_coverage.py [LABELS]``
LABELS is a CSV with the columns ``file,label``; a label is one of facellm's eight expressions, a
file is relative to the CSV. Pictures without exactly one face are left out and counted.
Gives: at several thresholds of confidence the share answered, and the accuracy among those with its
95 % Wilson interval. Choose a threshold on one half of your labels and report the other half.
"""

import csv
import sys
from pathlib import Path

import sample_pictures

from facellm.assistant import FaceAssistant
from facellm.eval.statistics import wilson
from facellm.labels import EXPRESSIONS

THRESHOLDS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


def sample_labels() -> Path:
    """Six pictures of one face, all labelled happiness: they show how it runs, nothing else."""
    album = sample_pictures.folder(sample_pictures.OUT / "album")
    table = sample_pictures.OUT / "labels.csv"
    files = sorted(path.relative_to(table.parent) for path in album.rglob("*.jpg"))
    lines = ["file,label", *(f"{path.as_posix()},happiness" for path in files)]
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("sample pictures of one photograph: the figures below mean nothing")
    return table


def main() -> None:
    """Read every labelled picture once, then sweep the threshold."""
    table = Path(sys.argv[1]) if len(sys.argv) > 1 else sample_labels()
    assistant = FaceAssistant.load()
    seen: list[tuple[float, bool]] = []
    left_out = 0
    for line in csv.DictReader(table.open(encoding="utf-8", newline="")):
        if line["label"] not in EXPRESSIONS:
            sys.exit(f"{table}: unknown label {line['label']!r}; legal: {', '.join(EXPRESSIONS)}")
        faces = assistant.read(table.parent / line["file"])
        if len(faces) != 1:
            left_out += 1
            continue
        reading = faces[0].reading
        seen.append((reading.confidence, reading.top_expression == line["label"]))
    print(f"{len(seen)} faces read, {left_out} pictures left out")
    own = assistant.checkpoint.calibration.abstain_below
    for bound in sorted({*THRESHOLDS, own}):
        right = [hit for confidence, hit in seen if confidence >= bound]
        if not right:
            print(f"confidence >= {bound:.2f}: nothing answered")
            continue
        low, high = wilson(sum(right), len(right))
        print(
            f"confidence >= {bound:.2f}: answered {len(right)} of {len(seen)}, right "
            f"{sum(right) / len(right):.2f} [{low:.2f}, {high:.2f}]{' (shipped)' * (bound == own)}"
        )


if __name__ == "__main__":
    main()
