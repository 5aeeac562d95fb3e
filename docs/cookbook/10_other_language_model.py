"""Your own language model writes the answer from our evidence.

Run: ``python docs/cookbook/10_other_language_model.py [--photo PHOTO] [--url URL --model NAME]``
The same by command: ``facellm ask PHOTO "Why?" --reasoner URL --reasoner-model NAME``
URL is the base address of any OpenAI-compatible server, as ``http://localhost:8000/v1``; the key
comes from the environment's ``FACELLM_REASONER_KEY``. It needs ``pip install 'openai>=1.60'``.
Gives: the other model's answer with numbers that the evidence does not hold flagged. Without a URL:
the evidence that would be sent. The picture itself is not sent.
"""

import argparse
import json

import sample_pictures

from facellm.assistant import FaceAssistant
from facellm.labels import DECLINED
from facellm.reasoner import UNKNOWN, Reasoner, evidence


def main() -> None:
    """Read the faces here, let another model put them into words."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--photo", help="default: scikit-image's astronaut")
    parser.add_argument("--url", help="base address of an OpenAI-compatible server")
    parser.add_argument("--model", default="default", help="the model's name at that server")
    parser.add_argument("--question", default="Why does this face look happy?")
    args = parser.parse_args()
    assistant = FaceAssistant.load()
    faces, parts = assistant.look(args.photo or sample_pictures.portrait())
    if not faces or assistant.intent(parts, args.question) in DECLINED:
        print("no face found, or a question that facellm declines: nothing is sent")
        return
    if args.url is None:
        print(json.dumps(evidence(faces), indent=2))
        print("This would be sent. Give --url, and --model, to get an answer.")
        return
    words = "".join(Reasoner(args.url, args.model).answer(faces, args.question))
    print(words)
    print(f"{words.count(UNKNOWN.strip())} numbers are not in the evidence")


if __name__ == "__main__":
    main()
