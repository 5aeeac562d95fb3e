"""Who writes answers, who rates them, and what is rejected for what they say.

Registries by name: ``module:class``, imported when it is needed. Each class is a frozen dataclass
whose fields are its options, so ``LengthFilter(most=500)`` is built from a config's mapping as it
is. ``QUESTIONS`` words the intents that the question bank does not have.
"""

_HERE = "facellm.instruct_data.annotate"
ANNOTATORS = {
    "grammar": f"{_HERE}.grammar_annotator:GrammarAnnotator",
    "openai": f"{_HERE}.openai_annotator:OpenAIAnnotator",
}
STEPS = {
    "rate": f"{_HERE}.rating:RatingStep",
    "contradiction": f"{_HERE}.text_filters:ContradictionFilter",
    "label_leak": f"{_HERE}.text_filters:LabelLeakFilter",
    "forbidden": f"{_HERE}.text_filters:ForbiddenFilter",
    "unit_names": f"{_HERE}.text_filters:UnitNameFilter",
    "length": f"{_HERE}.text_filters:LengthFilter",
    "rectify": f"{_HERE}.rectify:RectifyStep",
}
QUESTIONS = f"{_HERE}.asking:ask_extra"
