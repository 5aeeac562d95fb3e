"""The nine families of forgeries, and which of our methods stands for which: data.

A method stands for a family where it leaves traces of the same place and kind; it is never the
generator itself, and a family without a method is said to be without one. ``FAMILIES`` goes into
every manifest as it is, so that nobody who trains on these pictures can take one for the other.

Example: ``family_of("mouth_warp")`` -> ``"audio_driven_2d"``.

Source: the families are those of the rows of PAPERS.md on forgeries; face_swap and the idea of
blending a face with itself: arXiv 2204.08376.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Family:
    """One family.

    Attributes:
        name: As it stands in records.
        of: Published methods that belong to it.
        methods: Ours that stand for it; empty where there is none.
        traces: What ours share with it, or why there is none.
    """

    name: str
    of: tuple[str, ...]
    methods: tuple[str, ...]
    traces: str


FAMILIES = {
    family.name: family
    for family in (
        Family(
            "face_swap",
            ("DeepFakes", "FaceSwap"),
            ("self_blend", "warp_swap", "seam"),
            "a blended boundary with other colour, sharpness and grain inside; no generator",
        ),
        Family(
            "reenactment_warp",
            ("Face2Face",),
            ("driven_warp",),
            "brows, eyes and lips warped towards another person's points; no texture is made up",
        ),
        Family(
            "reenactment_3dmm",
            ("GaFET", "Export3D"),
            (),
            "cannot be made here: it needs a face model fitted to the person and a generator",
        ),
        Family(
            "audio_driven_2d",
            ("SadTalker",),
            ("mouth_warp",),
            "only the mouth moves; no sound drives it and no teeth are made up",
        ),
        Family(
            "audio_driven_diffusion",
            ("Sonic", "SVP", "Emotional Conversation"),
            (),
            "cannot be made here: it needs a diffusion model",
        ),
        Family(
            "portrait_animation_dit",
            ("FantasyPortrait", "MIMAFace"),
            ("clip_seam",),
            "the seam between generated stretches of a clip only: a jump of colour and place; "
            "no generator",
        ),
        Family(
            "id_preserving_t2v",
            ("FantasyID",),
            ("frozen_identity",),
            "the copy-paste look only: one face moved along rigidly while the rest lives",
        ),
        Family(
            "expression_edit",
            ("SynFER", "FExGAN-Meta", "3D-aware editing by attribute prompts"),
            ("expression_edit",),
            "brows, lids or lip corners moved by a local warp; no texture is made up",
        ),
        Family(
            "rendered_avatar",
            ("DEGAS", "volumetric head avatars", "NPHM"),
            ("rig_render",),
            "renders of a face rig without photographed texture (`facellm build synth`)",
        ),
    )
}


def family_of(method: str) -> str:
    """The family a method of ours stands for.

    Raises:
        KeyError: If no family names the method.
    """
    for family in FAMILIES.values():
        if method in family.methods:
            return family.name
    raise KeyError(method)


def families_dict() -> dict[str, dict[str, Any]]:
    """Every family as data, JSON-ready."""
    return {name: asdict(family) for name, family in FAMILIES.items()}
