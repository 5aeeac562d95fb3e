"""What the answers are like: contradictions, variety, and whether questions are understood.

A contradiction is a claim of the parsed answer that the reading it was written from does not bear
out (``facellm.answers``). Variety is the share of distinct sentences among all sentences of 200
full descriptions. The 300 question wordings of ``held_out_questions.json`` (15 intents, typos,
synonyms) were written without sight of the training templates and kept out of training; each is
asked about another face. Those of ``earlier_questions.json`` were kept out too, but the templates
have been widened since their errors were read, so their figure has no goal.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from importlib.resources import files
from typing import Any

from facellm.answers import AnswerClaims, answer_contradictions, parse_answer
from facellm.assistant import FULL_DESCRIPTION, LONGEST_ANSWER
from facellm.labels import DECLINED

from .answering import Answered, ask_many
from .figure import Figure, Findings, Goal
from .held_out import Crop, HeldOut, spread
from .statistics import Estimate, share

FACES = 200
SETS = ("ferplus", "utkface")  # half of the faces each


def mixed_crops(held_out: HeldOut, count: int) -> list[Crop]:
    """``count`` test faces, half of each set, taking turns; fewer where a limit leaves fewer."""
    halves = [spread(held_out.rows(name), (count + 1) // 2) for name in SETS]
    pairs = zip(*halves, strict=False)
    crops = [
        held_out.crop(name, int(row))
        for pair in pairs
        for name, row in zip(SETS, pair, strict=True)
    ]
    return crops[:count]


def contradiction_figure(name: str, answers: list[Answered]) -> tuple[Figure, list[dict[str, Any]]]:
    """Share of answers with a contradiction, and a record of each such answer."""
    wrong = [answer_contradictions(answer.text, [answer.reading]) for answer in answers]
    records = [
        {"question": answer.question, "answer": answer.text, "contradictions": lines}
        for answer, lines in zip(answers, wrong, strict=True)
        if lines
    ]
    return Figure(
        name, share([bool(lines) for lines in wrong]), Goal(0.01, at_least=False)
    ), records


def sentences(text: str) -> list[str]:
    """``"One. Two!"`` -> ``["One.", "Two!"]``."""
    return [part for part in re.split(r"(?<=[.!?])\s+", text.strip()) if part]


def description_figures(held_out: HeldOut) -> Findings:
    """Contradictions and variety of full descriptions."""
    crops = mixed_crops(held_out, FACES)
    answers = ask_many(held_out.assistant, crops, [FULL_DESCRIPTION] * len(crops))
    figure, records = contradiction_figure("full descriptions with a contradiction", answers)
    written = [sentence for answer in answers for sentence in sentences(answer.text)]
    leading = [parts[0] for answer in answers if (parts := sentences(answer.text))]
    texts = [answer.text for answer in answers]
    stated = [bool(c.expressions) and c.age is not None for c in map(first_face, texts)]
    note = "among all sentences of the descriptions, repeated ones counted once"
    figures = [
        figure,
        Figure("full descriptions that name an expression and an age", share(stated)),
        Figure("distinct sentences in full descriptions", distinct(written), Goal(0.60), note=note),
        Figure("distinct first sentences in full descriptions", distinct(leading)),
        Figure("distinct full descriptions", distinct(texts)),
    ]
    tables = {"description_contradictions": records}
    tables["description_examples"] = [{"answer": text} for text in texts[:10]]
    return Findings(figures, tables)


def first_face(text: str) -> AnswerClaims:
    """What an answer says of its first face."""
    return parse_answer(text)[0]


def distinct(texts: list[str]) -> Estimate:
    """Share of different texts; its interval treats each text as new or not by itself."""
    seen: set[str] = set()
    new = []
    for text in texts:
        new.append(text not in seen)
        seen.add(text)
    return share(new)


def kept_out_questions(name: str = "held_out") -> list[tuple[str, str]]:
    """(intent, question) of every wording of a file that was kept out of training."""
    text = files("facellm.eval").joinpath(f"{name}_questions.json").read_text(encoding="utf-8")
    return [(intent, question) for intent, group in json.loads(text).items() for question in group]


def wording_figures(held_out: HeldOut) -> Findings:
    """Whether held-out wordings are understood, refused where they must be, answered truly."""
    intents, answers = asked_about_faces(held_out, kept_out_questions(), LONGEST_ANSWER)
    findings = score_wordings(intents, answers)
    intents, answers = asked_about_faces(held_out, kept_out_questions("earlier"), 1)
    right = [answer.intent == intent for intent, answer in zip(intents, answers, strict=True)]
    note = "kept out of training, but their errors were read before templates were widened"
    findings.figures.append(
        Figure("earlier question wordings: intent right", share(right), note=note)
    )
    return findings


def asked_about_faces(
    held_out: HeldOut, asked: list[tuple[str, str]], longest: int
) -> tuple[list[str], list[Answered]]:
    """Intents and answers of questions, each asked about another face."""
    if held_out.limit is not None:
        asked = asked[:: max(1, len(asked) // held_out.limit)]
    crops = mixed_crops(held_out, len(asked))
    crops = [crops[index % len(crops)] for index in range(len(asked))]
    questions = [question for _, question in asked]
    answers = ask_many(held_out.assistant, crops, questions, longest)
    return [intent for intent, _ in asked], answers


def score_wordings(intents: list[str], answers: list[Answered]) -> Findings:
    """Figures of answers whose intent is known."""
    right = [answer.intent == intent for intent, answer in zip(intents, answers, strict=True)]
    pairs = list(zip(intents, answers, strict=True))
    proper = [answer.intent in DECLINED for intent, answer in pairs if intent not in DECLINED]
    figure, records = contradiction_figure(
        "answers to held-out wordings with a contradiction", answers
    )
    figures = [Figure("held-out question wordings: intent right", share(right), Goal(0.95))]
    for name in DECLINED:
        refused = [answer.intent in DECLINED for intent, answer in pairs if intent == name]
        title = f"held-out questions {name.replace('_', ' ')}: refused"
        figures.append(Figure(title, share(refused)))
    figures += [Figure("held-out questions about the face: wrongly refused", share(proper)), figure]
    missed = [
        {"intent": intent, "taken_for": answer.intent, "question": answer.question}
        for intent, answer in pairs
        if answer.intent != intent
    ]
    per_intent = [
        {
            "intent": name,
            "n": intents.count(name),
            "right": sum(answer.intent == name for intent, answer in pairs if intent == name),
            "taken_for": dict(Counter(a.intent for i, a in pairs if i == name).most_common()),
        }
        for name in dict.fromkeys(intents)
    ]
    tables = {"intents": per_intent, "misunderstood": missed, "wording_contradictions": records}
    return Findings(figures, tables)
