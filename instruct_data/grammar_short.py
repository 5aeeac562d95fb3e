"""Sentence templates of full descriptions, ten per sentence type, shorter than those of answers.

Data only; the slots are those of ``grammar_phrases``, and ``st`` and ``hd`` are the states of mask,
mouth and eyes and how the head is held.
"""

from __future__ import annotations

# In a description: shorter, the second share is left out.
LOW = (
    "{S} {h} shows {e} ({p} %), or {e2}.",
    "{e} ({p} %), {h}, or {e2}.",
    "{h} {e} ({p} %), or {e2}.",
    "It {h} reads as {e} ({p} %), or {e2}.",
    "{S} shows {e} ({p} %), {h}, or {e2}.",
    "{h} {e} ({p} %), or else {e2}.",
    "What shows is {h} {e} ({p} %), or {e2}.",
    "{e} {h} shows ({p} %), or {e2}.",
    "I read {e}, {h} ({p} %), or {e2}.",
    "With {p} %, {h} {e}, or {e2}.",
)
UNSURE = (
    "I cannot tell the expression: {e} or {e2}.",
    "The expression is unclear: {e} or {e2}.",
    "I cannot tell: {e} or {e2} may show.",
    "I cannot tell the expression, {e} or {e2}.",
    "Unclear: it may be {e} or {e2}.",
    "The expression stays unclear, {e} or {e2}.",
    "I cannot tell whether {e} or {e2} shows.",
    "From this picture I cannot tell: {e} or {e2}.",
    "The expression is open, unclear: {e} or {e2}.",
    "I cannot tell the expression: {e} and {e2} are close.",
)
# Each begins with a word of ``context.UNIT_WORDS``, so that none can begin where no unit stands.
UNITS = (
    "Active: {units}.",
    "Units read: {units}.",
    "AUs read: {units}.",
    "Units: {units}.",
    "FACS: {units}.",
    "Found: {units}.",
    "Active units: {units}.",
    "Units found: {units}.",
    "AUs found: {units}.",
    "AUs: {units}.",
)
AGE = (
    "Apparent age about {a} ({lo} to {hi}), {looks} {g}.",
    "About {a} ({lo} to {hi}), {looks} {g}.",
    "Looks about {a} old ({lo} to {hi}), {looks} {g}.",
    "Apparent age: {a} ({lo} to {hi}), {looks} {g}.",
    "Age about {a} ({lo} to {hi}), {looks} {g}.",
    "Around {a} ({lo} to {hi}), {looks} {g}.",
    "Appears about {a} old ({lo} to {hi}), {looks} {g}.",
    "About {a} old ({lo} to {hi}), {looks} {g}.",
    "I estimate {a} ({lo} to {hi}), {looks} {g}.",
    "Looks {a} old ({lo} to {hi}), {looks} {g}.",
)
# Mask, mouth and eyes, and how the head is held.
STATE = (
    "{st}; head {hd}.",
    "Head {hd}; {st}.",
    "I see {st}; the head is {hd}.",
    "The head is {hd}; {st}.",
    "With {st}; head {hd}.",
    "{st}; the head is {hd}.",
    "Also {st}; head {hd}.",
    "Head {hd}, {st}.",
    "Further {st}; head {hd}.",
    "It has {st}; head {hd}.",
)
