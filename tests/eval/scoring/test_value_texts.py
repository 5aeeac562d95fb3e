"""Ages, action units and choices out of free text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from facellm.errors import FaceLLMError
from facellm.eval.scoring.age_text import read_age
from facellm.eval.scoring.answer_text import is_loop
from facellm.eval.scoring.choice_text import letters_of, read_choice
from facellm.eval.scoring.unit_text import read_units
from facellm.labels import FACS

AGES = [
    ("34", 34), ("34 years old", 34), ("a 30-year-old man", 30), ("thirty-four", 34),
    ("She is in her thirties.", 34.5), ("in her early thirties", 31.5), ("mid 40s", 45),
    ("mid-40s", 45), ("late twenties", 28), ("early to mid 30s", 33), ("between 20 and 30", 25),
    ("20-25", 22.5), ("20 to 30 years old", 25), ("around 25", 25), ("aged 41", 41),
    ("The person looks about 25 years old. 90 % sure.", 25), ("approximately thirty years", 30),
    ("one hundred and two years old", 102), ("between 30 and 40, most likely 33", 33),
    ("not 30 but 40", 40), ("I am 90% sure that he is 25", 25), ("a toddler", 2), ("teenager", 16),
    ("in his 60s", 64.5), ("22 years old is a reasonable estimation based on the skin", 22),
    ("The man is 25 years old, 30 at most", 25), ("Answer: 35", 35), ("25 +/- 5 years", 25),
    ("0", 0), ("twenty-five-year-old", 25), ("twenty to thirty", 25), ("His age is 47.", 47),
    ("30s", 34.5), ("1. 25", 25), ("about 35 yo", 35), ("30 or 40", 35), ("Face 1: 33 years", 33),
    ("the woman appears to be around 28 to 32 years of age", 30), ("He looks forty.", 40),
    ("aged between 20 and 25", 22.5), ("six months old", 0.5), ("8-month-old baby", 8 / 12),
    ("Age: 52", 52), ("34. The person has smooth skin", 34),
    ("The estimated age of the person is 45.", 45),
]  # fmt: skip
NO_AGES = [
    ("150", "out_of_range"), ("200 years old", "out_of_range"), ("", "empty"), ("50+", "unparsed"),
    ("I cannot determine the age.", "refused"), ("A person smiling.", "unparsed"),
    ("over 50", "unparsed"), ("She has 5 wrinkles", "unparsed"), ("AU12 is active", "unparsed"),
]  # fmt: skip
UNITS = [
    ("AU12", [12]), ("AU 12", [12]), ("AU-12", [12]), ("12+25", [12, 25]), ("AU12+25", [12, 25]),
    ("AU1, AU2 and AU5", [1, 2, 5]), ("AUs 1, 2 and 5 are active", [1, 2, 5]), ("6", [6]),
    ("action units 6 and 12", [6, 12]), ("lip corner puller", [12]), ("no AU4", []),
    ("AU15 (Lower lip depressor) is likely activated", [15]), ("[6, 12]", [6, 12]),
    ("AU6: Cheek Raiser, AU12: Lip Corner Puller", [6, 12]), ("Cheek Raiser (AU6)", [6]),
    ("AU6 and AU12, but no AU4", [6, 12]), ("AU4 is absent. AU12 is present.", [12]),
    ("No action units are active.", []), ("none", []), ("The brows are lowered.", [4]),
    ("AU12A", [12]), ("AU25 is active, AU26 is not.", [25]), ("AU06", [6]), ("AU 6 (90 %)", [6]),
    ("Neither AU1 nor AU2; AU4.", [4]), ("lip tightener", [23]), ("mouth stretch", [27]),
    ("Inner brow raise and jaw drop", [1, 26]), ("There is no lip corner puller", []),
    ("The lips are parted and the jaw is dropped", [25, 26]),
    ("Active: AU1 (inner brow raiser), AU2 (outer brow raiser), AU4 (brow lowerer), AU5, AU7",
     [1, 2, 4, 5, 7]),
]  # fmt: skip
OPTIONS = ["happy", "sad", "angry", "very sad"]
CHOICES = [
    ("B", "B"), ("(b)", "B"), ("b", "B"), ("Answer: B.", "B"), ("B.", "B"), ("B) sad", "B"),
    ("The answer is B because A is wrong", "B"), ("sad", "B"), ("very sad", "D"), ("A", "A"),
    ("The person looks very sad.", "D"), ("A person is shown who is angry.", "C"), ("a", "A"),
    ("Option C", "C"), ("**C**", "C"), ("not A, it is B", "B"), ("C. angry. A is wrong.", "C"),
    ("A. happy\nB. sad\nC. angry\nD. very sad\nThe answer is C", "C"), ("I choose D", "D"),
    ("The correct option is (D).", "D"), ("the answer: d) very sad", "D"), ("Answer B", "B"),
    ("B: sad. The mouth droops. (A) is not right", "B"), ("It's not A, it's B.", "B"),
    ("The best option is C. Angry", "C"), ("<answer>B</answer>", "B"), ("I think it is B", "B"),
    ("A happy person", "A"), ("The mouth smiles, so happy is out. Answer: B", "B"),
]  # fmt: skip
NO_CHOICES = [
    ("B. happy", "several"), ("A or B", "several"), ("E", "outside"), ("I cannot tell", "refused"),
    ("blue", "unparsed"), ("not happy", "unparsed"), ("", "empty"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "years"), AGES)
def test_ages_are_read_from_digits_words_ranges_and_decades(text, years):
    parsed = read_age(text)
    assert (parsed.kind, parsed.number) == ("label", years)


@pytest.mark.parametrize(("text", "kind"), NO_AGES)
def test_what_is_no_age_is_named(text, kind):
    assert read_age(text).kind == kind


def test_an_age_out_of_range_keeps_its_number():
    assert read_age("She is 200 years old").number == 200
    assert read_age("70", oldest=60).kind == "out_of_range"


@given(some.integers(0, 116))
def test_every_age_is_read_back(years):
    for frame in ("{}", "{} years old", "The person looks about {}.", "a {}-year-old"):
        assert read_age(frame.format(years)).number == years


@pytest.mark.parametrize(("text", "units"), UNITS)
def test_units_are_read_from_numbers_lists_and_names(text, units):
    parsed = read_units(text)
    assert parsed.kind == "label"
    assert parsed.labels == tuple(f"AU{number}" for number in units)


@pytest.mark.parametrize(
    ("text", "kind"), [("a dog", "unparsed"), ("I cannot tell", "refused"), ("", "empty")]
)
def test_no_unit_said_is_not_no_unit_active(text, kind):
    assert read_units(text).kind == kind


@pytest.mark.parametrize("number", FACS)
def test_every_facs_name_is_its_own_unit(number):
    assert read_units(FACS[number].name).labels == (f"AU{number}",)
    assert read_units(f"I see that {FACS[number].phrase}.").labels == (f"AU{number}",)


@given(some.sets(some.sampled_from(sorted(FACS)), min_size=1))
def test_any_list_of_units_is_read_back(numbers):
    expected = tuple(f"AU{number}" for number in sorted(numbers))
    for text in (
        ", ".join(expected),
        "+".join(map(str, numbers)),
        f"AUs {' and '.join(map(str, numbers))}",
    ):
        assert read_units(text).labels == expected


@pytest.mark.parametrize(("text", "letter"), CHOICES)
def test_choices_are_read_from_letters_and_words(text, letter):
    assert read_choice(text, OPTIONS).label == letter


@pytest.mark.parametrize(("text", "kind"), NO_CHOICES)
def test_a_choice_that_is_none_is_named(text, kind):
    assert read_choice(text, OPTIONS).kind == kind


def test_options_must_be_told_apart():
    for options in (["yes", "Yes "], ["a", ""]):
        with pytest.raises(FaceLLMError, match="different and not empty"):
            read_choice("A", options)
    with pytest.raises(FaceLLMError, match="2 to 26 options, got 1"):
        letters_of(1)


@pytest.mark.parametrize(
    ("text", "loop"),
    [("no no no no", False), ("sad " * 20, True), ("the face is sad. " * 9, True), ("!" * 30, True),
     ("Anger. The brows are low, the eyes are hard, the mouth is tight, the chin is up.", False),
     ("A long and varied start, it says what it sees in the face before all " + "ha " * 9, False)],
)  # fmt: skip
def test_loops_are_told_from_emphasis(text, loop):
    assert is_loop(text) is loop
