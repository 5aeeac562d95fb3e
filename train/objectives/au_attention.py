"""FRGCA's attention drawn to the regions where the labelled action units move the face.

With A (H, P, 9) the attention of a face's patches over the nine regions, m its mean over heads and
patches, and q one where a unit that is labelled present lives, zero elsewhere::

    loss = mean over faces of 1 - cos(m, q)

A face without landmarks, without labelled units, or with none of them present does not count.

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
        self.projected = setting.model.config.region_position == "projected"
        parts = ["region_attention", "vision_tower"]
        parts += ["multi_modal_projector"] * self.projected
        if not any(getattr(run.rates, part) for part in parts):
            raise FaceLLMError(
                f"losses.au_attention moves one of {', '.join(parts)}, and all their rates are 0"
            )

    def __call__(self, batch: TrainBatch, out: Forwarded) -> Tensor | None:
        """Scalar in [0, 1], or None where no face counts."""
        if out.patches is None or batch.landmarks is None:
            return None
        wanted = wanted_regions(batch)
        counts = wanted.any(1)
        if not counts.any():
            return None
        mass = self.region_mass(out.patches[counts], batch.landmarks[counts])
        each = 1 - F.cosine_similarity(mass, wanted[counts], dim=1)
        return each.sum() / batch.amount(self.name, counts.sum().float()[None])[0]

    def amounts(self, batch: TrainBatch) -> Tensor:
        """(1,): faces that count."""
        return wanted_regions(batch).any(1).sum().float()[None]

    def region_mass(self, patches: Tensor, landmarks: Tensor) -> Tensor:
        """Share of the attention that goes to each region.

        Args:
            patches: (n, P, Dv) as the tower gave them.
            landmarks: (n, 68, 2) in [0, 1], none missing.

        Returns:
            (n, 9) float32, rows sum to 1. Tokens without a place (CLIP's class token) are left out.
        """
        if self.projected:
            patches = self.model.multi_modal_projector(patches)
        centres = self.model.vision_tower.centres().to(patches.device)
        attend = self.model.region_attention.attention
        attention = attend(patches, landmarks.to(patches.dtype), centres).float()
        placed = torch.isfinite(centres).all(1)
        return attention[:, :, placed].mean((1, 2))
