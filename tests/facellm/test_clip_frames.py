"""Frames of clips: times from time stamps, turning, and what damage does."""

import builtins
import tracemalloc

import numpy as np
import pytest
from cli_runs import refused
from clip_files import flat, turn_phone, write_gif, write_video
from PIL import Image

from facellm.chat import Chat
from facellm.chat_command import Session
from facellm.clip.frames import clock, sampled, short
from facellm.clip.opening import is_clip, open_clip
from facellm.clip.picture_frames import natural
from facellm.errors import FaceLLMError

needs_av = pytest.mark.skipif(
    __import__("importlib.util").util.find_spec("av") is None, reason="PyAV is not installed"
)


def grey(frame):
    return float(frame.pixels().mean())


def losses_of(path, rate=None):
    clip = open_clip(path, rate)
    frames = list(clip.frames())
    return frames, clip.losses.lines()


# --- video files ----------------------------------------------------------------------------------


@needs_av
def test_times_of_a_variable_frame_rate_are_those_of_its_stamps(tmp_path):
    times = [0.0, 0.04, 0.08, 1.5, 1.54, 4.0]
    path = write_video(tmp_path / "v.mp4", [flat(40 * i) for i in range(6)], times)
    clip = open_clip(path)
    frames = list(clip.frames())
    assert [f.time for f in frames] == pytest.approx(times, abs=2e-3)
    assert [f.index for f in sampled(iter(frames), 2)] == [0, 3, 5]
    assert [grey(f) for f in frames] == pytest.approx([40 * i for i in range(6)], abs=4)
    assert clip.losses.lines() == []


@needs_av
def test_a_phone_held_upright_gives_upright_pixels(tmp_path):
    pixels = flat(20, (48, 96))
    pixels[:, :24] = 230  # the stored left edge; turned clockwise it is the top
    path, stored = turn_phone(write_video(tmp_path / "p.mp4", [pixels] * 5))
    assert stored == (96 << 16, 48 << 16)
    clip = open_clip(path)
    shown = next(clip.frames()).pixels()
    assert shown.shape == (96, 48, 3)
    assert shown[:20].mean() > 200
    assert shown[40:].mean() < 60
    assert clip.facts.rotation == 90
    assert clip.facts.size == (48, 96)


def noisy(count, size=(96, 128)):
    """Frames that do not compress, so that a file can be cut inside them."""
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for _ in range(count)]


@needs_av
@pytest.mark.parametrize(
    ("name", "options"),
    [("c.mp4", {"movflags": "faststart"}), ("c.webm", {}), ("c.mkv", {}), ("c.avi", {})],
)
def test_frames_before_a_cut_off_tail_are_kept_and_the_gap_is_told(tmp_path, name, options):
    path = write_video(tmp_path / name, noisy(50), options=options, every_key=10)
    whole, lost = losses_of(path)
    assert len(whole) == 50
    assert lost == []
    data = path.read_bytes()
    path.write_bytes(data[: int(0.6 * len(data))])
    kept, lost = losses_of(path)
    assert 10 < len(kept) < 45
    assert [f.time for f in kept] == [f.time for f in whole[: len(kept)]]
    assert lost
    if name != "c.avi":  # there the index that promises a length is cut off too
        assert any("its end is missing" in line for line in lost), lost


@needs_av
def test_an_mp4_without_its_index_is_an_error_in_words(tmp_path):
    path = write_video(tmp_path / "c.mp4", noisy(20))  # the index stands at the end
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(FaceLLMError, match="cut off before its first frame"):
        open_clip(path)


@needs_av
def test_damage_in_the_middle_is_counted_and_the_rest_read(tmp_path):
    path = write_video(tmp_path / "c.mkv", noisy(60), every_key=10)
    data = bytearray(path.read_bytes())
    start = len(data) // 3
    data[start : start + len(data) // 10] = bytes(len(data) // 10)
    path.write_bytes(data)
    kept, lost = losses_of(path)
    assert 20 < len(kept) < 60
    assert kept[-1].time > 2.2
    assert lost


@needs_av
def test_bad_files_are_told_in_words(tmp_path):
    (tmp_path / "text.mp4").write_text("this is no video at all " * 50)
    (tmp_path / "empty.mp4").touch()
    write_video(tmp_path / "none.mkv", [])
    for name, said in (
        ("text.mp4", "not a video"),
        ("empty.mp4", "the file is empty"),
        ("missing.mp4", "no such file"),
        ("none.mkv", "no frame|not a video|no pictures"),
    ):
        with pytest.raises(FaceLLMError, match=said):
            open_clip(tmp_path / name)


@needs_av
def test_sound_alone_is_no_clip(tmp_path):
    import av

    path = tmp_path / "sound.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), "s16", "mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(FaceLLMError, match="holds no pictures"):
        open_clip(path)


@needs_av
@pytest.mark.parametrize("every_key", [12, 1000])
def test_wide_sampling_leaves_frames_undecoded_and_finds_the_same_places(tmp_path, every_key):
    frames = [flat(i % 250, (32, 32)) for i in range(250)]
    path = write_video(tmp_path / "l.mp4", frames, rate=5, every_key=every_key)
    clip = open_clip(path)
    close = list(sampled(clip.frames(), 0.2))
    wide = list(sampled(clip.frames(5.0), 0.2))
    assert len(wide) == len(close) == 11
    assert [f.time for f in wide] == [f.time for f in close]
    assert [f.index for f in wide] == [round(5 * f.time) for f in wide]
    assert [grey(f) for f in wide] == pytest.approx([f.index % 250 for f in wide], abs=4)
    decoded = sum(1 for _ in clip.frames(5.0))
    assert (decoded < 200) == (every_key == 12)


@needs_av
def test_a_stream_without_a_length_is_measured(tmp_path):
    path = write_video(tmp_path / "live.mkv", [flat(9)] * 30, options={"live": "1"})
    clip = open_clip(path)
    assert clip.facts.duration is None
    assert clip.seconds() == pytest.approx(29 / 25, abs=0.01)


@needs_av
def test_memory_stays_flat_with_the_length_of_a_clip(tmp_path):
    peaks = []
    for count in (40, 400):
        frames = (flat(i % 200, (240, 320)) for i in range(count))
        path = write_video(tmp_path / f"{count}.mp4", frames)
        tracemalloc.start()
        for frame in sampled(open_clip(path).frames(), 5):
            frame.pixels()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


def test_without_pyav_the_extra_is_named_and_gifs_still_work(tmp_path, monkeypatch):
    real = builtins.__import__

    def without_av(name, *arguments):
        if name.split(".")[0] == "av":
            raise ImportError(name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without_av)
    (tmp_path / "c.mp4").write_bytes(b"\0" * 100)
    with pytest.raises(FaceLLMError, match=r"pip install 'facellm\[clip\]'"):
        open_clip(tmp_path / "c.mp4")
    gif = write_gif(tmp_path / "c.gif", [flat(0), flat(200)])
    assert len(list(open_clip(gif).frames())) == 2


# --- animated pictures and folders ----------------------------------------------------------------


@pytest.mark.parametrize("ending", [".gif", ".webp", ".png"])
def test_animated_pictures_are_clips_with_the_times_they_are_shown(tmp_path, ending):
    path = write_gif(tmp_path / f"m{ending}", [flat(0), flat(80), flat(200)], [100, 300, 100])
    assert is_clip(path)
    clip = open_clip(path)
    frames = list(clip.frames())
    assert [f.time for f in frames] == pytest.approx([0.0, 0.1, 0.4])
    assert [grey(f) for f in frames] == pytest.approx([0, 80, 200], abs=3)
    assert clip.seconds() == pytest.approx(0.4)


@pytest.mark.parametrize("verb", ["show", "chat"])
def test_verbs_for_one_picture_refuse_a_clip_rather_than_take_its_first_frame(
    tmp_path, capsys, verb
):
    path = write_gif(tmp_path / "m.gif", [flat(0), flat(200)])
    out = ("-o", tmp_path / "o.png") if verb == "show" else ()
    assert f"{path}: is a clip, not a picture; `facellm ask`" in refused(capsys, verb, path, *out)


def test_a_conversation_refuses_a_clip_as_its_next_picture(tmp_path):
    path = write_gif(tmp_path / "m.gif", [flat(0), flat(200)])
    with pytest.raises(FaceLLMError, match="is a clip"):
        Session(Chat(None), crops=False).photo(str(path))


def test_pictures_with_one_frame_are_photographs(tmp_path):
    Image.fromarray(flat(9)).save(tmp_path / "one.gif")
    Image.fromarray(flat(9)).save(tmp_path / "one.png")
    Image.fromarray(flat(9)).save(tmp_path / "one.jpg")
    assert not any(is_clip(tmp_path / f"one.{ending}") for ending in ("gif", "png", "jpg"))
    assert len(list(open_clip(tmp_path / "one.gif").frames())) == 1


def test_a_gif_without_a_tail_keeps_what_comes_before(tmp_path):
    path = write_gif(tmp_path / "m.gif", noisy(8, (40, 40)))
    path.write_bytes(path.read_bytes()[: int(0.6 * path.stat().st_size)])
    kept, lost = losses_of(path)
    assert 2 <= len(kept) < 8
    assert lost == [f"1 time: cut off or damaged from here on (at {clock(0.1 * len(kept))})"]


def test_a_clip_is_known_by_its_beginning_too(tmp_path):
    path = write_gif(tmp_path / "moving.gif", [flat(0), flat(99)])
    assert is_clip(path.rename(tmp_path / "moving"))
    (tmp_path / "notes.txt").write_text("no clip")
    assert not is_clip(tmp_path / "notes.txt")
    assert is_clip(tmp_path / "not there.mp4")


def test_a_folder_is_a_clip_in_the_order_of_its_numbers(tmp_path):
    for number in (10, 2, 1):
        Image.fromarray(flat(number)).save(tmp_path / f"f{number}.png")
    (tmp_path / "notes.txt").touch()
    (tmp_path / "f3.png").write_text("damaged")
    frames = list(open_clip(tmp_path, 4.0).frames())
    assert [f.time for f in frames] == [0.0, 0.25, 0.5, 0.75]
    assert [grey(frames[i]) for i in (0, 1, 3)] == [1, 2, 10]
    with pytest.raises(FaceLLMError, match="not a picture"):
        frames[2].pixels()
    with pytest.raises(FaceLLMError, match="--frames RATE"):
        open_clip(tmp_path)
    with pytest.raises(FaceLLMError, match="must be above 0"):
        open_clip(tmp_path, 0.0)
    (tmp_path / "none").mkdir()
    with pytest.raises(FaceLLMError, match="no pictures"):
        open_clip(tmp_path / "none", 4.0)


def test_natural_order():
    names = ["f10.png", "F2.png", "f1.png", "a_3_10", "a_3_9", "12", "3"]
    assert sorted(names, key=natural) == [
        "a_3_9", "a_3_10", "f1.png", "F2.png", "f10.png", "3", "12",
    ]  # fmt: skip


def test_short_times_have_no_exponent():
    told = [short(seconds) for seconds in (0.04, 0.5, 9.94, 10.0, 153.2, 7200.0)]
    assert told == ["0.04", "0.5", "9.9", "10", "153", "7200"]
