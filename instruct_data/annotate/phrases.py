"""Sentence templates of corpus answers: the label first, ten per sentence type.

Data only, written as ``wording.py`` says; where a value is measured the product's own templates
(``grammar_phrases``) are used instead. Slots: ``e`` an expression, ``v`` how many people
(``8 of 10 people``), ``p`` their share in per cent, ``r`` how the others read the face, ``h`` a
hedge. An expression "shows"; nobody "is" or "feels" anything; age and gender are apparent.
"""

from __future__ import annotations

VOTED = (
    "{e}: {v} read this face as {e}{r}.",
    "{e}. {v} read the face this way{r}.",
    "{e} {h} shows; {v} saw it{r}.",
    "{e}, {h}: {v} saw it{r}.",
    "{e} ({p} %): {v} chose it{r}.",
    "{e} is what shows, as {v} read it{r}.",
    "{e}, {h}, as read by {v}{r}.",
    "{e}, as {v} see it{r}.",
    "{e} shows to {v}{r}.",
    "{e}; {v} named it for this face{r}.",
)
VOTED_SHORT = (
    "{e} {h} shows ({v}).",
    "{e}, {h} ({v}).",
    "{e}: {v} read it so.",
    "{e} shows to {v}.",
    "{e}, as read by {v}.",
    "{e} ({p} %) shows.",
    "{e}, {h}, {p} %.",
    "{e} {h} shows, {p} %.",
    "{e} shows, {h} ({p} %).",
    "{e} is read by {v}.",
)
SPLIT = (
    "Unclear: {v} read {e}, others did not{r}.",
    "Unclear, people disagree: {e} to {v}{r}.",
    "I cannot tell: no more than {v} read {e}{r}.",
    "Unclear: {e} is read by {v} only{r}.",
    "I cannot tell it from this face: {v} saw {e}{r}.",
    "Unclear between readings: {v} chose {e}{r}.",
    "The expression is unclear: {v} named {e}{r}.",
    "Unclear; at most {v} agree, on {e}{r}.",
    "I cannot tell the expression: {e} is what {v} saw{r}.",
    "Unclear, perhaps {e}: {v} read it so{r}.",
)
NAMELESS = (
    "Unclear: {v} could not tell the expression{r}.",
    "I cannot tell: {v} could not name an expression{r}.",
    "Unclear, as {v} could not tell{r}.",
    "The expression is unclear: {v} named none{r}.",
    "I cannot tell the expression; neither could {v}{r}.",
)
STATED = (
    "{e} shows on this face.",
    "{e}.",
    "{e} is what this face shows.",
    "{e} shows here.",
    "{e}: that is the expression on this face.",
    "{e} is the expression shown.",
    "{e}, by the look of the face.",
    "{e} can be seen on this face.",
    "{e} shows, taking the face as a whole.",
    "{e} is how this face reads.",
)
# ``a`` strong, moderate or low; ``d`` the distribution in words.
AGREEMENT = (
    "{a} agreement: {d}.",
    "{a} agreement among {m} people: {d}.",
    "{a}: {d}.",
    "{a} agreement, as {d}.",
    "The agreement is {a}: {d}.",
    "Agreement is {a} ({p} % for the most frequent reading): {d}.",
    "{a} agreement of {m} people: {d}.",
    "{a} agreement on this face: {d}.",
    "People agree to a {a} degree: {d}.",
    "{a}, {p} % at the top: {d}.",
)
# ``f`` valence and arousal in words, ``n`` in numbers from -1 to 1.
AFFECT = (
    "{f} ({n}).",
    "{f}: {n}.",
    "{f} is how the expression looks ({n}).",
    "{f} in expression ({n}).",
    "{f}, by the look of the expression ({n}).",
    "The expression looks {f} ({n}).",
    "{f} overall ({n}).",
    "The face looks {f} ({n}).",
    "{f}, with {n}.",
    "{f}, which is {n}.",
)
VALENCE = (
    (-0.5, "clearly unpleasant"),
    (-0.15, "slightly unpleasant"),
    (0.15, "neither pleasant nor unpleasant"),
    (0.5, "slightly pleasant"),
    (9.0, "clearly pleasant"),
)
AROUSAL = (
    (-0.5, "very calm"),
    (-0.15, "calm"),
    (0.15, "neither calm nor excited"),
    (0.5, "somewhat excited"),
    (9.0, "highly excited"),
)
AGE = (
    "{a} by appearance.",
    "About {a}.",
    "About {a}, going by the look of the face.",
    "{a}, roughly, is the apparent age.",
    "Around {a} old by appearance.",
    "{a} is a fair estimate of the apparent age.",
    "Apparent age: about {a}.",
    "About {a} of apparent age.",
    "{a} or so, judged by appearance.",
    "An apparent age of about {a}.",
)
AGE_RANGE = (
    "{lo} to {a} by appearance.",
    "Between {lo} and {a}, going by the look of the face.",
    "{lo} to {a} of apparent age.",
    "Apparent age: {lo} to {a}.",
    "Somewhere from {lo} to {a} by appearance.",
)
AGE_GROUP = (
    "{g} by appearance, about {a}.",
    "{g}: about {a}, going by the look of the face.",
    "{g}, with an apparent age of about {a}.",
    "{g} (about {a}) by appearance.",
    "{g}, at about {a} of apparent age.",
    "{g} as far as looks go, about {a}.",
    "{g}, by the look of the face (about {a}).",
    "{g}: the apparent age is about {a}.",
    "Apparent age group: {g}, about {a}.",
    "{g}, judged by appearance (about {a}).",
)
# First age that is no longer in the group -> its words.
AGE_GROUPS = (
    (2, "a baby"),
    (6, "a small child"),
    (13, "a child"),
    (20, "a teenager"),
    (30, "in the twenties"),
    (40, "in the thirties"),
    (50, "in the forties"),
    (60, "in the fifties"),
    (70, "in the sixties"),
    (80, "in the seventies"),
    (90, "in the eighties"),
    (100, "in the nineties"),
    (999, "a hundred or more"),
)
GENDER = (
    "{g} by appearance.",
    "{g} is the apparent gender.",
    "{g}, as far as looks go.",
    "Apparent gender: {g}.",
    "{g}, judged by appearance alone.",
    "{g} in appearance.",
    "{S} looks {g}.",
    "{S} appears {g}.",
    "{g}, by the look of the face.",
    "{g}: that is the apparent gender.",
)
AGE_AND_GENDER = (
    "Apparent gender: {g}; apparent age: about {a}.",
    "{g} by appearance, and about {a} old.",
    "{g}, as far as looks go, with an apparent age of about {a}.",
    "About {a} by appearance; the apparent gender is {g}.",
    "{g} in appearance; {a} is a fair estimate of the apparent age.",
    "{S} looks {g} and about {a} old.",
    "Around {a} old and {g}, judged by appearance alone.",
)
GENDER_YES = (
    "Yes: the apparent gender is {g}.",
    "Yes, {g} by appearance.",
    "Yes: {g}, as far as looks go.",
    "Yes, the face looks {g}.",
    "Yes: {g}, judged by appearance alone.",
)
GENDER_NO = (
    "No: the apparent gender is {g}.",
    "No, {g} by appearance.",
    "No: {g}, as far as looks go.",
    "No, the face looks {g}.",
    "No: {g}, judged by appearance alone.",
)
INNER = (
    "I cannot tell: a picture shows an expression, not what somebody feels.",
    "That cannot be told from a picture, I cannot tell it: only what shows can be described.",
    "I cannot tell what goes on inside; I can only say what shows.",
    "I cannot tell. What is felt and what shows are two things.",
    "Unclear from outside: an expression is not proof of what is felt.",
    "I cannot tell whether it is felt; I describe what can be seen.",
    "I cannot tell from one picture what is felt or meant.",
    "That is out of sight, I cannot tell: a face shows, it does not prove.",
    "I cannot tell; no picture shows thoughts.",
    "I cannot tell how somebody feels, only how the face looks.",
)
OFFERS = (
    "What shows is {e}.",
    "What can be said: {e} shows.",
    "The expression reads as {e}.",
)
