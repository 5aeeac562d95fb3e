"""``facellm ask PHOTO ["QUESTION"]``: stream an answer, or print answer and evidence as JSON.

A clip is answered from its whole length (``facellm.ask_clip_command``).

The picture is read and judged before torch is imported, so a wrong path is told in a moment.

Example::

    $ facellm ask photo.jpg "What expression does this face show?"
    The face shows happiness ...
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facellm.adapter_labels import adapter_words, add_adapter_argument, check_adapter_folder
from facellm.ask_clip_command import answer_clip, names_clip
from facellm.baseline import Baseline
from facellm.cli import (
    NOTICE,
    check_model_folder,
    load_assistant,
    new_parser,
    seconds_since_start,
)
from facellm.engine_names import TORCH, add_engine_argument
from facellm.errors import FaceLLMError
from facellm.labels import DECLINED
from facellm.remote import add_server_arguments
from facellm.standard_input import STDIN, Piped, picture_from_bytes, read_stdin

if TYPE_CHECKING:
    from facellm.assistant import FaceAssistant
    from facellm.images import Rgb
    from facellm.results import Answer

EXAMPLES = """\
  facellm ask photo.jpg                        a full description
  facellm ask photo.jpg "How old does she look?"
  facellm ask photo.jpg "Is the mouth open?" --json
  facellm ask face.png --crops                 the picture already is one face crop
  cat photo.jpg | facellm ask -                the picture comes on standard input
  cat clip.mp4 | facellm ask - "What changes?"  or the clip
  facellm ask clip.mp4 "What changes?"         the whole clip, with times; GIF and WebM too
  facellm ask shots/ --frames 25               a folder of frames, 25 a second
  facellm ask me.jpg "Why?" --baseline me.json  relative to this person's own neutral
  facellm ask photo.jpg "Why?" --server http://localhost:8000   a running `facellm serve`
  facellm ask photo.jpg --adapter adapter/     your own labels too, see facellm adapt
  facellm ask photo.jpg "Why?" --reasoner http://localhost:8000/v1 --reasoner-model qwen
"""


def new_ask_parser() -> argparse.ArgumentParser:
    """Arguments of the verb."""
    parser = new_parser("ask", "Answer a question about the faces of a picture.", EXAMPLES)
    parser.add_argument(
        "photo", metavar="PHOTO", help="a picture, a clip, or - for one on standard input"
    )
    parser.add_argument(
        "question",
        metavar="QUESTION",
        nargs="*",
        default=[],
        help="none asks for a full description",
    )
    parser.add_argument("--json", action="store_true", help="answer, reading, usage and timings")
    parser.add_argument(
        "--crops", action="store_true", help="the picture is one face crop: no detection"
    )
    parser.add_argument(
        "--baseline", type=Path, metavar="FILE", help="one person's neutral (`facellm calibrate`)"
    )
    parser.add_argument(
        "--reasoner", metavar="URL", help="let another model answer from our evidence"
    )
    parser.add_argument("--reasoner-model", metavar="NAME", help="the model at that address")
    parser.add_argument(
        "--send-picture", action="store_true", help="send the picture to the reasoner too"
    )
    parser.add_argument(
        "--samples",
        type=int,
        default=48,
        metavar="N",
        help="frames of a clip that are looked at, at most about so many (default: 48)",
    )
    parser.add_argument(
        "--frames", type=float, metavar="RATE", help="a folder is one clip, RATE pictures a second"
    )
    add_server_arguments(parser)
    add_adapter_argument(parser)
    add_engine_argument(parser, TORCH)  # OpenVINO starts slower than torch reads one picture
    return parser


def main(argv: list[str]) -> int:
    """Run the verb; raises ``FaceLLMError`` for unusable input."""
    parser = new_ask_parser()
    args = parser.parse_intermixed_args(argv)
    question = " ".join(args.question) or None
    if args.server:
        from facellm.remote_ask_command import ask_remotely

        return ask_remotely(args, question, parser, write)
    check_reasoner(args)
    check_model_folder(args.model)
    check_adapter_folder(args.adapter)
    piped = read_stdin() if args.photo == STDIN else None
    if names_clip(args, piped):
        return answer_clip(args, question, piped)
    baseline = None if args.baseline is None else Baseline.load(args.baseline)
    pixels, decode = read_picture(args.photo, piped)
    import facellm.assistant  # noqa: F401  # torch and the rest, timed apart from the weights

    timings = {"decode": decode, "import": seconds_since_start() - decode}
    start = time.perf_counter()
    assistant = load_assistant(args.model, args.engine, few=True, adapter=args.adapter)
    if baseline is not None:
        from facellm.calibrated import CalibratedAssistant

        assistant = CalibratedAssistant(assistant, baseline, args.photo)
    timings["load"] = time.perf_counter() - start
    if args.reasoner and reason(assistant, pixels, question, args):
        return 0
    stream = assistant.ask_stream(pixels, question, crops=args.crops)
    if args.json:
        for _ in stream:
            pass
    else:
        write(stream)
    assert stream.answer is not None
    tell_adapted(assistant, stream.answer, args)
    if args.json:
        print(json.dumps(record(stream.answer, timings), indent=2, ensure_ascii=False))
    elif not args.quiet:
        print(notice(args), file=sys.stderr)
    return 0


def tell_adapted(assistant: FaceAssistant, answer: Answer, args: argparse.Namespace) -> None:
    """A line for each face on what an adapter's own labels are read as; JSON holds them anyway.

    The line is made by rule: the language model never learned these labels' words.
    """
    used = assistant.checkpoint.adapter
    if used is None or args.json or answer.intent in DECLINED:
        return
    for face in answer.faces:
        if face.reading.adapted:
            where = f"Face {face.id}: " if len(answer.faces) > 1 else ""
            print(where + adapter_words(used[0], face.reading.adapted))


def notice(args: argparse.Namespace) -> str:
    """What an answer is about, and what it is held against."""
    return f"{NOTICE} Read against {args.baseline}." if args.baseline else NOTICE


def check_reasoner(args: argparse.Namespace) -> None:
    """Refuse half of the options that let another model answer."""
    if args.reasoner and not args.reasoner_model:
        raise FaceLLMError("--reasoner needs --reasoner-model NAME")
    if (args.reasoner_model or args.send_picture) and not args.reasoner:
        raise FaceLLMError("--reasoner-model and --send-picture need --reasoner URL")


def reason(
    assistant: FaceAssistant, pixels: Rgb, question: str | None, args: argparse.Namespace
) -> bool:
    """Let the other model answer; False where the answer is ours: nothing to see, or declined."""
    from facellm.assistant import checked_question
    from facellm.reasoner import Reasoner

    asked = checked_question(question)
    faces, parts = assistant.look(pixels, crops=args.crops)
    intent = assistant.intent(parts, asked)
    if not faces or intent in DECLINED:
        return False
    reasoner = Reasoner(args.reasoner, args.reasoner_model)
    words = reasoner.answer(faces, asked, pixels if args.send_picture else None)
    if not args.json:
        write(words)
        if not args.quiet:
            print(f"{notice(args)} Answered by {args.reasoner_model}.", file=sys.stderr)
        return True
    found = {
        "answer": "".join(words).strip(),
        "intent": intent,
        "faces": [face.to_dict() for face in faces],
        "reasoner": {
            "url": args.reasoner,
            "model": args.reasoner_model,
            "picture_sent": args.send_picture,
        },
        "notice": NOTICE.removeprefix("Note: "),
    }
    print(json.dumps(found, indent=2, ensure_ascii=False))
    return True


def read_picture(source: str, piped: Piped | None) -> tuple[Rgb, float]:
    """Pixels (H, W, 3) of a file or of standard input, and the seconds that decoding took."""
    from facellm.images import load_image

    start = time.perf_counter()
    pixels = load_image(source) if piped is None else picture_from_bytes(piped.data)
    return pixels, time.perf_counter() - start


def write(pieces: Any) -> None:
    """Put pieces of text on standard output as they come, without the space before the first."""
    begun = False
    for piece in pieces:
        shown = piece if begun else piece.lstrip()
        begun = begun or bool(shown)
        sys.stdout.write(shown)
        sys.stdout.flush()
    sys.stdout.write("\n")
    sys.stdout.flush()


def record(answer: Answer, timings: dict[str, float]) -> dict[str, Any]:
    """The JSON of ``--json``: the answer's own record with the whole command's timings.

    ``answer`` seconds are those of detection, reading and writing; ``total`` is the age of the
    process, from its start to the last word.
    """
    found = answer.to_dict()
    spent = found["timings"]
    seconds = {
        "import": timings["import"],
        "load": timings["load"],
        "decode": timings["decode"],
        "detect": spent["detect"],
        "read": spent["read"],
        "first_word": spent["first_word"],
        "answer": spent["total"],
        "total": seconds_since_start(),
    }
    found["timings"] = {name: round(value, 4) for name, value in seconds.items()}
    return found | {"notice": NOTICE.removeprefix("Note: ")}
