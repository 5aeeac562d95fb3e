"""Answers about several faces on their way out: one part a face, one end for all of them."""

import asyncio
from types import SimpleNamespace

import numpy as np
import pytest

from facellm.conversation import FacePart, TextPart, Turn
from facellm.serve.engines import Bounds, Piece
from facellm.serve.gateway.words import joined_pieces


class Engine:
    """Says how many faces it sees, a token a word, and keeps what it was given."""

    def __init__(self):
        self.asked = []

    async def reply(self, turns, bounds):
        faces = sum(isinstance(part, FacePart) for turn in turns for part in turn.parts)
        self.asked.append((faces, bounds.intent, bounds.longest))
        words = [" sees", f" {faces}", " face"][: bounds.longest]
        for place, word in enumerate(words, start=1):
            done = place == len(words)
            end = ("stop" if place == 3 else "length") if done else None
            yield Piece(word, (40 + place,), end, 7 if done else None)


def spoken(intent, faces, longest=100):
    async def of(turns):
        return intent

    engine = Engine()
    writer = SimpleNamespace(intent=of, named=lambda token: f"named {token}")
    house = SimpleNamespace(engine=engine, writer=writer)
    crop = np.zeros((4, 4, 3), np.uint8)
    parts = (*(FacePart(crop) for _ in range(faces)), TextPart("And?"))
    wish = SimpleNamespace(bounds=Bounds(longest))

    async def all_of_them():
        return [found async for found in joined_pieces(house, (Turn("user", parts),), wish)]

    return asyncio.run(all_of_them()), engine.asked


def words_of(pieces):
    return "".join(piece.text for _, piece in pieces)


def test_each_face_is_asked_about_alone_and_the_answer_ends_once():
    pieces, asked = spoken("age", 2)
    assert words_of(pieces) == "Face 1: sees 1 face Face 2: sees 1 face"
    assert asked == [(1, "age", 100), (1, "age", 97)]
    assert [piece.finish for _, piece in pieces if piece.finish] == ["stop"]
    assert pieces[-1][1].prompt_tokens == 14  # of both prompts


def test_the_intent_is_told_with_the_first_piece():
    (first, _), *_ = spoken("age", 2)[0]
    assert first == "age"
    assert spoken("age", 1)[0][0][0] == "named 41"  # one face: the model's own first token


@pytest.mark.parametrize(
    ("longest", "said"), [(4, "Face 1: sees 1 face Face 2: sees"), (2, "Face 1: sees 1")]
)
def test_tokens_of_all_parts_count_towards_the_bound(longest, said):
    pieces, _ = spoken("age", 3, longest)
    assert words_of(pieces) == said
    assert [piece.finish for _, piece in pieces if piece.finish] == ["length"]


def test_faces_are_counted_without_the_engine():
    pieces, asked = spoken("count", 3)
    assert words_of(pieces) == "Three faces are found, numbered from left to right."
    assert pieces[-1][1].finish == "stop"
    assert asked == []
