"""The part of ``facellm ask`` that answers about clips.

Example::

    $ facellm ask clip.mp4 "What changes?"
    I looked at 24 frames of the clip, 0:00.0 to 0:11.5, 0.5 seconds apart. Face 1 (0:00.0 to ...
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facellm.cli import NOTICE, load_assistant, seconds_since_start
from facellm.errors import FaceLLMError
from facellm.standard_input import Piped, named

if TYPE_CHECKING:
    from facellm.assistant import FaceAssistant
    from facellm.clip.frames import Clip

MOST_SAMPLES = 5000  # readings of so many frames are held at once
CLIP_NOTICE = (
    f"{NOTICE} About clips, sentences are put together from the readings by rules; the language "
    "model judges the question only."
)


def names_clip(args: argparse.Namespace, piped: Piped | None) -> bool:
    """Whether the input is a clip rather than a picture."""
    from facellm.clip.opening import is_clip

    path = Path(args.photo)
    if args.frames is not None and (piped is not None or not path.is_dir()):
        raise FaceLLMError(f"--frames needs a folder, {path} is none")
    if piped is not None:
        return piped.is_clip
    return args.frames is not None or is_clip(path)


def check_samples(args: argparse.Namespace) -> None:
    """Refuse a number of frames that cannot be spread over a clip."""
    if not 2 <= args.samples <= MOST_SAMPLES:
        raise FaceLLMError(f"--samples {args.samples}: must lie in 2 to {MOST_SAMPLES:,}")


def check_options(args: argparse.Namespace) -> None:
    """Refuse options that mean nothing for a clip."""
    check_samples(args)
    if args.crops or args.send_picture:
        option = "--crops" if args.crops else "--send-picture"
        raise FaceLLMError(f"{args.photo}: {option} takes a picture, not a clip")
    if args.baseline is not None:
        raise FaceLLMError(f"{args.photo}: is a clip; --baseline of ask takes photographs")


def answer_clip(args: argparse.Namespace, question: str | None, piped: Piped | None) -> int:
    """Answer and print; raises ``FaceLLMError`` for unusable input."""
    from facellm.clip.opening import open_clip

    check_options(args)
    start = time.perf_counter()
    if piped is None:  # a wrong path is told before torch is imported
        return answer_opened(args, question, open_clip(args.photo, args.frames), start)
    with piped.file() as path:
        return answer_opened(args, question, named(open_clip(path)), start)


def answer_opened(args: argparse.Namespace, question: str | None, clip: Clip, start: float) -> int:
    """Answer and print; opening began at ``start``."""
    timings = {"open": time.perf_counter() - start}
    start = time.perf_counter()
    assistant = load_assistant(args.model, args.engine, few=True, adapter=args.adapter)
    timings["load"] = time.perf_counter() - start
    found = found_by(assistant, clip, question, args)
    if not args.json:
        print(found["answer"])
        if not args.quiet:
            by = f" Answered by {args.reasoner_model}." if "reasoner" in found else ""
            print((NOTICE + by) if by else CLIP_NOTICE, file=sys.stderr)
        return 0
    timings |= found["timings"] | {"total": seconds_since_start()}
    found["timings"] = {name: round(value, 4) for name, value in timings.items()}
    found["notice"] = CLIP_NOTICE.removeprefix("Note: ")
    print(json.dumps(found, indent=2, ensure_ascii=False))
    return 0


def found_by(
    assistant: FaceAssistant, clip: Clip, question: str | None, args: argparse.Namespace
) -> dict[str, Any]:
    """Our answer, JSON-ready, or another model's from our timeline where one was named."""
    from facellm.assistant import checked_question
    from facellm.clip.asking import ask_clip, evidence
    from facellm.labels import DECLINED
    from facellm.reasoner import Reasoner

    answer = ask_clip(assistant, clip, question, args.samples)
    found = answer.to_dict()
    if not args.reasoner or not answer.timeline.tracks or answer.intent in DECLINED:
        return found
    reasoner = Reasoner(args.reasoner, args.reasoner_model)
    asked = question or "What changes over the clip?"
    words = reasoner.answer_from(evidence(answer.timeline), checked_question(asked))
    return found | {
        "answer": "".join(words).strip(),
        "written_by": args.reasoner_model,
        "reasoner": {"url": args.reasoner, "model": args.reasoner_model, "picture_sent": False},
    }
