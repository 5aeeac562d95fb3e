"""What a run over pictures and clips has met, counted for its last line and its manifest.

Example: ``118 pictures, 163 faces, 9 without a face, 2 unreadable``; with a clip
``1 clip (24 frames, 3 without a face), 21 faces, 0 unreadable``.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facellm.journal import Block
from facellm.table_columns import MARK


@dataclass
class Tally:
    """What a run has met.

    Attributes:
        pictures: Opened or tried.
        faces: Rows with a face.
        unreadable: Pictures and clips that could not be used at all.
        problems: (file, reason) of pictures that gave no row, and of gaps in clips.
        clips: Opened or tried.
        frames: Sampled frames of clips that were used.
        faceless: How many of the frames show no face.
        gaps: How many of the problems are gaps in clips.
        clip_facts: What is known of each clip.
        unmarked: Rows a baseline was not applied to: their picture or frame shows several faces.
    """

    pictures: int = 0
    faces: int = 0
    unreadable: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)
    clips: int = 0
    frames: int = 0
    faceless: int = 0
    gaps: int = 0
    clip_facts: list[dict[str, Any]] = field(default_factory=list)
    unmarked: int = 0

    def add(self, block: Block) -> None:
        """Count a finished block."""
        self.pictures += block.pictures
        self.clips += block.clips
        self.frames += block.frames
        self.faceless += block.faceless
        self.faces += len(block.rows) - block.faceless
        self.unreadable += block.unreadable
        self.gaps += block.gaps
        self.problems += block.problems
        if block.rows and MARK in block.rows[0]:
            self.unmarked += sum(row[MARK] is None for row in block.rows) - block.faceless
        if block.clip is not None:
            self.clip_facts.append(block.clip)

    @property
    def without_a_face(self) -> int:
        """Pictures in which no face was found."""
        return len(self.problems) - self.unreadable - self.gaps

    def counts(self) -> dict[str, int]:
        """For the manifest."""
        counts = {
            "pictures": self.pictures,
            "faces": self.faces,
            "without_a_face": self.without_a_face,
            "unreadable": self.unreadable,
        }
        if self.clips:
            counts |= {
                "clips": self.clips,
                "sampled_frames": self.frames,
                "frames_without_a_face": self.faceless,
                "gaps": self.gaps,
            }
        return counts

    def summary(self, where: str) -> str:
        """The last line of a run."""
        parts = []
        if self.pictures or not self.clips:
            parts.append(f"{self.pictures} pictures")
        if self.clips:
            clips = f"{self.clips} clip{'' if self.clips == 1 else 's'}"
            parts.append(f"{clips} ({self.frames} frames, {self.faceless} without a face)")
        parts.append(f"{self.faces} faces")
        if self.pictures or not self.clips:
            parts.append(f"{self.without_a_face} without a face")
        parts.append(f"{self.unreadable} unreadable")
        if self.unmarked:
            parts.append(f"{self.unmarked} without the baseline (several faces)")
        line = ", ".join(parts)
        return f"{line} ({where})" if self.problems else line


def problems_path(out: Path) -> Path:
    """Where a table's problems are listed."""
    return out.with_name(out.name + ".problems.csv")


def write_problems(out: Path, tally: Tally) -> None:
    """List files that gave no row beside the table."""
    path = problems_path(out)
    path.unlink(missing_ok=True)  # of an earlier run
    if tally.problems:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("file", "reason"))
            writer.writerows(tally.problems)
