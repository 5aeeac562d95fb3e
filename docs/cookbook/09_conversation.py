"""Several questions about one picture, with what was said before in view.

Run: ``python docs/cookbook/09_conversation.py [PHOTO]``
The same by command: ``facellm chat PHOTO``
Gives: questions and answers on the screen, and ``cookbook-output/conversation.json`` with the
readings the answers were written from. Questions about identity, origin, health or honesty should
be declined; a refusal can fail, so do not rely on it.
"""

import json
import sys

import sample_pictures

from facellm.assistant import FaceAssistant
from facellm.chat import Chat

QUESTIONS = (
    "What expression does this face show?",
    "Why do you think so?",
    "How old does she look?",
    "Which way is the head turned?",
)


def main() -> None:
    """Open a picture, ask in turn, keep what was said."""
    chat = Chat(FaceAssistant.load())
    faces = chat.open(sys.argv[1] if len(sys.argv) > 1 else sample_pictures.portrait())
    print(f"faces: {len(faces)}")
    for question in QUESTIONS:
        print(f"> {question}")
        for piece in chat.ask(question):  # comes word by word
            print(piece, end="", flush=True)
        print()
    sample_pictures.OUT.mkdir(exist_ok=True)
    path = sample_pictures.OUT / "conversation.json"
    path.write_text(json.dumps(chat.to_dict(), indent=2), encoding="utf-8")
    print(f"saved to {path}")


if __name__ == "__main__":
    main()
