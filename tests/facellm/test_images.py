"""Any picture in, upright RGB out, or an error in plain words."""

import io

import numpy as np
import pytest
from hostile_pictures import cut, flipped, honest, odd, strange
from PIL import Image

from facellm import images
from facellm.errors import FaceLLMError
from facellm.images import load_image

RNG = np.random.default_rng(0)


def blocks() -> np.ndarray:
    """A 20 x 30 picture whose four corners differ."""
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[:10, :15] = (250, 10, 10)
    pixels[:10, 15:] = (10, 250, 10)
    pixels[10:, :15] = (10, 10, 250)
    return pixels


def test_rgb_file_comes_back_as_it_is(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(blocks()).save(path)
    assert np.array_equal(load_image(path), blocks())
    assert np.array_equal(load_image(str(path)), blocks())
    assert np.array_equal(load_image(Image.open(path)), blocks())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_first(tmp_path, orientation):
    # What a camera held sideways stores is the upright picture turned back.
    undo = {
        1: lambda p: p,
        2: lambda p: p[:, ::-1],
        3: lambda p: p[::-1, ::-1],
        4: lambda p: p[::-1],
        5: lambda p: p.transpose(1, 0, 2),
        6: lambda p: np.rot90(p, 1),
        7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
        8: lambda p: np.rot90(p, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "turned.png"
    Image.fromarray(np.ascontiguousarray(undo(blocks()))).save(path, exif=exif)
    assert np.array_equal(load_image(path), blocks())


def test_transparency_is_laid_on_white(tmp_path):
    rgba = np.dstack([blocks(), np.full((20, 30), 255, np.uint8)])
    rgba[0, 0] = (0, 0, 0, 0)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    loaded = load_image(tmp_path / "a.png")
    assert tuple(loaded[0, 0]) == (255, 255, 255)
    assert np.array_equal(loaded[1:], blocks()[1:])


def test_palette_with_transparency_is_laid_on_white(tmp_path):
    picture = Image.fromarray(blocks()).quantize(8)
    path = tmp_path / "a.png"
    picture.save(path, transparency=picture.getpixel((0, 0)))
    assert tuple(load_image(path)[0, 0]) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["L", "1", "LA", "P", "CMYK", "YCbCr", "RGBA", "HSV"])
def test_every_mode_gives_rgb(mode):
    picture = Image.fromarray(blocks()).convert("L" if mode == "1" else "RGB").convert(mode)
    loaded = load_image(picture)
    assert loaded.shape == (20, 30, 3)
    assert loaded.dtype == np.uint8


def test_cmyk_jpeg_keeps_its_colours(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(blocks()).convert("CMYK").save(path, quality=95)
    assert np.abs(load_image(path)[5, 5].astype(int) - (250, 10, 10)).max() < 25


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_are_scaled_not_clipped(tmp_path, suffix):
    ramp = np.linspace(0, 65535, 600).astype(np.uint16).reshape(20, 30)
    path = tmp_path / f"deep.{suffix}"
    Image.fromarray(ramp).save(path)
    loaded = load_image(path)[..., 0]
    assert np.abs(loaded.astype(int) - ramp / 257).max() <= 1
    assert np.array_equal(load_image(ramp), load_image(path))


def test_floats_in_the_unit_range_are_taken_and_others_refused():
    assert load_image(np.full((4, 4), 0.5, np.float32))[0, 0, 0] == 128
    with pytest.raises(FaceLLMError, match=r"\[0, 1\]"):
        load_image(np.full((4, 4), 5.0))


@pytest.mark.parametrize("shape", [(4,), (4, 4, 2), (0, 4, 3), (2, 4, 4, 3)])
def test_arrays_of_another_shape_are_refused(shape):
    with pytest.raises(FaceLLMError, match="shape"):
        load_image(np.zeros(shape, np.uint8))


def test_a_12000_pixel_picture_is_averaged_down(tmp_path):
    path = tmp_path / "large.png"
    Image.fromarray(np.full((300, 12000), 90, np.uint8)).save(path)
    loaded = load_image(path)
    assert loaded.shape == (102, 4096, 3)
    assert (loaded == 90).all()


def test_a_12000_pixel_jpeg_is_averaged_down(tmp_path):
    path = tmp_path / "large.jpg"
    Image.fromarray(np.full((240, 12000, 3), 90, np.uint8)).save(path)
    assert load_image(path).shape[1] <= 4096


def test_too_many_pixels_name_the_value_and_the_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MAX_PIXELS", 500)
    path = tmp_path / "big.png"
    Image.fromarray(blocks()).save(path)
    with pytest.raises(FaceLLMError, match=r"big\.png.*30 x 20 = 600 pixels, at most 500"):
        load_image(path)
    with pytest.raises(FaceLLMError, match="500"):
        load_image(blocks())


def test_a_decompression_bomb_is_our_error(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    path = tmp_path / "bomb.png"
    Image.fromarray(blocks()).save(path)
    with pytest.raises(FaceLLMError, match=r"bomb\.png: more than"):
        load_image(path)


def spoilt(tmp_path, name: str):
    path = tmp_path / name
    if name == "empty.jpg":
        path.write_bytes(b"")
    elif name == "notes.jpg":
        path.write_text("not a picture at all")
    elif name == "folder":
        path.mkdir()
    elif name.startswith("cut"):
        noise = RNG.integers(0, 256, (200, 200, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path)
        path.write_bytes(path.read_bytes()[:6000])
    return path


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing.jpg", "no such file"),
        ("folder", "folder"),
        ("empty.jpg", "empty"),
        ("notes.jpg", "not a picture"),
        ("cut.jpg", "cut off or damaged"),
        ("cut.png", "cut off or damaged"),
        ("cut.webp", "cut off|not a picture|cannot be read"),
    ],
)
def test_an_unusable_file_is_named_with_its_reason(tmp_path, name, reason):
    path = spoilt(tmp_path, name)
    with pytest.raises(FaceLLMError, match=reason) as caught:
        load_image(path)
    assert name in str(caught.value)


def test_a_one_pixel_picture_is_a_picture():
    assert load_image(np.zeros((1, 1), np.uint8)).shape == (1, 1, 3)


@pytest.mark.parametrize("kind", ["EPS", "DDS", "PCX", "XBM"])
def test_kinds_nobody_keeps_photographs_in_are_refused(kind):
    """They are not only of no use: PIL starts another program for one of them."""
    file = io.BytesIO()
    Image.new("1" if kind == "XBM" else "RGB", (8, 8)).save(file, kind)
    with pytest.raises(FaceLLMError, match="of a kind that is not known"):
        load_image(file.getvalue())


def test_hostile_files_are_read_or_refused_in_words():
    """The corpus the server's guard is tried on, damaged bit by bit too."""
    seen = {"read": 0, "refused": 0}
    honest_files = honest()
    for name, data in honest_files.items():
        assert load_image(data).dtype == np.uint8, name
    files = [*(data for _, data in odd().values()), *strange().values()]
    for data in honest_files.values():
        files += [*cut(data, 97), *flipped(data, 5, seed=1)]
    for data in files:
        try:
            load_image(data)
            seen["read"] += 1
        except FaceLLMError:
            seen["refused"] += 1
    assert min(seen.values()) > 20, seen
