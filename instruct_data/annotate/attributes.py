"""Which of CelebA's forty attributes may be said, in which words, and why the others may not.

Kept is what anybody can see and nobody is judged by. Example: ``Brown_Hair`` -> ``brown hair``.

Source: CelebA, arXiv 1411.7766 (names of the attributes).
"""

from __future__ import annotations

VISIBLE = {
    "5_o_Clock_Shadow": "stubble",
    "Bald": "a bald head",
    "Bangs": "a fringe",
    "Black_Hair": "black hair",
    "Blond_Hair": "blond hair",
    "Brown_Hair": "brown hair",
    "Bushy_Eyebrows": "bushy eyebrows",
    "Eyeglasses": "eyeglasses",
    "Goatee": "a goatee",
    "Gray_Hair": "grey hair",
    "Heavy_Makeup": "make-up",
    "Mustache": "a moustache",
    "Receding_Hairline": "a receding hairline",
    "Sideburns": "sideburns",
    "Smiling": "a smile",
    "Straight_Hair": "straight hair",
    "Wavy_Hair": "wavy hair",
    "Wearing_Earrings": "earrings",
    "Wearing_Hat": "a hat",
    "Wearing_Lipstick": "lipstick",
    "Wearing_Necklace": "a necklace",
    "Wearing_Necktie": "a necktie",
}
# The set names the absence; a beard is said where this is false.
INVERTED = {"No_Beard": "a beard"}

WITHHELD = {
    "Attractive": "a judgement of worth",
    "Chubby": "a judgement of the body",
    "Double_Chin": "a judgement of the body",
    "Big_Lips": "stands in for origin",
    "Big_Nose": "stands in for origin",
    "Narrow_Eyes": "stands in for origin",
    "Pointy_Nose": "stands in for origin",
    "Pale_Skin": "skin colour",
    "High_Cheekbones": "bone structure: identity rather than looks; shown to follow smiles",
    "Oval_Face": "bone structure: identity rather than looks",
    "Bags_Under_Eyes": "read as health or tiredness",
    "Rosy_Cheeks": "read as health",
    "Arched_Eyebrows": "shape and movement (AU1, AU2) are one here",
    "Mouth_Slightly_Open": "measured instead, on the landmarks",
    "Blurry": "of the picture, not of the face",
    "Male": "apparent gender has a field of its own",
    "Young": "relative to nothing; apparent age has a field of its own",
}


def visible(attributes: dict[str, bool]) -> dict[str, bool]:
    """Attributes that may be said, in words -> whether they are there; others are left out."""
    found = {VISIBLE[name]: there for name, there in attributes.items() if name in VISIBLE}
    return found | {
        INVERTED[name]: not absent for name, absent in attributes.items() if name in INVERTED
    }
