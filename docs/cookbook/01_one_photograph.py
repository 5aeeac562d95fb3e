"""Describe one photograph, and look at the numbers the words were written from.

Run: ``python docs/cookbook/01_one_photograph.py [PHOTO]``
Gives: a description, then for each face the three largest expression shares, the apparent age with
its 80 % interval, and where each value's truth came from.
"""

import sys

import sample_pictures

from facellm.assistant import FaceAssistant


def main() -> None:
    """Ask once; the answer brings its reading along."""
    photo = sys.argv[1] if len(sys.argv) > 1 else sample_pictures.portrait()
    answer = FaceAssistant.load().ask(photo)
    print(answer.text)
    if not answer.faces:
        print("There is no face to read.")
    for face in answer.faces:
        reading = face.reading
        shares = sorted(reading.expression.items(), key=lambda item: -item[1])[:3]
        print(f"\nface {face.id}, box {face.face.box_xyxy.to_list()}")
        print("  expression:", ", ".join(f"{name} {share:.2f}" for name, share in shares))
        if reading.abstain:
            print("  the expression is left open: no share is large enough")
        age = reading.age
        print(f"  apparent age: {age.mean:.0f} (80 % interval {age.low:.0f} to {age.high:.0f})")
        for scope in sorted(set(reading.scope.values())):
            names = [name for name, where in reading.scope.items() if where == scope]
            print(f"  {scope}: {', '.join(names)}")


if __name__ == "__main__":
    main()
