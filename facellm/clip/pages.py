"""A sheet of shapes -> a page that needs nothing else (HTML with SVG), or a picture.

The page holds no script and asks for nothing over a network; it follows the reader's choice of a
light or dark ground, and every cell tells its value where a pointer rests on it. The picture is
light, drawn at twice the size.

Example: ``Path("out.html").write_text(page(layout(timeline), "clip.mp4"))``;
``picture(layout(timeline)).save("out.png")``.
"""

from __future__ import annotations

import base64
import io
from html import escape
from itertools import pairwise

from PIL import Image, ImageDraw, ImageFont

from facellm.clip.frames import Rgb
from facellm.clip.shapes import COLOURS, Box, Line, Picture, Shape, Sheet, Words

LIGHT = {"ink": "#18222c", "faint": "#5b6673", "ground": "#ffffff", "strip": "#eceff2"}
DARK = {"ink": "#eef1f4", "faint": "#a3adb8", "ground": "#14181d", "strip": "#262d35"}
SCALE = 2  # pixels of the picture per pixel of the sheet
FONT = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
STYLE = (
    ":root{{color-scheme:light dark;{light}}}"
    "@media (prefers-color-scheme:dark){{:root{{{dark}}}}}"
    "body{{margin:0;background:var(--ground)}}"
    "rect{{shape-rendering:crispEdges}}"
    "svg{{display:block;margin:auto;max-width:100%;height:auto;font-family:{font}}}"
)
HTML = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" \
height="{height}" role="img" aria-label="{title}">
{shapes}
</svg>
</body>
</html>
"""


def page(sheet: Sheet, title: str) -> str:
    """A sheet as HTML.

    Args:
        sheet: What is drawn.
        title: Of the page; what it holds is shown, never interpreted.
    """
    style = STYLE.format(light=variables(LIGHT), dark=variables(DARK), font=FONT)
    return HTML.format(
        title=escape(f"Timeline of {title}"),
        style=style,
        width=sheet.width,
        height=sheet.height,
        shapes="\n".join(svg(shape) for shape in sheet.shapes),
    )


def variables(colours: dict[str, str]) -> str:
    """Colours as CSS variables."""
    return "".join(f"--{name}:{colour};" for name, colour in colours.items())


def paint(colour: str) -> str:
    """A colour as CSS knows it."""
    return COLOURS.get(colour, f"var(--{colour})")


def svg(shape: Shape) -> str:
    """One shape as an SVG element."""
    match shape:
        case Box():
            opacity = "" if shape.strength >= 1 else f' fill-opacity="{shape.strength:.2f}"'
            note = f"<title>{escape(shape.note)}</title>" if shape.note else ""
            return (
                f'<rect x="{shape.left:.1f}" y="{shape.top:.1f}" width="{shape.width:.2f}" '
                f'height="{shape.height:.2f}" fill="{paint(shape.colour)}"{opacity}>{note}</rect>'
            )
        case Line():
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in shape.points)
            dash = f' stroke-dasharray="{" ".join(map(str, shape.dash))}"' if shape.dash else ""
            return (
                f'<polyline points="{points}" fill="none" stroke="{paint(shape.colour)}" '
                f'stroke-width="{shape.width:g}"{dash}/>'
            )
        case Words():
            return (
                f'<text x="{shape.x:.1f}" y="{shape.y:.1f}" font-size="{shape.size}" '
                f'text-anchor="{shape.anchor}" dominant-baseline="central" '
                f'fill="{paint(shape.colour)}">{escape(shape.text)}</text>'
            )
        case Picture():
            return (
                f'<image x="{shape.left:.1f}" y="{shape.top:.1f}" width="{shape.side:g}" '
                f'height="{shape.side:g}" href="data:image/jpeg;base64,{jpeg(shape.pixels)}"/>'
            )


def jpeg(pixels: Rgb) -> str:
    """A picture (S, S, 3) inside a page."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((128, 128), Image.Resampling.LANCZOS).save(buffer, "JPEG")
    return base64.b64encode(buffer.getvalue()).decode()


def picture(sheet: Sheet) -> Image.Image:
    """A sheet as a picture on a light ground."""
    size = (sheet.width * SCALE, sheet.height * SCALE)
    drawn = Image.new("RGB", size, LIGHT["ground"])
    draw = ImageDraw.Draw(drawn)
    for shape in sheet.shapes:
        match shape:
            case Box():
                draw_box(draw, shape)
            case Line():
                draw_line(draw, shape)
            case Words():
                anchor = {"start": "lm", "middle": "mm", "end": "rm"}[shape.anchor]
                place = (shape.x * SCALE, shape.y * SCALE)
                draw.text(place, shape.text, solid(shape.colour), font(shape.size), anchor)
            case Picture():
                side = round(shape.side * SCALE)
                crop = Image.fromarray(shape.pixels).resize((side, side), Image.Resampling.LANCZOS)
                drawn.paste(crop, (round(shape.left * SCALE), round(shape.top * SCALE)))
    return drawn


def draw_box(draw: ImageDraw.ImageDraw, box: Box) -> None:
    """A rectangle; a weak one is mixed with the strip it lies on."""
    left, top = round(box.left * SCALE), round(box.top * SCALE)
    right = round((box.left + box.width) * SCALE) - 1
    bottom = round((box.top + box.height) * SCALE) - 1
    if right < left or bottom < top:
        return
    colour = channels(solid(box.colour))
    ground = channels(LIGHT["strip"])
    mixed = [
        round(box.strength * c + (1 - box.strength) * g)
        for c, g in zip(colour, ground, strict=True)
    ]
    draw.rectangle((left, top, right, bottom), tuple(mixed))


def draw_line(draw: ImageDraw.ImageDraw, line: Line) -> None:
    """A line, cut into dashes where it has them."""
    points = [(x * SCALE, y * SCALE) for x, y in line.points]
    width, colour = max(1, round(line.width * SCALE)), solid(line.colour)
    if not line.dash:
        draw.line(points, colour, width, joint="curve")
        return
    for piece in dashed(points, [length * SCALE for length in line.dash]):
        draw.line(piece, colour, width)


def dashed(
    points: list[tuple[float, float]], lengths: list[int]
) -> list[list[tuple[float, float]]]:
    """Pieces of a line that are drawn, the pattern running on over its corners."""
    pieces: list[list[tuple[float, float]]] = []
    which, left = 0, float(lengths[0])
    piece = [points[0]]
    for (ax, ay), (bx, by) in pairwise(points):
        length, done = ((bx - ax) ** 2 + (by - ay) ** 2) ** 0.5, 0.0
        while length - done > 1e-9:
            step = min(left, length - done)
            done, left = done + step, left - step
            at = (ax + (bx - ax) * done / length, ay + (by - ay) * done / length)
            piece.append(at)
            if left <= 1e-9:
                if which % 2 == 0:
                    pieces.append(piece)
                which, piece = which + 1, [at]
                left = float(lengths[which % len(lengths)])
    if which % 2 == 0 and len(piece) > 1:
        pieces.append(piece)
    return pieces


def solid(colour: str) -> str:
    """A colour of the light ground as hexadecimal."""
    return COLOURS.get(colour) or LIGHT[colour]


def channels(colour: str) -> tuple[int, int, int]:
    """``#e69f00`` -> red, green, blue."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return red, green, blue


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font, so that nothing has to be installed."""
    return ImageFont.load_default(size * SCALE)
