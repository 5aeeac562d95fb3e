"""The local engine: the assistant's own answers and readings, for several askers at once."""

import asyncio
import time
from contextlib import asynccontextmanager

import numpy as np
import pytest
import torch

from facellm.assistant import FaceAssistant
from facellm.checkpoint import load_checkpoint
from facellm.context import reading_text
from facellm.conversation import Conversation, FacePart, TextPart, Turn
from facellm.crop_reading import see_crops
from facellm.errors import FaceLLMError
from facellm.generation import nucleus
from facellm.labels import QUERIES
from facellm.serve.engines import Bounds, EngineDown
from facellm.serve.local_engine import LocalEngine

QUESTION = "What expression does this face show?"


@pytest.fixture(scope="module")
def crops():
    rng = np.random.default_rng(5)
    return [rng.integers(0, 256, (96, 96, 3), np.uint8) for _ in range(5)]


@pytest.fixture(scope="module")
def assistant(tiny_checkpoint):
    return FaceAssistant.load(tiny_checkpoint, engine="torch")


@pytest.fixture(scope="module")
def parts(assistant, crops):
    seen = see_crops(assistant.checkpoint, crops)
    return [FacePart(c, points.numpy()) for c, points in zip(crops, seen.landmarks, strict=True)]


@asynccontextmanager
async def started(folder):
    engine = LocalEngine(folder, readings="torch")
    await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


def run(folder, work):
    async def whole():
        async with started(folder) as engine:
            return await work(engine)

    return asyncio.run(whole())


def turns_of(part, assistant):
    reading = assistant.read_crop(part.crop)[0]
    face = FacePart(part.crop, part.landmarks_unit, reading_text(reading))
    return (Turn("user", (face, TextPart(QUESTION))),)


def test_readings_taken_together_are_those_taken_alone(tiny_checkpoint, assistant, crops, parts):
    """Five askers at once, whose faces end up in common batches, and one batch of five."""

    async def work(engine):
        alone = await asyncio.gather(*(engine.logprobs([part]) for part in parts))
        return alone, await engine.logprobs(parts)

    alone, together = run(tiny_checkpoint, work)
    seen = see_crops(assistant.checkpoint, crops)
    local = assistant.engine.logprobs(seen.pixel_values, seen.landmarks)
    for query in range(len(QUERIES)):
        np.testing.assert_allclose(together[query], local[query], atol=1e-5)
        np.testing.assert_allclose(
            np.concatenate([tables[query] for tables in alone]), local[query], atol=1e-5
        )


def test_no_face_gives_empty_tables(tiny_checkpoint):
    tables = run(tiny_checkpoint, lambda engine: engine.logprobs([]))
    assert [table.shape for table in tables] == [(0, len(q.labels)) for q in QUERIES]


def test_answers_written_side_by_side_are_those_written_alone(tiny_checkpoint, assistant, parts):
    conversations = [turns_of(part, assistant) for part in parts[:3]]

    async def answer(engine, turns):
        pieces = [piece async for piece in engine.reply(turns, Bounds(longest=12))]
        ids = [index for piece in pieces for index in piece.token_ids]
        return "".join(piece.text for piece in pieces), ids, pieces[-1]

    async def work(engine):
        return await asyncio.gather(*(answer(engine, turns) for turns in conversations))

    for turns, (text, ids, last) in zip(conversations, run(tiny_checkpoint, work), strict=True):
        prompt = assistant.checkpoint.processor.answer_prompt(Conversation(turns))
        written = []
        whole = "".join(assistant.reply(prompt, written))
        assert ids == written[:12]
        assert whole.startswith(text.rstrip("\ufffd"))
        assert last.prompt_tokens == prompt["input_ids"].shape[1]
        assert last.finish == ("length" if len(written) >= 12 else "stop")


def test_a_short_answer_does_not_wait_for_a_long_one(tiny_checkpoint, assistant, parts):
    turns = turns_of(parts[0], assistant)

    async def work(engine):
        ended = {}

        async def answer(name, longest):
            async for _ in engine.reply(turns, Bounds(longest=longest)):
                pass
            ended[name] = time.monotonic()

        await asyncio.gather(answer("long", 60), answer("short", 3))
        return ended

    ended = run(tiny_checkpoint, work)
    assert ended["short"] < ended["long"]


def test_closing_an_answer_ends_its_generation(tiny_checkpoint, assistant, parts):
    turns = turns_of(parts[0], assistant)

    async def work(engine):
        pieces = engine.reply(turns, Bounds(longest=250))
        await anext(pieces)
        await pieces.aclose()
        for _ in range(200):
            if not engine._thread._writes:
                return True
            await asyncio.sleep(0.02)
        return False

    assert run(tiny_checkpoint, work)


def test_a_job_that_fails_tells_its_asker_and_the_next_one_is_served(tiny_checkpoint, parts):
    bad = FacePart(parts[0].crop, np.zeros((3, 2), np.float32))

    async def work(engine):
        with pytest.raises(ValueError, match="broadcast"):
            await engine.logprobs([bad])
        with pytest.raises(AttributeError):
            async for _ in engine.reply((Turn("user", (object(),)),), Bounds(longest=2)):
                pass
        await engine.alive()
        return await engine.logprobs(parts[:1])

    assert len(run(tiny_checkpoint, work)) == len(QUERIES)


def test_a_stopped_engine_says_so(tiny_checkpoint, assistant, parts):
    turns = turns_of(parts[0], assistant)

    async def work():
        engine = LocalEngine(tiny_checkpoint, readings="torch")
        with pytest.raises(EngineDown):
            await engine.alive()
        await engine.start()
        pieces = engine.reply(turns, Bounds(longest=250))
        await anext(pieces)
        await engine.close()
        with pytest.raises(EngineDown):
            async for _ in pieces:
                pass
        await engine.close()

    asyncio.run(work())


def test_a_nucleus_is_what_it_says():
    logits = torch.log(torch.tensor([0.5, 0.3, 0.15, 0.05]))
    draws = {nucleus(1.0, 0.7, seed)(logits) for seed in range(60)}
    assert draws == {0, 1}  # 0.5 alone does not reach 0.7, with 0.3 it does
    assert {nucleus(1.0, 0.01, seed)(logits) for seed in range(20)} == {0}
    pick = nucleus(1.0, 1.0, 3)
    counts = np.bincount([pick(logits) for _ in range(4000)], minlength=4) / 4000
    np.testing.assert_allclose(counts, [0.5, 0.3, 0.15, 0.05], atol=0.03)  # 3.8 deviations
    cold = nucleus(0.05, 1.0, 3)
    assert {cold(logits) for _ in range(50)} == {0}


def test_a_checkpoint_that_is_none_is_told(tmp_path):
    with pytest.raises(FaceLLMError, match="not a facellm checkpoint"):
        asyncio.run(LocalEngine(tmp_path).start())


def test_the_sight_of_a_checkpoint_is_its_own(tiny_checkpoint):
    from facellm.serve.sight import load_sight

    sight, whole = load_sight(tiny_checkpoint), load_checkpoint(tiny_checkpoint)
    assert sight.calibration == whole.calibration
    assert sight.processor.crop_size == whole.processor.crop_size
    assert sight.context == whole.model.config.text_config.max_position_embeddings
