"""Free text to expressions: the published parser's errors line by line, denial, doubt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from facellm.errors import FaceLLMError
from facellm.eval.scoring.free_text import read_label
from facellm.eval.scoring.lexicon import family, family_of
from facellm.eval.scoring.outcome import KINDS, Parsed, count_kinds
from facellm.labels import EXPRESSIONS

# Answers that the field's parser reads as happiness, neutral, neutral and anger (design notes 5.3).
PUBLISHED_ERRORS = [
    ("anger", "angry"),
    ("sadness", "sad"),
    ("disgust", "disgusting"),
    ("fear", "afraid"),
    ("fear", "scared"),
    ("anger", "furious"),
    ("surprise", "shocked"),
    ("refused", "i cannot tell."),
    ("unparsed", "the weather is warm."),
    ("anger", "the face displays a focused stare and clenched jaw, signalling anger."),
    ("sadness", "the person appears concerned, eyes filled with tears, expressing sadness."),
    (
        "disgust",
        "the nose is wrinkled and the upper lip is raised, showing disgust. "
        "the brows look serious and tense.",
    ),
]

EXPRESSION = [
    ("unparsed", "not angry"),
    ("unparsed", "neither sad nor angry"),
    ("surprise", "neither sad nor angry, rather surprised"),
    ("unparsed", "There is no sign of fear."),
    ("surprise", "He isn't happy but surprised."),
    ("surprise", "He isn\u2019t happy but surprised."),
    ("sadness", "This could be mistaken for anger, but the drooping mouth shows sadness."),
    ("sadness", "unhappy"),
    ("unparsed", "fearless"),
    ("unparsed", "A disgusting colour on the wall."),
    ("unparsed", "The background is neutral background."),
    ("unparsed", "danger ahead"),
    ("several:anger+disgust", "anger or disgust"),
    ("several:anger+disgust", "The face shows both anger and disgust."),
    ("several:happiness+surprise", "Happiness/surprise"),
    ("anger", "anger with a hint of disgust"),
    ("anger", "anger, possibly disgust"),
    ("happiness", "It may be happiness."),
    ("sadness", "It may be happiness, but most likely it is sadness."),
    ("several:happiness+surprise", "It may be happiness or surprise."),
    (
        "sadness",
        "Options: happiness, surprise, sadness, anger, disgust, fear, neutral. Answer: sadness",
    ),
    ("anger", "Is the person happy? No, he is angry."),
    ("neutral", "The person shows no emotion."),
    ("neutral", "He does not show any strong emotion."),
    ("neutral", "She doesn't show any emotion."),
    ("neutral", "The face has a neutral expression with no visible emotion."),
    ("unparsed", "no angry expression"),
    ("anger", "no expression of sadness, only anger"),
    ("refused", "I cannot determine whether the person is happy or sad."),
    ("refused", "I'm sorry, but I can't help with identifying emotions such as happiness."),
    ("happiness", "I'm sorry, I can't identify people, but this person looks happy."),
    ("happiness", "The man is smiling broadly."),
    ("unparsed", "There is no smile."),
    ("sadness", "Not smiling, showing sadness."),
    ("sadness", "**Sadness**"),
    ("sadness", "<think>Could be happy or angry? angry.</think> sadness"),
    ("anger", "<think>sad</think><answer>angry</answer>"),
    ("empty", ""),
    ("empty", "  ..."),
    ("repeated", "angry angry angry angry angry angry angry angry angry angry"),
    (
        "repeated",
        "The face shows the face shows the face shows the face shows the face shows the face shows",
    ),
    ("several:fear+anger", "no doubt fear and anger"),
    ("fear", "There is no doubt that this is fear."),
    ("anger", "Nothing but anger."),
    ("several:sadness+anger", "He is not only sad but also angry."),
    ("anger", "not sad, angry"),
    ("unparsed", "no anger, fear or sadness"),
    ("unparsed", "Without anger, fear, or sadness."),
    ("happiness", "I am not sure, but it might be happiness."),
    ("happiness", "I'm not sure if it is happiness."),
    ("sadness", "Anger is not present; the drooping lids show sadness."),
    ("sadness", "Anger can be ruled out. The face is sad."),
    ("sadness", "If this were anger, the brows would be lowered. It is sadness."),
    ("neutral", "neutral, rather than sad"),
    ("happiness", "happy instead of sad"),
    ("anger", "The emotion is anger, not fear."),
    ("fear", "The expression seems happy at first, but the eyes show fear."),
    ("unparsed", "I don't think this is anger."),
    ("happiness", "The person does not look angry because the smile shows happiness."),
    ("unparsed", "The person is in danger"),
    ("refused", "I am unable to determine the emotion."),
    ("refused", "I'm afraid I cannot tell."),
    ("contempt", "The smirk conveys contempt."),
    ("happiness", "The person in the image is happy. The eyes also have a bit of sadness."),
    ("anger", '{"emotion": "anger"}'),
    ("fear", "Fear: the eyes are wide open; the mouth is not smiling."),
    ("anger", "Anger: the brows are lowered. There is no sadness, no fear."),
    ("sadness", "The wide smile is absent. I would say sad."),
    ("disgust", "He looks disgusted."),
    ("sadness", "He looks not happy. He looks sad."),
    ("neutral", "The expression is calm."),
    ("unparsed", "The expression does not look natural."),
    ("happiness", "Overall, the face shows happiness."),
    ("sadness", "The brows look angry, however, overall the face conveys sadness."),
    ("anger", "nose notice normal know another anger"),
    ("sadness", "The person's expression is that of sadness rather than anger."),
    (
        "happiness",
        "The person exhibits a joyful expression, with a broad smile; "
        "there are no signs of anger or fear.",
    ),
    ("anger", "Her brows are lowered. This typically indicates anger."),
    ("neutral", "Neutral. No signs of happiness, sadness, anger, or fear are visible."),
    (
        "neutral",
        "There are no signs of happiness, sadness, anger, or fear, so the expression is neutral.",
    ),
    ("surprise", "It's not fear, it's surprise."),
    ("surprise", "It is not fear but rather surprise."),
    ("surprise", "A: surprise"),
    ("unparsed", "No happy expression is seen."),
    ("happiness", "happiness (not surprise)"),
    ("fear", "I believe the emotion displayed is fear, since the eyes are wide."),
    ("sadness", "The corners of the mouth do not turn upward, which suggests sadness."),
    ("anger", "The man does not seem happy. He seems angry."),
    ("anger", "He can't hide his anger."),
    (
        "disgust",
        "Although the person could look angry at first glance, the nose points to disgust.",
    ),
    ("fear", "Among happiness, sadness, anger, disgust and fear, the best match is fear."),
    ("unparsed", "Surely nobody is happy here"),
    ("neutral", "The face lacks any strong emotion."),
    ("happiness", "Emotion: Happy\nConfidence: 90 %"),
    ("anger", "HE IS ANGRY!!!"),
    ("several:sadness+fear", "a mix of sadness and fear"),
    ("several:sadness+fear", "somewhere between sadness and fear"),
    ("refused", "As an AI, I cannot identify emotions."),
    ("sadness", "not happy at all - sad"),
    ("happiness", "1. Happiness"),
    ("anger", "mad"),
    ("anger", "The emotion conveyed isn't sadness; I would classify it as anger."),
    ("happiness", "The person is not only smiling but also happy."),
    ("surprise", "The subject is surprised, though not scared."),
    ("anger", "Far from happy, the man is furious."),
    ("sadness", "Definitely not joy. Sadness."),
    ("unparsed", "Neither."),
    ("disgust", "The subject never looks happy, and shows disgust."),
]


def said(parsed: Parsed) -> str:
    """``anger``, or the kind with its labels: ``several:anger+disgust``."""
    return parsed.label or ":".join(
        [parsed.kind, *(["+".join(parsed.labels)] * bool(parsed.labels))]
    )


@pytest.mark.parametrize(("expected", "text"), PUBLISHED_ERRORS)
def test_answers_the_published_parser_gets_wrong_are_read_right(expected, text):
    assert said(read_label(text, family("expression"), EXPRESSIONS)) == expected


@pytest.mark.parametrize(("expected", "text"), EXPRESSION)
def test_expressions_are_read_with_denial_doubt_and_contrast(expected, text):
    assert said(read_label(text, family("expression"))) == expected


def test_a_label_that_is_not_offered_is_outside_and_not_replaced_by_a_later_one():
    offered = [name for name in EXPRESSIONS if name != "contempt"]
    parsed = read_label("Contempt. There is some anger too.", family("expression"), offered)
    assert (parsed.kind, parsed.labels, parsed.label) == ("outside", ("contempt",), None)
    assert parsed.others == ("anger",)


def test_the_span_is_where_the_label_stands():
    text = "<think>Hm, sad?</think> The face isn't happy, it is **surprised**."
    parsed = read_label(text, family("expression"))
    assert parsed.span is not None
    assert text[slice(*parsed.span)] == "surprised"


def test_several_keeps_its_first_label_for_other_rules():
    parsed = read_label("anger or disgust", family("expression"))
    assert (parsed.label, parsed.first) == (None, "anger")


def test_kinds_are_counted_with_none_hidden():
    counts = count_kinds([Parsed("label", ("a",)), Parsed("refused"), Parsed("refused")])
    assert counts == dict.fromkeys(KINDS, 0) | {"label": 1, "refused": 2}


# The first ten stand in two lists of the published parser.
WORDS = (
    *("serious", "curiosity", "tension", "quivering", "discomfort", "displeased", "displeasure"),
    *("shock", "distress", "annoyed", "smile", "tears", "sneer", "calm", "joy", "rage", "disdain"),
    *("real", "natural", "artificial", "original", "her", "him", "man", "woman"),
)


@pytest.mark.parametrize("name", ["expression", "study", "gender", "authenticity"])
def test_no_word_belongs_to_two_labels(name):
    words = family(name)
    for text in WORDS:
        owners = {label for label, p in (*words.names, *words.signs) if p.fullmatch(text)}
        assert len(owners) <= 1, (text, owners)


def test_unknown_families_and_labels_are_named():
    with pytest.raises(FaceLLMError, match="unknown family of labels 'mood'"):
        family("mood")
    with pytest.raises(FaceLLMError, match="no words for the label 'boredom'"):
        read_label("bored", family("expression"), ["boredom"])
    with pytest.raises(FaceLLMError, match="opposites need two labels, got 1"):
        family_of({"yes": ["yes"]}, opposites=True)
    with pytest.raises(FaceLLMError, match="label 'no' has no words"):
        family_of({"yes": ["yes"], "no": []})


@given(some.text(max_size=80))
def test_any_text_has_one_outcome_and_a_span_inside_of_it(text):
    parsed = read_label(text, family("expression"))
    assert parsed.kind in KINDS
    assert parsed.span is None or 0 <= parsed.span[0] <= parsed.span[1] <= len(text)
    assert (parsed.label is None) == (parsed.kind != "label")


@given(
    some.sampled_from(EXPRESSIONS),
    some.sampled_from(["{}", "{}.", "The face shows {}.", "<b>{}</b>"]),
)
def test_a_plain_label_is_read_as_itself_and_not_when_denied(name, frame):
    text = frame.format(name)
    assert read_label(text, family("expression")).label == name
    assert read_label(text.upper(), family("expression")).label == name
    assert read_label(f"There is no sign of {name}.", family("expression")).kind == "unparsed"
