"""Pictures -> faces with landmarks, left to right.

Where the config says ``crops`` the landmark network looks at whole pictures, many at a time; with
``detect`` the default detector looks for faces, unless the set brings a box, which is then judged
by the same network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from importlib.resources import as_file, files

import torch

from facellm.detection import CascadeDetector, FaceDetector
from facellm.face import BoundingBox, Face, square_around
from facellm.landmarks import LandmarkNet
from facellm.refine import FIRST_BAR, Proposal, verify, whole_picture_faces

from .config import FacesMode
from .record import CorpusFace, Draft, Outcome

DECIMALS = 2  # of pixels


class Faces:
    """Finds the faces of every picture; rejects nothing, ``filters.PictureFilter`` does.

    Args:
        modes: Of every source of the config; ``notes["source"]`` of a draft is its number.
        least_quality: Landmarks below it count as not located.
        detector: Another ``FaceDetector`` than the default.
    """

    name = "faces"

    def __init__(
        self,
        modes: Sequence[FacesMode],
        least_quality: float,
        detector: FaceDetector | None = None,
    ) -> None:
        self.modes, self.least_quality = tuple(modes), least_quality
        self._given = detector

    @cached_property
    def net(self) -> LandmarkNet:
        """The shipped landmark network."""
        with as_file(files("facellm").joinpath("weights/landmarks.safetensors")) as path:
            net = LandmarkNet.load(path)
        return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @cached_property
    def detector(self) -> FaceDetector:
        """The detector in use."""
        return self._given or CascadeDetector(self.net)

    def __call__(self, drafts: Sequence[Draft]) -> list[Outcome]:
        """The drafts with ``faces``."""
        crops = [i for i, draft in enumerate(drafts) if self._mode(draft) == "crops"]
        pictures = [picture for i in crops if (picture := drafts[i].picture) is not None]
        looked = whole_picture_faces(pictures, self.net) if pictures else []
        found = dict(zip(crops, looked, strict=True))
        outcomes: list[Outcome] = []
        for index, draft in enumerate(drafts):
            if index in found:
                faces = [found[index]]
            else:
                faces = self._detect(draft) if self._mode(draft) == "detect" else []
            outcomes.append(replace(draft, faces=tuple(map(self._corpus_face, faces))))
        return outcomes

    def _mode(self, draft: Draft) -> FacesMode:
        return "none" if draft.picture is None else self.modes[draft.notes["source"]]

    def _detect(self, draft: Draft) -> list[Face]:
        picture, box = draft.picture, draft.row.box
        assert picture is not None
        if box is None:
            return self.detector.detect(picture)
        given = BoundingBox(*box)
        judged = verify(picture, [Proposal(square_around(given), bar=FIRST_BAR)], self.net)
        return judged or [Face(given, None, 0.0)]

    def _corpus_face(self, face: Face) -> CorpusFace:
        box = face.box_xyxy
        points = face.landmarks if face.score >= self.least_quality else None
        return CorpusFace(
            (
                round(box.left, DECIMALS),
                round(box.top, DECIMALS),
                round(box.right, DECIMALS),
                round(box.bottom, DECIMALS),
            ),
            None if points is None else points.points.round(DECIMALS),
            face.score,
        )
