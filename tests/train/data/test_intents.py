"""What an answer answers, told by the corpus or by the answer."""

import pytest

from facellm.train.data.intents import INTENT_OF, intents_of


@pytest.mark.parametrize(
    ("task", "answer", "intent"),
    [
        ("geometry", "Head pose: tilted 10 degrees down.", "pose"),
        ("geometry", "Open: the mouth is measured to be open.", "mouth"),
        ("geometry", "What stands out: the brows are raised (+1 SD).", "why"),
        ("description", "This picture holds one face.", "count"),
        ("description", "Apparent age: about 12 years. Apparent gender: female.", "describe"),
        ("limits", "I cannot tell: a mask covers it.", "mouth"),
        ("limits", "I cannot help with that. Ask me about a face.", "off_topic"),
        ("limits", "I do not judge identity.", "out_of_bounds"),
        ("attributes", "The face looks female.", "gender"),
        ("attributes", "With a mask.", "mask"),
        ("age", "A child.", "age"),
        ("expression", "Sadness, as read by 8 of 10. It rests on the whole picture.", "why"),
    ],
)
def test_the_intent_of_an_answer_is_told_where_the_corpus_does_not_say_it(task, answer, intent):
    assert intents_of(task, {}, [answer]) == [intent]


def test_every_name_the_annotator_writes_has_an_intent():
    from facellm.instruct_data.annotate.grammar_annotator import LIMITS, TELLERS
    from facellm.instruct_data.corpus.record import TASKS

    names = {intent for _, intent, _ in TELLERS} | set(LIMITS) | set(TASKS)
    assert names <= set(INTENT_OF)
