"""``POST /v1/chat/completions``: a talk about pictures -> an answer, whole or as a stream.

The way of a request: who may ask is known; its body is checked; its question is looked at by the
policy; its pictures are decoded, their faces read; the turns are written; the engine answers.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from facellm.assistant import LONGEST_ANSWER
from facellm.results import ReadFace

from ..engines import Bounds
from ..ports import Refusal
from .bodies import json_body, record_of
from .chat_body import ChatBody
from .clips import ClipAnswer, answer_clip
from .failures import ApiError
from .known_values import Told
from .looking import Seen
from .replies import Reply
from .schema_rules import checked_schema
from .streams import answer_stream
from .structured import NotFilled, asks_for_words, check_labels, filled, tells_emotions
from .talk import Talk, talk_of
from .waiting import until_gone
from .words import REFUSED, Said, Wish, not_allowed, spoken_words

if TYPE_CHECKING:
    from .house import House

CONTEXT_HEADER = "x-use-context"
COLDEST = 0.01  # below it sampling is greedy, and logits would overflow


@dataclass
class Asked:
    """A request that was let in.

    Attributes:
        body: Checked.
        context: Of use.
        schema: Without references; None where none was given.
        until: When it is given up, on the loop's clock.
    """

    body: ChatBody
    context: str
    schema: dict[str, Any] | None
    until: float

    @property
    def form(self) -> str:
        """``text``, ``json_object`` or ``json_schema``."""
        return self.body.response_format.type if self.body.response_format else "text"

    def wish(self, house: House) -> Wish:
        """How the answer is to be written."""
        body = self.body
        longest = min(body.longest or LONGEST_ANSWER, LONGEST_ANSWER)
        top_p = 1.0 if body.top_p is None else body.top_p
        warm = body.temperature is not None and body.temperature >= COLDEST
        temperature = float(body.temperature or 0.0) if warm else 0.0
        bounds = Bounds(longest, temperature, top_p, body.seed)
        return Wish(bounds, body.stops, house.policy.emotions_allowed(self.context))


async def chat(house: House, request: Request) -> Response:
    """Answer a request.

    Raises:
        FaceLLMError: With the status it is answered with.
        TimeoutError: At its deadline, before its stream began.
    """
    until = asyncio.get_running_loop().time() + house.settings.deadline
    async with AsyncExitStack() as held:
        await held.enter_async_context(house.admission.entered())
        async with asyncio.timeout_at(until):
            body = await json_body(request, ChatBody)
            asked = asked_of(house, body, request, until)
            run = ChatRun(house, asked, record_of(request))
            if body.stream and asked.form == "text":
                return await answer_stream(run, request, held)
            await until_gone(request, run.whole(held))
    if body.stream:
        return await answer_stream(run, request, AsyncExitStack())
    return JSONResponse(run.reply.completion())


def asked_of(house: House, body: ChatBody, request: Request, until: float) -> Asked:
    """What can be judged before any picture is touched.

    Raises:
        FaceLLMError: 400, 403 or 404.
    """
    if body.model not in (None, house.settings.name):
        name, known = str(body.model)[:80], house.settings.name
        message = f"the model {name!r} does not exist; the one here is {known!r}"
        raise ApiError(404, "model_not_found", message, "model")
    context = house.policy.check_context(body.use_context or request.headers.get(CONTEXT_HEADER))
    form, schema = body.response_format, None
    if form is not None and form.json_schema is not None:
        schema = checked_schema(form.json_schema.schema_)
        check_labels(schema)
        if not house.policy.emotions_allowed(context) and tells_emotions(schema):
            raise not_allowed()
    return Asked(body, context, schema, until)


class ChatRun:
    """One request on its way.

    Args:
        house: What answers.
        asked: What is asked.
        record: For the log.

    Attributes:
        reply: What goes back.
    """

    def __init__(self, house: House, asked: Asked, record: Any) -> None:
        self.house, self.asked, self.record = house, asked, record
        self.said, self.start = Said(), perf_counter()
        self.reply = Reply(house, asked.context, self.said)
        self.clip: ClipAnswer | None = None

    async def talk(self) -> Talk:
        """The conversation, unless its last question is refused; refused ones before are left out.

        Decoding base64 takes long for large pictures, and judging for many questions, so both are
        done beside the event loop.
        """
        talk, refusal = await asyncio.to_thread(self._judged)
        if refusal is not None:
            self.said.text = self.said.refuse(self.house, refusal)
        return talk

    def _judged(self) -> tuple[Talk, Refusal | None]:
        policy = self.house.policy
        talk = talk_of(self.asked.body.messages, self.house.settings)
        policy.check_question([talk.question], self.asked.context)
        refusal = policy.before([talk.question])
        earlier = talk.said if refusal is None else ()
        said = tuple(pair for pair in earlier if policy.before([pair[0]]) is None)
        return replace(talk, said=said), refusal

    async def words(self) -> Any:
        """Look at the pictures, and begin to write: an asynchronous iterator of words."""
        talk, house = await self.talk(), self.house
        self.reply.forgotten = talk.forgotten
        if self.said.refusal is not None:
            return one(self.said.text)
        if talk.clip is not None:
            self.clip = await answer_clip(house, talk, self.asked, self.said)
            self.reply.take_clip(self.clip)
            return one(self.clip.text)
        seen = await self.look(talk)
        wish = self.asked.wish(house)
        every = [part for picture in seen for part in picture.parts]
        parts = [every[face.id - 1] for face in self.reply.faces]
        readings = [face.reading for face in self.reply.faces]
        turns, left_out = await house.writer.turns(
            parts, readings, talk.said, talk.question, wish.bounds.longest
        )
        self.reply.forgotten += 2 * left_out
        return spoken_words(house, turns, wish, self.said)

    async def look(self, talk: Talk) -> list[Seen]:
        """Read the faces of every picture; they are numbered through, as in the prompt."""
        house = self.house
        most, crops = house.settings.chat_faces, self.asked.body.crops
        seen = await house.looker.look(talk.pictures, most, crops=crops)
        self.record.pictures = [picture.noted() for picture in seen]
        found = [face for picture in seen for face in picture.faces]
        numbered = enumerate(found, start=1)
        faces = [ReadFace(number, face.face, face.reading) for number, face in numbered]
        self.reply.faces, self.reply.seen_faces = self.chosen(faces), len(faces)
        self.reply.sizes = [picture.size for picture in seen]
        self.reply.looked = perf_counter() - self.start
        house.metrics.pictures.labels("read").inc(len(seen))
        house.metrics.faces.inc(len(found))
        return seen

    def chosen(self, faces: list[ReadFace]) -> list[ReadFace]:
        """Those that are spoken of: one where one was chosen, else all."""
        number = self.asked.body.face
        if number is None:
            return faces
        if number > len(faces):
            message = f"face {number}: the pictures show {len(faces)} faces"
            raise ApiError(400, "no_such_face", message, "face")
        return [faces[number - 1]]

    async def whole(self, held: AsyncExitStack) -> None:
        """The answer in one piece, in the form asked for."""
        await held.enter_async_context(self.house.admission.slot())
        if not asks_for_words(self.asked.schema):
            await self.only_look()
        else:
            words = await self.words()
            text = "".join([piece async for piece in words])
            refused = self.said.refusal
            self.reply.content = text.strip() if refused is None else refused.text
        if self.asked.form != "text":
            self.structure()
        self.reply.finished(perf_counter() - self.start)

    async def only_look(self) -> None:
        """Take the readings and write no word."""
        talk = await self.talk()
        self.reply.forgotten = talk.forgotten
        if self.said.refusal is not None:
            return
        if talk.clip is not None:
            message = "a schema is filled from pictures; of a clip it may ask for the answer"
            raise ApiError(400, "unsupported_schema", message, "messages")
        await self.look(talk)

    def structure(self) -> None:
        """The content as JSON; a refusal stands beside it, as OpenAI's clients expect."""
        reply, said = self.reply, self.said
        if said.refusal is not None:
            reply.content, reply.refusal = None, said.refusal.text
            return
        told = Told(tuple(reply.faces), reply.content, said.intent, reply.notice)
        if self.asked.schema is None:
            reply.content = reply.as_object()
            return
        try:
            reply.content = reply.dumped(filled(self.asked.schema, told))
        except NotFilled as error:
            reply.content, reply.refusal, said.finish = None, f"{error}", REFUSED


async def one(text: str) -> Any:
    """A text as an iterator."""
    yield text
