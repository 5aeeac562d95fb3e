"""Made-up drafts: labels as a reader gives them, points of the mean face."""

import numpy as np

from facellm.instruct_data.annotate.facts import shipped_geometry
from facellm.instruct_data.corpus.record import CorpusFace, Draft, draft_seed
from facellm.readers.row import FaceRow

SIDE = 96


def points(open_by=0.0, lift_by=0.0, brow_by=0.0):
    """The mean face (68, 2) in a 96-px picture with lips opened, corners lifted, brows raised.

    All three in distances of the outer eye corners.
    """
    face = shipped_geometry().mean_shape.astype(np.float64) * SIDE / 5 + SIDE / 2
    unit = np.linalg.norm(face[45] - face[36])
    face[[65, 66, 67], 1] += open_by * unit
    face[[48, 54], 1] -= lift_by * unit
    face[17:27, 1] -= brow_by * unit
    return face.astype(np.float32)


def draft(key="1", face=None, picture=None, **labels):
    """A draft with one face; ``face`` are its points, None leaves it without."""
    row = FaceRow(source=labels.pop("source", "made-up"), key=key, split="train", **labels)
    found = CorpusFace((0.0, 0.0, float(SIDE), float(SIDE)), face, 0.9)
    return Draft(row, draft_seed(1, row), picture=picture, faces=(found,))
