"""Pictures for the cookbook where no path is given: an astronaut that scikit-image brings along.

Nothing is downloaded. The derived pictures (mirrored, darker, blurred ...) show one and the same
photograph: they let a script run, they measure nothing.

Example: ``folder(Path("album"))`` -> ``album/bright/plain.jpg``, ``album/dark/plain.jpg`` ...
"""

from pathlib import Path

from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from skimage.data import astronaut

DARK = 0.45  # brightness of the dark pictures
OUT = Path("cookbook-output")  # where the scripts write


def portrait() -> Image.Image:
    """The astronaut, 512 x 512 pixels."""
    return Image.fromarray(astronaut())


def variants() -> dict[str, Image.Image]:
    """The portrait and two pictures made from it, by name."""
    plain = portrait()
    return {
        "plain": plain,
        "mirrored": ImageOps.mirror(plain),
        "blurred": plain.filter(ImageFilter.GaussianBlur(2)),
    }


def dark(picture: Image.Image) -> Image.Image:
    """The same picture with less light."""
    return ImageEnhance.Brightness(picture).enhance(DARK)


def group() -> Image.Image:
    """Two faces in one picture: mirrored and plain, side by side."""
    plain = portrait()
    page = Image.new("RGB", (2 * plain.width, plain.height))
    page.paste(ImageOps.mirror(plain), (0, 0))
    page.paste(plain, (plain.width, 0))
    return page


def folder(path: Path) -> Path:
    """Write two sub-folders, ``bright`` and ``dark``, of three pictures each."""
    for name, picture in variants().items():
        for kind, shown in (("bright", picture), ("dark", dark(picture))):
            (path / kind).mkdir(parents=True, exist_ok=True)
            shown.save(path / kind / f"{name}.jpg", quality=92)
    return path


def saved(picture: Image.Image, name: str) -> Path:
    """Write a picture to the output folder and say where."""
    OUT.mkdir(exist_ok=True)
    picture.save(OUT / name, quality=92)
    return OUT / name
