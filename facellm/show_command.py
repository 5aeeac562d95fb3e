"""``facellm show PHOTO -o OUT.png``: a picture of what was read off the faces.

Example::

    $ facellm show photo.jpg -o result.png
    1 face drawn to result.png
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from facellm.adapter_labels import add_adapter_argument, check_adapter_folder
from facellm.cli import NOTICE, check_model_folder, load_assistant, new_parser
from facellm.errors import FaceLLMError
from facellm.folders import check_place

ENDINGS = (".png", ".jpg", ".jpeg", ".webp")
DESCRIPTION = """\
Draw what was read off the faces of a picture: boxes, 68 points, nine regions,
shares, and what hiding a region does."""
HELP_OUT = f"{', '.join(ENDINGS)}; replaced"
EXAMPLES = """\
  facellm show photo.jpg -o result.png
  facellm show face.png --crops -o result.png  the picture already is one face crop
"""


def new_show_parser() -> argparse.ArgumentParser:
    """Arguments of the verb."""
    parser = new_parser("show", DESCRIPTION, EXAMPLES)
    parser.add_argument("photo", metavar="PHOTO", help="a picture file, not a clip")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="PICTURE", help=HELP_OUT)
    parser.add_argument(
        "--crops", action="store_true", help="the picture is one face crop: no detection"
    )
    add_adapter_argument(parser)
    return parser


def main(argv: list[str]) -> int:
    """Run the verb."""
    args = new_show_parser().parse_args(argv)
    check_out(args.out)
    check_model_folder(args.model)
    check_adapter_folder(args.adapter)
    from facellm.clip.opening import refuse_clip
    from facellm.images import load_image

    refuse_clip(args.photo)
    pixels = load_image(args.photo)  # a wrong path is told before torch is imported
    from facellm.drawing import face_cards, result_picture

    assistant = load_assistant(args.model, few=True, adapter=args.adapter)
    cards = face_cards(assistant, pixels, crops=args.crops)
    result_picture(pixels, cards).save(args.out)
    if not args.quiet:
        print(NOTICE, file=sys.stderr)
        count = f"{len(cards)} face{'' if len(cards) == 1 else 's'}" if cards else "no face"
        print(f"{count} drawn to {args.out}", file=sys.stderr)
    return 0


def check_out(path: Path) -> None:
    """Refuse a picture that could not be written, before anything is read."""
    if path.suffix.lower() not in ENDINGS:
        raise FaceLLMError(f"{path}: unknown kind of picture; legal endings: {', '.join(ENDINGS)}")
    check_place(path)
