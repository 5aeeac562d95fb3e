"""Forged clips: what is frozen stays frozen, seams lie where they are said to lie."""

import cv2
import numpy as np
import pytest
from drawn_faces import SIDE, drawn_face

from facellm.instruct_data.forge.clips import STRETCH, Frames, clip_seam, frozen_identity
from facellm.instruct_data.forge.stills import changed


@pytest.fixture(scope="module")
def clip():
    """A drawn face that wanders while its grain and its mouth change; one frame without a face."""
    pixels, points = [], []
    face, at = drawn_face(1)
    rng = np.random.default_rng(0)
    for index in range(40):
        shift = np.array([round(3 * np.sin(index / 4)), round(2 * np.cos(index / 5))], float)
        matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]])
        frame = cv2.warpAffine(face, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
        noise = rng.integers(-4, 5, frame.shape)
        pixels.append(np.clip(frame + noise, 0, 255).astype(np.uint8))
        points.append(None if index == 7 else at + shift)
    return Frames(pixels, points)


def inner(points):
    """Pixels about the nose, well inside of every matte."""
    x, y = points[30].round().astype(int)
    return slice(y - 8, y + 9), slice(x - 8, x + 9)


def test_a_frozen_face_no_longer_changes_by_itself(clip):
    out = frozen_identity(clip, np.random.default_rng(3))
    held = out.pixels[out.drawn["frozen_frame"]]
    np.testing.assert_array_equal(held, clip.pixels[out.drawn["frozen_frame"]])
    here = inner(clip.points[out.drawn["frozen_frame"]])
    own, frozen = [], []
    for index, points in enumerate(clip.points):
        if points is not None:
            own.append(np.abs(clip.pixels[index][inner(points)].astype(int) - held[here]).mean())
            frozen.append(np.abs(out.pixels[index][inner(points)].astype(int) - held[here]).mean())
    assert max(frozen) < 0.1  # whole-pixel shifts carry it along without a loss
    assert np.median(own) > 1


@pytest.mark.parametrize("method", [frozen_identity, clip_seam])
def test_a_frame_without_a_face_and_the_rim_of_all_frames_stay(clip, method):
    out = method(clip, np.random.default_rng(1)).pixels
    assert len(out) == len(clip.pixels)
    np.testing.assert_array_equal(out[7], clip.pixels[7])
    for before, after in zip(clip.pixels, out, strict=True):
        assert not changed(before, after)[:4].any()


def test_colour_jumps_at_the_seams_and_nowhere_else(clip):
    out = clip_seam(clip, np.random.default_rng(2))
    assert out.drawn["seams"] == [16, 32]
    shift = []
    for before, after, points in zip(clip.pixels, out.pixels, clip.points, strict=True):
        here = inner(points) if points is not None else (slice(0, 1), slice(0, 1))
        shift.append(after[here].mean((0, 1)) - before[here].mean((0, 1)))
    jump = np.abs(np.diff(shift, axis=0)).max(1)
    for index in range(STRETCH):
        np.testing.assert_array_equal(out.pixels[index], clip.pixels[index])
    at = set(np.argsort(-jump)[:2] + 1)
    assert at == {16, 32}
