"""What an answer of a corpus answers, as one of ``labels.INTENTS``: every answer begins with it.

A corpus says it (``labels["intents"]``, one name an answer, of ``INTENTS`` or of the annotator's
own); older and imported ones do not, and then task and answer tell.

Example: ``intents_of("geometry", {}, ["Head pose: tilted 10 degrees down."])`` -> ``["pose"]``
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from facellm.errors import FaceLLMError
from facellm.labels import INTENTS

# Tasks, and names of the annotators' own, as intents.
INTENT_OF = {
    **{intent: intent for intent in INTENTS},
    "agreement": "expression",
    "affect": "expression",
    "academic_emotion": "expression",
    "one_unit": "action_units",
    "age_group": "age",
    "age_and_gender": "describe",
    "gender_check": "gender",
    "attributes": "describe",
    "one_attribute": "describe",
    "forgery_family": "deepfake",
    "forgery_region": "deepfake",
    "geometry": "pose",
    "measures": "why",
    "description": "describe",
    "nonverbal": "describe",
    "conversation": "describe",
    "limits": "out_of_bounds",
    "inner_state": "out_of_bounds",
}
# Task -> what an answer holds -> intent; the first that is found.
TOLD_BY_ANSWER: dict[str, tuple[tuple[re.Pattern[str], str], ...]] = {
    "expression": ((re.compile(r"\brests? on\b|\breason|\bmeasure|\bSD\b", re.I), "why"),),
    "action_units": ((re.compile(r"\brests? on\b|\breason|\bmeasure|\bSD\b", re.I), "why"),),
    "geometry": (
        (re.compile(r"\bSD\b|stands? out|\bmeasures?\b.*\bneutral\b", re.I), "why"),
        (re.compile(r"\bmouth\b|\blips?\b", re.I), "mouth"),
    ),
    "attributes": (
        (re.compile(r"\bmask|cover", re.I), "mask"),
        (re.compile(r"^[^:]*\b(?:fe)?male\b|\b(?:wo)?man\b|^[^:]*gender: \w+\.$", re.I), "gender"),
    ),
    "description": (
        (re.compile(r"^[^.:]{0,40}\b(?:faces?|persons?|people)\b[^.:]{0,24}\.$", re.I), "count"),
    ),
    "limits": (
        (re.compile(r"\bmask\b", re.I), "mouth"),
        (
            re.compile(r"only answer questions|help with that|nothing I can read off", re.I),
            "off_topic",
        ),
    ),
}


def intents_of(task: str, labels: Mapping[str, Any], answers: Sequence[str]) -> list[str]:
    """One intent for every answer of a record.

    Args:
        task: Of the record.
        labels: Of the record; ``intents`` is read.
        answers: Its answers.

    Raises:
        FaceLLMError: If ``intents`` does not have one name for every answer, or the task is known
            to nobody.
    """
    given = labels.get("intents")
    if given is None:
        return [told_by_answer(task, answer) for answer in answers]
    if not isinstance(given, list) or len(given) != len(answers):
        raise FaceLLMError(f"labels hold intents {given!r} for {len(answers)} answers")
    return [
        INTENT_OF[name] if name in INTENT_OF else told_by_answer(task, answer)
        for name, answer in zip(given, answers, strict=True)
    ]


def told_by_answer(task: str, answer: str) -> str:
    """The intent of an answer of which a corpus says the task only."""
    if task not in INTENT_OF:
        raise FaceLLMError(f"task {task!r} is none of {', '.join(INTENT_OF)}")
    for pattern, intent in TOLD_BY_ANSWER.get(task, ()):
        if pattern.search(answer):
            return intent
    return INTENT_OF[task]
