"""Question wordings: many, withheld ones never drawn, errors of typing bounded."""

import hashlib
import json
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from facellm.instruct_data.questions import (
    is_withheld,
    misspell,
    neighbour_key,
    normalise,
    sample_question,
    shorten,
    templates,
    wordings,
)
from facellm.instruct_data.wording import choose, expand
from facellm.labels import INTENTS

EVAL = Path(__file__).parents[2] / "eval"
# Neither file is edited once a model has been measured on it; the first was written without sight
# of the templates.
SHA256 = {
    "held_out": "a2f8c5ebe448f8e12a134197dd783038b0cdcc7a1990424f00eb5252d482e869",
    "earlier": "9c940e4e2d1c288d0893af27dd4362d7bfff358165be8c6e1e382f318cb777a7",
}


def questions_of(name: str) -> dict[str, list[str]]:
    return json.loads((EVAL / f"{name}_questions.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def kept_out() -> set[str]:
    return {normalise(q) for name in SHA256 for group in questions_of(name).values() for q in group}


@pytest.mark.parametrize("name", SHA256)
def test_questions_kept_out_are_unchanged_and_twenty_per_intent(name):
    found = (EVAL / f"{name}_questions.json").read_bytes()
    assert hashlib.sha256(found).hexdigest() == SHA256[name]
    questions = questions_of(name)
    assert set(questions) == set(INTENTS)
    assert all(len(group) == 20 for group in questions.values())
    assert len({normalise(q) for group in questions.values() for q in group}) == 300


def test_no_question_kept_out_is_a_training_wording(kept_out):
    assert not kept_out & {normalise(text) for texts in wordings().values() for text in texts}


def test_exactly_the_questions_kept_out_are_withheld(kept_out):
    assert all(is_withheld(question) for question in kept_out)
    assert len(templates()[2]) == len(kept_out)


def test_no_sampled_question_is_kept_out(kept_out):
    rng = np.random.default_rng(0)
    for intent in INTENTS:
        drawn = {normalise(sample_question(rng, intent)) for _ in range(1500)}
        assert not drawn & kept_out


def test_every_intent_has_over_a_thousand_wordings():
    assert set(wordings()) == set(INTENTS)
    assert min(len(texts) for texts in wordings().values()) > 1000


def test_no_wording_belongs_to_two_intents():
    owners = Counter()
    for texts in wordings().values():
        owners.update({normalise(text) for text in texts})
    shared = [text for text, number in owners.items() if number > 1]
    assert shared == []


def test_with_every_word_and_no_typo_a_question_still_contains_one_of_its_wordings():
    rng = np.random.default_rng(1)
    known = {normalise(text) for text in wordings()["mask"]}
    for _ in range(200):
        words = normalise(sample_question(rng, "mask", typo_rate=0.0, terse_rate=0.0)).split()
        spans = (
            " ".join(words[i:j]) for i in range(len(words)) for j in range(i + 1, len(words) + 1)
        )
        assert any(span in known for span in spans)


def test_questions_vary_in_case_marks_and_spelling():
    rng = np.random.default_rng(2)
    drawn = [sample_question(rng, "age") for _ in range(400)]
    assert len(set(drawn)) > 350
    assert any(text.isupper() for text in drawn)
    assert any(text[0].islower() for text in drawn)
    assert any(text[-1].isalpha() for text in drawn)
    assert any(text[-1] == "?" for text in drawn)


def test_same_seed_same_questions():
    first, second = (
        [sample_question(np.random.default_rng(7), intent) for intent in INTENTS] for _ in "ab"
    )
    assert first == second


def test_unknown_intent_is_refused_by_name():
    with pytest.raises(ValueError, match="'weather'"):
        sample_question(np.random.default_rng(0), "weather")


def test_a_typo_changes_one_word_by_at_most_two_letters():
    rng = random.Random(3)
    for _ in range(300):
        before = ["is", "the", "person", "wearing", "a", "mask"]
        after = misspell(" ".join(before), rng).split()
        changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
        assert len(changed) <= 1
        assert all(abs(len(a) - len(b)) <= 1 and a[-1:] != "" for a, b in changed)


def test_only_small_words_are_left_out():
    rng, text = random.Random(4), "is the person in this picture happy?"
    found = {shorten(text, rng) for _ in range(200)}
    assert "person picture happy?" in found
    assert all("person" in one and "picture happy?" in one for one in found)
    assert len(found) > 8
    assert shorten("is it here", rng) == "is it here"


def test_short_words_are_not_misspelt():
    assert misspell("is he up?", random.Random(0)) == "is he up?"


def test_neighbour_keys_are_neighbours():
    rng = random.Random(0)
    assert {neighbour_key("q", rng) for _ in range(20)} == {"w"}
    assert {neighbour_key("g", rng) for _ in range(50)} == {"f", "h"}
    assert {neighbour_key("m", rng) for _ in range(20)} == {"n"}
    assert neighbour_key("7", rng) == "7"


def test_expansion_lists_every_alternative_and_closes_blanks():
    slots = {"who": ("she", "he")}
    texts = list(expand("is {who} [happy|sad] [now|]?", slots))
    assert sorted(texts) == sorted(
        f"is {who} {mood}{end}?" for who in ("she", "he") for mood in ("happy", "sad")
        for end in (" now", "")
    )  # fmt: skip


def test_a_choice_is_one_of_the_expansions():
    slots = {"who": ("she", "he")}
    template = "[is|was] {who} [{who}|alone] [|here]?"
    every, rng = set(expand(template, slots)), random.Random(0)
    assert {choose(template, rng, slots) for _ in range(500)} == every
