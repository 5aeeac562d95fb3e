"""Made-up pictures and a table of them: a label that brightness decides, and ages of no meaning."""

import csv

import numpy as np
from PIL import Image


def write_faces(folder, count=60, *, columns=("tone",), subjects=0, seed=0):
    """``folder/my.csv`` and its pictures; ``tone`` is dark or light, ``age`` is drawn."""
    rng = np.random.default_rng(seed)
    (folder / "pics").mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(count):
        light = bool(number % 2)
        level = rng.integers(150, 240) if light else rng.integers(10, 90)
        noise = rng.integers(-10, 10, (48, 48, 3))
        pixels = np.clip(level + noise, 0, 255).astype(np.uint8)
        name = f"pics/{number:03d}.png"
        Image.fromarray(pixels).save(folder / name)
        values = {
            "tone": "light" if light else "dark",
            "age": int(rng.integers(20, 60)),
            "subject": f"s{number % subjects}" if subjects else "",
        }
        rows.append({"image": name, **{column: values[column] for column in columns}})
    return write_table(folder / "my.csv", rows)


def write_table(path, rows):
    """A CSV file of rows."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path
