"""The offline annotator says what row and landmarks know, label first, and nothing else."""

import random
import re
from dataclasses import replace

import numpy as np
import pytest
from corpus_drafts import draft, points
from hypothesis import given, settings
from hypothesis import strategies as st

from facellm.answers import parse_answer
from facellm.errors import FaceLLMError
from facellm.instruct_data.annotate import phrases, phrases_seen
from facellm.instruct_data.annotate.attributes import INVERTED, VISIBLE, WITHHELD
from facellm.instruct_data.annotate.facts import facts_of, shipped_geometry, votes_of
from facellm.instruct_data.annotate.families import FAMILIES, METHODS, REGIONS
from facellm.instruct_data.annotate.grammar_annotator import GrammarAnnotator
from facellm.instruct_data.annotate.row_claims import contradictions, wrong_unit_names
from facellm.instruct_data.corpus.record import TASKS
from facellm.instruct_data.forge.families import FAMILIES as forged
from facellm.instruct_data.grammar_sentences import AGREEMENT, expression_noun
from facellm.labels import ACTION_UNITS, EXPRESSIONS, FACS
from facellm.regions import REGION_SLICES

ANNOTATOR = GrammarAnnotator(limits=0.0, most=30)
SMILE = points(lift_by=0.08, open_by=0.15)


def votes(unknown=0, no_face=0, **named):
    return (*(named.get(name, 0) for name in EXPRESSIONS), unknown, no_face)


def said(some, intent, number=40):
    """Answers of an intent, over many keys and so many styles."""
    drafts = [replace(some, seed=seed) for seed in range(number)]
    told = ANNOTATOR.annotate(drafts)
    return [e.answer for exchanges in told for e in exchanges if e.intent == intent]


LABELS = st.fixed_dictionaries(
    {},
    optional={
        "votes": st.tuples(*[st.integers(0, 10)] * 10),
        "expression": st.sampled_from(EXPRESSIONS),
        "valence": st.floats(-1, 1),
        "arousal": st.floats(-1, 1),
        "units": st.dictionaries(st.sampled_from(ACTION_UNITS), st.floats(0, 1)),
        "age": st.integers(0, 116),
        "age_range": st.sampled_from([(0, 2), (20, 29), (70, 116)]),
        "male": st.booleans(),
        "mask": st.booleans(),
        "fake": st.booleans(),
        "forgery": st.sampled_from([*FAMILIES, "something_new"]),
        "making": st.sampled_from([{"method": m, "regions": ["lips", "nose"]} for m in METHODS]),
        "attributes": st.dictionaries(
            st.sampled_from([*VISIBLE, *INVERTED, *WITHHELD]), st.booleans()
        ),
    },
)
FACES = st.one_of(
    st.none(),
    st.builds(points, st.floats(-0.03, 0.3), st.floats(-0.1, 0.1), st.floats(-0.1, 0.1)),
)


@settings(max_examples=80, deadline=None)
@given(LABELS, FACES, st.integers(0, 2**40))
def test_no_answer_contradicts_row_or_landmarks(labels, face, seed):
    made = replace(draft(face=face, **labels), seed=seed)
    facts = facts_of([made], shipped_geometry())[0]
    for exchange in GrammarAnnotator(limits=1.0, most=30).annotate([made])[0]:
        assert exchange.task in TASKS
        assert contradictions(exchange.answer, facts) == [], exchange
        assert wrong_unit_names(exchange.answer) == []
        assert "{" not in exchange.answer
        assert exchange.answer[0].isupper() or exchange.answer[0].isdigit()


@pytest.mark.parametrize("label", EXPRESSIONS)
def test_clear_votes_are_told_label_first_and_read_back(label):
    other = "fear" if label != "fear" else "anger"
    made = draft(votes=votes(unknown=1, **{label: 7, other: 2}))
    answers = said(made, "expression")
    assert len(set(answers)) > 12
    for answer in answers:
        assert answer.lower().startswith(expression_noun(label)), answer
        assert parse_answer(answer)[0].expressions[0] == label
        assert "7 of 10 people" in answer
        assert "2 saw" in answer
        assert "1 could not tell" in answer


def test_split_votes_are_called_unclear():
    for shares in ({"fear": 5, "anger": 5}, {"fear": 4, "anger": 3, "sadness": 3}):
        for answer in said(draft(votes=votes(**shares)), "expression"):
            assert parse_answer(answer)[0].unsure, answer
    for answer in said(draft(votes=votes(unknown=6, fear=4)), "expression"):
        assert parse_answer(answer)[0].unsure, answer
        assert "6 of 10 people" in answer


def test_what_most_call_no_face_has_no_expression():
    assert votes_of(draft(votes=votes(no_face=6, fear=4)).row) is None
    assert votes_of(draft(votes=votes()).row) is None
    assert said(draft(votes=votes(no_face=10)), "expression") == []


def test_agreement_gives_the_whole_distribution():
    for answer in said(draft(votes=votes(sadness=6, neutral=3, unknown=1)), "agreement"):
        assert "moderate" in answer.lower()
        assert "6 of 10 people read sadness, 3 a neutral expression, 1 could not tell" in answer


def test_age_gender_mask_and_make_are_read_back():
    made = draft(age=34, male=False, mask=False, fake=True, source="real_vs_stylegan2")
    for answer in said(made, "age") + said(made, "age_group"):
        assert parse_answer(answer)[0].age == 34, answer
    for answer in said(made, "age_group"):
        assert "in the thirties" in answer.lower()
    for answer in said(made, "gender"):
        assert parse_answer(answer)[0].gender == "female"
        assert re.search(r"appear|look|apparent", answer, re.I), answer
    for answer in said(made, "age_and_gender"):
        assert (parse_answer(answer)[0].age, parse_answer(answer)[0].gender) == (34, "female")
        assert re.search(r"appear|look|apparent", answer, re.I), answer
    for answer in said(made, "gender_check"):
        assert parse_answer(answer)[0].gender == "female"
        assert answer.startswith(("Yes", "No"))
    assert all(parse_answer(answer)[0].mask is False for answer in said(made, "mask"))
    assert all(parse_answer(answer)[0].generated for answer in said(made, "deepfake"))
    assert all("StyleGAN2" in answer for answer in said(made, "forgery_family"))
    real = draft(mask=True, fake=False)
    assert all(parse_answer(answer)[0].mask for answer in said(real, "mask"))
    assert all(parse_answer(answer)[0].generated is False for answer in said(real, "deepfake"))
    assert said(real, "forgery_family") == []


def test_every_forgery_that_can_be_made_and_every_region_has_words():
    assert {method for family in forged.values() for method in family.methods} == set(METHODS)
    assert set(forged) == set(FAMILIES) - {"stylegan2"}
    assert set(REGIONS) == set(REGION_SLICES)


def test_a_forgery_of_ours_is_told_by_what_was_done_and_where():
    making = {"method": "mouth_warp", "regions": ["lips", "inner_mouth"]}
    made = draft(fake=True, forgery="audio_driven_2d", making=making)
    assert all("mouth alone was warped" in answer for answer in said(made, "deepfake"))
    assert not any("sound" in answer for answer in said(made, "forgery_family"))
    for answer in said(made, "forgery_region"):
        assert "the lips and the inside of the lips" in answer.lower()


def test_units_have_the_names_of_facs_and_strengths_only_where_coded():
    coded = {number: 0.0 for number in ACTION_UNITS} | {12: 0.9, 6: 0.3, 4: 0.05}
    for answer in said(draft(units=coded), "action_units"):
        assert f"AU12 ({FACS[12].name})" in answer
        assert "strong" in answer
        assert set(parse_answer(answer)[0].units) == {6, 12}
    for answer in said(draft(units={12: 1.0, 4: 0.0}), "action_units"):
        assert not re.search("weak|moderate|strong", answer)
    for answer in said(draft(units={12: 0.0, 4: 0.0}), "action_units"):
        assert parse_answer(answer)[0].units == {}
        assert "2" in answer  # of how many that were looked for


def test_reasons_are_measured_and_go_with_the_label():
    smile = draft(face=SMILE, votes=votes(happiness=9, neutral=1))
    for answer in said(smile, "why"):
        assert "lip corners are lifted (+" in answer
    frown = draft(face=SMILE, votes=votes(sadness=9, neutral=1))
    for answer in said(frown, "why"):
        assert "lip corners" not in answer
        assert "SD" not in answer
    units = draft(face=SMILE, units={12: 0.8, 15: 0.8})
    for answer in said(units, "why"):
        assert f"agrees with AU12 ({FACS[12].name})" in answer
        assert "agrees with AU15" not in answer
    assert AGREEMENT[15] == ("lip corners", -1)


def test_without_landmarks_nothing_is_measured():
    for face in (None, SMILE):
        made = draft(face=face, votes=votes(happiness=9))
        poor = replace(made, faces=(replace(made.faces[0], quality=0.2),))
        several = replace(made, faces=made.faces * 2)
        for one in (poor, several) if face is not None else (made,):
            told = ANNOTATOR.annotate([one])[0]
            assert {e.task for e in told} == {"expression", "description"}
            assert not any("SD" in e.answer or "head" in e.answer for e in told)


def test_under_a_mask_nothing_is_said_of_the_lips():
    made = draft(face=SMILE, mask=True)
    for exchange in ANNOTATOR.annotate([made])[0]:
        assert not re.search(r"lip corners|mouth opening|mouth is", exchange.answer), exchange
    assert all(parse_answer(answer)[0].unsure for answer in said(made, "mouth"))


def test_withheld_attributes_are_never_said():
    every = dict.fromkeys([*VISIBLE, *INVERTED, *WITHHELD], True)
    assert len(every) == 40
    assert not set(VISIBLE) & set(WITHHELD)
    text = " ".join(said(draft(attributes=every), "attributes")).lower()
    for word in ("attractive", "chubby", "chin", "nose", "skin", "young", "big", "cheek"):
        assert word not in text
    assert "a beard" not in text  # No_Beard is true
    assert "brown hair" in text
    assert said(draft(attributes=dict.fromkeys(WITHHELD, True)), "attributes") == []


def test_a_row_without_labels_or_points_has_no_answers():
    bare = draft()
    assert ANNOTATOR.annotate([replace(bare, faces=())]) == [()]


def test_dialogues_and_study_behaviour_are_left_to_their_tracks():
    behaving = replace(draft(behaviour="distraction"), faces=())
    assert ANNOTATOR.annotate([behaving]) == [()]
    assert ANNOTATOR.annotate([draft(media="dialogue", expression="fear")]) == [()]


def test_the_seed_alone_decides_not_the_company():
    drafts = [draft(str(k), face=SMILE if k % 2 else None, age=20 + k) for k in range(9)]
    together = ANNOTATOR.annotate(drafts)
    assert together == [ANNOTATOR.annotate([one])[0] for one in drafts]
    assert together == ANNOTATOR.annotate(drafts)


def test_a_share_of_pictures_has_a_question_that_is_declined():
    drafts = [draft(str(k), votes=votes(fear=9)) for k in range(400)]
    told = GrammarAnnotator(limits=0.5).annotate(drafts)
    declined = [exchanges[-1] for exchanges in told if exchanges[-1].task == "limits"]
    assert 150 < len(declined) < 250
    assert {e.intent for e in declined} == {"out_of_bounds", "off_topic", "inner_state"}


def test_at_most_so_many_are_kept_in_order():
    made = draft(face=SMILE, votes=votes(happiness=9), age=30, male=True, units={12: 1.0})
    every = ANNOTATOR.annotate([made])[0]
    few = GrammarAnnotator(limits=0.0, most=4).annotate([made])[0]
    assert len(every) > 9
    assert len(few) == 4
    assert [e.answer for e in every if e in few] == [e.answer for e in few]


def test_every_kind_of_sentence_has_several_wordings_that_differ():
    groups = {**vars(phrases), **vars(phrases_seen)}
    lists = {n: v for n, v in groups.items() if n.isupper() and isinstance(v[0], str)}
    assert len(lists) > 25
    for name, templates in lists.items():
        assert len(set(templates)) == len(templates) >= 3, name


@pytest.mark.parametrize(
    ("options", "told"),
    [({"limits": 1.5}, r"limits: 1.5 is not in 0..1"), ({"most": 0}, "most: 0 is under 1"),
     ({"limits": "often"}, "'often' is not a number")],
)  # fmt: skip
def test_options_out_of_bounds_are_refused(options, told):
    with pytest.raises(FaceLLMError, match=told):
        GrammarAnnotator(**options)


def test_a_thousand_pictures_take_less_than_four_seconds():
    """300 pictures a second are promised; on one core it is about five times that."""
    import time

    rng = random.Random(0)
    drafts = [
        draft(str(k), face=points(lift_by=rng.uniform(-0.1, 0.1)), votes=votes(fear=8, anger=2))
        for k in range(1000)
    ]
    ANNOTATOR.annotate(drafts[:2])
    start = time.process_time()
    told = ANNOTATOR.annotate(drafts)
    assert time.process_time() - start < 4
    assert np.mean([len(exchanges) for exchanges in told]) > 6
