"""Decoding of strangers' pictures, in this process: what is read, what is refused, and how."""

import time

import hostile_pictures as hostile
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facellm.images import load_image
from facellm.serve.guard import BadPicture
from facellm.serve.guard.kinds import clip_kind, picture_kind
from facellm.serve.guard.pictures import SMALLEST_SIDE, decode_picture

HONEST, ODD, STRANGE = hostile.honest(), hostile.odd(), hostile.strange()
STATUSES = {400, 413, 415}
SLOWEST = 8.0  # seconds; the guard's deadline is 10


def refused(data):
    with pytest.raises(BadPicture) as caught:
        decode_picture(data)
    return caught.value


def outcome(data):
    """200 with sound pixels, or the status of the refusal."""
    try:
        pixels = decode_picture(data)
    except BadPicture as error:
        return error.status
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3
    assert min(pixels.shape[:2]) >= 1
    return 200


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_picture_gives_the_pixels_of_a_local_one(name):
    pixels = decode_picture(HONEST[name])
    assert pixels.shape == (hostile.SIDE, hostile.SIDE, 3)
    np.testing.assert_array_equal(pixels, load_image(HONEST[name]))


def test_a_picture_of_a_turned_camera_stands_upright():
    upright, turned = decode_picture(HONEST["baseline.jpg"]), decode_picture(HONEST["turned.jpg"])
    np.testing.assert_array_equal(turned, np.rot90(upright, -1))


@pytest.mark.parametrize("name", ODD)
def test_what_is_not_one_sound_picture_is_refused_with_its_status(name):
    status, data = ODD[name]
    assert refused(data).status == status


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("animated.png", "an animated PNG"),
        ("animated.webp", "an animated WebP"),
        ("mpo", "MPO"),
        ("svg", "an SVG drawing"),
        ("html", "an HTML page"),
        ("hls", "an HLS playlist"),
        ("tiff", "a TIFF"),
        ("26 MP header", "5200 x 5000"),
        ("one pixel", "1 x 1"),
        ("11 MB", "at most 10,000,000"),
    ],
)
def test_the_refusal_names_what_was_found(name, found):
    assert found in str(refused(ODD[name][1]))


def test_a_side_is_bounded_on_both_sides():
    least = hostile.encoded(hostile.picture(size=(SMALLEST_SIDE, SMALLEST_SIDE)), "PNG")
    assert decode_picture(least).shape[:2] == (SMALLEST_SIDE, SMALLEST_SIDE)
    below = hostile.encoded(hostile.picture(size=(SMALLEST_SIDE - 1, 99)), "PNG")
    assert refused(below).status == 400


def test_a_size_that_is_a_lie_never_costs_memory():
    """The header of a bomb is enough to refuse it."""
    started = time.perf_counter()
    assert refused(ODD["50k x 50k header"][1]).status == 413
    assert refused(ODD["huge sides"][1]).status == 413
    assert time.perf_counter() - started < 1.0


def test_a_picture_that_needs_more_memory_than_there_is_is_too_large(monkeypatch):
    def exhausted(_):
        raise MemoryError

    monkeypatch.setattr("facellm.serve.guard.pictures.load_image", exhausted)
    assert refused(HONEST["rgb.png"]).status == 413


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("name", STRANGE)
def test_a_strange_picture_is_read_or_refused_in_time(name):
    started = time.perf_counter()
    assert outcome(STRANGE[name]) in {200, *STATUSES}
    assert time.perf_counter() - started < SLOWEST


@pytest.mark.parametrize("name", HONEST)
def test_a_picture_cut_off_anywhere_is_read_or_refused(name):
    step = max(1, len(HONEST[name]) // 40)
    assert {outcome(data) for data in hostile.cut(HONEST[name], step)} <= {200, *STATUSES}


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("name", HONEST)
def test_turned_bits_are_read_or_refused(name):
    assert {outcome(data) for data in hostile.flipped(HONEST[name], 25, 1)} <= {200, *STATUSES}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("name", HONEST)
def test_many_turned_bits_and_every_cut_are_read_or_refused(name):
    broken = [*hostile.flipped(HONEST[name], 1000, 2), *hostile.cut(HONEST[name])]
    assert {outcome(data) for data in broken} <= {200, *STATUSES}


@st.composite
def mutated(draw):
    """An honest picture with pieces replaced, left out or doubled."""
    data = bytearray(HONEST[draw(st.sampled_from(sorted(HONEST)))])
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        size = draw(st.integers(0, 16))
        data[at : at + size] = draw(st.binary(max_size=24))
    return bytes(data)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@given(mutated())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_mutated_picture_is_read_or_refused(data):
    assert outcome(data) in {200, *STATUSES}


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_noise_is_told_by_its_first_bytes(data):
    for kind in (picture_kind, clip_kind):
        try:
            told = kind(data)
        except BadPicture as error:
            told = str(error.status)
        assert told in {"JPEG", "PNG", "WEBP", "mov", "matroska", "400", "415"}


def test_decoding_leaves_nothing_behind_in_pillow():
    """Only a worker's main sets Pillow's bound; a process that imports the decoder keeps it."""
    from PIL import Image

    before = Image.MAX_IMAGE_PIXELS
    outcome(ODD["50k x 50k header"][1])
    assert before == Image.MAX_IMAGE_PIXELS == 1024**3 // 4 // 3
