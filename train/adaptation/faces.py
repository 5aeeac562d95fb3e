"""Lines of a user's table -> faces as the frozen part of the model sees them, each once.

Tower, regions and projector do not learn, so a face is seen once, as it is and mirrored, and the
training reads its visual tokens. Splits go by subject, or by the picture's bytes where no subject
is given, so that one picture never stands on two sides.

Legend: N faces, P patches, D language width.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from facellm.assistant import FaceAssistant
from facellm.crop_reading import see_crops
from facellm.crops import upright_crop
from facellm.decoding import pixels_or_reason
from facellm.errors import FaceLLMError
from facellm.face import BoundingBox, Face
from facellm.labels import split_of
from facellm.refine import whole_picture_face

from .table import FaceLine, FaceTable

LEAST_OVERLAP = 0.3  # IoU of a box in the table and the face it means
AT_ONCE = 16


@dataclass
class SeenFaces:
    """Faces that can be used, N of them.

    Attributes:
        lines: Of the table.
        split: (N,) ``train``, ``valid`` or ``test``.
        group: (N,) subject or picture; intervals are drawn over groups.
        pixel_values: (N, 3, S, S) float32.
        landmarks: (N, 68, 2) float32.
        visual: (N, 2, P, D) visual tokens, as it is and mirrored.
    """

    lines: list[FaceLine]
    split: NDArray[np.str_]
    group: NDArray[np.str_]
    pixel_values: Tensor
    landmarks: Tensor
    visual: Tensor

    def rows(self, split: str) -> NDArray[np.int64]:
        """Row numbers of a split."""
        return np.flatnonzero(self.split == split)


def part_of(key: str) -> str:
    """Split of a face without a given one: the frozen ``split_of``, with its valid part held out.

    A tenth would leave some thirty faces of three hundred to be judged by, so test and valid of
    the frozen split are held out together, and a fifth of its train part chooses.
    """
    if split_of(key) != "train":
        return "test"
    return "train" if split_of(f"{key} adapt") == "train" else "valid"


def choose_face(line: FaceLine, faces: Sequence[Face]) -> Face:
    """The face a line means.

    Raises:
        FaceLLMError: If there is none, or several and the line does not say which.
    """
    if not faces:
        raise FaceLLMError("no face found")
    if line.box is not None:
        box = BoundingBox(*line.box)
        best = max(faces, key=lambda face: face.box_xyxy.iou(box))
        if best.box_xyxy.iou(box) < LEAST_OVERLAP:
            raise FaceLLMError(f"no face found where the box is, {len(faces)} elsewhere")
        return best
    if line.face is not None:
        if line.face > len(faces):
            raise FaceLLMError(f"face {line.face} of {len(faces)} found")
        return faces[line.face - 1]
    if len(faces) > 1:
        raise FaceLLMError(f"{len(faces)} faces found; a column face or box must say which")
    return faces[0]


def cut_faces(
    assistant: FaceAssistant, table: FaceTable, *, crops: bool, quiet: bool
) -> Iterator[tuple[FaceLine, str, NDArray[np.uint8]]]:
    """Line, digest of the picture and crop of every usable line; others become problems."""
    net, size = assistant.checkpoint.landmark_net, assistant.checkpoint.processor.crop_size
    pixels: NDArray[np.uint8] | str = ""
    faces: list[Face] = []
    last: Path | None = None
    for line in tqdm(table.lines, unit="face", disable=True if quiet else None):
        if line.path != last:  # several faces of one picture stand together
            pixels, last = pixels_or_reason(line.path), line.path
            if not isinstance(pixels, str):
                found = [whole_picture_face(pixels, net)] if crops else None
                faces = assistant.detector.detect(pixels) if found is None else found
        where = f"{table.path.name} line {line.line}"
        if isinstance(pixels, str):
            table.problems.append((where, f"{line.path.name}: {pixels}"))
            continue
        try:
            face = choose_face(line, faces)
        except FaceLLMError as error:
            table.problems.append((where, f"{line.path.name}: {error}"))
            continue
        digest = hashlib.sha256(line.path.read_bytes()).hexdigest()
        yield line, digest, upright_crop(pixels, face, size, whole=crops)


def groups_of(lines: Sequence[FaceLine], digests: Sequence[str]) -> list[str]:
    """Subject of every line, or its picture; lines of one picture share the first one's group."""
    first: dict[str, str] = {}
    for line, digest in zip(lines, digests, strict=True):
        first.setdefault(digest, f"subject {line.subject}" if line.subject else digest)
    return [
        f"subject {line.subject}" if line.subject else first[digest]
        for line, digest in zip(lines, digests, strict=True)
    ]


def see_faces(assistant: FaceAssistant, table: FaceTable, *, crops: bool, quiet: bool) -> SeenFaces:
    """See every usable face of a table.

    Raises:
        FaceLLMError: If none is usable; the first reason is named.
    """
    found = list(cut_faces(assistant, table, crops=crops, quiet=quiet))
    digests = [digest for _, digest, _ in found]
    groups = groups_of([line for line, _, _ in found], digests)
    splits = [line.split or part_of(g) for (line, _, _), g in zip(found, groups, strict=True)]
    side: dict[str, str] = {}
    for digest, split in zip(digests, splits, strict=True):
        if split == "test" or digest not in side:
            side[digest] = split
    kept = []
    for row, (line, digest, _) in enumerate(found):
        if side[digest] == splits[row]:
            kept.append(row)
        else:
            reason = f"{line.path.name}: the same picture stands in split {side[digest]}"
            table.problems.append((f"{table.path.name} line {line.line}", reason))
    if not kept:
        first = f": {table.problems[0][0]}: {table.problems[0][1]}" if table.problems else ""
        raise FaceLLMError(f"{table.path}: no line can be used of {len(table.lines)}{first}")
    pixels, points, visual = visual_tokens(assistant, [found[row][2] for row in kept])
    return SeenFaces(
        [found[row][0] for row in kept],
        np.array([splits[row] for row in kept]),
        np.array([groups[row] for row in kept]),
        pixels,
        points,
        visual,
    )


@torch.no_grad()
def visual_tokens(
    assistant: FaceAssistant, crops: Sequence[NDArray[np.uint8]]
) -> tuple[Tensor, Tensor, Tensor]:
    """Pixels (N, 3, S, S), landmarks (N, 68, 2) and visual tokens (N, 2, P, D) of crops."""
    checkpoint = assistant.checkpoint
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    for start in range(0, len(crops), AT_ONCE):
        views = []
        some = crops[start : start + AT_ONCE]
        for batch in (some, [np.ascontiguousarray(crop[:, ::-1]) for crop in some]):
            seen = see_crops(checkpoint, batch)
            tokens = checkpoint.model.encode_faces(seen.pixel_values, seen.landmarks)
            views.append((seen.pixel_values, seen.landmarks, tokens))
        parts.append((*views[0][:2], torch.stack([view[2] for view in views], 1)))
    pixels, points, visual = (torch.cat(column) for column in zip(*parts, strict=True))
    return pixels, points, visual
