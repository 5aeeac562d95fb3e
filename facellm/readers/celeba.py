"""CelebA: forty yes/no attributes a picture.

::

    list_attr_celeba.txt      202599 / 5_o_Clock_Shadow Arched_Eyebrows ... / 000001.jpg -1 1 ...
    list_eval_partition.txt   000001.jpg 0            0 train, 1 valid, 2 test
    list_bbox_celeba.txt      202599 / image_id x_1 y_1 width height / 000001.jpg 95 71 226 313
    identity_CelebA.txt       000001.jpg 2880

The lists may lie in ``Anno/`` and ``Eval/`` or beside each other, as .txt or as .csv with a column
``image_id``. All name the pictures in one order, so they are read side by side. A missing list of
rectangles or of people is left out; rectangles belong to the pictures in the wild only.
Checked: names and columns against public readers of the set.

``JUDGEMENTS`` are attributes about taste, body or skin, which no answer should repeat.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from facellm.readers.outcome import Read, existing, outcomes, required
from facellm.readers.row import FaceRow
from facellm.readers.sources import SOURCES
from facellm.readers.text_files import (
    Line,
    check_columns,
    column_lines,
    csv_lines,
    lines_of,
    side_by_side,
)

ATTRIBUTES = (
    "5_o_Clock_Shadow",
    "Arched_Eyebrows",
    "Attractive",
    "Bags_Under_Eyes",
    "Bald",
    "Bangs",
    "Big_Lips",
    "Big_Nose",
    "Black_Hair",
    "Blond_Hair",
    "Blurry",
    "Brown_Hair",
    "Bushy_Eyebrows",
    "Chubby",
    "Double_Chin",
    "Eyeglasses",
    "Goatee",
    "Gray_Hair",
    "Heavy_Makeup",
    "High_Cheekbones",
    "Male",
    "Mouth_Slightly_Open",
    "Mustache",
    "Narrow_Eyes",
    "No_Beard",
    "Oval_Face",
    "Pale_Skin",
    "Pointy_Nose",
    "Receding_Hairline",
    "Rosy_Cheeks",
    "Sideburns",
    "Smiling",
    "Straight_Hair",
    "Wavy_Hair",
    "Wearing_Earrings",
    "Wearing_Hat",
    "Wearing_Lipstick",
    "Wearing_Necklace",
    "Wearing_Necktie",
    "Young",
)
JUDGEMENTS = frozenset(
    {
        "Attractive",
        "Big_Lips",
        "Big_Nose",
        "Chubby",
        "Double_Chin",
        "Narrow_Eyes",
        "Pale_Skin",
        "Pointy_Nose",
    }
)
YES_NO = {"1": True, "-1": False}
PARTITIONS = {"0": "train", "1": "valid", "2": "test"}
BOX = ("x_1", "y_1", "width", "height")
WILD = ("Img/img_celeba", "img_celeba")
ALIGNED = ("Img/img_align_celeba", "img_align_celeba/img_align_celeba", "img_align_celeba")


def find(root: Path, name: str) -> Path | None:
    """A list of the set, wherever it lies."""
    places = (
        root / folder / f"{name}{ending}"
        for folder in ("", "Anno", "Eval")
        for ending in (".txt", ".csv")
    )
    return next((place for place in places if place.is_file()), None)


def table(file: Path, columns: tuple[str, ...], header: bool) -> Iterator[Line]:
    """Lines of a list with ``image_id`` first.

    Args:
        file: The list.
        columns: Those besides ``image_id``, in the order of lists without a header.
        header: Whether the .txt form has a count and names above its rows.
    """
    if file.suffix == ".csv":
        return csv_lines(file, ("image_id", *columns))
    if not header:
        return column_lines(file, ("image_id", *columns))
    top = lines_of(file)
    names = [text.split() for (_, text), _ in zip(top, range(2), strict=False)]
    found = [name for name in (names[1] if len(names) > 1 else []) if name != "image_id"]
    check_columns(file, found, columns)
    return column_lines(file, ("image_id", *found), skip=2)


def row_of(line: Line, root: Path, wild: bool) -> FaceRow:
    """Row of a joined line."""
    name = line.text("image_id")
    known = {key: YES_NO[line.one_of(key, YES_NO)] for key in ATTRIBUTES}
    box = None
    if wild and not line.is_empty("x_1"):
        x, y, width, height = (line.number_of(column, 0, 1e6) for column in BOX)
        box = (x, y, x + width, y + height)
    folders = WILD if wild else ALIGNED
    return FaceRow(
        source="celeba",
        key=f"celeba/{name}",
        split=PARTITIONS[line.one_of("partition", PARTITIONS)],
        path=existing(*(root / folder / name for folder in folders)),
        licence=SOURCES["celeba"].terms,
        where=line.where,
        subject=line.values.get("person"),
        box=box,
        male=known["Male"],
        attributes=known,
    )


def read_celeba(path: Path, *, wild: bool = False) -> Iterator[Read]:
    """CelebA.

    Args:
        path: Folder of the set.
        wild: Take the pictures in the wild with their rectangles; otherwise the aligned ones.
    """
    root = Path(path)
    attributes = find(root, "list_attr_celeba") or required(root / "list_attr_celeba.txt")
    partition = find(root, "list_eval_partition") or required(root / "list_eval_partition.txt")
    lines = table(attributes, ATTRIBUTES, True)
    lines = side_by_side(lines, table(partition, ("partition",), False), "image_id")
    people = find(root, "identity_CelebA")
    if people:
        lines = side_by_side(lines, table(people, ("person",), False), "image_id")
    boxes = find(root, "list_bbox_celeba")
    if wild and boxes:
        lines = side_by_side(lines, table(boxes, BOX, True), "image_id")
    return outcomes("celeba", lines, lambda line: row_of(line, root, wild))
