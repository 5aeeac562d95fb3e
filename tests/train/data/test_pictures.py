"""Crops of training: the product's own, their landmarks on the face, wherever the picture lies."""

import os
import signal
from dataclasses import replace

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from train_corpora import SIDE, mean_points, noise_png

from facellm.crops import upright_crop
from facellm.errors import FaceLLMError
from facellm.face import MIRROR_68, BoundingBox, Face, Landmarks
from facellm.images import load_image
from facellm.train.data.pictures import Pictures, Wanted
from facellm.train.data.seeing import Jitter, Look, see
from facellm.train.run_sections import DataConfig
from facellm.train.sample import FaceImage

BOX = (20.0, 20.0, 76.0, 76.0)


def turned(degrees):
    """The face's points turned about the picture's centre."""
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return ((mean_points() - SIDE / 2) @ turn.T + SIDE / 2).astype(np.float32)


def dotted(points):
    """A dark picture with a bright spot on every point, four times as large."""
    picture = np.zeros((4 * SIDE, 4 * SIDE, 3), np.uint8)
    for x, y in points * 4:
        cv2.circle(picture, (round(float(x)), round(float(y))), 3, (255, 255, 255), -1)
    return picture, points * 4


@pytest.fixture
def dots(tmp_path):
    """``dots(degrees)`` -> a look at a drawn face turned by them."""

    def draw(degrees=0.0, **settings):
        picture, points = dotted(turned(degrees))
        cv2.imwrite(str(tmp_path / "dots.png"), picture)
        return Look(tmp_path, "dots.png", BOX, points, **settings)

    return draw


@pytest.mark.parametrize("degrees", [0.0, 12.0, 40.0, -75.0, 180.0])
@pytest.mark.parametrize("whole", [False, True])
def test_the_crop_is_the_products(dots, degrees, whole):
    look = dots(degrees, whole=whole)
    crop, _ = see(look, 64)
    face = Face(BoundingBox(*BOX), Landmarks(look.landmarks), 1.0)
    picture = load_image(look.pictures / look.path)
    assert np.array_equal(crop, upright_crop(picture, face, 64, whole=whole))


@pytest.mark.parametrize("degrees", [0.0, 40.0, -75.0])
@pytest.mark.parametrize(
    "jitter", [Jitter(), Jitter(0.9, (0.05, -0.04)), Jitter(1.1, (0, 0.03), mirror=True)]
)
def test_landmarks_lie_on_the_face_they_belong_to(dots, degrees, jitter):
    crop, unit = see(dots(degrees, jitter=jitter), 192)
    inside = unit[(unit > 0.02).all(1) & (unit < 0.98).all(1)]
    places = (inside * 192).astype(int)
    assert len(inside) > 50
    assert (crop[places[:, 1], places[:, 0]].mean(1) > 120).mean() > 0.95


def test_a_mirrored_face_keeps_the_order_of_its_points(dots):
    _, plain = see(dots(), 96)
    crop, mirrored = see(dots(jitter=Jitter(mirror=True)), 96)
    assert np.allclose(mirrored[MIRROR_68][:, 0], 1 - plain[:, 0], atol=1e-6)
    assert mirrored[0, 0] < 0.5 < mirrored[16, 0]  # the jaw still runs from left to right
    assert np.array_equal(crop, see(dots(), 96)[0][:, ::-1])


def test_a_face_without_landmarks_is_cut_by_its_box(dots):
    crop, unit = see(replace(dots(), landmarks=None), 48)
    assert unit is None
    picture = load_image(dots().pictures / "dots.png")
    assert np.array_equal(crop, upright_crop(picture, Face(BoundingBox(*BOX), None, 1.0), 48))


def wanted(number, path, **settings):
    return Wanted(f"made/{number}", FaceImage(0, path, BOX, **settings))


def pictures_in(folder, workers=0):
    return Pictures(DataConfig(("corpus",), str(folder), workers=workers), 48)


@pytest.fixture
def places(tmp_path):
    """The same picture as a file, in a Parquet file and at hand; a broken one beside them."""
    data = noise_png(3)
    (tmp_path / "a.png").write_bytes(data)
    (tmp_path / "bad.png").write_bytes(data[: len(data) // 2])
    rows = pa.array([{"bytes": b"", "path": "x"}, {"bytes": data, "path": "y"}])
    pq.write_table(pa.table({"image": rows}), tmp_path / "set.parquet")
    return tmp_path


@pytest.mark.parametrize("workers", [0, 1])
def test_a_picture_is_the_same_wherever_it_lies_and_in_order(places, workers):
    asked = [
        wanted(0, "a.png"),
        wanted(1, "set.parquet#set/1"),
        wanted(2, "nowhere.png", data=noise_png(3)),
        wanted(3, str(places / "a.png")),
        wanted(4, "b", data=noise_png(4)),
    ]
    pictures = pictures_in(places, workers)
    crops = [crop for crop, _ in pictures.crops(asked)]
    pictures.close()
    assert all(np.array_equal(crops[0], crop) for crop in crops[1:4])
    assert not np.array_equal(crops[0], crops[4])


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("bad.png", "bad.png: (cut off|cannot be read)"),
        ("none.png", "none.png: no such file"),
        ("set.parquet#set/0", "row 0 holds no picture"),
        ("set.parquet#set/9", "no row number from 0 to 1"),
        ("csv#fer2013/3", "csv#fer2013/3: lies inside a file .* build the corpus with embed: true"),
        ("gone.parquet#set/0", "gone.parquet: not a readable parquet file"),
    ],
)
def test_an_unreadable_picture_is_named_with_its_sample(places, path, said):
    with pytest.raises(FaceLLMError, match=f"sample made/7: .*{said}"):
        pictures_in(places).crops([wanted(0, "a.png"), wanted(7, path)])


def test_a_missing_folder_says_which_setting_names_it(tmp_path):
    with pytest.raises(FaceLLMError, match=r"made/1: pictures folder .*/none is missing; set data"):
        pictures_in(tmp_path / "none").crops([wanted(1, "a.png")])


def test_decoding_processes_do_without_torch_and_one_that_dies_is_an_error(places):
    pictures = pictures_in(places, workers=1)
    pool = pictures._pool
    assert pool.submit(eval, "'torch' in __import__('sys').modules").result() is False
    os.kill(pool.submit(os.getpid).result(), signal.SIGKILL)
    with pytest.raises(FaceLLMError, match="decoding process died on one of: made/1, made/2"):
        pictures.crops([wanted(1, "a.png"), wanted(2, "a.png")])
    pictures.close()
