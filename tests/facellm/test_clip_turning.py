"""Clips that are stored turned or mirrored come upright, as players show them."""

import itertools
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest
from clip_files import flat, turn_clip, write_video

from facellm.clip.opening import open_clip
from facellm.clip.turning import clockwise, turn_of
from facellm.images import AS_STORED, turned

needs_av = pytest.mark.skipif(find_spec("av") is None, reason="PyAV is not installed")

# (a, b, c, d) -> degrees clockwise, mirrored after that, in the words of a phone's owner.
MATRICES = {
    (1, 0, 0, 1): (0, False),
    (0, 1, -1, 0): (90, False),
    (-1, 0, 0, -1): (180, False),
    (0, -1, 1, 0): (270, False),
    (-1, 0, 0, 1): (0, True),
    (0, 1, 1, 0): (90, True),
    (1, 0, 0, -1): (180, True),
    (0, -1, -1, 0): (270, True),
}
CASES = pytest.mark.parametrize("matrix", MATRICES)


def by_definition(pixels, matrix):
    """Every stored pixel put where the matrix says, one by one."""
    a, b, c, d = matrix
    height, width = pixels.shape[:2]
    shown = np.zeros((width, height, 3) if b else (height, width, 3), np.uint8)
    for y, x in itertools.product(range(height), range(width)):
        # -1 - n counts from the far edge: what the shift of the matrix does.
        column = a * x + c * y - (a + c < 0)
        row = b * x + d * y - (b + d < 0)
        shown[row, column] = pixels[y, x]
    return shown


def frame_with(matrix, one=1 << 16):
    """What ``turn_of`` looks at of a frame of PyAV."""
    a, b, c, d = (round(value * one) for value in matrix)
    values = np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], np.int32)
    other = SimpleNamespace(type=SimpleNamespace(name="SEI_UNREGISTERED"))
    held = type("Data", (bytes,), {"type": SimpleNamespace(name="DISPLAYMATRIX")})(values.tobytes())
    return SimpleNamespace(side_data=[other, held])


def marked():
    """(48, 96) with another grey in every corner, so that no two turns look alike."""
    pixels = flat(128, (48, 96))
    pixels[:24, :24], pixels[:24, 72:] = 10, 70
    pixels[24:, :24], pixels[24:, 72:] = 190, 250
    return pixels


@CASES
def test_every_quarter_turn_and_mirror_is_its_definition(matrix):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 5, 3), dtype=np.uint8)
    turn = turn_of(frame_with(matrix))
    assert np.array_equal(turned(pixels, turn), by_definition(pixels, matrix))
    assert clockwise(turn) == MATRICES[matrix]


@CASES
def test_a_turn_in_words_is_that_turn(matrix):
    pixels = np.random.default_rng(1).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    turn = turn_of(frame_with(matrix))
    degrees, mirrored = clockwise(turn)
    expected = np.rot90(pixels, -degrees // 90)
    assert np.array_equal(turned(pixels, turn), expected[:, ::-1] if mirrored else expected)


@needs_av
@CASES
def test_a_clip_is_shown_as_its_header_says(tmp_path, matrix):
    import av

    path, _ = turn_clip(write_video(tmp_path / "p.mp4", [marked()] * 3), matrix)
    clip = open_clip(path)
    shown = next(clip.frames()).pixels()
    expected = by_definition(marked(), matrix)
    assert shown.shape == expected.shape
    assert np.abs(shown.astype(int) - expected)[::7, ::7].mean() < 6
    assert (clip.facts.rotation, clip.facts.mirrored) == MATRICES[matrix]
    assert clip.facts.size == (expected.shape[1], expected.shape[0])
    with av.open(str(path)) as container:
        said = next(container.decode(video=0)).rotation
    if not clip.facts.mirrored:
        assert -said % 360 == clip.facts.rotation  # FFmpeg's own reading of the matrix


@needs_av
def test_what_was_done_stands_in_the_record(tmp_path):
    path, _ = turn_clip(write_video(tmp_path / "p.mp4", [marked()] * 3), (0, 1, 1, 0))
    record = open_clip(path).facts.to_dict()
    assert (record["rotation"], record["mirrored"], record["size"]) == (90, True, [48, 96])


@pytest.mark.parametrize(
    ("matrix", "degrees"), [((0.99, 0.17, -0.17, 0.99), 0), ((0.17, 0.99, -0.99, 0.17), 90)]
)
def test_a_slanted_matrix_is_taken_to_the_nearest_right_angle(matrix, degrees):
    assert clockwise(turn_of(frame_with(matrix))) == (degrees, False)


def test_without_a_matrix_or_with_an_empty_one_frames_stay_as_stored():
    assert turn_of(SimpleNamespace(side_data=[])) == AS_STORED
    assert turn_of(frame_with((0, 0, 0, 0))) == AS_STORED
