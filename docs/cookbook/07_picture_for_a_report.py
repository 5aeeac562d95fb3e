"""Draw a reading for a report or a slide: boxes, points, shares, and what hiding a region does.

Run: ``python docs/cookbook/07_picture_for_a_report.py [PHOTO]``
The same by command: ``facellm show PHOTO -o result.png``
Gives: ``cookbook-output/result.png``, and as text how much the share of the expression read changes
when a region of the face is painted over. Publish a picture of a person with their consent only.
"""

import sys

import sample_pictures

from facellm.assistant import FaceAssistant
from facellm.drawing import face_cards, result_picture
from facellm.images import load_image


def main() -> None:
    """Read, hide, draw."""
    pixels = load_image(sys.argv[1] if len(sys.argv) > 1 else sample_pictures.portrait())
    cards = face_cards(FaceAssistant.load(), pixels)
    for card in cards:
        print(f"face {card.found.id}: {card.found.reading.top_expression}")
        for region, change in sorted(card.effects.items(), key=lambda item: item[1]):
            print(f"  {region:8} hidden: {change:+.2f}")
    print("drawn to", sample_pictures.saved(result_picture(pixels, cards), "result.png"))


if __name__ == "__main__":
    main()
