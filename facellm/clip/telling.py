"""A timeline in plain words with times, put together from the readings by rules.

The shipped language model writes about one moment and knows no time, so it does not write these
sentences: it only judges what a question asks for. Everything said here stands in the timeline.

Example: ``tell(timeline, "overview")`` -> "I looked at 24 frames of the clip, 0:00.0 to 0:11.5,
0.5 seconds apart. Face 1 (0:00.0 to 0:11.5, in 24 frames) shows neutral until 0:03.0, happiness
from 0:03.5 to 0:08.0 and neutral from 0:08.5. The mouth is open from 0:03.5 to 0:07.5."
"""

from __future__ import annotations

import re
from collections.abc import Callable
from statistics import fmean

from facellm.clip.events import Stretch, across_gaps, track_events
from facellm.clip.frames import clock, short, span
from facellm.clip.phrases import (
    MOST_TOLD,
    age_of,
    be,
    eyes_of,
    head_of,
    listed,
    more,
    mouth_of,
    name,
    number_of,
    out_of_view,
    percent,
    several,
    times,
    turns,
    units_of,
    when,
    worn,
)  # fmt: skip
from facellm.clip.timeline import Timeline, TrackLine
from facellm.labels import DECLINED, FACS

OVERVIEW = "overview"
MOST_FACES = 4  # faces that are told one by one
MOST_UNITS = 3  # of an overview
CHANGE_WORDS = {
    "change", "changes", "changed", "changing", "happen", "happens", "happened", "happening",
    "timeline", "time", "differ", "differs", "different", "going", "develops", "development",
}  # fmt: skip
# Words that name nothing in particular: a question of these alone asks for the overview.
GENERAL_WORDS = CHANGE_WORDS | {
    "what", "whats", "s", "does", "do", "is", "are", "has", "have", "did", "how", "when", "where",
    "anything", "something", "everything", "and", "the", "a", "an", "in", "of", "on", "over", "to",
    "from", "with", "during", "through", "throughout", "between", "this", "that", "it", "here",
    "clip", "video", "film", "movie", "recording", "gif", "face", "faces", "frame", "frames",
    "start", "end", "beginning", "first", "last", "whole", "course", "as", "goes", "by", "if",
    "tell", "me", "say", "describe", "summarise", "summarize", "summary", "show", "shows", "about",
    "please", "any", "there", "most", "then", "next", "across",
}  # fmt: skip


def asks_for_overview(question: str | None) -> bool:
    """Whether a question asks what changes and names nothing else, or there is none.

    Decided by words: the model was taught questions about photographs and takes "What changes?"
    for one about editing.
    """
    words = set(re.findall(r"[^\W\d_]+", (question or "").casefold()))
    return not words or (words <= GENERAL_WORDS and bool(words & CHANGE_WORDS))


def tell(timeline: Timeline, intent: str) -> str:
    """Sentences about a clip.

    Args:
        timeline: At least one sampled frame.
        intent: ``overview`` or one of ``facellm.labels.INTENTS``; ``describe`` is the overview.

    Raises:
        ValueError: If the intent is one that is declined.
    """
    if intent in DECLINED:
        raise ValueError(f"{intent} is declined, not told")
    parts = [opening(timeline)]
    if intent == "count" and timeline.tracks:
        parts.append(count(timeline))
    elif timeline.tracks:
        about = TOPICS.get(intent, overview)
        lines = timeline.main_tracks()
        parts += [about(line, timeline) for line in sorted(lines[:MOST_FACES], key=number_of)]
        rest = len(lines) - MOST_FACES
        if rest > 0:
            parts.append(f"{several(rest, 'more face')} seen in fewer frames {be(rest)} left out.")
    missing = timeline.faceless()
    if timeline.tracks and missing and intent in (OVERVIEW, "describe", "count"):
        parts.append(f"No face is found in {several(len(missing), 'frame')}: {times(missing)}.")
    parts += [f"Not everything could be read: {lost}." for lost in timeline.lost]
    return " ".join(parts)


def opening(timeline: Timeline) -> str:
    """What was looked at; where no face was found, that is all there is to say."""
    samples = len(timeline.times)
    looked = f"I looked at {several(samples, 'frame')} of the clip, {span(0.0, timeline.end)}"
    if samples > 1:
        looked += f", {short(timeline.spacing)} seconds apart"
    return f"{looked}." if timeline.tracks else f"{looked}, and see no face in any of them."


def shown(line: TrackLine, timeline: Timeline) -> dict[str, list[Stretch]]:
    """Stretches of a face; where it is out of sight is said apart."""
    return {key: across_gaps(found) for key, found in track_events(line, timeline).items()}


def overview(line: TrackLine, timeline: Timeline) -> str:
    """Everything that changes about a face, and that nothing does where nothing does."""
    events = shown(line, timeline)
    parts = [expression(line, timeline), *out_of_view(line)]
    changes = [
        mouth_of(events["mouth"]),
        eyes_of(events["eyes"]),
        worn(events["mask"]),
        head_of(events),
        units_of(events, MOST_UNITS),
    ]
    parts += [said for said in changes if said]
    if not any(changes) and len(events["expression"]) == 1 and len(line.sights) > 1:
        parts.append("Nothing else that I read changes.")
    return " ".join([*parts, age_of(line)])


def expression(line: TrackLine, timeline: Timeline) -> str:
    """Which expressions a face shows, one after the other."""
    found = shown(line, timeline)["expression"]
    said = [
        f"no clear expression {when(s, line)}"
        if s.value == "unclear"
        else f"{s.value} {when(s, line)}"
        for s in found[:MOST_TOLD]
    ]
    sentence = f"{name(line)} shows {listed(said)}{more(found)}."
    changes = [s for s in found if s.value != "unclear"]
    if len(changes) > 1:
        top = max(changes, key=lambda s: s.peak)
        sentence += f" Clearest is {top.value} at {clock(top.peak_time)} ({percent(top.peak)})."
    return sentence


def action_units(line: TrackLine, timeline: Timeline) -> str:
    """When action units come on."""
    said = units_of(shown(line, timeline), len(FACS))
    return f"{name(line)}: {said or 'none of the action units that I can tell comes on.'}"


def age(line: TrackLine, timeline: Timeline) -> str:
    """Apparent age over all sights."""
    return f"{name(line)}: {age_of(line)}"


def gender(line: TrackLine, timeline: Timeline) -> str:
    """Apparent gender over all sights."""
    male = fmean(s.found.reading.gender["male"] for s in line.sights)
    looks, share = ("male", male) if male >= 0.5 else ("female", 1 - male)
    return f"{name(line)} looks {looks}, on average {percent(share)}."


def mask(line: TrackLine, timeline: Timeline) -> str:
    """When a mask is worn."""
    return f"{name(line)}: {worn(shown(line, timeline)['mask']) or 'no mask is seen.'}"


def mouth(line: TrackLine, timeline: Timeline) -> str:
    """When the mouth is open."""
    found = shown(line, timeline)["mouth"]
    return f"{name(line)}: {mouth_of(found) or 'the mouth is closed throughout.'}"


def eyes(line: TrackLine, timeline: Timeline) -> str:
    """When the eyes are closed; a blink between two sampled frames is not seen."""
    found = shown(line, timeline)["eyes"]
    said = eyes_of(found) or "the eyes are open in every frame I looked at."
    return f"{name(line)}: {said} A blink between two of these frames is not seen."


def pose(line: TrackLine, timeline: Timeline) -> str:
    """Where the head turns."""
    said = head_of(shown(line, timeline)) or "the head stays turned to the camera."
    return f"{name(line)}: {said}"


def gaze(line: TrackLine, timeline: Timeline) -> str:
    """Where the eyes look."""
    events = shown(line, timeline)
    said = turns("The look goes", events["gaze"]) + turns("The look goes", events["gaze_pitch"])
    return f"{name(line)}: {' '.join(said) or 'the look stays ahead.'}"


def generated(line: TrackLine, timeline: Timeline) -> str:
    """How much the frames look generated."""
    shares = [s.found.reading.generated for s in line.sights]
    return (
        f"{name(line)}: frames look generated or edited with {percent(fmean(shares))} on average, "
        f"{percent(max(shares))} at most. This is no deepfake detector."
    )


def count(timeline: Timeline) -> str:
    """How many faces there are, and when."""
    seen = [
        sum(1 for line in timeline.tracks for s in line.sights if s.time == time)
        for time in timeline.times
    ]
    most = max(seen)
    places = [t for t, n in zip(timeline.times, seen, strict=True) if n == most]
    said = [f"face {line.number} {span(line.first, line.last)}" for line in timeline.tracks]
    shown = "; ".join(said[: 2 * MOST_TOLD]) + ("; ..." if len(said) > 2 * MOST_TOLD else "")
    return (
        f"I follow {several(len(timeline.tracks), 'face')}, at most {most} in one frame "
        f"(first at {clock(places[0])}): {shown}."
    )


TOPICS: dict[str, Callable[[TrackLine, Timeline], str]] = {
    "expression": expression,
    "why": overview,
    "action_units": action_units,
    "age": age,
    "gender": gender,
    "mask": mask,
    "mouth": mouth,
    "eyes": eyes,
    "pose": pose,
    "gaze": gaze,
    "deepfake": generated,
}
