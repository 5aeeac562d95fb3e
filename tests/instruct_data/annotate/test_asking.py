"""Questions for answers: enough wordings, of one intent each, about what the answer is about."""

import importlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from corpus_drafts import draft, points

from facellm.instruct_data.annotate import ANNOTATORS, QUESTIONS, STEPS
from facellm.instruct_data.annotate.asking import ask_extra, extra, extra_wordings, word
from facellm.instruct_data.annotate.grammar_annotator import TELLERS, GrammarAnnotator
from facellm.instruct_data.corpus.record import Exchange
from facellm.instruct_data.questions import is_withheld, normalise, wordings
from facellm.labels import ACTION_UNITS, INTENTS

EVAL = Path(__file__).parents[3] / "eval"
# Extra intents whose questions the bank may also put, as both answers fit.
SHARED = {
    ("age_group", "age"), ("attributes", "describe"), ("one_unit", "action_units"),
    ("forgery_family", "deepfake"), ("gender_check", "gender"),
}  # fmt: skip
Rng = np.random.default_rng


def test_every_intent_of_the_annotator_has_questions():
    wanted = {intent for _, intent, _ in TELLERS} | {"inner_state"}
    assert wanted <= {*INTENTS, *extra()[0]}
    assert set(extra()[0]) == wanted - set(INTENTS)
    assert not set(extra()[0]) & set(INTENTS)


def test_every_extra_intent_has_forty_wordings_of_its_own():
    own = {intent: {normalise(t) for t in extra_wordings(intent)} for intent in extra()[0]}
    taken: dict[str, str] = {}
    for intent, texts in own.items():
        assert len(texts) >= 40, intent
        for text in texts:
            assert taken.setdefault(text, intent) == intent, text
    for other, texts in wordings().items():
        bare = {text.rstrip("?.").lower() for text in texts}  # normalising them all takes a minute
        for intent, mine in own.items():
            assert (intent, other) in SHARED or not mine & bare, (intent, other, mine & bare)


@pytest.mark.parametrize("name", ["held_out_questions.json", "earlier_questions.json"])
def test_no_held_out_question_is_put(name):
    groups = json.loads((EVAL / name).read_text(encoding="utf-8"))
    kept_out = {normalise(text) for group in groups.values() for text in group}
    rng = Rng(0)
    for intent in extra()[0]:
        if intent in ("one_unit", "one_attribute"):
            continue
        drawn = {normalise(ask_extra(rng, intent)) for _ in range(300)}
        assert not drawn & kept_out
        assert not any(is_withheld(text) for text in drawn)


def test_a_question_about_one_unit_names_the_unit_of_the_answer():
    rng = Rng(1)
    for number in ACTION_UNITS:
        answer = f"AU{number} (whatever) is active."
        for _ in range(20):
            asked = word(Exchange("action_units", "one_unit", answer), rng).question
            digits = "".join(c for c in asked if c.isdigit())
            assert digits in (str(number), ""), asked


def test_a_question_about_an_attribute_names_it():
    asked = {word(Exchange("a", "one_attribute", "A hat: no."), Rng(k)).question for k in range(60)}
    assert sum("hat" in text.lower() for text in asked) > 0.8 * len(asked)  # typos aside
    with pytest.raises(ValueError, match="does not begin with its unit"):
        word(Exchange("action_units", "one_unit", "It is active."), Rng(0))


@pytest.mark.parametrize("male", [True, False])
def test_yes_and_no_answer_the_gender_that_was_asked_about(male):
    """What is asked about is found out from the question alone, typing errors left out."""
    asked = {"woman": "female", "female": "female", "lady": "female", "gentleman": "male"}
    shown, seen = "male" if male else "female", set()
    for k in range(200):
        made = replace(draft(male=male, age=30), seed=k)
        for exchange in GrammarAnnotator().annotate([made])[0]:
            if exchange.intent == "gender_check":
                words = normalise(exchange.question).split()
                about = [
                    asked.get(word, "male" if word in ("man", "male") else "") for word in words
                ]
                about = [gender for gender in about if gender]
                if about:
                    yes = exchange.answer.startswith("Yes")
                    assert yes == (about[0] == shown), exchange
                    seen.add(yes)
    assert seen == {True, False}


def test_age_and_gender_give_a_picture_three_questions_about_looks():
    made = [replace(draft(male=True, age=30), seed=k) for k in range(50)]
    for exchanges in GrammarAnnotator().annotate(made):
        asked = [exchange.intent for exchange in exchanges if exchange.task == "attributes"]
        assert sorted(asked) == ["age_and_gender", "gender", "gender_check"]


def test_a_worded_question_stays_and_an_unknown_intent_is_named():
    done = Exchange("age", "age", "34 years.", "How old?")
    assert word(done, Rng(0)) is done
    with pytest.raises(ValueError, match="'weather' is none of"):
        word(Exchange("age", "weather", "Rain."), Rng(0))


def test_a_few_hundred_pictures_have_more_than_two_thousand_wordings():
    annotator = GrammarAnnotator()
    seen = set()
    for k in range(500):
        made = draft(str(k), face=points(), votes=(8, 2, *[0] * 8), age=30, male=True, fake=False)
        rng = Rng(k)
        for exchange in annotator.annotate([replace(made, seed=k)])[0]:
            seen.add(normalise(word(exchange, rng).question))
    assert len(seen) > 2000


@pytest.mark.parametrize("place", [*ANNOTATORS.values(), *STEPS.values(), QUESTIONS])
def test_every_registered_name_can_be_imported(place):
    module, _, name = place.partition(":")
    assert callable(getattr(importlib.import_module(module), name))


def test_names_in_the_registries_are_those_of_the_classes():
    for name, place in (ANNOTATORS | STEPS).items():
        module, _, kind = place.partition(":")
        assert getattr(importlib.import_module(module), kind).name == name
