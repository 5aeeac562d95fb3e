"""What is said when a question is refused, and what people must be told."""

from __future__ import annotations

_INSTEAD = (
    "I can describe the expression shown, the action units, the apparent age, the head pose or the "
    "gaze."
)
_LIMITS = {
    "identity": "I do not say who a person is, and I do not compare or search for faces.",
    "protected": "I do not read race, origin, religion, politics or sexual orientation off a face.",
    "traits": "A face does not show character, intelligence or trustworthiness.",
    "worth": "I do not rate looks, and I do not say who suits a job or deserves something.",
    "diagnosis": "I do not judge health and make no diagnosis from a face.",
    "lying": "A face does not show whether somebody lies or is guilty.",
}
REFUSALS = {kind: f"{limit} {_INSTEAD}" for kind, limit in _LIMITS.items()}
NOTICE = (
    "This system reads facial expressions, apparent age and apparent gender from pictures of "
    "faces. Whoever uses it must inform the people whose faces are shown (EU AI Act, Article "
    "50(3)) and needs a lawful reason to process their pictures. Readings say what a face shows, "
    "with errors; they do not say what a person feels, thinks or is."
)
PROHIBITED = (
    "this server does not infer emotions where it is used for {context} (EU AI Act, Article "
    "5(1)(f)); action units, head pose, gaze, eyes, mouth, mask, apparent age and gender, the "
    "number of faces and whether a picture is real may still be asked for"
)
