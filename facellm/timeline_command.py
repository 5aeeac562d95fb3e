"""``facellm timeline CLIP -o OUT.html|.png``: expressions, units and pose of a clip over time.

Example::

    $ facellm timeline clip.mp4 -o clip.html
    1 face over 24 frames, 0:00.0 to 0:11.5, drawn to clip.html
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from facellm.adapter_labels import add_adapter_argument, check_adapter_folder
from facellm.ask_clip_command import check_samples
from facellm.cli import NOTICE, check_model_folder, load_assistant, new_parser
from facellm.errors import FaceLLMError
from facellm.folders import check_place

ENDINGS = (".html", ".htm", ".png")
EXAMPLES = """\
  facellm timeline clip.mp4 -o clip.html       one page, nothing else needed
  facellm timeline clip.gif -o clip.png        a picture
  facellm timeline clip.mp4 -o clip.html --samples 600
  facellm timeline shots/ --frames 25 -o shots.html
"""


def new_timeline_parser() -> argparse.ArgumentParser:
    """Arguments of the verb."""
    parser = new_parser("timeline", "Draw what changes over a clip.", EXAMPLES)
    parser.add_argument("clip", metavar="CLIP", help="a video, an animated picture or a folder")
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="FILE", help=".html or .png; replaced"
    )
    parser.add_argument(
        "--samples",
        type=int,
        default=240,
        metavar="N",
        help="frames that are looked at: 2 a second, in a long clip at most about N (default: 240)",
    )
    parser.add_argument(
        "--frames", type=float, metavar="RATE", help="a folder is one clip, RATE pictures a second"
    )
    add_adapter_argument(parser)
    return parser


def main(argv: list[str]) -> int:
    """Run the verb; raises ``FaceLLMError`` for unusable input."""
    args = new_timeline_parser().parse_args(argv)
    check(args)
    from facellm.clip.opening import open_clip

    clip = open_clip(args.clip, args.frames)  # a wrong path is told before torch is imported
    from facellm.clip.frames import span
    from facellm.clip.pages import page, picture
    from facellm.clip.strips import layout
    from facellm.clip.timeline import read_timeline

    timeline = read_timeline(load_assistant(args.model, adapter=args.adapter), clip, args.samples)
    sheet = layout(timeline)
    if args.out.suffix.lower() == ".png":
        picture(sheet).save(args.out)
    else:
        args.out.write_text(page(sheet, timeline.facts.name), encoding="utf-8")
    if not args.quiet:
        print(NOTICE, file=sys.stderr)
        number = len(timeline.tracks)
        faces = f"{number} face{'' if number == 1 else 's'}" if number else "no face"
        where = f"{len(timeline.times)} frames, {span(0.0, timeline.end)}"
        print(f"{faces} over {where}, drawn to {args.out}", file=sys.stderr)
        for lost in timeline.lost:
            print(f"lost: {lost}", file=sys.stderr)
    return 0


def check(args: argparse.Namespace) -> None:
    """Refuse what would fail later, before anything heavy is imported."""
    if args.out.suffix.lower() not in ENDINGS:
        legal = ", ".join(ENDINGS)
        raise FaceLLMError(f"{args.out}: unknown kind of timeline; legal endings: {legal}")
    check_place(args.out)
    check_samples(args)
    check_model_folder(args.model)
    check_adapter_folder(args.adapter)
