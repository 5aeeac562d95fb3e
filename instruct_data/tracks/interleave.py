"""Words and nonverbal codes of one utterance as one text, in order of time, and back.

Time is counted in frames of the utterance, 25 a second, from 0. Code i of the face and of the
body stands for frames 8i to 8i + 7; both are written as a pair at frame 8i. Where nobody was
detected there is ``<gap>`` in the code's place, so a pair's number always tells its time. A word
stands after the pair it begins in, with its frame inside of that pair's eight as a time stamp::

    <FACE_12><BODY_87> <t_0>Well <t_6>I <FACE_12><gap> <t_1>think <gap><gap>

Where one track is longer, the other is filled up with gaps; where words go on after the last code,
gap pairs go on with them: nothing is cut or moved to the end. ``stamps=False`` leaves the stamps
out as MARS does; a word's time is then known to eight frames. One pass, linear in words and codes.

Source: VENUS / MARS, arXiv 2506.00958, for tokens and rates; order and gaps are our own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from facellm.errors import FaceLLMError
from facellm.prompts import neutralise

FPS = 25
STEP = 8  # frames a code
CODES = 512
GAP = "<gap>"
_PAIR = re.compile(r"(?:<FACE_(\d{1,3})>|<gap>)(?:<BODY_(\d{1,3})>|<gap>)")
_STAMP = re.compile(r"<t_(\d)>(.+)")

Codes = tuple[int | None, ...]


@dataclass(frozen=True)
class Word:
    """A word and the frame of the utterance it begins at."""

    text: str
    frame: int


@dataclass(frozen=True)
class Utterance:
    """Words in order of time, and the codes of face and body, None for a gap.

    Raises:
        FaceLLMError: If words are out of order, before frame 0 or not one word each, or a code is
            not in 0..511.
    """

    words: tuple[Word, ...]
    face: Codes
    body: Codes

    def __post_init__(self) -> None:
        last = 0
        for word in self.words:
            if word.frame < last:
                raise FaceLLMError(f"word {word.text!r} at frame {word.frame} is before {last}")
            if word.text.split() != [word.text] or neutralise(word.text) != word.text:
                raise FaceLLMError(f"{word.text!r} is not one plain word")
            last = word.frame
        for name, codes in (("face", self.face), ("body", self.body)):
            for index, code in enumerate(codes):
                if code is not None and not 0 <= code < CODES:
                    raise FaceLLMError(f"{name} code {index} is {code}, not in 0..{CODES - 1}")

    @property
    def pairs(self) -> int:
        """Pairs of its text."""
        last = self.words[-1].frame // STEP + 1 if self.words else 0
        return max(len(self.face), len(self.body), last)

    def filled(self) -> Utterance:
        """The same with both tracks as long as the text's pairs."""
        face, body = (
            (*codes, *[None] * (self.pairs - len(codes))) for codes in (self.face, self.body)
        )
        return Utterance(self.words, face, body)


def frame_of(seconds: float, start: float) -> int:
    """Frame of an utterance at a time, at least 0; at most half a frame off.

    Args:
        seconds: Time in the segment.
        start: When the utterance starts.
    """
    return max(0, round((seconds - start) * FPS))


def plain_words(text: str, frame: int) -> list[Word]:
    """What an aligner calls a word as plain words: split at blanks, no reserved token."""
    return [Word(part, frame) for part in neutralise(text).split()]


def by_time(codes: Sequence[int | None], frames: Sequence[int]) -> Codes:
    """Codes at the places their first frames say; places without one are gaps.

    Raises:
        FaceLLMError: If the two differ in length, a frame is below 0, or two codes share a place.
    """
    if len(codes) != len(frames):
        raise FaceLLMError(f"{len(codes)} codes for {len(frames)} frames")
    places = [frame // STEP for frame in frames]
    if places and min(places) < 0:
        raise FaceLLMError(f"frame {min(frames)} is before the utterance")
    if len(set(places)) != len(places):
        raise FaceLLMError(f"two codes begin in the same {STEP} frames")
    found = dict(zip(places, codes, strict=True))
    return tuple(found.get(place) for place in range(max(places, default=-1) + 1))


def pair_text(face: int | None, body: int | None) -> str:
    """One pair."""
    return (GAP if face is None else f"<FACE_{face}>") + (GAP if body is None else f"<BODY_{body}>")


def interleave(utterance: Utterance, *, stamps: bool = True) -> str:
    """The text of an utterance; empty without words and codes.

    Args:
        utterance: Words and codes.
        stamps: Write each word's frame inside of its pair's eight.
    """
    filled, parts, index = utterance.filled(), [], 0
    words = filled.words
    for place in range(filled.pairs):
        parts.append(pair_text(filled.face[place], filled.body[place]))
        while index < len(words) and words[index].frame < STEP * (place + 1):
            stamp = f"<t_{words[index].frame - STEP * place}>" if stamps else ""
            parts.append(stamp + words[index].text)
            index += 1
    return " ".join(parts)


def parse(text: str) -> Utterance:
    """The utterance of a text; words without a stamp begin at their pair's first frame.

    Raises:
        FaceLLMError: If the text is not of the form of ``interleave``; the message names the place.
    """
    words: list[Word] = []
    face: list[int | None] = []
    body: list[int | None] = []
    for number, chunk in enumerate(text.split(), 1):
        if pair := _PAIR.fullmatch(chunk):
            face.append(None if pair[1] is None else int(pair[1]))
            body.append(None if pair[2] is None else int(pair[2]))
            continue
        if not face:
            raise FaceLLMError(f"piece {number}, {chunk!r}: a word before the first pair")
        stamp = _STAMP.fullmatch(chunk)
        offset, word = (int(stamp[1]), stamp[2]) if stamp else (0, chunk)
        if offset >= STEP:
            raise FaceLLMError(f"piece {number}, {chunk!r}: a stamp is not in 0..{STEP - 1}")
        words.append(Word(word, STEP * (len(face) - 1) + offset))
    return Utterance(tuple(words), tuple(face), tuple(body))
