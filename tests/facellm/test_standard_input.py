"""Clips on standard input: the same answer as by path, within a bound, and no file is left."""

import errno
import io
import json
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from cli_runs import refused, start
from clip_files import CODECS, flat, write_gif, write_video
from PIL import Image
from skimage.data import astronaut

from facellm import standard_input
from facellm.cli import main
from facellm.clip.opening import begins_as_video, is_clip, open_clip
from facellm.standard_input import Piped

needs_av = pytest.mark.skipif(find_spec("av") is None, reason="PyAV is not installed")
needs_proc = pytest.mark.skipif(
    not Path("/proc/self/fd").is_dir(),
    reason="this system has no /proc: temporary files have names",
)


@pytest.fixture
def spool(tmp_path, monkeypatch):
    """An empty folder for temporary files."""
    folder = tmp_path / "spool"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.fixture(params=["nameless", "named"])
def kept(request, monkeypatch):
    """Both ways to keep the file: without a name where /proc is, with one elsewhere."""
    if request.param == "named":
        monkeypatch.setattr(standard_input, "OPEN_FILES", Path("/nowhere/fd"))
    elif not standard_input.OPEN_FILES.is_dir():
        pytest.skip("this system has no /proc")
    return request.param


def pipe(monkeypatch, data):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def faces(count):
    """The astronaut, small, a little further to the right in every frame."""
    small = np.asarray(Image.fromarray(astronaut()[:260, 90:350]).resize((128, 128)))
    return [np.roll(small, 2 * index, axis=1) for index in range(count)]


def moving(folder, ending):
    """A clip of 4 frames, .5 seconds apart."""
    path = folder / f"clip{ending}"
    if ending in CODECS:
        return write_video(path, faces(4), rate=2)
    return write_gif(path, faces(4), 500)


def answer(capsys, *arguments):
    assert main(["ask", *map(str, arguments), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    del found["timings"]
    return found


@pytest.mark.parametrize("ending", [pytest.param(".webm", marks=needs_av), ".gif"])
def test_a_piped_clip_is_answered_as_one_that_is_named(
    monkeypatch, capsys, tmp_path, tiny_checkpoint, spool, ending
):
    path = moving(tmp_path, ending)
    arguments = ("What changes?", "--model", tiny_checkpoint)
    by_path = answer(capsys, path, *arguments)
    pipe(monkeypatch, path.read_bytes())
    piped = answer(capsys, "-", *arguments)
    assert piped["clip"].pop("name") == "standard input"
    assert by_path["clip"].pop("name") == str(path)
    assert piped == by_path
    assert piped["clip"]["sampled_frames"] > 1
    assert list(spool.iterdir()) == []


def test_a_piped_photograph_never_becomes_a_file(
    monkeypatch, capsys, tmp_path, tiny_checkpoint, photo
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "no such folder"))
    pipe(monkeypatch, photo.read_bytes())
    assert answer(capsys, "-", "--model", tiny_checkpoint)["usage"]["faces"] == 1


@needs_av
def test_the_bound_is_named(monkeypatch, capsys, tmp_path, spool, kept):
    path = moving(tmp_path, ".mp4")
    monkeypatch.setattr(standard_input, "MOST_CLIP_BYTES", path.stat().st_size - 1)
    monkeypatch.setattr(standard_input, "CHUNK", 1000)
    pipe(monkeypatch, path.read_bytes())
    told = refused(capsys, "ask", "-")
    assert f"standard input: more than {path.stat().st_size - 1:,} bytes" in told
    assert list(spool.iterdir()) == []
    monkeypatch.setattr(standard_input, "MOST_CLIP_BYTES", path.stat().st_size)
    pipe(monkeypatch, path.read_bytes())
    with standard_input.read_stdin().file() as file:
        assert file.read_bytes() == path.read_bytes()


@needs_av
def test_what_is_wrong_with_a_piped_clip_is_told_of_standard_input(
    monkeypatch, capsys, tmp_path, spool, kept
):
    path = moving(tmp_path, ".mp4")
    pipe(monkeypatch, path.read_bytes()[:3000])  # its index stands at the end
    told = refused(capsys, "ask", "-")
    assert "standard input: not a video, or cut off before its first frame" in told
    assert list(spool.iterdir()) == []


def test_a_full_disk_is_told_with_its_folder(monkeypatch, spool):
    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    pipe(monkeypatch, b"")
    with pytest.raises(standard_input.FaceLLMError) as told:
        Piped(b"GIF89a", is_clip=True)._spool(Full())
    assert f"No space left on device after 6 bytes in {spool}; TMPDIR" in str(told.value)


@pytest.mark.parametrize("ended_by", [KeyboardInterrupt, MemoryError])
def test_however_the_work_ends_the_file_goes(monkeypatch, spool, kept, ended_by):
    pipe(monkeypatch, b" and more")
    with pytest.raises(ended_by), Piped(b"a start", is_clip=True).file() as file:  # noqa: PT012
        assert file.read_bytes() == b"a start and more"
        assert len(list(spool.iterdir())) == (kept == "named")
        raise ended_by
    assert list(spool.iterdir()) == []


def leads_to(link):
    """Of an open file; nothing where it was closed meanwhile."""
    try:
        return os.readlink(link)
    except FileNotFoundError:
        return ""


def feeding(path, spool):
    """The command with a part of a clip in its pipe, some of it on the disk."""
    environment = {**os.environ, "TMPDIR": str(spool)}
    process = start("ask", "-", stdin=subprocess.PIPE, env=environment)
    process.stdin.write(path.read_bytes()[:2000] + bytes(standard_input.START))
    process.stdin.flush()
    opened = Path(f"/proc/{process.pid}/fd")
    end = time.monotonic() + 60
    while not any(str(spool) in leads_to(link) for link in opened.iterdir()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return process


@needs_proc
@needs_av
@pytest.mark.parametrize("signal", ["SIGINT", "SIGKILL"])
def test_neither_an_interrupt_nor_a_kill_leaves_a_file(tmp_path, spool, signal):
    import signal as signals

    process = feeding(moving(tmp_path, ".mp4"), spool)
    process.send_signal(getattr(signals, signal))
    _, err = process.communicate(timeout=60)
    assert process.returncode == (130 if signal == "SIGINT" else -9)
    assert b"Traceback" not in err
    assert list(spool.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--samples", 1), "--samples 1: must lie in 2"),
        (("--crops",), "--crops takes a picture"),
        (("--frames", 5), "--frames needs a folder"),
    ],
)
def test_options_that_mean_nothing_for_it_are_told_before_anything_is_kept(
    monkeypatch, capsys, tmp_path, options, said
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "no such folder"))
    pipe(monkeypatch, moving(tmp_path, ".gif").read_bytes())
    assert said in refused(capsys, "ask", "-", *options)


def test_a_rate_of_frames_is_refused_for_a_piped_photograph_too(monkeypatch, capsys, photo):
    pipe(monkeypatch, photo.read_bytes())
    assert "--frames needs a folder" in refused(capsys, "ask", "-", "--frames", 5)


# --- what begins like a video ---------------------------------------------------------------------

CONTAINERS = {
    "mp4": "mpeg4", "mov": "mpeg4", "matroska": "mpeg4", "avi": "mpeg4", "mpegts": "mpeg2video",
    "flv": "flv", "asf": "wmv2", "mpeg": "mpeg1video", "ogg": "libvpx", "3gp": "mpeg4",
    "mpeg1video": "mpeg1video", "yuv4mpegpipe": "rawvideo",
}  # fmt: skip


@needs_av
@pytest.mark.parametrize(("container", "codec"), CONTAINERS.items())
def test_every_common_container_is_known_without_its_name(tmp_path, container, codec):
    import av

    path = tmp_path / "clip"
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV cannot write {codec}")
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt = 64, 64, "yuv420p"
        for index in range(30):
            frame = av.VideoFrame.from_ndarray(flat(8 * index, (64, 64)), format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    assert begins_as_video(path.read_bytes()[: standard_input.START])
    assert is_clip(path)
    assert len(list(open_clip(path).frames())) == 30


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "ICO", "TGA"])
def test_no_photograph_begins_like_a_video(tmp_path, kind):
    Image.fromarray(flat(99)).save(tmp_path / "one", kind)
    assert not begins_as_video((tmp_path / "one").read_bytes())
    assert not is_clip(tmp_path / "one")


@pytest.mark.parametrize("kind", ["TIFF", "MPO"])
def test_pages_and_pairs_of_pictures_are_no_clip(tmp_path, kind):
    first, second = Image.fromarray(flat(9)), Image.fromarray(flat(99))
    first.save(tmp_path / "two.png", kind, save_all=True, append_images=[second])
    assert not is_clip(tmp_path / "two.png")


def test_a_moving_webp_without_its_name_is_a_clip(tmp_path):
    path = write_gif(tmp_path / "m.webp", [flat(0), flat(200)]).rename(tmp_path / "m")
    assert is_clip(path)
    assert len(list(open_clip(path).frames())) == 2
