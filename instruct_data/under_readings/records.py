r"""Records whose answers are written from readings that stand in their context, as in use.

Made readings have every value drawn apart from the others and no picture, so that copying is the
only way to a right answer. Own ones are a model's, of the pictures of a corpus; in half of them
what the picture's record labels takes the place of what the model read, and the answer follows.

``labels`` of a record hold ``reading`` (``Reading.to_dict``, one a face, left to right) and
``intents`` (one an answer), besides the labels of a single face; own ones also ``sources``, the set
that each face is of. Values in answers are words here; training turns them into pointers
(``facellm.pointers``).

Example of a record's messages, with two faces: ``"<image><image>\nhow old?"``, ``"Face 1: About 34
years (27 to 42). Face 2: ..."``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from facellm.errors import FaceLLMError
from facellm.label_targets import readout_targets
from facellm.labels import INTENTS
from facellm.reading import Reading
from facellm.readout import Calibration, reading_from_logprobs
from facellm.stored_readings import StoredReadings, face_key, logprobs

from ..corpus.folder import CorpusFolder
from ..corpus.record import IMAGE, CorpusFace, ImageRef, Message, Record
from ..corpus.shards import read_shards
from ..grammar import compose_answer
from ..questions import sample_question
from ..synthetic_readings import sample_reading

FACE_COUNTS, FACE_SHARES = (0, 1, 2, 3), (0.04, 0.8, 0.12, 0.04)
# Refusals have the widest range of wordings, descriptions are the longest answers.
OFTEN = frozenset({"off_topic", "out_of_bounds", "describe"})
MOST_TURNS = 5
LABELLED_SHARE = 0.5  # of pictures whose labels take the place of what was read
# About what calibration leads to later: answers learn to cite, and to leave open, what is shown.
ABSTAIN_BELOW, CITED_RATE = 0.6, 0.7
VALID_EACH = 40  # one made conversation of so many is for validation
MADE = "made readings"
Rng = np.random.Generator


@dataclass(frozen=True)
class ReadFace:
    """One picture of a corpus with one face.

    Attributes:
        image: As its records name it.
        face: Where the face is.
        labels: Of its records.
        licence: Terms of its set.
        source: Its set.
    """

    image: ImageRef
    face: CorpusFace
    labels: dict[str, Any]
    licence: str
    source: str


def draw_intents(rng: Rng) -> list[str]:
    """One to five different intents; those in ``OFTEN`` about twice as often as the others."""
    count = int(rng.integers(1, MOST_TURNS + 1))
    weights = np.array([2.0 if intent in OFTEN else 1.0 for intent in INTENTS])
    picked = rng.choice(len(INTENTS), count, replace=False, p=weights / weights.sum())
    return [INTENTS[i] for i in picked]


def messages_of(readings: Sequence[Reading], intents: Sequence[str], rng: Rng) -> list[Message]:
    """A question and an answer for each intent, all about the same faces."""
    messages = []
    for intent in intents:
        messages.append(Message("user", sample_question(rng, intent)))
        messages.append(Message("assistant", compose_answer(readings, intent, rng)))
    return messages


def made_records(count: int, seed: int) -> Iterator[Record]:
    """Conversations about readings drawn at random, without pictures."""
    for index in range(count):
        rng = np.random.default_rng((seed, index))
        faces = int(rng.choice(FACE_COUNTS, p=FACE_SHARES))
        readings = [sample_reading(rng) for _ in range(faces)]
        intents = draw_intents(rng)
        yield Record(
            id=f"made/{seed}/{index}",
            messages=tuple(messages_of(readings, intents, rng)),
            images=(),
            faces=(),
            task="conversation",
            labels=context_labels(readings, intents),
            source=MADE,
            licence="none needed: drawn at random",
            rating=None,
            split="train" if index % VALID_EACH else "valid",
        )


def context_labels(readings: Sequence[Reading], intents: Sequence[str]) -> dict[str, Any]:
    """What ``labels`` of a record under readings hold."""
    return {"reading": [reading.to_dict() for reading in readings], "intents": list(intents)}


def read_faces(corpus: CorpusFolder, stored: StoredReadings, split: str) -> list[ReadFace]:
    """Pictures of a corpus with one face that was read, each once, in order."""
    found: dict[str, ReadFace] = {}
    for record in read_shards(corpus, split):
        if len(record.images) == len(record.faces) == 1:
            key = face_key(record.images[0].path, 0)
            if key in stored.places and key not in found:
                (source,) = record.labels.get("sources", [record.source])
                found[key] = ReadFace(
                    record.images[0], record.faces[0], record.labels, record.licence, source
                )
    return list(found.values())


def own_records(
    corpus: CorpusFolder, stored: StoredReadings, count: int, seed: int
) -> Iterator[Record]:
    """Conversations about a model's own readings of a corpus's pictures, split by split.

    Args:
        corpus: A built corpus.
        stored: Readings of its pictures.
        count: Conversations of the training split; the validation split gets one for
            ``VALID_EACH`` of them.
        seed: Of everything random.

    Raises:
        FaceLLMError: If no picture of the corpus was read.
    """
    for split, wanted in (("train", count), ("valid", -(-count // VALID_EACH))):
        faces = read_faces(corpus, stored, split)
        if not faces and split == "train":
            raise FaceLLMError(f"{corpus.path}: none of its training pictures has a stored reading")
        for index in range(wanted if faces else 0):
            rng = np.random.default_rng((seed, index, split == "valid"))
            shown = int(rng.choice(FACE_COUNTS, p=FACE_SHARES))
            picked = [faces[i] for i in rng.integers(0, len(faces), shown)]
            yield own_record(f"own/{seed}/{split}/{index}", picked, stored, split, rng)


def own_record(
    name: str, faces: Sequence[ReadFace], stored: StoredReadings, split: str, rng: Rng
) -> Record:
    """One conversation about some pictures."""
    readings = [own_reading(face, stored, rng) for face in faces]
    intents = draw_intents(rng)
    messages = messages_of(readings, intents, rng)
    placed = Message("user", IMAGE * len(faces) + "\n" * bool(faces) + messages[0].content)
    single = {k: v for k, v in faces[0].labels.items() if k != "intents"} if len(faces) == 1 else {}
    return Record(
        id=name,
        messages=(placed, *messages[1:]),
        images=tuple(face.image for face in faces),
        faces=tuple(face.face for face in faces),
        task="conversation",
        labels=single
        | context_labels(readings, intents)
        | {"sources": [face.source for face in faces]},
        source="own readings",
        licence="; ".join(sorted({face.licence for face in faces})) or "none needed: no picture",
        rating=None,
        split=split,
    )


def own_reading(face: ReadFace, stored: StoredReadings, rng: Rng) -> Reading:
    """The stored reading, for half of the pictures with their labels in the place of what was read.

    Which measures it may cite is drawn: the answers learn to cite whatever the context shows.
    """
    key = face_key(face.image.path, 0)
    shares = stored.distributions(key)
    if rng.random() < LABELLED_SHARE:
        shares |= readout_targets(face.labels)
    calibration = Calibration(ABSTAIN_BELOW)
    reading = reading_from_logprobs(logprobs(shares), stored.measured(key), calibration)
    cited = tuple(name for name in reading.evidence if rng.random() < CITED_RATE)
    return replace(reading, evidence=cited)
