"""The vLLM engine against a small real server in vLLM's place."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest

from facellm.checkpoint import load_processor
from facellm.conversation import FacePart, TextPart, Turn
from facellm.errors import FaceLLMError
from facellm.labels import QUERIES
from facellm.serve.engines import Bounds, EngineDown, Piece
from facellm.serve.server_process import Patience, ServerProcess
from facellm.serve.vllm_command import VllmOptions
from facellm.serve.vllm_engine import VllmEngine

TOY = Path(__file__).parents[1] / "support" / "toy_server.py"
QUICK = Patience(start=20, answer=5, first_wait=0.05, longest_wait=0.1, restarts=3, stop=5)
ASKED = (Turn("user", (TextPart("How old is she?"),)),)


@pytest.fixture(scope="module")
def new_engine(tiny_checkpoint) -> Callable[..., VllmEngine]:
    processor = load_processor(tiny_checkpoint)

    def make(*modes: str, **options: object) -> VllmEngine:
        engine = VllmEngine(
            processor, tiny_checkpoint, VllmOptions(**options), Path(sys.executable), QUICK
        )
        engine.server = ServerProcess((sys.executable, str(TOY), "{socket}", *modes), None, QUICK)
        return engine

    return make


def run(engine: VllmEngine, story: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await engine.start()
        try:
            await story()
        finally:
            await engine.close()

    asyncio.run(whole())


async def pieces(engine: VllmEngine, bounds: Bounds | None = None) -> list[Piece]:
    return await the_rest(engine.reply(ASKED, bounds or Bounds()))


async def the_rest(answer: AsyncIterator[Piece]) -> list[Piece]:
    return [piece async for piece in answer]


def test_pieces_carry_tokens_words_and_the_end(new_engine):
    engine = new_engine()
    processor = engine._processor

    async def story() -> None:
        assert engine.detail == "vllm 0.0.toy on the CPU"
        await engine.alive()
        found = await pieces(engine)
        assert [piece.token_ids for piece in found] == [(45,), (300, 301), (302,)]
        assert "".join(piece.text for piece in found) == processor.answer_text([45, 300, 301, 302])
        assert [piece.finish for piece in found] == [None, None, "stop"]
        whole = len(processor.encode(processor.prompt_text(ASKED)))
        assert found[-1].prompt_tokens == whole

    run(engine, story)


def test_a_killed_engine_ends_a_running_answer_and_comes_back(new_engine):
    engine = new_engine("slow")

    async def story() -> None:
        answer = engine.reply(ASKED, Bounds())
        await anext(answer)
        os.kill(int(Path(f"{engine.server._socket}.pid").read_text()), signal.SIGKILL)
        with pytest.raises(EngineDown, match=r"broke off|without saying so"):
            await asyncio.wait_for(the_rest(answer), 3)
        for _ in range(500):
            if engine.server._ready and engine.server.started == 2:
                break
            await asyncio.sleep(0.02)
        await engine.alive()

    run(engine, story)


def test_closing_an_answer_closes_its_connection(new_engine):
    engine = new_engine("slow")

    async def story() -> None:
        answer = engine.reply(ASKED, Bounds())
        await anext(answer)
        await answer.aclose()
        pool = engine.server.client._transport._pool
        assert not [one for one in pool.connections if not one.is_idle()]

    run(engine, story)


@pytest.mark.parametrize(
    ("mode", "message"),
    [("broken", "failed with 500: EngineCore is dead"), ("odd", "cannot be read")],
)
def test_what_an_engine_does_wrong_is_its_own_fault(new_engine, mode, message):
    engine = new_engine(mode)

    async def story() -> None:
        with pytest.raises(EngineDown, match=message):
            await pieces(engine)

    run(engine, story)


def test_a_reading_that_is_none_is_never_taken_for_one(new_engine):
    engine = new_engine()
    crop = np.zeros((96, 96, 3), np.uint8)

    async def story() -> None:
        tables = await engine.logprobs([FacePart(crop), FacePart(crop)])
        assert [table.shape for table in tables] == [(2, len(query.labels)) for query in QUERIES]
        np.testing.assert_allclose(np.exp(tables[0]), 1 / 8, rtol=1e-5)
        Path(f"{engine.server._socket}.blind").touch()
        with pytest.raises(EngineDown, match="without log-probabilities"):
            await engine.logprobs([FacePart(crop), FacePart(crop)])
        assert [table.shape[0] for table in await engine.logprobs([])][:2] == [0, 0]

    run(engine, story)


def test_a_request_that_is_refused_is_the_requests_fault(new_engine):
    engine = new_engine()

    async def story() -> None:
        engine.model = "unknown"
        with pytest.raises(FaceLLMError, match="refused the request: no such model") as caught:
            await pieces(engine)
        assert not isinstance(caught.value, EngineDown)

    run(engine, story)


def test_a_conversation_without_room_for_an_answer_names_both_lengths(new_engine):
    engine = new_engine()
    long = (Turn("user", (TextPart("why " * 3000),)),)

    async def story() -> None:
        with pytest.raises(FaceLLMError, match=r"has \d{4,} tokens, the model takes 2047"):
            await the_rest(engine.reply(long, Bounds()))

    run(engine, story)


def test_an_engine_that_was_not_started_is_down(new_engine):
    engine = new_engine()
    with pytest.raises(EngineDown, match="not started"):
        asyncio.run(engine.alive())
    asyncio.run(engine.close())


def test_an_adapter_that_is_not_served_is_named(new_engine):
    engine = new_engine()
    with pytest.raises(FaceLLMError, match="no adapter 'mine' is served, there are facellm"):
        engine.as_model("mine")
    assert engine.as_model("facellm").server is engine.server
    asyncio.run(engine.close())
