"""A picture of what was read: boxes, points, regions, bars, and what hiding a region does.

On the left the photograph with every face's box, number, 68 points and outlines of the nine
regions; on the right a card a face: shares of the eight expressions, active units, what else was
read, and the crop with its brows, eyes, nose and mouth tinted by how much the share of the
expression read falls (red) or rises (blue) when that part is painted over.

Example: ``result_picture(pixels, [FaceCard(read_face, crop, landmarks_unit, effects)]).save(out)``.

Coordinates: pixels of the photograph; [0, 1] of the crop in names that end in ``_unit``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from facellm.assistant import FaceAssistant
from facellm.face import Landmarks
from facellm.labels import EXPRESSIONS, FACS
from facellm.region_hiding import REGIONS, hide, hiding_mask
from facellm.regions import REGION_SLICES
from facellm.results import ReadFace

Rgb = NDArray[np.uint8]
PHOTO_SIDE = 1000  # longer side of the drawn photograph, pixels
CARD_WIDTH, CARD_HEIGHT, CROP_SIDE, GAP = 600, 330, 192, 16
INK, PALE, BACKGROUND = (24, 28, 36), (214, 219, 226), (250, 250, 248)
FACE_COLOURS = ((214, 69, 65), (38, 110, 188), (40, 140, 90), (170, 100, 20), (130, 70, 160))
REGION_COLOURS = (
    (150, 150, 150), (240, 180, 0), (240, 180, 0), (0, 170, 160), (0, 170, 160),
    (60, 120, 240), (60, 120, 240), (230, 60, 110), (160, 40, 90),
)  # fmt: skip
CLOSED_REGIONS = {"eye_left", "eye_right", "lips", "inner_mouth"}
FULL_TINT = 0.5  # change of a share that is drawn in full colour


@dataclass(frozen=True)
class FaceCard:
    """What is drawn of one face.

    Attributes:
        found: Its box, points and reading.
        crop: (S, S, 3) uint8, what the model saw.
        points_unit: (68, 2) of the crop, NaN where missing.
        effects: Region -> change of the share of the expression read when the region is hidden;
            empty without landmarks.
    """

    found: ReadFace
    crop: Rgb
    points_unit: NDArray[np.float32]
    effects: Mapping[str, float]


def face_cards(assistant: FaceAssistant, pixels: Rgb, *, crops: bool = False) -> list[FaceCard]:
    """Read the faces of a picture, then each again with a region hidden.

    Args:
        assistant: Loaded weights.
        pixels: (H, W, 3) uint8.
        crops: The picture already is one face crop.
    """
    faces, parts = assistant.look(pixels, crops=crops)
    cards = []
    for found, part in zip(faces, parts, strict=True):
        points = part.landmarks_unit
        points = np.full((68, 2), np.nan, np.float32) if points is None else points
        effects = hiding_effects(assistant, part.crop, points, found)
        cards.append(FaceCard(found, part.crop, points, effects))
    return cards


def hiding_effects(
    assistant: FaceAssistant, crop: Rgb, points_unit: NDArray[np.float32], found: ReadFace
) -> dict[str, float]:
    """Change of the share of the expression read, region by region, when it is painted over."""
    if not np.isfinite(points_unit).all():
        return {}
    side, top = crop.shape[0], found.reading.top_expression
    masks = [hiding_mask(points_unit * side, region, side) for region in REGIONS]
    readings = assistant.read_crops([hide(crop, mask) for mask in masks])
    before = found.reading.expression[top]
    return {
        region: reading.expression[top] - before
        for region, reading in zip(REGIONS, readings, strict=True)
    }


def result_picture(pixels: Rgb, cards: Sequence[FaceCard]) -> Image.Image:
    """Photograph and cards side by side.

    Args:
        pixels: (H, W, 3) uint8, the photograph.
        cards: Its faces, left to right; none draws the photograph and says so.
    """
    photo = draw_photo(pixels, cards)
    drawn = [draw_card(card) for card in cards] or [draw_nothing()]
    height = max(photo.height, len(drawn) * (CARD_HEIGHT + GAP) - GAP) + 2 * GAP
    page = Image.new("RGB", (photo.width + CARD_WIDTH + 3 * GAP, height), BACKGROUND)
    page.paste(photo, (GAP, GAP))
    for index, card in enumerate(drawn):
        page.paste(card, (photo.width + 2 * GAP, GAP + index * (CARD_HEIGHT + GAP)))
    return page


def draw_photo(pixels: Rgb, cards: Sequence[FaceCard]) -> Image.Image:
    """The photograph with boxes, numbers, points and region outlines."""
    picture = Image.fromarray(pixels)
    scale = PHOTO_SIDE / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    picture = picture.resize(size, Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(picture)
    for card in cards:
        colour, face = face_colour(card), card.found.face
        box = [value * scale for value in face.box_xyxy.to_list()]
        draw.rectangle(box, outline=colour, width=3)
        if face.landmarks is not None:
            draw_points(draw, face.landmarks, scale)
        label = f" {card.found.id} "
        place = (box[0], max(0.0, box[1] - 26))
        draw.rectangle(draw.textbbox(place, label, font(22)), fill=colour)
        draw.text(place, label, "white", font(22))
    return picture


def draw_points(draw: ImageDraw.ImageDraw, landmarks: Landmarks, scale: float) -> None:
    """The 68 points, joined region by region."""
    points = [(float(x) * scale, float(y) * scale) for x, y in landmarks.points]
    for (name, (start, stop)), colour in zip(REGION_SLICES.items(), REGION_COLOURS, strict=True):
        line = points[start:stop]
        draw.line(line + line[:1] if name in CLOSED_REGIONS else line, colour, 2)
        for x, y in line:
            draw.ellipse((x - 2, y - 2, x + 2, y + 2), colour)


def draw_card(card: FaceCard) -> Image.Image:
    """One face's card."""
    page = Image.new("RGB", (CARD_WIDTH, CARD_HEIGHT), "white")
    draw = ImageDraw.Draw(page)
    draw.rectangle((0, 0, CARD_WIDTH - 1, CARD_HEIGHT - 1), outline=PALE)
    draw.rectangle((0, 0, 6, CARD_HEIGHT), face_colour(card))
    draw.text((GAP, 8), title(card.found), INK, font(18))
    for row, name in enumerate(EXPRESSIONS):
        share = card.found.reading.expression[name]
        draw_bar(draw, 40 + row * 22, name, share)
    for row, line in enumerate(facts(card.found)):
        draw.text((GAP, 226 + row * 19), line, INK, font(14))
    left = CARD_WIDTH - CROP_SIDE - GAP
    page.paste(tinted(card), (left, 40))
    for row, (region, change) in enumerate(card.effects.items()):
        text = f"{region} hidden: {change:+.2f}"
        draw.text((left, 40 + CROP_SIDE + 8 + row * 18), text, INK, font(14))
    return page


def draw_bar(draw: ImageDraw.ImageDraw, top: int, name: str, share: float) -> None:
    """A share as a bar with its name and value."""
    left, width = 120, 190
    draw.text((GAP, top), name, INK, font(14))
    draw.rectangle((left, top + 3, left + width, top + 15), PALE)
    if share > 0:
        draw.rectangle((left, top + 3, left + share * width, top + 15), (70, 110, 170))
    draw.text((left + width + 8, top), f"{share:.2f}", INK, font(14))


def draw_nothing() -> Image.Image:
    """The card of a picture without a face."""
    page = Image.new("RGB", (CARD_WIDTH, CARD_HEIGHT), "white")
    ImageDraw.Draw(page).text((GAP, GAP), "No face was found in this picture.", INK, font(18))
    return page


def title(found: ReadFace) -> str:
    """``Face 1 shows happiness (0.95)``."""
    reading = found.reading
    said = "expression left open" if reading.abstain else f"shows {reading.top_expression}"
    return f"Face {found.id}: {said} ({reading.confidence:.2f})"


def facts(found: ReadFace) -> list[str]:
    """What else was read, in short lines."""
    reading = found.reading
    units = [
        f"AU{number} {FACS[number].name} {reading.action_units[number].probability:.2f}"
        for number in reading.active_units()[:3]
    ]
    age = f"{reading.age.mean:.0f} ({reading.age.low:.0f} to {reading.age.high:.0f})"
    gender = max(reading.gender, key=reading.gender.__getitem__)
    pose = "head not measured"
    if reading.pose is not None:
        pose = "head yaw {:+.0f}, pitch {:+.0f}, roll {:+.0f} degrees".format(*reading.pose)
    return [
        f"apparent age {age}, looks {gender} ({reading.gender[gender]:.2f})",
        f"mask {reading.mask:.2f}, mouth open {reading.mouth_open:.2f}",
        pose,
        *(units[:2] or ["no active action unit"]),
    ]


def tinted(card: FaceCard) -> Image.Image:
    """The crop with each region tinted by what hiding it does."""
    side = card.crop.shape[0]
    mixed = card.crop.astype(np.float32)
    for region, change in card.effects.items():
        mask = hiding_mask(card.points_unit * side, region, side)
        colour = np.array((220, 40, 40) if change < 0 else (40, 80, 220), np.float32)
        strength = 0.65 * min(abs(change) / FULL_TINT, 1.0)
        mixed[mask] = mixed[mask] * (1 - strength) + colour * strength
    picture = Image.fromarray(np.round(mixed).astype(np.uint8))
    return picture.resize((CROP_SIDE, CROP_SIDE), Image.Resampling.BICUBIC)


def face_colour(card: FaceCard) -> tuple[int, int, int]:
    """Colour of a face's box and card."""
    return FACE_COLOURS[(card.found.id - 1) % len(FACE_COLOURS)]


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font, so that nothing has to be installed."""
    return ImageFont.load_default(size)
