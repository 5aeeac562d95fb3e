"""``facellm calibrate PATH... -o me.json``: a person's own neutral, for ``--baseline``.

Takes pictures, clips, folders and patterns of one person who looks about ahead and shows little; a
few expressive ones do no harm (``facellm.neutral``). What is stored: 11 measures, 21 units, how
many frames, which weights, the command. No picture, no points, no embedding; nothing that is made
to tell people apart.

Example::

    $ facellm calibrate me/ -o me.json
    31 of 40 frames used, 5 turned by more than 20 degrees, 4 no face found: me.json
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from facellm.adapter_labels import add_adapter_argument, check_adapter_folder
from facellm.cli import check_model_folder, load_assistant, new_parser
from facellm.errors import FaceLLMError
from facellm.folders import check_place
from facellm.picture_files import find_pictures, shown_name

if TYPE_CHECKING:
    from facellm.baseline import Baseline
    from facellm.neutral import Frame

ENDING = ".json"
UNREADABLE = "unreadable"
FRAMES_A_SECOND = 2.0  # of a clip
DESCRIPTION = """\
Take one person's own neutral face, for --baseline of read and ask. Pictures or
a clip of one person who looks ahead and shows little; at least 5 must be
usable, more are better. No picture is stored."""
EXAMPLES = """\
  facellm calibrate me/ -o me.json             pictures of one person, at least 5
  facellm calibrate person.mp4 -o me.json      two frames a second of a clip
  facellm calibrate faces/ --crops -o me.json  the pictures already are face crops
"""


def new_calibrate_parser() -> argparse.ArgumentParser:
    """Arguments of the verb."""
    parser = new_parser("calibrate", DESCRIPTION, EXAMPLES)
    parser.add_argument(
        "paths", metavar="PATH", nargs="+", help="pictures, clips, folders, patterns of one person"
    )
    parser.add_argument(
        "-o", "--out", type=Path, metavar="JSON", required=True, help="the baseline; replaced"
    )
    parser.add_argument(
        "--crops", action="store_true", help="every picture is one face crop: no detection"
    )
    add_adapter_argument(parser)
    return parser


def main(argv: list[str]) -> int:
    """Run the verb; raises ``FaceLLMError`` for input that gives no baseline."""
    args = new_calibrate_parser().parse_intermixed_args(argv)
    check_out(args.out)
    check_model_folder(args.model)
    check_adapter_folder(args.adapter)
    files, _ = find_pictures(args.paths)
    assistant = load_assistant(args.model, adapter=args.adapter)
    from facellm.neutral import baseline_from, sight

    bad: dict[str, str] = {}
    found = sight(assistant, picture_frames(files, bad), crops=args.crops)
    for name, reason in bad.items():
        found.left_out[UNREADABLE] += 1
        if not args.quiet:
            print(f"{name}: {reason}", file=sys.stderr)
    command = shlex.join(["facellm", "calibrate", *argv])
    baseline = baseline_from(found, assistant.checkpoint, command).save(args.out)
    if not args.quiet:
        print(f"{summary(baseline)}: {args.out}", file=sys.stderr)
    return 0


def check_out(path: Path) -> None:
    """Refuse a file that could not be written, before any picture is read."""
    if path.suffix.lower() != ENDING:
        raise FaceLLMError(f"{path}: a baseline is a {ENDING} file")
    check_place(path)


def picture_frames(files: list[Path], bad: dict[str, str]) -> Iterator[Frame]:
    """Pictures and frames of clips as (name, pixels), one by one; unusable ones go into ``bad``."""
    from facellm.clip.opening import is_clip
    from facellm.decoding import decode

    for path in files:
        if is_clip(path):
            yield from clip_frames(path, bad)
            continue
        for _, pixels in decode([path], workers=0):
            if isinstance(pixels, str):
                bad[shown_name(path)] = pixels
            else:
                yield shown_name(path), pixels


def clip_frames(path: Path, bad: dict[str, str]) -> Iterator[Frame]:
    """Frames of a clip, ``FRAMES_A_SECOND`` of them, named by their time."""
    from facellm.clip.frames import clock, sampled
    from facellm.clip.opening import open_clip

    try:
        clip = open_clip(path)
        for frame in sampled(clip.frames(1 / FRAMES_A_SECOND), FRAMES_A_SECOND):
            name = f"{shown_name(path)} at {clock(frame.time)}"
            try:
                pixels = frame.pixels()
            except FaceLLMError as error:
                bad[name] = str(error)
            else:
                yield name, pixels
        bad.update({f"{shown_name(path)} ({line})": line for line in clip.losses.lines()})
    except FaceLLMError as error:
        bad[shown_name(path)] = str(error).removeprefix(f"{path}: ")


def summary(baseline: Baseline) -> str:
    """``31 of 40 frames used, 9 no face found``."""
    frames = baseline.frames
    left_out = Counter(frames["left_out"]).most_common()
    reasons = "".join(f", {count} {reason}" for reason, count in left_out)
    return f"{frames['used']} of {frames['given']} frames used{reasons}"
