"""Pointers: tokens of the context stand for words of the answer, both ways."""

import pytest

from facellm.pointers import is_pointer, render


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        ("<ask_age>About <age_34> years (<age_27> to <age_42>).", "About 34 years (27 to 42)."),
        ("<ask_expression><expr_fear> (<p_40>), perhaps.", "Fear (40 %), perhaps."),
        ("<expr_fear> shows. <expr_anger> may too.", "Fear shows. Anger may too."),
        ("<ask_expression>I read <expr_fear>.", "I read fear."),
        ("<ask_pose>Tilted <deg_-10> degrees down.", "Tilted 10 degrees down."),
        (
            "<ask_action_units><q_au12> <level_4>.",
            "AU12 (Lip Corner Puller) strong.",
        ),
        ("<ask_gender>Looks <female>.", "Looks female."),
        ("<ask_off_topic>I cannot help.", "I cannot help."),
    ],
)
def test_values_become_words_and_control_tokens_nothing(tokens, words):
    assert render(tokens) == words


@pytest.mark.parametrize(
    "token", ["<p_0>", "<age_116>", "<deg_-5>", "<z_+4>", "<q_au12>", "<male>"]
)
def test_values_are_pointers(token):
    assert is_pointer(token)


@pytest.mark.parametrize("token", ["<q_age>", "<ask_age>", "<face>", "age", "<yes>", "<p_>", ""])
def test_names_and_words_are_not(token):
    assert not is_pointer(token)
