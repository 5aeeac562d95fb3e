"""The track of dialogues with nonverbal cues: VENUS records -> interleaved turns -> exchanges.

Codes must be in the record (``readers.venus``): a tokenizer that makes them from features is no
part of the corpus. A dialogue gives, drawn by its seed, replies (a turn and the next speaker's) and
plain words (a turn and what is said in it). Turns beside an utterance that was left out as harmful
are not paired across it.

Example: ``"Turn: <FACE_12><BODY_87> <t_0>Well ... Next turn, words and cues?"`` ->
``"<FACE_3><BODY_9> <t_0>Yes"``.

Source: VENUS / MARS, arXiv 2506.00958.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from facellm.errors import FaceLLMError

from ..corpus.record import Draft, Exchange
from .interleave import Codes, Utterance, frame_of, interleave, plain_words
from .wordings import track_question

TASK = "nonverbal"
SAID = "@said@"  # where a question holds the turn
WORDS_SHARE = 0.25  # of the exchanges ask for the words alone


def codes_of(record: Mapping[str, Any], track: str, where: str) -> Codes:
    """Codes of one track of an utterance; none where nothing was recorded.

    Raises:
        FaceLLMError: If it has features and no codes.
    """
    codes, count = record[f"{track}_codes"], record[f"{track}_features"]
    if codes is None and count:
        raise FaceLLMError(
            f"{where}, utterance {record['id']}: {count} frames of {track} features and no "
            f"{track}_codes; a tokenizer for features is missing: give codes made beforehand"
        )
    return tuple(codes or ())


def utterance_of(record: Mapping[str, Any], where: str) -> Utterance:
    """Words and codes of one utterance of a dialogue.

    A word the aligner put before or behind the utterance is taken to its first or last frame.

    Raises:
        FaceLLMError: As ``codes_of``.
    """
    last = frame_of(record["end"], record["start"])
    words = []
    for text, begin, _ in sorted(record["words"], key=lambda word: word[1]):
        words += plain_words(text, min(frame_of(begin, record["start"]), last))
    face, body = (codes_of(record, track, where) for track in ("face", "body"))
    return Utterance(tuple(words), face, body)


class Nonverbal:
    """Annotator of dialogues; other rows get nothing."""

    name = "nonverbal"

    def __init__(self, stamps: bool, most: int):
        self.stamps, self.most = stamps, most

    def annotate(self, drafts: Sequence[Draft]) -> list[tuple[Exchange, ...]]:
        """Exchanges of every dialogue, in order of time.

        Raises:
            FaceLLMError: As ``utterance_of``.
        """
        return [self.exchanges(draft) if draft.row.dialogue else () for draft in drafts]

    def exchanges(self, draft: Draft) -> tuple[Exchange, ...]:
        """Exchanges of one dialogue."""
        records = (draft.row.dialogue or {})["utterances"]
        turns = [utterance_of(record, draft.row.where) for record in records]
        texts = [interleave(turn, stamps=self.stamps) for turn in turns]
        spoken = [" ".join(word.text for word in turn.words) for turn in turns]
        rng = random.Random(draft.seed)
        found = []
        for index, record in enumerate(records):
            following = records[index + 1] if index + 1 < len(records) else None
            if not texts[index]:
                continue
            if spoken[index] and rng.random() < WORDS_SHARE:
                found.append(self.exchange("nonverbal_words", texts[index], spoken[index], rng))
            elif following and texts[index + 1] and answers(record, following):
                reply = texts[index + 1]
                found.append(self.exchange("nonverbal_reply", texts[index], reply, rng))
        kept = sorted(rng.sample(range(len(found)), min(self.most, len(found))))
        return tuple(found[index] for index in kept)

    def exchange(self, kind: str, said: str, answer: str, rng: random.Random) -> Exchange:
        """One exchange about a turn."""
        question = track_question(kind, rng).replace(SAID, said)
        return Exchange(TASK, TASK, answer, question)


def answers(record: Mapping[str, Any], following: Mapping[str, Any]) -> bool:
    """Whether another speaker's utterance comes right after this one."""
    beside = following["position"] == record["position"] + 1
    return beside and following["speaker"] != record["speaker"]


def nonverbal(*, stamps: bool = True, most: int = 8) -> Nonverbal:
    """The annotator.

    Args:
        stamps: Write each word's frame inside of its pair's eight (``interleave``).
        most: Exchanges a dialogue, at least 1.

    Raises:
        FaceLLMError: If ``most`` is below 1.
    """
    if most < 1:
        raise FaceLLMError(f"nonverbal: most is {most}, under 1")
    return Nonverbal(stamps, most)
