"""Sentence templates of corpus answers about what a picture shows: mask, mouth, make, marks, units.

Data only; ``phrases`` says how they are written.
"""

from __future__ import annotations

MASK = (
    "Yes, a mask is worn.",
    "A mask is worn.",
    "Yes: the face wears a mask.",
    "With a mask.",
    "Mask: yes.",
    "A mask is on the face.",
    "Yes, there is a mask on this face.",
    "Yes, the face is partly covered by a mask.",
    "A mask, yes.",
    "Yes, a mask can be seen.",
)
NO_MASK = (
    "No, no mask is worn.",
    "No mask is worn.",
    "No: the face wears no mask.",
    "Without a mask.",
    "Mask: no.",
    "No mask is on the face.",
    "No, there is no mask on this face.",
    "No, the face is not covered by a mask.",
    "No mask.",
    "No mask can be seen.",
)
HIDDEN_MOUTH = (
    "I cannot tell: a mask covers it.",
    "That cannot be seen, I cannot tell: a mask is in the way.",
    "I cannot tell, as a mask hides it.",
    "Unclear: the mask hides that part of the face.",
    "I cannot tell behind the mask.",
)
MOUTH = (
    "{s}: the mouth is {s}, measured between the lips.",
    "The mouth is {s}.",
    "The mouth is {s}, by the gap between the lips.",
    "{s}: by the landmarks the mouth is {s}.",
    "{s}, the landmarks show that the mouth is {s}.",
    "The mouth is {s}, measured on the landmarks.",
    "{s}: the mouth is measured to be {s}.",
    "The mouth is {s} in this picture.",
    "The mouth is {s} here.",
    "{s}: on this face the mouth is {s}.",
)
REAL = (
    "Real: this is a photograph.",
    "Real, a photograph of a person.",
    "A real photograph.",
    "Real: it was taken with a camera.",
    "Authentic: a photograph.",
    "A genuine photograph of a person.",
    "Real, taken with a camera.",
    "Authentic, a photograph as it was taken.",
    "Real: a person stood before a camera.",
    "Genuine: this is a photograph.",
)
# ``k`` Generated, Edited or Manipulated; ``f`` how it was made.
FAKE = (
    "{k}: {f}.",
    "{k}, as {f}.",
    "{k}. Here {f}.",
    "{k}: in this picture {f}.",
    "{k} picture: {f}.",
    "{k}, since {f}.",
    "{k}, because {f}.",
    "{k} face: {f}.",
    "{k}, no plain photograph: {f}.",
    "This picture is {k}: {f}.",
)
FAKE_UNKNOWN = (
    "{k}: this is no plain photograph.",
    "{k}.",
    "{k}, not a plain photograph.",
    "This picture is {k}.",
    "{k}: the face does not come straight from a camera.",
)
FAMILY = (
    "{n}: {f}.",
    "{n}, that is, {f}.",
    "{n}. It means that {f}.",
    "This is {n}: {f}.",
    "{n}: here {f}.",
    "It is {n}: {f}.",
    "{n}, in which {f}.",
    "{n}: {f}, so it is called.",
    "{n} ({f}).",
    "{n}, as {f}.",
)
REGION = (
    "{g}: this is where the picture was changed.",
    "{g}.",
    "{g} was changed.",
    "{g}; the rest is left as it was.",
    "The changed part is {g}.",
    "{g}: the change lies there.",
    "{g} is what was altered.",
    "Changed: {g}.",
    "{g}, and nothing else.",
    "The change covers {g}.",
)
VISIBLE = (
    "{l}.",
    "Visible: {l}.",
    "{l} can be seen.",
    "I see {l}.",
    "{l}, that is what can be seen.",
    "To be seen: {l}.",
    "{l} on this face.",
    "The picture shows {l}.",
    "{l}, as far as can be seen.",
    "What can be seen: {l}.",
)
PRESENT = (
    "{t}: yes.",
    "{t}: yes, it can be seen.",
    "{t}: yes, that is visible.",
    "{t}: yes, in this picture.",
    "{t}: present.",
)
ABSENT = (
    "{t}: no.",
    "{t}: no, it cannot be seen.",
    "{t}: no, that is not visible.",
    "{t}: no, not in this picture.",
    "{t}: absent.",
)
UNIT_ACTIVE = (
    "{u} is active{s}.",
    "{u}: yes, it is active{s}.",
    "{u} shows{s}.",
    "{u} can be seen{s}.",
    "{u}: active{s}.",
)
UNIT_ABSENT = (
    "{u} is not active.",
    "{u}: no, it is not active.",
    "{u} does not show, no.",
    "{u} is inactive.",
    "{u}: not active.",
)
NONE_CODED = (
    "No action unit is active among the {k} that were looked for.",
    "None of the units looked for is active ({k} of them).",
    "No action unit is active, of {k} looked for.",
)
STANDS_OUT_NOT = (
    "Nothing measured stands out: lips, mouth and brows are as on neutral faces.",
    "Nothing measured stands out against neutral faces.",
    "No measurement stands out against neutral faces.",
    "Nothing measured stands out, the measures are those of neutral faces.",
    "Nothing measured stands out on this face.",
)
REASONLESS = (
    "No measure speaks for it; it rests on the face as a whole.",
    "The landmarks give no reason of their own; the whole face does.",
    "There is no measured reason, it rests on the overall look.",
    "None of the measures supports it by itself; the overall look does.",
    "It rests on the whole picture, not on one measure.",
)
