"""Somebody else's language model reasons over our evidence.

An OpenAI-compatible endpoint gets the question and the faces' readings as JSON: shares, geometry,
scopes; the picture itself only where the caller says so. Its answer streams back, and every number
in it that the evidence does not hold is followed by ``[not in the evidence]``. Questions that our
own model takes for out of bounds or off topic are declined here and never sent.

Example::

    reasoner = Reasoner("http://localhost:8000/v1", "qwen2.5-7b")
    "".join(reasoner.answer(faces, "Why does she look happy?"))
    -> "Her face shows happiness (93 %), with the lip corners lifted by 2.1 SD ..."

Network: only to the address given, only when called.
"""

from __future__ import annotations

import base64
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facellm.errors import FaceLLMError

if TYPE_CHECKING:
    from facellm.results import ReadFace

KEY_VARIABLE = "FACELLM_REASONER_KEY"
TIMEOUT = 60.0  # seconds without a word
PICTURE_SIDE = 768  # longer side of a picture that is sent, pixels
PLACES = 3  # decimals of the evidence
UNKNOWN = " [not in the evidence]"
RULES = """\
You describe faces in a picture from evidence that a measuring model read off them. Use the evidence
only; where it does not answer the question, say so. Say what a face "shows", never what a person
feels or is. Age and gender are apparent. Values whose scope is "trained on renders only" are
uncertain on photographs: say so when you use them. A reading that abstains leaves the expression
open. Say nothing about identity, origin, health, honesty, character or attractiveness. Give numbers
as they stand in the evidence."""
# A number, not one glued to a letter as in AU12 or 3D.
_NUMBER = re.compile(r"(?<![\w.])[+-]?\d+(?:[.,]\d+)*(?![\w])")
_OPEN_END = re.compile(r"[\w.,+-]*$")  # what may still grow into a number or a word


@dataclass(frozen=True)
class Reasoner:
    """An endpoint and a model.

    Attributes:
        url: Base address, as ``http://localhost:8000/v1``.
        model: Name the endpoint knows it by.
        key: API key; by default the environment's ``FACELLM_REASONER_KEY``.
    """

    url: str
    model: str
    key: str | None = None

    def answer(
        self,
        faces: Sequence[ReadFace],
        question: str,
        picture: NDArray[np.uint8] | None = None,
    ) -> Iterator[str]:
        """Words of the answer as they come, unknown numbers flagged.

        Args:
            faces: Read faces, left to right.
            question: The user's.
            picture: (H, W, 3) uint8, sent along; None sends the evidence alone.

        Raises:
            FaceLLMError: If the endpoint cannot be reached, refuses or breaks off.
        """
        return self.answer_from(evidence(faces), question, picture)

    def answer_from(
        self, given: dict[str, Any], question: str, picture: NDArray[np.uint8] | None = None
    ) -> Iterator[str]:
        """As ``answer``, from evidence of any shape that is JSON-ready: a clip's timeline."""
        return flag_numbers(self._stream(given, question, picture), known_numbers(given, question))

    def _stream(
        self, given: dict[str, Any], question: str, picture: NDArray[np.uint8] | None
    ) -> Iterator[str]:
        try:
            import openai
        except ImportError as error:
            raise FaceLLMError("--reasoner needs a package: pip install 'openai>=1.60'") from error
        key = self.key or os.environ.get(KEY_VARIABLE) or "none"
        text = f"Evidence:\n{json.dumps(given)}\n\nQuestion: {question}"
        content: Any = text if picture is None else [{"type": "text", "text": text}, sent(picture)]
        try:
            client = openai.OpenAI(base_url=self.url, api_key=key, timeout=TIMEOUT, max_retries=1)
            with client.chat.completions.create(
                model=self.model,
                messages=[
                    {"role": "system", "content": RULES},
                    {"role": "user", "content": content},
                ],
                temperature=0,
                stream=True,
            ) as chunks:
                for chunk in chunks:
                    if chunk.choices and chunk.choices[0].delta.content:
                        yield chunk.choices[0].delta.content
        except openai.APIStatusError as error:
            raise FaceLLMError(f"{self.url}: {error.status_code}: {error.message}") from error
        except openai.OpenAIError as error:
            raise FaceLLMError(f"{self.url}: cannot be reached or broke off ({error})") from error


def evidence(faces: Sequence[ReadFace]) -> dict[str, Any]:
    """What is sent about the faces: their readings without boxes, rounded to three decimals."""
    return {
        "faces": [
            {"face": face.id, "reading": rounded(shortened(face.reading.to_dict()))}
            for face in faces
        ],
        "note": "shares and probabilities lie in 0-1, angles are degrees (yaw > 0 to the image's "
        "right, pitch > 0 up), ages years, geometry standard deviations from neutral faces; "
        "where a reading names a baseline, geometry and units are relative to that person's own",
    }


def shortened(record: dict[str, Any]) -> dict[str, Any]:
    """A reading without the units that are absent."""
    units = record["action_units"]
    active = {name: unit for name, unit in units.items() if unit["probability"] >= 0.5}
    return record | {"action_units": active}


def rounded(value: Any) -> Any:
    """Every float to three decimals, whatever holds it."""
    if isinstance(value, dict):
        return {name: rounded(held) for name, held in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(held) for held in value]
    return round(value, PLACES) if isinstance(value, float) else value


def sent(picture: NDArray[np.uint8]) -> dict[str, Any]:
    """A picture as a content part: JPEG, at most 768 pixels, no metadata."""
    image = Image.fromarray(picture)
    image.thumbnail((PICTURE_SIDE, PICTURE_SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    data = base64.b64encode(buffer.getvalue()).decode()
    return {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}}


def known_numbers(given: Any, question: str = "") -> list[float]:
    """Every number in the evidence, and those the question itself names."""
    if isinstance(given, dict):
        return [n for held in given.values() for n in known_numbers(held)] + said(question)
    if isinstance(given, list):
        return [n for held in given for n in known_numbers(held)]
    if isinstance(given, int | float) and not isinstance(given, bool):
        return [float(given)]
    return said(given) if isinstance(given, str) else []


def said(text: str) -> list[float]:
    """Numbers of a text."""
    values = (value_of(number) for number in _NUMBER.findall(text))
    return [value for value in values if value is not None]


def value_of(number: str) -> float | None:
    """A number as it is written; None for what only looks like one, as a version 1.2.3 does."""
    try:
        return float(number.replace(",", ""))
    except ValueError:
        return None


def is_known(number: str, known: Iterable[float]) -> bool:
    """Whether a number is one of the evidence, rounded, as a percentage or without its sign."""
    plain, found = number.replace(",", ""), value_of(number)
    if found is None:
        return False
    value = abs(found)
    half = 0.5 * 10.0 ** -len(plain.partition(".")[2]) + 1e-9
    return any(
        abs(abs(held) * scale - value) <= half
        for held in known
        for scale in ((1.0, 100.0) if abs(held) <= 1 else (1.0,))
    )


def flag_numbers(pieces: Iterable[str], known: list[float]) -> Iterator[str]:
    """Pieces of text with unknown numbers flagged; a number cut in two pieces is put together."""
    held = ""
    for piece in pieces:
        held += piece
        end = len(held) - len(_OPEN_END.search(held).group())  # type: ignore[union-attr]
        if end:
            yield flagged(held[:end], known)
            held = held[end:]
    if held:
        yield flagged(held, known)


def flagged(text: str, known: list[float]) -> str:
    """A text with every unknown number marked."""
    return _NUMBER.sub(lambda m: m[0] if is_known(m[0], known) else f"{m[0]}{UNKNOWN}", text)
