"""Frames of real videos, where the data are at hand, composed into clips whose truth is known."""

import io

import cv2
import numpy as np
from PIL import Image
from shared_data import DATA, needs

from facellm.face import Face, Landmarks, crop_image, square_crop

TABLE = DATA / "ytf_landmarks.parquet"
needs_data = needs("ytf_landmarks.parquet")


def people(count, frames=10, skip=0):
    """Frames of some people: per person a list of (pixels, Face by published landmarks)."""
    import pandas as pd

    table = pd.read_parquet(TABLE, columns=["image", "landmarks_68_xy", "subject"])
    found = []
    for _, rows in table.groupby("subject", sort=True):
        if len(rows) >= frames:
            found.append([frame_of(row) for _, row in rows.head(frames).iterrows()])
        if len(found) == skip + count:
            break
    return found[skip:]


def frame_of(row):
    with Image.open(io.BytesIO(row["image"]["bytes"])) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    points = np.asarray(row["landmarks_68_xy"], np.float32).reshape(-1, 2)
    landmarks = Landmarks(points)
    return pixels, Face(landmarks.box, landmarks, 1.0)


def head(frame, side=150):
    """A frame's face with some hair around it, (side, side, 3)."""
    pixels, face = frame
    return crop_image(pixels, square_crop(face), side)


def crossing(one, two, samples=14, size=(260, 560), away=2):
    """Two people walk past each other; where they meet the second is behind the first.

    Returns:
        Frames (H, W, 3), and for each the centres x of the two (None where hidden).
    """
    ground = cv2.GaussianBlur(
        np.random.default_rng(3).integers(60, 200, (*size, 3), np.uint8), (0, 0), 12
    )
    frames, truth = [], []
    for step in range(samples):
        share = step / (samples - 1)
        places = [40 + share * 330, 370 - share * 330]
        hidden = abs(places[0] - places[1]) < 150 or abs(step - samples // 2) < away
        frame = ground.copy()
        for who, x in ((two, places[1]), (one, places[0])):
            if who is two and hidden:
                continue
            face = head(who[step % len(who)])
            frame[60:210, round(x) : round(x) + 150] = face
        frames.append(frame)
        truth.append((places[0] + 75, None if hidden else places[1] + 75))
    return frames, truth


def switches(numbers, truth):
    """How often a person's number changes.

    Args:
        numbers: Per frame a list of (number, centre x).
        truth: Per frame the centres of the people, None where hidden.
    """
    last, count = {}, 0
    for seen, places in zip(numbers, truth, strict=True):
        for person, place in enumerate(places):
            near = [
                (abs(x - place), n) for n, x in seen if place is not None and abs(x - place) < 50
            ]
            if near:
                number = min(near)[1]
                count += last.get(person, number) != number
                last[person] = number
    return count
