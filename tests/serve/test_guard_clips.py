"""Decoding of strangers' clips, in this process."""

from importlib.util import find_spec

import clip_files
import hostile_pictures as hostile
import numpy as np
import pytest

from facellm.serve.guard import BadPicture
from facellm.serve.guard.kinds import MOST_FRAMES

pytestmark = pytest.mark.skipif(find_spec("av") is None, reason="needs PyAV (extra clip)")


def grey(count, height=64, width=96):
    """Frames whose grey says their number."""
    return [np.full((height, width, 3), 4 * i % 250, np.uint8) for i in range(count)]


def written(folder, name, frames, **options):
    return clip_files.write_video(folder / name, frames, **options).read_bytes()


def decoded(data):
    from facellm.serve.guard.clips import decode_clip

    return decode_clip(data)


def refused(data):
    with pytest.raises(BadPicture) as caught:
        decoded(data)
    return caught.value


@pytest.mark.parametrize("ending", ["mp4", "webm", "mkv"])
def test_frames_are_spread_evenly_over_the_clip(tmp_path, ending):
    frames, times = decoded(written(tmp_path, f"a.{ending}", grey(50)))
    assert len(frames) == len(times) == MOST_FRAMES
    assert times[0] == 0
    np.testing.assert_allclose(times, np.arange(16) * 2 / 16, atol=0.045)  # a frame lasts 0.04 s
    shown = [float(frame.mean()) for frame in frames]
    np.testing.assert_allclose(shown, [4 * round(time * 25) for time in times], atol=6)


def test_a_long_clip_is_searched_to_its_end(tmp_path):
    data = written(tmp_path, "a.mp4", grey(118), times=[i / 2 for i in range(118)], rate=2)
    frames, times = decoded(data)
    np.testing.assert_allclose(times, np.arange(16) * 59 / 16, atol=0.51)
    shown = np.array([float(frame.mean()) for frame in frames])
    np.testing.assert_allclose(shown, [8 * time % 250 for time in times], atol=6)


def test_a_clip_of_few_frames_gives_them_all(tmp_path):
    frames, times = decoded(written(tmp_path, "a.mp4", grey(5)))
    np.testing.assert_allclose(times, [0, 0.04, 0.08, 0.12, 0.16], atol=1e-6)
    assert frames[0].shape == (64, 96, 3)


def test_a_phone_held_upright_gives_upright_frames(tmp_path):
    path = clip_files.write_video(tmp_path / "a.mp4", grey(5))
    clip_files.turn_clip(path, (0, 1, -1, 0))
    assert decoded(path.read_bytes())[0][0].shape == (96, 64, 3)


def test_large_frames_are_averaged_down(tmp_path):
    frames, _ = decoded(written(tmp_path, "a.mp4", grey(2, 1080, 1920)))
    assert frames[0].shape == (720, 1280, 3)


@pytest.mark.parametrize(
    ("name", "frames", "options", "status", "found"),
    [
        ("a.mp4", grey(70), {"times": range(70), "rate": 1}, 413, "at most 60"),
        ("a.mp4", grey(3, 16, 16), {}, 400, "at least 28"),
        ("a.avi", grey(3), {}, 415, "an AVI clip"),
        ("a.mp4", [], {}, 400, "no pictures"),
    ],
)
def test_a_clip_beyond_the_bounds_is_refused(tmp_path, name, frames, options, status, found):
    error = refused(written(tmp_path, name, frames, **options))
    assert (error.status, found in str(error)) == (status, True)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 400),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", 415),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", 415),
        (b"GIF89a" + bytes(50), 415),
        (hostile.honest()["baseline.jpg"], 415),
        (b"\0\0\0\x1cftypavif" + bytes(50), 415),
        (b"\x1a\x45\xdf\xa3" + bytes(300), 400),
        (b"\0\0\0\x18ftypisom" + bytes(300), 400),
        (b"\xff\xff\xff\xffmoov" + bytes(300), 400),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp41#EXTM3U\nfile:///etc/passwd\n", 400),
    ],
)
def test_what_is_no_clip_is_refused(data, status):
    assert refused(data).status == status


@pytest.mark.parametrize("ending", ["mp4", "webm"])
def test_a_damaged_clip_is_read_or_refused(tmp_path, ending):
    data = written(tmp_path, f"a.{ending}", grey(12))
    broken = [*hostile.flipped(data, 30, 3), *hostile.cut(data, max(1, len(data) // 15))]
    statuses = set()
    for case in broken:
        try:
            frames, times = decoded(case)
        except BadPicture as error:
            statuses.add(error.status)
        else:
            assert 1 <= len(frames) == len(times) <= MOST_FRAMES
            assert times == sorted(times)
    assert statuses <= {400, 413, 415}


def test_a_cover_picture_is_no_clip(tmp_path):
    """Sound with a cover has a stream of pictures too: it is one frame, and of no usual codec."""
    assert refused(written(tmp_path, "a.mp4", grey(4)).replace(b"avc1", b"png ")).status in {
        400,
        415,
    }
