"""Normal words, patterns and spelling, and that their cost grows no faster than the text."""

import sys
from importlib.util import find_spec

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facellm.errors import FaceLLMError
from facellm.serve.policy import Policy, matching
from facellm.serve.policy.matching import WIDEST_GAP, Choice, Gap, Sentence, choice, parse
from facellm.serve.policy.normal import sentences
from facellm.serve.policy.rules import ANSWERS, EMOTIONS, QUESTIONS, load_rules
from facellm.serve.policy.spelling import Speller, one_slip


def matches(pattern, text, classes=None):
    sentence = Sentence(text.split())
    return any(sentence.ends(parse(pattern, classes or {}), at) for at in range(len(sentence.text)))


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("who [is|was] he", "tell me who was he", True),
        ("who [is|was] he", "who were he", False),
        ("name of ~2 man", "name of the old man", True),
        ("name of ~2 man", "name of the very old man", False),
        ("^ who $", "who", True),
        ("^ who $", "who smiles", False),
        ("lying ![on|in]", "lying", True),
        ("lying ![on|in]", "lying on it", False),
        ("autis* [or|] not", "autistic not", True),
        ("[a b|c] d", "a b d", True),
        ("{who} is", "the man is", True),
    ],
)
def test_a_pattern_means_what_its_signs_say(pattern, text, expected):
    assert matches(pattern, text, {"who": choice(["he", "the man"], {})}) is expected


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [("a [b", "not closed"), ("a ] b", "outside"), ("{x} a", "no class"), ("a ~9 b", "gap of 9")],
)
def test_a_wrong_pattern_is_named(pattern, reason):
    with pytest.raises(FaceLLMError, match=reason):
        parse(pattern, {})


def test_lines_are_one_sentence_and_parts_of_their_own():
    assert sentences("Who\nis he?") == [["who", "is", "he"], ["who"], ["is", "he"]]


def test_a_script_without_blanks_is_taken_apart():
    assert sentences("他是谁\uff1f") == [["他", "是", "谁"]]


@pytest.mark.parametrize(
    ("typed", "meant", "expected"),
    [
        ("nationalty", "nationality", True),
        ("natoinality", "nationality", True),
        ("natiopality", "nationality", True),
        ("nattionality", "nationality", True),
        ("natonalty", "nationality", False),
        ("rationality", "nationality", False),  # first letters are seldom missed
    ],
)
def test_one_slip_of_the_finger_is_forgiven(typed, meant, expected):
    assert one_slip(typed, meant) is expected
    assert (Speller({meant}, (), {}).read(typed) == meant) is expected


def test_ordinary_words_stay_what_they_are():
    speller = Speller({"criminal", "is", "this"}, {"criminals"}, {"dis": "this"})
    typed = ("criminals", "cr1m1nal", "1s", "dis", "au12", "25")
    assert [speller.read(word) for word in typed] == [
        *("criminals", "criminal", "is", "this", "au12", "25")
    ]


def gaps(pattern):
    for element in pattern:
        if isinstance(element, Gap):
            yield element.most
        elif isinstance(element, Choice):
            for option in element.longer:
                yield from gaps(option)


def test_no_pattern_repeats_without_a_bound():
    """So a match looks at a bounded number of words, and a text costs its length times that."""
    rules = [rule for names in (QUESTIONS, ANSWERS, EMOTIONS) for rule in load_rules(names).rules]
    assert len(rules) > 700
    widest = max(most for rule in rules for most in gaps(rule.pattern))
    assert widest <= WIDEST_GAP


@pytest.mark.parametrize(
    "unit", ["is she the man in ", "the person looks like he is ", "who ", "他是", "w.h.o ", "a"]
)
def test_twice_the_text_is_twice_the_work(monkeypatch, unit):
    """Counted in evaluations of alternatives, not in seconds."""
    work = 0
    plain_ends = matching.Sentence._ends_of

    def counted(self, element, at):
        nonlocal work
        work += 1
        return plain_ends(self, element, at)

    monkeypatch.setattr(matching.Sentence, "_ends_of", counted)
    policy, costs = Policy(), []
    for length in (4000, 8000):
        work = 0
        policy.before([(unit * length)[:length]])
        costs.append(work)
    assert costs[1] <= 2.2 * costs[0] + 10


@given(st.lists(st.text(max_size=400), max_size=3))
@settings(max_examples=40, deadline=None)
def test_any_text_is_judged(texts):
    policy = Policy()
    policy.before(texts)
    for text in texts:
        policy.after(text)
        policy.is_emotion_question(text)


def test_the_policy_needs_no_learning_library():
    assert find_spec("facellm.serve.policy") is not None
    used = {name.split(".")[0] for name in vars(sys.modules["facellm.serve.policy.rules"])}
    assert not used & {"sklearn", "torch", "numpy"}
