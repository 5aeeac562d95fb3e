"""Several faces in one photograph: where each is, what it shows, each as a picture of its own.

Run: ``python docs/cookbook/05_group_photograph.py [PHOTO]``
Gives: one line per face, left to right, and ``cookbook-output/face_1.png`` ... Each face is read
alone: what happens to one cannot change the reading of another. Numbers are places in this picture,
they do not follow a person into the next one.
"""

import sys

import sample_pictures
from PIL import Image

from facellm.assistant import FaceAssistant
from facellm.images import load_image

MARGIN = 0.4  # of the box, on every side


def main() -> None:
    """Read all faces and cut them out."""
    pixels = load_image(sys.argv[1] if len(sys.argv) > 1 else sample_pictures.group())
    faces = FaceAssistant.load().read(pixels)
    if not faces:
        print("no face found")
    for face in faces:
        box, reading = face.face.box_xyxy, face.reading
        shown = "left open" if reading.abstain else reading.top_expression
        print(
            f"face {face.id}: x {box.left:.0f} to {box.right:.0f}, {shown} "
            f"({reading.confidence:.2f}), quality {face.face.score:.2f}"
        )
        x, y = MARGIN * box.width, MARGIN * box.height
        area = (box.left - x, box.top - y, box.right + x, box.bottom + y)
        crop = Image.fromarray(pixels).crop(tuple(round(edge) for edge in area))
        print("  ", sample_pictures.saved(crop, f"face_{face.id}.png"))


if __name__ == "__main__":
    main()
