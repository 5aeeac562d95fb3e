"""``POST /v1/readings``: pictures in, a typed reading per face out; no word is written.

Example::

    {"images": ["data:image/jpeg;base64,..."]}
    -> {"object": "list", "data": [{"index": 0, "size": [512, 512], "faces": [{"id": 1, ...}]}]}

Pictures may come as a form too: ``curl -F image=@photo.jpg .../v1/readings``. A picture of a batch
that cannot be used has an ``error`` in its place; a batch without any that can is an error itself.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from facellm.errors import FaceLLMError

from .bodies import json_body, parsed, record_of
from .chat import CONTEXT_HEADER
from .chat_body import LONGEST_URL, Strict
from .face_records import exact_place, face_record
from .failures import ApiError, as_api_error, error_body
from .looking import Seen
from .media import picture_bytes
from .replies import PLAIN_NOTICE
from .waiting import until_gone

if TYPE_CHECKING:
    from .house import House

FORM, FILE_FIELD = "multipart/form-data", "image"


class ReadingsBody(Strict):
    """Pictures as data URIs."""

    images: list[Annotated[str, Field(max_length=LONGEST_URL)]] = Field(
        min_length=1, description="data:image/jpeg;base64,... each"
    )
    model: str | None = Field(None, max_length=200)
    crops: bool = Field(False, description="every picture is one face crop: no detection")
    landmarks: bool = Field(False, description="with box, 68 points and score, unrounded")
    use_context: str | None = Field(None, max_length=100, description="what the answer is for")


@dataclass
class Batch:
    """Pictures of a request.

    Attributes:
        body: Options.
        pictures: Encoded, or why one cannot be taken.
    """

    body: ReadingsBody
    pictures: list[bytes | ApiError] = field(default_factory=list)


async def readings(house: House, request: Request) -> dict[str, Any]:
    """Read every face of every picture.

    Raises:
        FaceLLMError: With the status it is answered with.
    """
    until = asyncio.get_running_loop().time() + house.settings.deadline
    async with AsyncExitStack() as held, asyncio.timeout_at(until):
        await held.enter_async_context(house.admission.entered())
        batch = await batch_of(house, request)
        given = batch.body.use_context or request.headers.get(CONTEXT_HEADER)
        emotions = house.policy.emotions_allowed(house.policy.check_context(given))
        await held.enter_async_context(house.admission.slot())
        data = await until_gone(request, looked_at(house, batch))
    record = record_of(request)
    record.pictures = [one.noted() for one in data if isinstance(one, Seen)]
    return response(house, batch, data, emotions=emotions)


async def batch_of(house: House, request: Request) -> Batch:
    """Receive the pictures."""
    most = house.settings.pictures
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == FORM:
        batch = await form_batch(house, request)
    else:
        batch = Batch(await json_body(request, ReadingsBody))
        check_count(len(batch.body.images), most)
        batch.pictures = await asyncio.to_thread(decoded, batch.body.images, house)
    if batch.body.model not in (None, house.settings.name):
        message = f"the model does not exist; the one here is {house.settings.name!r}"
        raise ApiError(404, "model_not_found", message, "model")
    if all(isinstance(one, ApiError) for one in batch.pictures):
        raise next(one for one in batch.pictures if isinstance(one, ApiError))
    return batch


def check_count(count: int, most: int) -> None:
    """Refuse more pictures than a request may hold."""
    if count > most:
        raise ApiError(400, "too_many_images", f"{count} pictures, at most {most}", "images")


def decoded(images: list[str], house: House) -> list[bytes | ApiError]:
    """Bytes of data URIs, or why there are none."""
    found: list[bytes | ApiError] = []
    for number, url in enumerate(images):
        try:
            found.append(picture_bytes(url, house.settings, f"images.{number}"))
        except ApiError as error:
            found.append(error)
    return found


async def form_batch(house: House, request: Request) -> Batch:
    """Files of a form; they stay in memory, the framework's own parser would write some to disk."""
    most = house.settings.pictures
    parser = MultiPartParser(request.headers, request.stream(), max_files=most, max_fields=4)
    parser.spool_max_size = house.settings.body
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        message = getattr(error, "message", "not a form with files")
        raise ApiError(400, "invalid_form", str(message)[:200]) from None
    try:
        files = form.getlist(FILE_FIELD)
        pictures = [await file.read() for file in files if isinstance(file, UploadFile)]
        options = {n: v for n, v in form.items() if isinstance(v, str) and n != FILE_FIELD}
    finally:
        await form.close()
    if not pictures or len(pictures) != len(files):
        raise ApiError(400, "invalid_form", f"pictures come as files, in fields {FILE_FIELD!r}")
    return Batch(form_options(options), [bounded(one, house) for one in pictures])


def form_options(options: dict[str, str]) -> ReadingsBody:
    """Other fields of a form."""
    import json

    flags = {"true": True, "false": False, "1": True, "0": False}
    named = {n: flags.get(v.lower(), v) if n in ("crops", "landmarks") else v
             for n, v in options.items()}  # fmt: skip
    return parsed(json.dumps({**named, "images": ["data:,"]}).encode(), ReadingsBody)


def bounded(data: bytes, house: House) -> bytes | ApiError:
    """A picture within its bound, or why it is not taken."""
    most = house.settings.picture_bytes
    if len(data) > most:
        return ApiError(413, "image_too_large", f"more than {most:,} bytes", FILE_FIELD)
    return data or ApiError(400, "empty_image", "the file is empty", FILE_FIELD)


async def looked_at(house: House, batch: Batch) -> list[Seen | ApiError]:
    """Faces of every picture, in order; what the guard refuses stands in its place.

    While one picture is decoded another is searched and a third is read.
    """
    out = await asyncio.gather(*(seen_or_error(house, one, batch.body) for one in batch.pictures))
    failures = [one for one in out if isinstance(one, ApiError)]
    house.metrics.pictures.labels("refused").inc(len(failures))
    if len(failures) == len(out):
        raise failures[0]
    return out


async def seen_or_error(
    house: House, picture: bytes | ApiError, body: ReadingsBody
) -> Seen | ApiError:
    """One picture, or what is wrong with it; what is wrong with the server is raised."""
    if isinstance(picture, ApiError):
        return picture
    try:
        most = house.settings.reading_faces
        return (await house.looker.look([picture], most, crops=body.crops))[0]
    except FaceLLMError as error:
        failure = as_api_error(error)
        if failure.status >= 500:
            raise
        return failure


def response(
    house: House, batch: Batch, data: list[Seen | ApiError], *, emotions: bool
) -> dict[str, Any]:
    """JSON-ready."""
    seen = [one for one in data if isinstance(one, Seen)]
    faces = sum(len(one.faces) for one in seen)
    house.metrics.pictures.labels("read").inc(len(seen))
    house.metrics.faces.inc(faces)
    entries = [entry(n, one, batch.body, emotions) for n, one in enumerate(data)]
    sizes = [list(one.size) for one in seen]
    vision = {"faces": faces, "crops": faces, "tokens": 0, "size": sizes[0], "sizes": sizes}
    return {
        "object": "list",
        "model": house.settings.name,
        "data": entries,
        "usage": {"vision": vision},
        "notice": PLAIN_NOTICE,
    }


def entry(number: int, one: Seen | ApiError, body: ReadingsBody, emotions: bool) -> dict[str, Any]:
    """One picture."""
    if isinstance(one, ApiError):
        return {"index": number, "size": None, "faces": [], **error_body(one)}
    faces = [
        face_record(face, emotions=emotions)
        | ({"place": exact_place(face)} if body.landmarks else {})
        for face in one.faces
    ]
    return {"index": number, "size": list(one.size), "faces": faces, "error": None}
