"""What goes back for a chat request: OpenAI's objects, and beside them what the answer rests on.

``facellm`` in an answer holds the faces with their readings, the intent, times and the notice; a
stream has the faces in its first chunk, so that they can be drawn before the first word.
"""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any

from facellm.cli import NOTICE
from facellm.results import ReadFace

from .face_records import face_record

if TYPE_CHECKING:
    from .clips import ClipAnswer
    from .house import House
    from .words import Said

PLAIN_NOTICE = NOTICE.removeprefix("Note: ")


class Reply:
    """One answer, filled in as it is made.

    Args:
        house: Name of the model, counts.
        context: Of use.
        said: The words.

    Attributes:
        faces: Those that are spoken of, numbered through.
        seen_faces: All that the pictures show.
        emotions: Whether expressions may be told.
        sizes: Width and height of each picture.
        forgotten: Messages that were left out.
        content: Of an answer in one piece.
        refusal: Instead of content, in structured forms.
    """

    def __init__(self, house: House, context: str, said: Said) -> None:
        self.house, self.context, self.said = house, context, said
        self.emotions = house.policy.emotions_allowed(context)
        self.seen_faces = 0
        self.id, self.created = f"chatcmpl-{uuid.uuid4().hex}", int(time.time())
        self.faces: list[ReadFace] = []
        self.sizes: list[tuple[int, int]] = []
        self.forgotten = 0
        self.content: str | None = None
        self.refusal: str | None = None
        self.notice = PLAIN_NOTICE
        self.looked = self.total = 0.0
        self.clip: dict[str, Any] | None = None

    def take_clip(self, clip: ClipAnswer) -> None:
        """What a clip's answer rests on."""
        self.clip, self.sizes, self.looked = clip.record, list(clip.sizes), clip.looked

    def finished(self, seconds: float) -> None:
        """Note how long it all took, and count."""
        self.total, metrics = seconds, self.house.metrics
        metrics.tokens.labels("prompt").inc(self.said.prompt_tokens)
        metrics.tokens.labels("answer").inc(self.said.answer_tokens)
        if self.said.first_word:
            metrics.first_word.observe(self.said.first_word)

    def usage(self) -> dict[str, Any]:
        """Tokens, and what was seen; ``size`` is the first picture's."""
        prompt, answer = self.said.prompt_tokens, self.said.answer_tokens
        vision = {
            "faces": self.seen_faces,
            "crops": len(self.faces),
            "tokens": prompt + answer,
            "size": list(self.sizes[0]) if self.sizes else None,
            "sizes": [list(size) for size in self.sizes],
        }
        return {
            "prompt_tokens": prompt,
            "completion_tokens": answer,
            "total_tokens": prompt + answer,
            "vision": vision,
        }

    def seen(self) -> dict[str, Any]:
        """What is known before the first word."""
        found: dict[str, Any] = {"notice": self.notice, "use_context": self.context}
        if self.clip is not None:
            return found | {"clip": self.clip}
        return found | {"faces": self.face_records()}

    def face_records(self) -> list[dict[str, Any]]:
        """Faces, JSON-ready."""
        return [face_record(face, emotions=self.emotions) for face in self.faces]

    def told(self) -> dict[str, Any]:
        """What is known after the last one."""
        times = {"look": self.looked, "first_word": self.said.first_word, "total": self.total}
        found: dict[str, Any] = {
            "intent": self.said.intent,
            "refused": None if self.said.refusal is None else self.said.refusal.kind,
            "timings": {name: round(value, 4) for name, value in times.items()},
        }
        return found | ({"forgotten_messages": self.forgotten} if self.forgotten else {})

    def completion(self) -> dict[str, Any]:
        """An answer in one piece."""
        message = {"role": "assistant", "content": self.content, "refusal": self.refusal}
        choice = {"index": 0, "message": message, "logprobs": None}
        return {
            **self._head("chat.completion"),
            "choices": [choice | {"finish_reason": self.said.finish}],
            "usage": self.usage(),
            "facellm": self.seen() | self.told(),
        }

    def chunk(self, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        """A piece of a stream."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {**self._head("chat.completion.chunk"), "choices": [choice]}

    def usage_chunk(self) -> dict[str, Any]:
        """The last piece of a stream, where usage is asked for."""
        return {**self._head("chat.completion.chunk"), "choices": [], "usage": self.usage()}

    def _head(self, kind: str) -> dict[str, Any]:
        head = {"id": self.id, "object": kind, "created": self.created}
        return head | {"model": self.house.settings.name}

    def as_object(self) -> str:
        """The content of ``json_object``: answer and readings."""
        found: dict[str, Any] = {"answer": self.content, "intent": self.said.intent}
        found["faces"] = self.face_records()
        return self.dumped(found | {"notice": self.notice})

    def dumped(self, value: dict[str, Any]) -> str:
        """JSON on one line."""
        return json.dumps(value, ensure_ascii=False)
