"""Made-up pictures and a table of them: hair that brightness decides, and ages of no meaning."""

import csv

import numpy as np
from PIL import Image

from facellm.refine import whole_picture_face


def write_faces(folder, count=60, *, columns=("hair",), name="my.csv", subjects=0):
    """A table and its pictures; ``hair`` is long where a picture is light, ``age`` drawn."""
    rng = np.random.default_rng(0)
    (folder / "pics").mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(count):
        light = bool(number % 2)
        level = rng.integers(150, 240) if light else rng.integers(10, 90)
        noise = rng.integers(-10, 10, (48, 48, 3))
        pixels = np.clip(level + noise, 0, 255).astype(np.uint8)
        picture = f"pics/{number:03d}.png"
        Image.fromarray(pixels).save(folder / picture)
        values = {
            "hair": "long" if light else "short",
            "age": int(rng.integers(20, 60)),
            "subject": f"s{number % subjects}" if subjects else "",
        }
        rows.append({"image": picture, **{column: values[column] for column in columns}})
    return write_table(folder / name, rows)


def write_table(path, rows):
    """A CSV file of rows."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


class WholeFace:
    """A detector that takes every picture for one face crop."""

    def __init__(self, net):
        self.net = net

    def detect(self, pixels):
        return [whole_picture_face(pixels, self.net)]
