"""The track of study behaviour: behaviour words, evidence as text, and a gate.

Rows of RAER (``readers.clips.read_raer``) carry one of five behaviours. Answers name what is seen
("looking away"), never attention, effort or a state of mind, and give as reasons only what another
step recorded as evidence: ``Draft.notes["context"] = ["phone in hand", ...]``. The evidence stands
in the question too, as ``<ctx>phone in hand; gaze away from book</ctx>``.

The track reads people at study, so it stays shut without ``consent: true``.

Example of an exchange::

    What is the learner seen doing here? <ctx>phone in hand</ctx>
    Looking away: The person looks away from the task. Also noted: phone in hand. This names visible
    behaviour in this clip only.

Source: CLIP-CAER and RAER, arXiv 2507.00586. Descriptors and sentences are our own.
"""

from __future__ import annotations

import difflib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from facellm.errors import FaceLLMError
from facellm.prompts import neutralise

from ..corpus.record import Draft, Exchange
from .class_prompt import ClassPrompt, ClipTokenizer
from .wordings import track_question

TASK = "academic_emotion"
FIELDS = ("face", "scene", "says")
SCOPE = "This names visible behaviour in this clip only."
CONSENT = (
    "academic: this track reads the behaviour of people at study; it needs consent: true in its "
    "options, which says that the people recorded, or who may speak for them, agreed to it"
)


@dataclass(frozen=True)
class Behaviour:
    """One class.

    Attributes:
        name: What a row carries.
        face: What may be seen in the face.
        scene: What may be seen around it.
        says: Sentence of an answer.
    """

    name: str
    face: tuple[str, ...]
    scene: tuple[str, ...]
    says: str

    def prompt(self) -> ClassPrompt:
        """Its class prompt."""
        return ClassPrompt(self.name, (*self.face, *self.scene))


def behaviour_of(name: str, fields: Any, where: str) -> Behaviour:
    """One class of the file, checked.

    Raises:
        FaceLLMError: If a field is missing, unknown or empty.
    """
    if not isinstance(fields, Mapping):
        raise FaceLLMError(f"{where}: {name!r} holds no fields")
    for key in fields:
        if key not in FIELDS:
            near = difflib.get_close_matches(str(key), FIELDS, 1) or FIELDS
            raise FaceLLMError(f"{where}: {name!r} has no field {key!r}; is it {near[0]!r}?")
    lists = {}
    for key in ("face", "scene"):
        phrases = fields.get(key)
        if not isinstance(phrases, list) or not phrases:
            raise FaceLLMError(f"{where}: {name!r}: {key} is not a list of phrases")
        if any(not isinstance(phrase, str) or not phrase.strip() for phrase in phrases):
            raise FaceLLMError(f"{where}: {name!r}: {key} holds {phrases}, not phrases alone")
        lists[key] = tuple(phrase.strip() for phrase in phrases)
    says = fields.get("says")
    if not isinstance(says, str) or not says.strip():
        raise FaceLLMError(f"{where}: {name!r}: says is not a sentence")
    return Behaviour(name, lists["face"], lists["scene"], says.strip())


def load_behaviours(path: Path | None = None) -> dict[str, Behaviour]:
    """The classes of a YAML file, ours if none is given.

    Raises:
        FaceLLMError: If it cannot be read or is not of the form of ``academic.yaml``.
    """
    try:
        import yaml
    except ImportError as error:
        raise FaceLLMError("academic: needs PyYAML: pip install facellm[build]") from error
    where = str(path or "academic.yaml")
    try:
        file = path or files("facellm.instruct_data.tracks").joinpath("academic.yaml")
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise FaceLLMError(f"{where}: {error}") from error
    if not isinstance(content, dict) or not content:
        raise FaceLLMError(f"{where}: holds no classes")
    return {str(name): behaviour_of(str(name), f, where) for name, f in content.items()}


@cache
def default_behaviours() -> dict[str, Behaviour]:
    """The classes of our own file."""
    return load_behaviours()


def check_prompts(
    behaviours: Mapping[str, Behaviour], tokenizer: ClipTokenizer | None = None
) -> None:
    """Refuse descriptors that would push the end token out of a text tower.

    Raises:
        FaceLLMError: Naming the class and both numbers.
    """
    for behaviour in behaviours.values():
        behaviour.prompt().ids(tokenizer)


def context_text(evidence: Sequence[str]) -> str:
    """Evidence as prompt context: ``<ctx>phone in hand; gaze away from book</ctx>``.

    Empty without evidence. Reserved tokens in it lose their meaning; ``;`` becomes a comma.
    """
    phrases = [" ".join(neutralise(one).replace("</ctx>", "").split()) for one in evidence]
    phrases = [phrase.replace(";", ",") for phrase in phrases if phrase]
    return f"<ctx>{'; '.join(phrases)}</ctx>" if phrases else ""


def evidence_of(context: str) -> list[str]:
    """The phrases of ``context_text``.

    Raises:
        FaceLLMError: If the text is not of its form.
    """
    if not context:
        return []
    if not (context.startswith("<ctx>") and context.endswith("</ctx>")):
        raise FaceLLMError(f"{context!r} is not <ctx>...</ctx>")
    return context.removeprefix("<ctx>").removesuffix("</ctx>").split("; ")


class Academic:
    """Annotator of rows with a behaviour; other rows get nothing."""

    name = "academic"

    def __init__(self, behaviours: Mapping[str, Behaviour]):
        self.behaviours = behaviours

    def annotate(self, drafts: Sequence[Draft]) -> list[tuple[Exchange, ...]]:
        """One exchange for every draft with a behaviour.

        Raises:
            FaceLLMError: If a row's behaviour is no class of the file.
        """
        return [self.exchanges(draft) if draft.row.behaviour else () for draft in drafts]

    def exchanges(self, draft: Draft) -> tuple[Exchange, ...]:
        """The exchange of one draft."""
        name = str(draft.row.behaviour)
        if name not in self.behaviours:
            known = ", ".join(self.behaviours)
            raise FaceLLMError(f"{draft.row.where}: behaviour {name!r} is none of {known}")
        noted = draft.notes.get("context", ())
        context = context_text([noted] if isinstance(noted, str) else noted)
        question = track_question(TASK, random.Random(draft.seed))
        parts = [f"{name.capitalize()}: {self.behaviours[name].says}"]
        if context:
            parts.append(f"Also noted: {'; '.join(evidence_of(context))}.")
        parts.append(SCOPE)
        answer = " ".join(parts)
        return (Exchange(TASK, TASK, answer, f"{question} {context}".strip()),)


def academic(*, consent: bool = False, descriptors: str = "") -> Academic:
    """The annotator.

    Args:
        consent: The people recorded, or who may speak for them, agreed.
        descriptors: YAML file of the classes; ours if empty.

    Raises:
        FaceLLMError: Without consent, or for a file that is not of the form.
    """
    if consent is not True:
        raise FaceLLMError(CONSENT)
    return Academic(load_behaviours(Path(descriptors)) if descriptors else default_behaviours())
