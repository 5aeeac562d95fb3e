"""Sentence templates of the answers, ten per sentence type, one for each style.

Data only. ``{name}`` stands for a value: ``S`` the subject ("The face", or "it" after "Face 2:"),
``h`` a hedge, ``e`` an expression with share ``p``, ``e2`` the next one with share ``q``. An
expression "shows"; nobody "is" or "feels" anything.
"""

from __future__ import annotations

HEDGES = {
    "high": ("clearly", "very likely"),
    "middle": ("probably", "likely"),
    "low": ("perhaps", "possibly"),
}

EXPRESSION = (
    "{S} {h} shows {e} ({p} %).",
    "{e}: {h} shown ({p} %).",
    "{h} {e} ({p} %).",
    "The expression {h} reads as {e} ({p} %).",
    "{S} shows {e}, {h} ({p} %).",
    "{e} ({p} %), {h}.",
    "What shows is {h} {e} ({p} %).",
    "{e} {h} shows ({p} %).",
    "I read {e}, {h} ({p} %).",
    "With {p} %, {S} {h} shows {e}.",
)
EXPRESSION_LOW = (
    "{S} {h} shows {e} ({p} %), or {e2} ({q} %).",
    "{e} ({p} %), {h}, or {e2} ({q} %).",
    "{h} {e} ({p} %), or {e2} ({q} %).",
    "The expression {h} reads as {e} ({p} %), or {e2} ({q} %).",
    "{S} shows {e} ({p} %), {h}, or {e2} ({q} %).",
    "{h} {e} ({p} %); it could also be {e2} ({q} %).",
    "What shows is {h} {e} ({p} %), or {e2} ({q} %).",
    "{e} {h} shows ({p} %), or {e2} ({q} %).",
    "I read {e}, {h} ({p} %), or {e2} ({q} %).",
    "With {p} %, {S} {h} shows {e}, with {q} % {e2}.",
)
UNSURE = (
    "I cannot tell the expression from this picture: it may be {e} ({p} %) or {e2} ({q} %).",
    "The expression is unclear: {e} ({p} %) or {e2} ({q} %).",
    "I cannot tell: {e} ({p} %) or {e2} ({q} %) may show.",
    "I cannot tell the expression; {e} ({p} %) or {e2} ({q} %) comes nearest.",
    "Unclear: it may be {e} ({p} %) or {e2} ({q} %).",
    "The expression stays unclear, it may be {e} ({p} %) or {e2} ({q} %).",
    "I cannot tell whether {e} ({p} %) or {e2} ({q} %) shows.",
    "From this picture I cannot tell: {e} ({p} %) or {e2} ({q} %).",
    "I leave the expression open, it is unclear: {e} ({p} %) or {e2} ({q} %).",
    "I cannot tell the expression: {e} ({p} %) and {e2} ({q} %) are close.",
)
UNITS = (
    "Active action units: {units}.",
    "{S} shows {units}.",
    "I read {units}.",
    "These units are active: {units}.",
    "FACS: {units}.",
    "Action units found: {units}.",
    "Active: {units}.",
    "The action units are {units}.",
    "I find {units}.",
    "Units on this face: {units}.",
)
NO_UNITS = (
    "No action unit is active.",
    "{S} shows no active action unit.",
    "I read no active action unit.",
    "None of the units is active.",
    "FACS: no unit is active.",
    "No action units found.",
    "Active: none.",
    "The action units are all inactive.",
    "I find no active unit.",
    "No units on this face are active.",
)
UNITS_SCOPE = (
    "Action units were learned on rendered faces.",
    "This was learned on rendered faces only.",
)
AGE = (
    "The apparent age is about {a} ({lo} to {hi}).",
    "About {a}, by appearance ({lo} to {hi}).",
    "{S} looks about {a} old ({lo} to {hi}).",
    "Apparent age: about {a} ({lo} to {hi}).",
    "I would say about {a} ({lo} to {hi}).",
    "By the look of it about {a} ({lo} to {hi}).",
    "{S} appears about {a} old, between {lo} and {hi}.",
    "About {a} old in appearance, between {lo} and {hi}.",
    "I estimate an apparent age of about {a} ({lo} to {hi}).",
    "An apparent age of about {a}, from {lo} to {hi}.",
)
GENDER = (
    "{S} {h} looks {g} ({p} %).",
    "Apparent gender: {h} {g} ({p} %).",
    "{h} {g} by appearance ({p} %).",
    "The apparent gender is {h} {g} ({p} %).",
    "{S} looks {g}, {h} ({p} %).",
    "By the look of it {h} {g} ({p} %).",
    "{S} appears {h} {g} ({p} %).",
    "{h} {g} in appearance ({p} %).",
    "I read {g} as the apparent gender, {h} ({p} %).",
    "With {p} %, {S} {h} looks {g}.",
)
MASK = (
    "{S} {h} wears a mask ({p} %).",
    "Mask: yes, {h} ({p} %).",
    "{h} with a mask ({p} %).",
    "A mask is {h} worn ({p} %).",
    "{S} wears a mask, {h} ({p} %).",
    "Yes, {h} a mask ({p} %).",
    "There is {h} a mask on the face ({p} %).",
    "{h} a mask is worn ({p} %).",
    "I see a mask, {h} ({p} %).",
    "With {p} %, {S} {h} wears a mask.",
)
NO_MASK = (
    "{S} {h} wears no mask ({p} %).",
    "Mask: no, {h} ({p} %).",
    "{h} without a mask ({p} %).",
    "No mask is worn, {h} ({p} %).",
    "{S} wears no mask, {h} ({p} %).",
    "No, {h} no mask ({p} %).",
    "There is {h} no mask on the face ({p} %).",
    "{h} no mask is worn ({p} %).",
    "I see no mask, {h} ({p} %).",
    "With {p} %, {S} {h} wears no mask.",
)
# For the mouth and the eyes; ``part`` is "mouth is" or "eyes are", ``state`` open or closed.
STATE = (
    "The {part} {h} {state} ({p} %).",
    "The {part} {state}, {h} ({p} %).",
    "{h} the {part} {state} ({p} %).",
    "I read that the {part} {h} {state} ({p} %).",
    "On this face the {part} {h} {state} ({p} %).",
    "Here the {part} {h} {state} ({p} %).",
    "I see that the {part} {state}, {h} ({p} %).",
    "It looks as if the {part} {h} {state} ({p} %).",
    "With {p} %, the {part} {h} {state}.",
    "In this picture the {part} {h} {state} ({p} %).",
)
POSE = (
    "The head is {parts}.",
    "Head pose: {parts}.",
    "The head is {parts}, measured from the landmarks.",
    "I measure a head {parts}.",
    "Measured head pose: {parts}.",
    "The pose is {parts}.",
    "By the landmarks the head is {parts}.",
    "The head appears {parts}.",
    "From the landmarks: the head is {parts}.",
    "In this picture the head is {parts}.",
)
# By axis: ``d`` degrees, ``w`` the side.
POSE_ANGLES = (
    "turned {d} degrees towards the image's {w} side",
    "tilted {d} degrees {w}",
    "leaning {d} degrees {w}",
)
HEAD_ANGLES = ("turned {d} degrees to the image's {w}", *POSE_ANGLES[1:])
GAZE_ANGLES = ("{d} degrees towards the image's {w} side", "{d} degrees {w}")
STRAIGHT = (
    "straight, facing the camera",
    "straight",
    "straight, towards the camera",
    "held straight",
    "straight, facing the camera",
    "straight, towards the camera",
    "straight",
    "held straight",
    "straight, facing the camera",
    "straight",
)
NO_POSE = (
    "No landmarks were found, so I cannot measure the head pose.",
    "Head pose: not measured, no landmarks were found.",
    "Without landmarks I cannot measure how the head is held.",
    "The head pose is not measured, as no landmarks were found.",
    "Not measured: no landmarks were found.",
)
GAZE = (
    "The gaze goes {parts}.",
    "Gaze: {parts}.",
    "The gaze is directed {parts}.",
    "I read a gaze {parts}.",
    "Gaze direction: {parts}.",
    "The gaze points {parts}.",
    "The eyes' gaze goes {parts}.",
    "The gaze appears to go {parts}.",
    "I see the gaze go {parts}.",
    "In this picture the gaze goes {parts}.",
)
GAZE_STRAIGHT = "straight towards the camera"
GAZE_SCOPE = (
    "Gaze was learned on rendered faces.",
    "This was learned on rendered faces only.",
)
FAKE = (
    "The picture is {h} {kind} ({p} %).",
    "The picture is {kind}, {h} ({p} %).",
    "{h} {kind} ({p} %).",
    "I read it as {h} {kind} ({p} %).",
    "It looks {h} {kind} ({p} %).",
    "This is {h} {kind} ({p} %).",
    "With {p} %, the picture is {h} {kind}.",
    "By its look {h} {kind} ({p} %).",
    "I would say {h} {kind} ({p} %).",
    "The face is {h} {kind} ({p} %).",
)
FAKE_KINDS = ("real", "generated or edited")
FAKE_LIMIT = (
    "I learned this from one generator and blended swaps; it is no proof.",
    "This rests on one generator and blended swaps: no proof.",
)
COUNT = (
    "There {are} {n}.",
    "I see {n}.",
    "{n} in this picture.",
    "I count {n}.",
    "The picture shows {n}.",
    "I find {n}.",
    "I found {n}.",
    "{n}.",
    "This picture holds {n}.",
    "{n} can be seen.",
)
EVIDENCE = (
    "What stands out: {reasons}.",
    "Measured: {reasons}.",
    "The measurements say: {reasons}.",
    "Evidence: {reasons}.",
    "The landmarks show: {reasons}.",
    "What is measured: {reasons}.",
    "It stands out that {reasons}.",
    "I measure that {reasons}.",
    "The geometry shows: {reasons}.",
    "Measured on the face: {reasons}.",
)
NO_EVIDENCE = (
    "Nothing measured stands out; this rests on the overall picture.",
    "No measurement stands out, so this rests on the overall picture.",
)
NO_GEOMETRY = (
    "No landmarks were found, so I cannot name a measured reason.",
    "Without landmarks I cannot name a measured reason.",
)
# Measure -> what a high and what a low z-score says.
MEASURES = {
    "lip corners": ("the lip corners are lifted", "the lip corners are lowered"),
    "mouth opening": ("the mouth opening is large", "the mouth opening is small"),
    "brows": ("the brows are raised", "the brows are lowered"),
}
