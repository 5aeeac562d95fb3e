"""A question about a clip -> an answer with times, and the evidence it was put together from.

Example::

    clip = open_clip("clip.mp4")
    print(ask_clip(FaceAssistant.load(), clip, "What changes?").text)

The whole clip is looked at, a bounded number of frames spread over it. What a question asks for is
the shipped model's judgement, as with photographs, and what it declines there is declined here; the
sentences are put together by rules (``facellm.clip.telling``), not written by the language model.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from facellm.assistant import FaceAssistant, checked_question
from facellm.clip.events import track_events
from facellm.clip.frames import Clip, clock
from facellm.clip.telling import OVERVIEW, asks_for_overview, tell
from facellm.clip.timeline import Timeline, TrackLine, read_timeline
from facellm.conversation import Conversation, FacePart, TextPart, Turn
from facellm.labels import DECLINED
from facellm.prompts import neutralise

SAMPLES = 48  # frames that are looked at, at most about so many
WRITER = "rules over the timeline"
NOTE = (
    "shares and probabilities lie in 0-1, angles are degrees (yaw > 0 to the image's right, pitch "
    "> 0 up), times seconds from the first frame, `at` as minutes:seconds; numbers of faces hold "
    "within this clip only"
)


@dataclass(frozen=True)
class ClipAnswer:
    """An answer about a clip.

    Attributes:
        text: The sentences.
        intent: ``overview`` or what the question was taken to ask for (``labels.INTENTS``).
        timeline: What it was put together from.
        timings: Seconds: ``look`` (decoding, finding, reading), ``answer``.
    """

    text: str
    intent: str
    timeline: Timeline
    timings: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "answer": self.text,
            "intent": self.intent,
            "written_by": "the language model" if self.intent in DECLINED else WRITER,
            **timeline_record(self.timeline),
            "frames": self.timeline.frames(),
            "timings": self.timings,
        }


def ask_clip(
    assistant: FaceAssistant, clip: Clip, question: str | None = None, samples: int = SAMPLES
) -> ClipAnswer:
    """Answer a question about a clip.

    Args:
        assistant: Loaded weights.
        clip: Opened (``facellm.clip.opening``).
        question: At most 1,000 characters; None asks for everything that changes.
        samples: Frames that are looked at, at most about so many.

    Raises:
        FaceLLMError: For an over-long question, or where no frame of the clip can be used.
    """
    checked_question(question)
    start = time.monotonic()
    timeline = read_timeline(assistant, clip, samples)
    looked = time.monotonic() - start
    intent = intent_of(assistant, timeline, question)
    text = declined(assistant, timeline, question) if intent in DECLINED else tell(timeline, intent)
    timings = {"look": round(looked, 4), "answer": round(time.monotonic() - start, 4)}
    return ClipAnswer(text, intent, timeline, timings)


def intent_of(assistant: FaceAssistant, timeline: Timeline, question: str | None) -> str:
    """What a question asks for; without a face there is only one thing to say."""
    if not timeline.tracks or asks_for_overview(question):
        return OVERVIEW
    return assistant.intent([face_part(assistant, timeline)], checked_question(question))


def declined(assistant: FaceAssistant, timeline: Timeline, question: str | None) -> str:
    """The model's own words for a question it declines."""
    turn = Turn("user", (face_part(assistant, timeline), TextPart(neutralise(question or ""))))
    prompt = assistant.checkpoint.processor.answer_prompt(Conversation((turn,)))
    return "".join(assistant.reply(prompt, [])).strip()


def face_part(assistant: FaceAssistant, timeline: Timeline) -> FacePart:
    """The best framed sight of the face seen most often, as it would stand in a photograph."""
    crop = timeline.main_tracks()[0].crop
    assert crop is not None  # every track has a sight
    return assistant.read_crop(crop)[1]


def timeline_record(timeline: Timeline) -> dict[str, Any]:
    """Clip and tracks with their stretches, JSON-ready."""
    return {
        "clip": timeline.facts.to_dict()
        | {
            "sampled_frames": len(timeline.times),
            "first": 0.0,
            "last": round(timeline.end, 3),
            "seconds_apart": round(timeline.spacing, 4),
            "without_a_face": [round(moment, 3) for moment in timeline.faceless()],
            "lost": list(timeline.lost),
        },
        "tracks": [track_record(line, timeline) for line in timeline.tracks],
    }


def track_record(line: TrackLine, timeline: Timeline) -> dict[str, Any]:
    """A track with its stretches, JSON-ready."""
    events = track_events(line, timeline)
    return {
        "face": line.number,
        "first": round(line.first, 3),
        "last": round(line.last, 3),
        "frames": len(line.sights),
        "stretches": {key: [s.to_dict() for s in found] for key, found in events.items()},
    }


def evidence(timeline: Timeline) -> dict[str, Any]:
    """What another model gets to answer from: stretches with times, no single readings."""
    record = timeline_record(timeline)
    for track in record["tracks"]:
        for found in track["stretches"].values():
            for stretch in found:
                stretch["at"] = f"{clock(stretch['start'])} to {clock(stretch['end'])}"
    for name in ("name", "decoder", "codec"):
        del record["clip"][name]
    return record | {"note": NOTE}
