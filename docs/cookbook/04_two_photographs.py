"""What differs between two photographs of one person: measures, units, expression.

Run: ``python docs/cookbook/04_two_photographs.py [FIRST SECOND]``
You say that both show one person: facellm does not compare identities. Each picture needs one face.
Gives: the differences of the measured z-scores (largest first), of the units that are checked on
real faces, and of the expression shares. Head pose is printed first: where it differs much,
distances in the picture differ with it.
"""

import sys

import sample_pictures

from facellm.assistant import FaceAssistant
from facellm.results import ReadFace


def only_face(assistant: FaceAssistant, photo: object) -> ReadFace:
    """The face of a picture that has one."""
    faces = assistant.read(photo)
    if len(faces) != 1:
        sys.exit(f"a picture has {len(faces)} faces; this comparison needs one in each")
    return faces[0]


def show(title: str, first: dict, second: dict, unit: str) -> None:
    """Print differences, largest first."""
    print(f"\n{title} (second minus first, {unit})")
    gaps = {name: second[name] - first[name] for name in first}
    for name, gap in sorted(gaps.items(), key=lambda item: -abs(item[1]))[:5]:
        print(f"  {name:18} {gap:+.2f}   from {first[name]:+.2f} to {second[name]:+.2f}")


def main() -> None:
    """Read both and subtract."""
    assistant = FaceAssistant.load()
    pictures = sample_pictures.variants()
    given = sys.argv[1:3] if len(sys.argv) > 2 else (pictures["plain"], pictures["blurred"])
    one, two = (only_face(assistant, photo).reading for photo in given)
    for name, reading in (("first", one), ("second", two)):
        pose = "not measured" if reading.pose is None else [round(a) for a in reading.pose]
        print(f"{name}: yaw, pitch, roll in degrees {pose}, quality {reading.quality:.2f}")
    if one.geometry and two.geometry:
        show("measures", one.geometry, two.geometry, "standard deviations of neutral faces")
    else:
        print("no geometry: the points of one picture could not be trusted")
    checked = assistant.checkpoint.calibration.units_on_real_faces
    units = [{f"AU{n}": r.action_units[n].probability for n in checked} for r in (one, two)]
    show("action units", *units, "probability")
    show("expression", one.expression, two.expression, "share")
    print("\nWhether a difference is more than noise needs several pictures of each kind.")


if __name__ == "__main__":
    main()
