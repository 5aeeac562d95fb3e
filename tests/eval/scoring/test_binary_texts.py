"""Free text to real or fake, apparent gender, yes or no."""

from __future__ import annotations

import pytest

from facellm.eval.scoring.free_text import read_label, read_yes_no
from facellm.eval.scoring.lexicon import family
from facellm.eval.scoring.outcome import Parsed

AUTHENTICITY = [
    ("fake", "This is a deepfake."),
    ("real", "There are no signs of manipulation."),
    ("fake", "The face is not real."),
    ("real", "The video isn't manipulated."),
    ("fake", "Fake: The face in the video exhibits blending artifacts."),
    ("refused", "I cannot tell whether it is real or fake."),
    ("real", "It looks authentic, without any artifacts."),
    ("several:real+fake", "real or fake"),
    ("real", "The image does not appear to be AI-generated or manipulated."),
    ("fake", "visible artifacts around the mouth"),
    ("real", "no visible artifacts around the mouth"),
    ("fake", "AI-generated"),
    ("unparsed", "A realistic view."),
    ("fake", "This is not an authentic image."),
    ("fake", "The image is not real; it has been digitally manipulated."),
    ("real", "I found no evidence of tampering."),
    ("real", "Real. There is no evidence that the picture has been edited."),
    ("fake", "It cannot be considered genuine."),
    ("fake", "The face is fake, not real."),
    ("refused", "It is impossible to say if the face is real or fake."),
]

GENDER = [
    ("female", "a woman"),
    ("male", "The man is smiling."),
    ("female", "She has long hair."),
    ("unparsed", "human"),
    ("male", "male, not female"),
    ("unparsed", "not a woman"),
    ("female", "Female."),
    ("male", "a boy"),
    ("female", "The person appears to be a young woman with short hair like a man."),
]

YES_NO = [
    ("yes", "Yes, the person is smiling."),
    ("no", "No."),
    ("yes", "The person is wearing glasses."),
    ("no", "The person is not wearing glasses."),
    ("no", "There are no glasses."),
    ("unparsed", "A hat is on the head."),
    ("yes", "The answer is yes."),
    ("yes", "No doubt, glasses are worn."),
    ("no", "no, there are no glasses"),
    ("no", "The person does not appear to wear any glasses."),
]


def said(parsed: Parsed) -> str:
    """``anger``, or the kind with its labels: ``several:anger+disgust``."""
    return parsed.label or ":".join(
        [parsed.kind, *(["+".join(parsed.labels)] * bool(parsed.labels))]
    )


@pytest.mark.parametrize(("expected", "text"), AUTHENTICITY)
def test_denying_one_of_two_opposites_claims_the_other(expected, text):
    assert said(read_label(text, family("authenticity"))) == expected


@pytest.mark.parametrize(("expected", "text"), GENDER)
def test_gender_words_inside_words_do_not_count(expected, text):
    assert said(read_label(text, family("gender"))) == expected


@pytest.mark.parametrize(("expected", "text"), YES_NO)
def test_yes_and_no_are_read_also_from_a_sentence_about_the_subject(expected, text):
    assert said(read_yes_no(text, ["glasses"])) == expected


def test_yes_no_without_a_subject_needs_the_word():
    assert read_yes_no("The person wears glasses.").kind == "unparsed"
    assert read_yes_no("I cannot tell.").kind == "refused"
    assert read_yes_no("").kind == "empty"
