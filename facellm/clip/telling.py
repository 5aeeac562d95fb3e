"""A timeline in plain words with times, put together from the readings by rules.

The shipped language model writes about one moment and knows no time, so it does not write these
sentences: it only judges what a question asks for. Everything said here stands in the timeline.

Example: ``tell(timeline, "overview")`` -> "I looked at 24 frames of the clip, 0:00.0 to 0:11.5,
0.5 seconds apart. Face 1 (0:00.0 to 0:11.5, in 24 frames) shows neutral until 0:03.0, happiness
from 0:03.5 to 0:08.0 and neutral from 0:08.5. The mouth is open from 0:03.5 to 0:07.5."
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

from facellm.clip.events import AHEAD, Stretch, out_of_sight, track_events
from facellm.clip.frames import clock, span
from facellm.clip.timeline import Timeline, TrackLine
from facellm.labels import DECLINED, FACS

OVERVIEW = "overview"
MOST_TOLD = 6  # stretches of one kind that are told one by one
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
        looked += f", {timeline.spacing:.2g} seconds apart"
    return f"{looked}." if timeline.tracks else f"{looked}, and see no face in any of them."


def overview(line: TrackLine, timeline: Timeline) -> str:
    """Everything that changes about a face, and that nothing does where nothing does."""
    events = track_events(line, timeline)
    parts = [expression(line, timeline), *out_of_view(line, timeline)]
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
    found = track_events(line, timeline)["expression"]
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
    said = units_of(track_events(line, timeline), len(FACS))
    return f"{name(line)}: {said or 'none of the action units that I can tell comes on.'}"


def age(line: TrackLine, timeline: Timeline) -> str:  # noqa: ARG001
    """Apparent age over all sights."""
    return f"{name(line)}: {age_of(line)}"


def gender(line: TrackLine, timeline: Timeline) -> str:  # noqa: ARG001
    """Apparent gender over all sights."""
    male = fmean(s.found.reading.gender["male"] for s in line.sights)
    looks, share = ("male", male) if male >= 0.5 else ("female", 1 - male)
    return f"{name(line)} looks {looks}, on average {percent(share)}."


def mask(line: TrackLine, timeline: Timeline) -> str:
    """When a mask is worn."""
    return f"{name(line)}: {worn(track_events(line, timeline)['mask']) or 'no mask is seen.'}"


def mouth(line: TrackLine, timeline: Timeline) -> str:
    """When the mouth is open."""
    found = track_events(line, timeline)["mouth"]
    return f"{name(line)}: {mouth_of(found) or 'the mouth is closed throughout.'}"


def eyes(line: TrackLine, timeline: Timeline) -> str:
    """When the eyes are closed; a blink between two sampled frames is not seen."""
    found = track_events(line, timeline)["eyes"]
    said = eyes_of(found) or "the eyes are open in every frame I looked at."
    return f"{name(line)}: {said} A blink between two of these frames is not seen."


def pose(line: TrackLine, timeline: Timeline) -> str:
    """Where the head turns."""
    said = head_of(track_events(line, timeline)) or "the head stays turned to the camera."
    return f"{name(line)}: {said}"


def gaze(line: TrackLine, timeline: Timeline) -> str:
    """Where the eyes look."""
    events = track_events(line, timeline)
    said = turns("The look goes", events["gaze"]) + turns("The look goes", events["gaze_pitch"])
    return f"{name(line)}: {' '.join(said) or 'the look stays ahead.'}"


def generated(line: TrackLine, timeline: Timeline) -> str:  # noqa: ARG001
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

# --- parts of sentences ---------------------------------------------------------------------------


def name(line: TrackLine) -> str:
    """``Face 1 (0:00.0 to 0:11.5, in 24 frames)``."""
    frames = several(len(line.sights), "frame")
    return f"Face {line.number} ({span(line.first, line.last)}, in {frames})"


def when(stretch: Stretch, line: TrackLine) -> str:
    """When a stretch is, against the whole time its face is seen."""
    starts, ends = stretch.start <= line.first, stretch.end >= line.last
    if starts and ends:
        return "throughout"
    if starts:
        return f"until {clock(stretch.end)}"
    return f"from {clock(stretch.start)} on" if ends and stretch.samples > 1 else during(stretch)


def during(stretch: Stretch) -> str:
    """``from 0:03.5 to 0:08.0`` or ``at 0:05.0``."""
    shown = span(stretch.start, stretch.end)
    return shown if shown.startswith("at ") else f"from {shown}"


def mouth_of(found: Sequence[Stretch]) -> str:
    """When the mouth is open; empty where it is not."""
    return told("The mouth is open", [s for s in found if s.value == "open"])


def eyes_of(found: Sequence[Stretch]) -> str:
    """When the eyes are closed; empty where they are not."""
    return told("The eyes look closed", [s for s in found if s.value == "closed"])


def worn(found: Sequence[Stretch]) -> str:
    """When a mask is worn; empty where none is."""
    return told("A mask is worn", [s for s in found if s.value == "worn"])


def head_of(events: dict[str, list[Stretch]]) -> str:
    """Where the head turns; empty where it stays."""
    said = turns("The head is turned", events["head"])
    return " ".join(said + turns("The head is turned", events["head_pitch"]))


def turns(start: str, found: Sequence[Stretch]) -> list[str]:
    """A sentence for each side something turns to."""
    sides = dict.fromkeys(s.value for s in found if s.value != AHEAD)
    sentences = []
    for value in sides:
        same = [s for s in found if s.value == value]
        most = max(same, key=lambda s: s.peak)
        told_times = told(f"{start} {value}", same).rstrip(".")
        sentences.append(
            f"{told_times}, most at {clock(most.peak_time)} ({most.peak:.0f} degrees)."
        )
    return sentences


def units_of(events: dict[str, list[Stretch]], most: int) -> str:
    """When action units come on, those that are on longest first; empty where none does."""
    on = {
        int(key[2:]): [s for s in found if s.value == "on"]
        for key, found in events.items()
        if key.startswith("AU")
    }
    order = sorted(on, key=lambda number: (-sum(s.samples for s in on[number]), number))
    said = []
    for number in order[:most]:
        top = max(on[number], key=lambda s: s.peak)
        start = f"AU{number} ({FACS[number].name}) is on"
        strongest = f", clearest at {clock(top.peak_time)} ({percent(top.peak)})."
        said.append(told(start, on[number]).rstrip(".") + strongest)
    return " ".join(said)


def age_of(line: TrackLine) -> str:
    """Apparent age over all sights; it is said once, as an impression does not change by time."""
    ages = [s.found.reading.age for s in line.sights]
    mean, low, high = (fmean(getattr(a, n) for a in ages) for n in ("mean", "low", "high"))
    return f"Apparent age {mean:.0f} ({low:.0f} to {high:.0f})."


def out_of_view(line: TrackLine, timeline: Timeline) -> list[str]:
    """When a face is out of sight between its first and last frame."""
    gaps = [span(*gap) for gap in out_of_sight(line, timeline)]
    return [f"It is out of sight {listed(gaps[:MOST_TOLD])}{more(gaps)}."] if gaps else []


def told(start: str, found: Sequence[Stretch]) -> str:
    """``The mouth is open from 0:01.0 to 0:02.0 and at 0:05.5.``; empty without a stretch."""
    if not found:
        return ""
    return f"{start} {listed([during(s) for s in found[:MOST_TOLD]])}{more(found)}."


def more(found: Sequence[Any]) -> str:
    """``, and 3 times more`` where not all are told."""
    rest = len(found) - MOST_TOLD
    return f", and {rest} more (see --json)" if rest > 0 else ""


def listed(parts: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def times(moments: Sequence[float]) -> str:
    """A few moments."""
    shown = ", ".join(clock(moment) for moment in moments[:MOST_TOLD])
    return shown + (" ..." if len(moments) > MOST_TOLD else "")


def several(number: int, thing: str) -> str:
    """``1 frame``, ``2 frames``."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def be(number: int) -> str:
    """``is`` or ``are``."""
    return "is" if number == 1 else "are"


def percent(share: float) -> str:
    """A share rounded to five per cent, as the product's sentences do."""
    return f"{5 * round(20 * share)} %"


def number_of(line: TrackLine) -> int:
    """Sorting key."""
    return line.number
