"""Messages as OpenAI's clients send them -> what is asked, about which pictures, after what.

The server keeps no conversation: clients send the whole of it each time. The newest message that
holds pictures opens it; what was said before those pictures is about others and is left out.
System messages are left out too: the model was trained without any, and none may change what it
is for.

Example: ``talk_of(body.messages, settings)`` -> ``Talk(pictures=(b"...",), said=(("Age?", "34"),),
question="And the gaze?")``
"""

from __future__ import annotations

from dataclasses import dataclass

from facellm.assistant import LONGEST_QUESTION, checked_question

from .chat_body import ImageContent, Message, RefusalContent, TextContent, VideoContent
from .failures import ApiError
from .media import clip_bytes, picture_bytes
from .settings import Settings


@dataclass(frozen=True)
class Talk:
    """A conversation.

    Attributes:
        pictures: Encoded, in order.
        clip: Encoded, where it is about a clip.
        said: Earlier questions with their answers, oldest first.
        question: The last one, within its bound.
        forgotten: Messages that were left out because newer pictures came.
    """

    pictures: tuple[bytes, ...]
    clip: bytes | None
    said: tuple[tuple[str, str], ...]
    question: str
    forgotten: int = 0


@dataclass
class _Speech:
    """Neighbouring messages of one side, joined."""

    role: str
    texts: list[str]
    media: list[tuple[str, str, str]]  # kind, address, place in the request
    messages: int = 1


def talk_of(messages: list[Message], settings: Settings) -> Talk:
    """See the module docstring.

    Raises:
        ApiError: 400, 413 or 415 with the place in the request.
    """
    speeches = speeches_of(messages)
    if not speeches or speeches[-1].role != "user":
        message = "the last message must be the user's"
        raise ApiError(400, "invalid_value", message, "messages")
    shown = [i for i, speech in enumerate(speeches) if speech.media]
    first = shown[-1] if shown else next(i for i, s in enumerate(speeches) if s.role == "user")
    kept = speeches[first:]
    pictures, clip = media_of(kept[0].media, settings)
    questions = [bounded("\n".join(s.texts)) for s in kept[::2]]
    answers = ["\n".join(s.texts) for s in kept[1::2]]
    said = tuple(zip(questions[:-1], answers, strict=True))
    forgotten = sum(speech.messages for speech in speeches[:first])
    return Talk(pictures, clip, said, questions[-1], forgotten)


def speeches_of(messages: list[Message]) -> list[_Speech]:
    """User and assistant in turn."""
    speeches: list[_Speech] = []
    for number, message in enumerate(messages):
        if message.role not in ("user", "assistant"):
            continue
        speech = speech_of(message, f"messages.{number}.content")
        if speech.media and message.role != "user":
            raise ApiError(400, "invalid_value", "only users send pictures", f"messages.{number}")
        if speeches and speeches[-1].role == message.role:
            speeches[-1].texts += speech.texts
            speeches[-1].media += speech.media
            speeches[-1].messages += 1
        else:
            speeches.append(speech)
    return speeches


def speech_of(message: Message, place: str) -> _Speech:
    """Texts and media of one message."""
    content = message.content
    if content is None or isinstance(content, str):
        text = content or message.refusal or ""
        return _Speech(message.role, [text] if text else [], [])
    speech = _Speech(message.role, [], [])
    for number, part in enumerate(content):
        if isinstance(part, TextContent):
            speech.texts.append(part.text)
        elif isinstance(part, RefusalContent):
            speech.texts.append(part.refusal)
        elif isinstance(part, ImageContent):
            speech.media.append(("image", part.image_url.url, f"{place}.{number}.image_url"))
        elif isinstance(part, VideoContent):
            speech.media.append(("video", part.video_url.url, f"{place}.{number}.video_url"))
    return speech


def media_of(
    media: list[tuple[str, str, str]], settings: Settings
) -> tuple[tuple[bytes, ...], bytes | None]:
    """Pictures, or one clip."""
    clips = [one for one in media if one[0] == "video"]
    if clips and len(media) > 1:
        message = "a message holds pictures or one clip, not both and not two clips"
        raise ApiError(400, "invalid_value", message, clips[-1][2])
    if clips:
        return (), clip_bytes(clips[0][1], settings, clips[0][2])
    if len(media) > settings.pictures:
        message = f"{len(media)} pictures, at most {settings.pictures} are taken"
        raise ApiError(400, "too_many_images", message, media[-1][2])
    return tuple(picture_bytes(url, settings, place) for _, url, place in media), None


def bounded(question: str) -> str:
    """A question within the bound all of them have; nothing asks for a full description."""
    if len(question) > LONGEST_QUESTION:
        message = f"a question has {len(question):,} characters, at most {LONGEST_QUESTION:,}"
        raise ApiError(400, "string_above_max_length", message, "messages")
    return checked_question(question)
