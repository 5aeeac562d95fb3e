"""Text filters: contradictions, leaks, topics, names of units, lengths; each with its reason."""

from dataclasses import replace

import pytest
from corpus_drafts import draft, points
from hypothesis import given, settings
from hypothesis import strategies as st

from facellm.errors import FaceLLMError
from facellm.instruct_data.annotate.facts import facts_of, shipped_geometry
from facellm.instruct_data.annotate.forbidden import forbidden_in
from facellm.instruct_data.annotate.grammar_annotator import GrammarAnnotator
from facellm.instruct_data.annotate.leaks import leaks_in
from facellm.instruct_data.annotate.row_claims import contradictions, wrong_unit_names
from facellm.instruct_data.annotate.text_filters import (
    ContradictionFilter,
    ForbiddenFilter,
    LabelLeakFilter,
    LengthFilter,
    UnitNameFilter,
)
from facellm.instruct_data.corpus.record import Draft, Exchange
from facellm.labels import FACS
from facellm.readers.row import Rejection

ALL = (
    ContradictionFilter(),
    LabelLeakFilter(),
    ForbiddenFilter(),
    UnitNameFilter(),
    LengthFilter(),
)
SAD = (0, 0, 0, 8, 1, 0, 0, 0, 1, 0)


def with_answer(answer, task="expression", **labels):
    made = draft(**(labels or {"votes": SAD}))
    return replace(made, exchanges=(Exchange(task, task, answer, "?"),))


def test_each_step_gives_one_outcome_a_draft_in_order_with_its_reason():
    good, bad = with_answer("Sadness: the lips turn down."), with_answer("Anger: the annotation.")
    for step in (ContradictionFilter(), LabelLeakFilter()):
        first, second, third = step([good, bad, good])
        assert first is good
        assert third is good
        assert isinstance(second, Rejection)
        assert second.step == step.name
        assert second.key == bad.row.key
        assert second.detail.startswith("expression: ")


@pytest.mark.parametrize(
    ("answer", "labels", "wrong"),
    [
        ("Anger shows on this face.", {"votes": SAD}, "expression anger, labelled sadness"),
        ("Sadness, or fear.", {"votes": SAD}, "expression fear, seen by nobody"),
        ("Sadness (40 %).", {"votes": SAD}, "expression 40 %, labelled 80 %"),
        ("Happiness.", {"expression": "fear"}, "expression happiness, labelled fear"),
        ("The face looks male.", {"male": False}, "gender male, known female"),
        ("A mask is worn.", {"mask": False}, "mask True, known False"),
        ("A real photograph.", {"fake": True}, "generated False, known True"),
        ("About 50 years.", {"age": 34}, "age 50 years, labelled 34"),
        ("About 50 years.", {"age_range": (20, 29)}, "age 50 years, labelled 20 to 29"),
        ("AU4 (Brow Lowerer) is active.", {"units": {12: 1.0, 4: 0.0}}, "AU4 is not active"),
        ("AU9 is active.", {"units": {12: 1.0}}, "AU9 is not coded"),
        ("No action unit is active.", {"units": {12: 1.0}}, "no unit named, active are [12]"),
        ("AU12 strong.", {"units": {12: 0.3, 4: 0.0}}, "AU12 strong, labelled weak"),
    ],
)
def test_a_contradiction_names_what_is_said_and_what_is_known(answer, labels, wrong):
    facts = facts_of([draft(**labels)], shipped_geometry())[0]
    assert wrong in contradictions(answer, facts)


@pytest.mark.parametrize(
    ("answer", "labels"),
    [
        ("Sadness, without any anger. No sign of fear.", {"votes": SAD}),
        ("Sadness, or anger.", {"votes": SAD}),  # one person saw it
        ("About 36 years.", {"age": 34}),
        ("AU12 shows, AU4 is not active.", {"units": {12: 0.9, 4: 0.0}}),
        ("Anger. About 90 years, male, a mask.", {"behaviour": "distraction"}),  # nothing known
    ],
)
def test_what_is_denied_hedged_or_not_known_is_no_contradiction(answer, labels):
    assert contradictions(answer, facts_of([draft(**labels)], shipped_geometry())[0], 5) == []


def test_measures_and_pose_are_compared_with_the_landmarks():
    facts = facts_of([draft(face=points(lift_by=0.1))], shipped_geometry())[0]
    z = facts.geometry["lip corners"]
    assert z > 0
    assert contradictions(f"The lip corners are lifted ({z:+d} SD).", facts) == []
    assert contradictions("The lip corners are lowered (-3 SD).", facts)
    assert contradictions("The head is turned 40 degrees towards the image's left side.", facts)


LEAKED = [
    "labelled as", "labeled", "the label", "annotation", "Annotators", "ground truth",
    "ground-truth", "the given expression", "provided information", "as stated", "as you said",
    "according to the label", "I was told", "you told", "metadata", "the dataset", "the prompt",
    "emotion I was given", "tagged", "the age provided is",
]  # fmt: skip
CLEAN = "Sadness: 8 of 10 people read it so. The lip corners are lowered, the brows drawn"


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(LEAKED),
    st.integers(0, len(CLEAN.split())),
    st.sampled_from([str.upper, str.title, str.lower]),
    st.sampled_from([" ", "  ", "\n", "-", " **"]),
)
def test_a_leak_is_found_wherever_and_however_it_is_written(leak, place, case, blank):
    words = CLEAN.split()
    text = " ".join([*words[:place], case(leak).replace(" ", blank), *words[place:]])
    assert leaks_in(text), text
    assert leaks_in(CLEAN) == []


@pytest.mark.parametrize(
    "text",
    ["She looks trustworthy.", "A sign of depression.", "He is Japanese.", "An attractive face.",
     "She feels sad.", "A dark-skinned face.", "He seems to be lying.", "A famous actor.",
     "An intelligent look.", "Of Asian descent.", "A black woman."],
)  # fmt: skip
def test_forbidden_topics_are_found(text):
    assert forbidden_in(text)


@pytest.mark.parametrize(
    "text",
    ["Black hair and a white hat.", "The head is straight.", "A kind of smile.", "Pretty clear.",
     "The brows are drawn together; the face shows sadness.", "Leaning 10 degrees clockwise."],
)  # fmt: skip
def test_harmless_words_are_not(text):
    assert forbidden_in(text) == []


def test_refusals_may_name_what_they_decline():
    refusal = "I do not say who is attractive or ill."
    step = ForbiddenFilter()
    assert isinstance(step([with_answer(refusal, "limits")])[0], Draft)
    assert isinstance(step([with_answer(refusal)])[0], Rejection)


def test_units_are_called_as_in_facs():
    assert wrong_unit_names(f"AU15 ({FACS[15].name}), AU 06 (cheek raiser), AU12 (weak)") == []
    assert wrong_unit_names("AU15 (Lower lip depressor)") == [
        "AU15 called 'Lower lip depressor', it is 'Lip Corner Depressor'"
    ]
    assert wrong_unit_names("AU99 (Ear Wiggler)") == ["AU99 is not among those of the table"]
    assert isinstance(UnitNameFilter()([with_answer("AU15 (Chin Raiser).")])[0], Rejection)


def test_lengths_are_bounded_both_ways():
    step = LengthFilter(least=5, most=10)
    kept, short, long = step([with_answer("A" * 10), with_answer("  Fear "), with_answer("A" * 11)])
    assert isinstance(kept, Draft)
    assert short.detail == "expression: 4 characters are under 5"
    assert long.detail == "expression: 11 characters are over 10"
    with pytest.raises(FaceLLMError, match="most: 3 is under 5"):
        LengthFilter(least=5, most=3)


def test_what_the_offline_annotator_writes_passes_every_filter():
    attributes = {"Brown_Hair": True, "Eyeglasses": False, "Smiling": True}
    drafts = [
        draft(
            str(k), face=points(lift_by=0.01 * (k % 9 - 4)), votes=SAD, age=k, male=k % 2 == 0,
            mask=False, fake=k % 3 == 0, units={12: 0.7, 4: 0.0}, attributes=attributes,
            valence=-0.4, arousal=0.2, source="real_vs_stylegan2",
        )
        for k in range(100)
    ]  # fmt: skip
    annotated = GrammarAnnotator(limits=1.0, most=30).annotate(drafts)
    drafts = [replace(d, exchanges=e) for d, e in zip(drafts, annotated, strict=True)]
    for step in ALL:
        assert step(drafts) == drafts, step.name
