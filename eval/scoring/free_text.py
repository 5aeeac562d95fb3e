"""Free text -> a label of a closed set, by words with the scope of denial.

The label is that of the *main claim*: the last one that follows words of a conclusion ("Answer:",
"therefore", "most likely"); without such, the first that is plainly said; without such, the first
that is said with doubt. Signs ("smiling") count where no label is named at all. Where the main
claim joins several labels ("anger or disgust") the answer is ``several``, which is wrong: it did
not choose. Labels claimed elsewhere are kept in ``others``.

What is known to be missed: irony, pronouns across sentences, double denial, other languages.

Example: ``read_label("neither sad nor angry, rather surprised", family("expression")).label`` ->
``"surprise"``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from facellm.errors import FaceLLMError

from .answer_text import answer_part, blank_all, without_words
from .claims import Claim, claims_of
from .lexicon import Family, family_of, grammar
from .outcome import Parsed

_YES, _NO = r"yes|yeah|yep|yup|correct|true|affirmative", r"no|nope|false|incorrect|negative"
_LEADING = re.compile(rf"\W*(?:(?P<yes>{_YES})|(?P<no>{_NO}))\b(?!\s+(?:doubt|question))", re.I)
_SAID = re.compile(
    rf"\b(?:answer|response)\s*(?:is|:|=)?\s*(?:(?P<yes>{_YES})|(?P<no>{_NO}))\b", re.I
)


def read_label(text: str, family: Family, labels: Sequence[str] | None = None) -> Parsed:
    """The label an answer gives.

    Args:
        text: The answer.
        family: The words of the labels.
        labels: Those the question offers; None for all of the family.

    Returns:
        The outcome; ``outside`` where the main claim is a label of the family that is not offered.

    Raises:
        FaceLLMError: If a label is offered that the family has no words for.
    """
    offered = family.labels if labels is None else tuple(labels)
    for label in offered:
        if label not in family.labels:
            raise FaceLLMError(
                f"no words for the label {label!r}; known: {', '.join(family.labels)}"
            )
    part = answer_part(text)
    nothing = without_words(text, part)
    if nothing is not None:
        return nothing
    refused = grammar("refusals").search(part)
    if refused:  # "I cannot tell emotions such as fear": examples are no claims
        part = blank_all(part, _EXAMPLES)
    claims = claims_of(part, family) or claims_of(part, family, signs=True)
    if not claims:
        return Parsed("refused", span=refused.span()) if refused else Parsed("unparsed")
    return _outcome(claims, offered)


_EXAMPLES = re.compile(rf"(?:{grammar('examples').pattern})[^.!?;\n]*", re.I)


def main_claim(claims: Sequence[Claim]) -> Claim:
    """The claim that counts, by the rule of this module.

    Args:
        claims: At least one, in order.
    """
    own = [claim for claim in claims if not claim.listed] or list(claims)
    finals = [claim for claim in own if claim.final]
    if finals:
        sure = [claim for claim in finals if not claim.hedged]
        return (sure or finals)[-1]
    return next((claim for claim in own if not claim.hedged), own[0])


def _outcome(claims: Sequence[Claim], offered: Sequence[str]) -> Parsed:
    main = main_claim(claims)
    others = tuple(
        dict.fromkeys(
            label for claim in claims for label in claim.labels if label not in main.labels
        )
    )
    inside = tuple(label for label in main.labels if label in offered)
    kind = "several" if len(main.labels) > 1 else "label" if inside else "outside"
    return Parsed(kind, main.labels, span=main.span, others=others)


def read_yes_no(text: str, subject: Sequence[str] = ()) -> Parsed:
    """``yes`` or ``no`` of an answer to a yes/no question.

    Args:
        text: The answer.
        subject: Words of what is asked about, as regular expressions (``["glass(?:es)?"]``): an
            answer without yes or no that claims or denies it is understood too.

    Returns:
        The outcome; its label is ``yes`` or ``no``.
    """
    part = answer_part(text)
    nothing = without_words(text, part)
    if nothing is not None:
        return nothing
    said = list(_SAID.finditer(part))
    match = said[-1] if said else _LEADING.match(part)
    if match:
        label = "yes" if match["yes"] else "no"
        return Parsed("label", (label,), span=match.span(label))
    if subject:
        family = family_of({"yes": subject, "no": ["(?!)"]}, opposites=True)
        return read_label(text, family)
    refused = grammar("refusals").search(part)
    return Parsed("refused", span=refused.span()) if refused else Parsed("unparsed")
