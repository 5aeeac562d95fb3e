"""FRGCA's attention drawn to the regions where the labelled action units move the face.

With A (H, P, 9) the attention of a face's patches over the nine regions, m its mean over heads and
patches, and q one where a unit that is labelled present lives, zero elsewhere::

    loss = mean over faces of 1 - cos(m, q)

A face without landmarks, without labelled units, or with none of them present does not count. With
a ``data.teacher`` the levels are the teacher's wherever it read the face; an ablation's scores know
the labels alone.

Source: guided interpretable expression recognition by spatial action unit cues, arXiv 2402.00281
(the attention of a layer aligned by cosine with a map of the units). What differs: the map has nine
regions instead of pixels, and the attention is FRGCA's, so no radius in pixels has to be chosen and
nothing is asked of a layer of the tower; units are labelled (renders, or coders), never deduced
from the expression by a codebook.

Legend: as in ``sample``; n faces that count, H heads.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from facellm.errors import FaceLLMError
from facellm.fusion import landmarks_present
from facellm.labels import ACTION_UNITS, FACS
from facellm.model import FaceLLMForConditionalGeneration
from facellm.regions import REGION_SLICES

from ..sample import Forwarded, Setting, TrainBatch, TrainingSample
from .faces import first_faces

# Where FACS's parts of a face lie among the nine regions. The cheek has no landmarks of its own; a
# raised one (AU6) shows at the lower lids.
PARTS = {
    "brows": ("brow_left", "brow_right"),
    "eyes": ("eye_left", "eye_right"),
    "cheeks": ("eye_left", "eye_right"),
    "nose": ("nose", "nostrils"),
    "mouth": ("lips", "inner_mouth"),
}
PRESENT = 0.5  # chance of a level above 0 from which on a unit counts as present


def regions_of(sample: TrainingSample) -> list[float]:
    """(9,) 1.0 for every region in which a unit labelled present lives."""
    present = {
        region
        for number in ACTION_UNITS
        if (shares := sample.readouts.get(f"au{number}")) is not None and 1 - shares[0] > PRESENT
        for region in PARTS[FACS[number].region]
    }
    return [float(region in present) for region in REGION_SLICES]


def wanted_regions(batch: TrainBatch) -> Tensor:
    """(N, 9) regions of each face's present units; zeros where a face does not count."""
    if batch.landmarks is None:
        return torch.zeros(0, len(REGION_SLICES))
    wanted = batch.landmarks.new_zeros(len(batch.landmarks), len(REGION_SLICES))
    for face, sample in zip(first_faces(batch), batch.samples, strict=True):
        if len(sample.images) == 1:
            wanted[face] = wanted.new_tensor(regions_of(sample))
    return wanted * landmarks_present(batch.landmarks)[:, None]


def region_mass(model: FaceLLMForConditionalGeneration, patches: Tensor, points: Tensor) -> Tensor:
    """Share of FRGCA's attention that goes to each region.

    Args:
        model: The model, FRGCA in either position.
        patches: (n, P, Dv) as the tower gave them.
        points: (n, 68, 2) in [0, 1], none missing.

    Returns:
        (n, 9) float32, rows sum to 1. Tokens without a place (CLIP's class token) are left out.
    """
    if model.config.region_position == "projected":
        patches = model.multi_modal_projector(patches)
    centres = model.vision_tower.centres().to(patches.device)
    attend = model.region_attention.attention
    attention = attend(patches, points.to(patches.dtype), centres).float()
    return attention[:, :, torch.isfinite(centres).all(1)].mean((1, 2))


def unit_cosines(
    model: FaceLLMForConditionalGeneration, batch: TrainBatch, patches: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Which faces count, (n,) int64, and the cosine of their attention with their units' regions.

    Args:
        model: As in ``region_mass``.
        batch: N faces.
        patches: (N, P, Dv) as the tower gave them, or None without faces.
    """
    if patches is None or batch.landmarks is None:
        return torch.zeros(0, dtype=torch.int64), torch.zeros(0)
    wanted = wanted_regions(batch)
    faces = torch.nonzero(wanted.any(1)).flatten()
    if not len(faces):
        return faces, torch.zeros(0)
    mass = region_mass(model, patches[faces], batch.landmarks[faces])
    return faces, F.cosine_similarity(mass, wanted[faces], dim=1)


class UnitAttentionLoss:
    """See the module docstring.

    Raises:
        FaceLLMError: If the run has no readout targets, or trains nothing attention depends on.
    """

    name = "au_attention"

    def __init__(self, setting: Setting) -> None:
        run, self.model = setting.run, setting.model
        if not run.data.readouts:
            raise FaceLLMError("losses.au_attention needs labelled units: set data.readouts")
        parts = ["region_attention", "vision_tower"]
        if self.model.config.region_position == "projected":
            parts.append("multi_modal_projector")
        if not any(getattr(run.rates, part) for part in parts):
            raise FaceLLMError(
                f"losses.au_attention moves one of {', '.join(parts)}, and all their rates are 0"
            )

    def __call__(self, batch: TrainBatch, out: Forwarded) -> Tensor | None:
        """Scalar in [0, 1], or None where no face counts."""
        faces, cosines = unit_cosines(self.model, batch, out.patches)
        if not len(faces):
            return None
        own = cosines.new_tensor([len(faces)])
        return (1 - cosines).sum() / batch.amount(self.name, own)[0]

    def amounts(self, batch: TrainBatch) -> Tensor:
        """(1,): faces that count."""
        return wanted_regions(batch).any(1).sum().float()[None]
