"""Forgeries in words: how a picture came about, for answers that name it.

The family of a published fake is said as what its programs do. Our own forgeries only stand for a
family, so what was really done to them is said instead, by their method. A name that is not listed
is said as it is written, with blanks.

Example: method ``mouth_warp`` -> ``manipulated``, ``a warped mouth``, "the mouth alone was warped".
"""

from __future__ import annotations

from dataclasses import dataclass

from facellm.readers.row import FaceRow

GENERATED, MANIPULATED = "generated", "manipulated"


@dataclass(frozen=True)
class Making:
    """One way of making a picture.

    Attributes:
        kind: ``generated`` or ``manipulated``: the label of the answer.
        noun: Name with its article.
        how: What was done, a clause.
    """

    kind: str
    noun: str
    how: str


FAMILIES = {
    "stylegan2": Making(
        GENERATED, "a StyleGAN2 face", "the whole face comes from a StyleGAN2 generator"
    ),
    "face_swap": Making(
        MANIPULATED, "a face swap", "the inner face of another person was put into the picture"
    ),
    "reenactment_warp": Making(
        MANIPULATED, "a reenactment", "the face was made to follow the movement of another one"
    ),
    "reenactment_3dmm": Making(
        MANIPULATED,
        "a reenactment by a face model",
        "a three-dimensional face model moves the face like another one",
    ),
    "audio_driven_2d": Making(
        GENERATED, "a talking head driven by sound", "a still face was moved to match a sound track"
    ),
    "audio_driven_diffusion": Making(
        GENERATED,
        "a talking head from a diffusion model",
        "a diffusion model drew the face to match a sound track",
    ),
    "portrait_animation_dit": Making(
        GENERATED,
        "an animated portrait",
        "a transformer drew a still portrait moving like another face",
    ),
    "id_preserving_t2v": Making(
        GENERATED, "a video from text", "a text-to-video model drew the person from a description"
    ),
    "expression_edit": Making(
        MANIPULATED, "a changed expression", "the expression alone was changed"
    ),
    "rendered_avatar": Making(GENERATED, "a rendered avatar", "the face is a computer rendering"),
}
METHODS = {
    "self_blend": Making(
        MANIPULATED, "a self-blended face", "the face was blended with a changed copy of itself"
    ),
    "warp_swap": Making(
        MANIPULATED,
        "a warped face swap",
        "the inner face of another person was warped and blended in",
    ),
    "seam": Making(
        MANIPULATED,
        "a pasted region",
        "a part of the face has another colour and grain, and a hard edge",
    ),
    "driven_warp": Making(
        MANIPULATED, "a driven warp", "brows, eyes and lips were warped towards another face's"
    ),
    "mouth_warp": Making(MANIPULATED, "a warped mouth", "the mouth alone was warped"),
    "clip_seam": Making(
        MANIPULATED, "a seam in time", "the face jumps in colour and place from a frame on"
    ),
    "frozen_identity": Making(
        MANIPULATED, "a frozen face", "one face is moved along rigidly while the rest lives"
    ),
    "expression_edit": Making(
        MANIPULATED, "a warped expression", "brows, lids or lip corners were moved by a warp"
    ),
    "rig_render": Making(GENERATED, "a rendered face", "the face is a rendering of a face model"),
}
# Sets whose fakes are all of one family, where the rows do not say it.
FAMILY_OF_SET = {"real_vs_stylegan2": "stylegan2"}
REGIONS = {
    "jaw": "the outline of the face",
    "brow_left": "the left brow",
    "brow_right": "the right brow",
    "nose": "the nose",
    "nostrils": "the tip of the nose",
    "eye_left": "the left eye",
    "eye_right": "the right eye",
    "lips": "the lips",
    "inner_mouth": "the inside of the lips",
}


def making_of(row: FaceRow) -> Making | None:
    """How a fake picture was made; None where neither its row nor its set says so."""
    method = (row.making or {}).get("method")
    if method in METHODS:
        return METHODS[method]
    name = row.forgery or FAMILY_OF_SET.get(row.source)
    if name is None:
        return None
    words = name.replace("_", " ")
    return FAMILIES.get(name) or Making(MANIPULATED, words, f"it was made by {words}")


def regions_of(row: FaceRow) -> tuple[str, ...]:
    """Changed regions in words, largest first; left and right are the viewer's."""
    names = (row.making or {}).get("regions") or ()
    return tuple(REGIONS[name] for name in names if name in REGIONS)
