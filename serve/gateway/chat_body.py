"""The body of ``/v1/chat/completions``: which fields are taken, ignored and refused.

Example::

    {"model": "facellm", "stream": true, "messages": [{"role": "user", "content": [
        {"type": "text", "text": "How old does she look?"},
        {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,..."}}]}]}
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

MOST_MESSAGES = 256
MOST_PARTS = 64
LONGEST_TEXT = 20_000  # characters of one text; questions have a bound of their own
LONGEST_URL = 45_000_000  # characters of a data URI

Text = Annotated[str, Field(max_length=LONGEST_TEXT)]


class Strict(BaseModel):
    """No field that is not named, no number that is none."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Url(Strict):
    """Where a picture is: in the request itself."""

    url: str = Field(max_length=LONGEST_URL, description="data:image/jpeg;base64,...")
    detail: Literal["auto", "low", "high", "original"] = "auto"


class TextContent(Strict):
    """Words."""

    type: Literal["text"]
    text: Text


class RefusalContent(Strict):
    """Words of an earlier refusal, sent back."""

    type: Literal["refusal"]
    refusal: Text


class ImageContent(Strict):
    """A picture."""

    type: Literal["image_url"]
    image_url: Url


class VideoContent(Strict):
    """A clip."""

    type: Literal["video_url"]
    video_url: Url


Content = Annotated[
    TextContent | RefusalContent | ImageContent | VideoContent, Field(discriminator="type")
]


class Message(BaseModel):
    """One message; what clients add to the answers they send back is let be."""

    model_config = ConfigDict(extra="ignore", strict=True)
    role: Literal["system", "developer", "user", "assistant"]
    content: Text | Annotated[list[Content], Field(max_length=MOST_PARTS)] | None = None
    refusal: Text | None = None


class StreamOptions(Strict):
    """How a stream ends."""

    include_usage: bool = False
    include_obfuscation: bool = False


class NamedSchema(Strict):
    """A JSON schema and what it is called."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    description: str | None = Field(None, max_length=LONGEST_TEXT)
    schema_: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None


class ResponseFormat(Strict):
    """Words, the reading as JSON, or what a schema asks of it."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: NamedSchema | None = None

    @model_validator(mode="after")
    def _has_schema(self) -> ResponseFormat:
        if (self.type == "json_schema") != (self.json_schema is not None):
            raise ValueError("json_schema is needed with type json_schema, and with no other")
        return self


class ChatBody(Strict):
    """See the module docstring. The last block is taken and changes nothing."""

    messages: list[Message] = Field(min_length=1, max_length=MOST_MESSAGES)
    model: str | None = Field(None, max_length=200)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(None, ge=1, le=1_000_000)
    max_completion_tokens: int | None = Field(None, ge=1, le=1_000_000)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    stop: (
        Annotated[str, Field(min_length=1, max_length=100)]
        | Annotated[list[Annotated[str, Field(min_length=1, max_length=100)]], Field(max_length=4)]
        | None
    ) = None
    response_format: ResponseFormat | None = None
    use_context: str | None = Field(None, max_length=100, description="what the answer is for")
    crops: bool = Field(False, description="every picture is one face crop: no detection")
    face: int | None = Field(None, ge=1, le=1000, description="speak of this face alone")

    n: Literal[1] | None = None
    logprobs: Literal[False] | None = None
    presence_penalty: Annotated[float, Field(ge=0, le=0)] | None = None
    frequency_penalty: Annotated[float, Field(ge=0, le=0)] | None = None
    modalities: list[Literal["text"]] | None = None

    user: str | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = None
    service_tier: str | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None

    @property
    def longest(self) -> int | None:
        """Most tokens of the answer, as asked."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def stops(self) -> tuple[str, ...]:
        """What ends the answer."""
        given = self.stop or ()
        return (given,) if isinstance(given, str) else tuple(given)
