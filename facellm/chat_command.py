"""``facellm chat PHOTO``: a conversation about one picture in the terminal.

A line is a question, or a command that begins with ``/``. Ctrl-C stops an answer, not the
conversation; Ctrl-D or ``/quit`` leaves. Where the input is no terminal every line is answered in
turn, so ``echo "How old?" | facellm chat photo.jpg`` works; what was wrong on the way is told on
stderr and ends in exit code 2.

Example::

    $ facellm chat photo.jpg
    1 face. A line is a question; /help lists the commands.
    > How old does she look?
    The apparent age is about 35 years (18 to 54).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from facellm.adapter_labels import add_adapter_argument, check_adapter_folder
from facellm.ask_command import write
from facellm.cli import (
    NOTICE,
    UNUSABLE,
    check_model_folder,
    load_assistant,
    new_parser,
    report,
)
from facellm.engine_names import TORCH, add_engine_argument
from facellm.errors import FaceLLMError

if TYPE_CHECKING:
    from facellm.chat import Chat
    from facellm.results import ReadFace

WHY = "Why do you think so?"
EXAMPLES = """\
  facellm chat photo.jpg
  facellm chat face.png --crops                the picture already is one face crop
  echo "How old does she look?" | facellm chat photo.jpg
"""
HELP = """\
a line without / is a question
/photo PATH   another picture
/face N       speak of face N alone; /face all of every face
/read         what was read off the face, in numbers
/why          the reason for the last answer
/save FILE    faces, readings and what was said, as JSON
/quit         leave (so does Ctrl-D)"""


def new_chat_parser() -> argparse.ArgumentParser:
    """Arguments of the verb."""
    about = f"Talk about a picture, line by line; what was said before stays in view.\n\n{HELP}"
    parser = new_parser("chat", about, EXAMPLES)
    parser.add_argument("photo", metavar="PHOTO", help="a picture file, not a clip")
    parser.add_argument(
        "--crops", action="store_true", help="pictures are one face crop each: no detection"
    )
    add_engine_argument(parser, TORCH)
    add_adapter_argument(parser)
    return parser


def main(argv: list[str]) -> int:
    """Run the verb."""
    args = new_chat_parser().parse_args(argv)
    check_model_folder(args.model)
    check_adapter_folder(args.adapter)
    from facellm.clip.opening import refuse_clip
    from facellm.images import load_image

    refuse_clip(args.photo)
    pixels = load_image(args.photo)  # a wrong path is told before torch is imported
    from facellm.chat import Chat

    assistant = load_assistant(args.model, args.engine, few=True, adapter=args.adapter)
    session = Session(Chat(assistant), args.crops)
    session.chat.open(pixels, crops=args.crops)
    if not args.quiet:
        print(NOTICE, file=sys.stderr)
        print(f"{faces_found(session.chat)} /help lists the commands.", file=sys.stderr)
    return session.run(lines())


def faces_found(chat: Chat) -> str:
    """How many faces the picture has: ``2 faces, left to right``."""
    count = len(chat.faces)
    return f"{count} face{'' if count == 1 else 's'}{', left to right' if count > 1 else ''}."


def lines() -> Iterator[str]:
    """Lines of standard input, with a prompt where a person types; Ctrl-C there is no end."""
    if not sys.stdin.isatty():
        yield from (line.strip() for line in sys.stdin)
        return
    with suppress(ImportError):  # not on Windows
        import readline  # noqa: F401  # editing and history of input()
    while True:
        try:
            yield input("> ").strip()
        except KeyboardInterrupt:
            print("\n(/quit or Ctrl-D leaves)")
        except EOFError:
            print()
            return


class Session:
    """Questions and commands, one line at a time.

    Args:
        chat: The conversation.
        crops: Pictures are face crops.
    """

    def __init__(self, chat: Chat, crops: bool) -> None:
        self.chat, self.crops = chat, crops
        self.commands: dict[str, Callable[[str], None]] = {
            "photo": self.photo,
            "face": self.face,
            "read": self.read,
            "why": lambda _: self.question(WHY),
            "save": self.save,
            "help": lambda _: print(HELP),
        }

    def run(self, given: Iterator[str]) -> int:
        """Answer every line; exit code 2 if one of them could not be used."""
        code = 0
        for line in given:
            name, _, rest = line.removeprefix("/").partition(" ")
            if line.startswith("/") and name in {"quit", "exit"}:
                break
            try:
                if line.startswith("/"):
                    self.command(name, rest.strip())
                elif line:
                    self.question(line)
            except (FaceLLMError, OSError) as error:
                report(str(error))
                code = UNUSABLE
        return 0 if sys.stdin.isatty() else code

    def command(self, name: str, rest: str) -> None:
        """Run a command; ``FaceLLMError`` for one that does not exist."""
        if name not in self.commands:
            legal = ", ".join(f"/{known}" for known in (*self.commands, "quit"))
            raise FaceLLMError(f"unknown command /{name}; the commands are {legal}")
        self.commands[name](rest)

    def question(self, text: str) -> None:
        """Stream an answer; Ctrl-C ends it where a person sits in front."""
        try:
            write(self.chat.ask(text))
        except KeyboardInterrupt:
            if not sys.stdin.isatty():
                raise
            print(" [stopped]")

    def photo(self, path: str) -> None:
        """``/photo PATH``."""
        if not path:
            raise FaceLLMError("/photo needs the path of a picture")
        from facellm.clip.opening import refuse_clip

        refuse_clip(path)
        self.chat.open(path, crops=self.crops)
        print(faces_found(self.chat))

    def face(self, number: str) -> None:
        """``/face 2`` or ``/face all``."""
        if number != "all" and not number.isdecimal():
            raise FaceLLMError(f"/face {number}: say a number or all")
        self.chat.choose(None if number == "all" else int(number))

    def read(self, _: str) -> None:
        """``/read``: the numbers behind the words."""
        chosen = self.chat.chosen
        faces = self.chat.faces if chosen is None else [self.chat.faces[chosen - 1]]
        print("\n".join(line for face in faces for line in reading_lines(face)) or "no face")

    def save(self, path: str) -> None:
        """``/save FILE``."""
        if not path:
            raise FaceLLMError("/save needs the name of a file")
        text = json.dumps(self.chat.to_dict(), indent=2, ensure_ascii=False)
        Path(path).write_text(text + "\n", encoding="utf-8")
        print(f"saved to {path}")


def reading_lines(face: ReadFace) -> list[str]:
    """What was read off a face, a line for each kind of value."""
    reading = face.reading
    shares = sorted(reading.expression.items(), key=lambda item: -item[1])[:3]
    units = [
        f"AU{number} {reading.action_units[number].probability:.2f}"
        for number in reading.active_units()
    ]
    states = {
        "mask": reading.mask,
        "mouth open": reading.mouth_open,
        "eyes closed": reading.eyes_closed,
        "generated": reading.generated,
    }
    rows = {
        "expression": ", ".join(f"{name} {share:.2f}" for name, share in shares)
        + (" (left open)" if reading.abstain else ""),
        "action units": ", ".join(units) or "none active",
        "apparent age": f"{reading.age.mean:.0f} ({reading.age.low:.0f} to {reading.age.high:.0f})",
        "apparent gender": ", ".join(f"{name} {p:.2f}" for name, p in reading.gender.items()),
        "probability of": ", ".join(f"{name} {p:.2f}" for name, p in states.items()),
        "gaze": "yaw {:+.0f}, pitch {:+.0f} degrees".format(*reading.gaze),
        "head": "not measured"
        if reading.pose is None
        else "yaw {:+.0f}, pitch {:+.0f}, roll {:+.0f} degrees".format(*reading.pose),
    }
    return [f"face {face.id}", *(f"  {name:15}  {text}" for name, text in rows.items())]
