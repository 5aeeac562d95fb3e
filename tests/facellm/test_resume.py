"""Long runs: journal, workers, kill -9 and resume, bad pictures that bring a decoder down."""

import errno
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from cli_runs import refused
from deadly_pictures import die_on_three
from PIL import Image

from facellm import block_reading, decoding
from facellm.cli import main
from facellm.decoding import CRASHED, decode
from facellm.errors import FaceLLMError
from facellm.journal import Block, Journal, resumable

RUN = {"facellm": "0.1.0", "columns": "default", "pictures": 5}


def blocks(count):
    return [
        Block(2, [{"input": f"{n}.jpg", "AU12": 0.5}], [(f"{n}.png", "no face found")], 0)
        for n in range(count)
    ]


# --- the journal ----------------------------------------------------------------------------------


def test_a_journal_gives_back_what_was_appended(tmp_path):
    path = tmp_path / "t.journal"
    journal = Journal(path, RUN, resume=False)
    for block in blocks(3):
        journal.append(block)
    assert list(journal) == blocks(3)
    again = Journal(path, RUN, resume=True)
    assert again.blocks == 3
    assert list(again) == blocks(3)


@pytest.mark.parametrize("lost", [1, 7, 40])
def test_a_torn_line_is_dropped_and_the_rest_kept(tmp_path, lost):
    path = tmp_path / "t.journal"
    journal = Journal(path, RUN, resume=False)
    for block in blocks(2):
        journal.append(block)
    os.truncate(path, path.stat().st_size - lost)
    again = Journal(path, RUN, resume=True)
    assert again.blocks == 1
    again.append(blocks(2)[1])
    assert list(again) == blocks(2)


def test_a_full_disk_is_told_with_the_way_to_go_on(
    tmp_path, capsys, monkeypatch, photo, tiny_checkpoint
):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    out = tmp_path / "t.csv"
    arguments = ("read", photo, "-o", out, "--model", tiny_checkpoint, "--engine", "torch")
    with monkeypatch.context() as patch:
        patch.setattr("facellm.journal.os.fsync", full)
        told = refused(capsys, *arguments)
    way = "what is done is kept, --resume goes on"
    assert f"error: {out}: No space left on device; {way}" in told
    assert not out.exists()
    assert main([*map(str, arguments), "--resume"]) == 0
    assert len(pd.read_csv(out)) == 1


def test_a_finished_table_is_not_resumed_by_this_or_another_version(tmp_path, capsys, photo):
    out = tmp_path / "t.csv"
    out.write_text("of whatever version\n")
    told = refused(capsys, "read", photo, "-o", out, "--resume")
    assert f"{out}: is finished (t.csv.journal is gone), so there is nothing to resume" in told
    assert "without --resume it is replaced" in told
    assert out.read_text() == "of whatever version\n"


def test_a_table_that_was_never_begun_promises_no_way_on(tmp_path):
    with pytest.raises(FaceLLMError) as told, resumable(tmp_path / "t.csv"):
        (tmp_path / "no" / "t.csv").write_text("")
    assert str(told.value) == f"{tmp_path / 'no' / 't.csv'}: No such file or directory"


def test_another_runs_journal_is_refused_with_the_differences(tmp_path):
    path = tmp_path / "t.journal"
    Journal(path, RUN, resume=False)
    with pytest.raises(FaceLLMError, match=r"columns was 'default', is 'arkit'.*without --resume"):
        Journal(path, RUN | {"columns": "arkit"}, resume=True)
    path.write_text("input,frame\n")
    with pytest.raises(FaceLLMError, match="not a journal"):
        Journal(path, RUN, resume=True)


def test_without_resume_an_old_journal_is_replaced(tmp_path):
    path = tmp_path / "t.journal"
    Journal(path, RUN, resume=False).append(blocks(1)[0])
    assert list(Journal(path, RUN, resume=False)) == []


# --- decoding -------------------------------------------------------------------------------------


@pytest.fixture
def pictures(tmp_path):
    paths = []
    for number in range(6):
        path = tmp_path / f"{number}.png"
        Image.fromarray(np.full((4, 5, 3), number, np.uint8)).save(path)
        paths.append(path)
    paths[2].write_text("not a picture")
    return paths


@pytest.mark.parametrize("workers", [0, 2])
def test_pictures_come_in_order_and_bad_ones_with_their_reason(pictures, workers):
    found = list(decode(pictures, workers))
    assert [path for path, _ in found] == pictures
    for number, (_, pixels) in enumerate(found):
        if number == 2:
            assert "not a picture" in pixels
        else:
            assert pixels.shape == (4, 5, 3)
            assert (pixels == number).all()


def test_a_picture_that_kills_its_decoder_is_a_bad_file(pictures, monkeypatch):
    monkeypatch.setattr(decoding, "pixels_or_reason", die_on_three)
    before, deadly, after = pictures[2:5]
    found = dict(decode([before, deadly, after], 1))
    assert list(found) == [before, deadly, after]
    assert found == {before: "fine", deadly: CRASHED, after: "fine"}


def test_no_more_is_decoded_ahead_than_fits(pictures, monkeypatch):
    taken = []

    def watched(files):
        for path in files:
            taken.append(path)
            yield path

    stream = decode(watched(pictures), 1)
    next(stream)
    assert len(taken) <= 1 + decoding.AHEAD
    stream.close()


# --- the verb -------------------------------------------------------------------------------------


@pytest.fixture
def many(photo, tmp_path):
    """Seven pictures of a face in different places, and one that is none."""
    folder = tmp_path / "many"
    folder.mkdir()
    with Image.open(photo) as picture:
        pixels = np.asarray(picture)
    for index in range(7):
        Image.fromarray(np.roll(pixels, 4 * index, axis=1)).save(folder / f"{index}.jpg")
    (folder / "bad.jpg").write_text("not a picture")
    return folder


def read(*arguments):
    return main(["read", *map(str, arguments)])


def test_workers_change_nothing(many, tiny_checkpoint, tmp_path):
    tables = []
    for workers in (0, 2):
        out = tmp_path / f"{workers}.csv"
        assert read(many, "-o", out, "--workers", workers, "--model", tiny_checkpoint) == 0
        tables.append(out.read_bytes())
    assert tables[0] == tables[1]


def test_an_interrupted_run_goes_on_and_ends_in_the_same_table(
    many, tiny_checkpoint, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(block_reading, "BLOCK", 3)
    whole, cut = tmp_path / "whole.csv", tmp_path / "cut.csv"
    assert read(many, "-o", whole, "--model", tiny_checkpoint) == 0
    real, seen = block_reading.read_block, []

    def stop_at_the_third(*arguments):
        seen.append(1)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(block_reading, "read_block", stop_at_the_third)
    assert read(many, "-o", cut, "--model", tiny_checkpoint) == 130
    assert "6 of 8 pictures are done; --resume goes on" in capsys.readouterr().err
    assert not cut.exists()
    monkeypatch.setattr(block_reading, "read_block", real)
    assert read(many, "-o", cut, "--resume", "--model", tiny_checkpoint) == 0
    assert cut.read_bytes() == whole.read_bytes()
    problems = [(tmp_path / f"{name}.csv.problems.csv").read_text() for name in ("whole", "cut")]
    assert problems[0] == problems[1]
    assert not list(tmp_path.glob("*.journal"))


@pytest.mark.slow
def test_a_run_killed_at_any_moment_is_resumed_to_the_same_table(tiny_checkpoint, photo, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    with Image.open(photo) as picture:
        pixels = np.asarray(picture.resize((256, 256)))
    for index in range(40):
        Image.fromarray(np.roll(pixels, index, axis=1)).save(folder / f"{index:03d}.jpg")
    out, journal = tmp_path / "faces.csv", tmp_path / "faces.csv.journal"
    command = ["read", folder, "-o", out, "--model", tiny_checkpoint, "--quiet"]
    process = subprocess.Popen([sys.executable, "-m", "facellm", *map(str, command)])
    deadline = time.monotonic() + 180
    while not (journal.exists() and journal.read_text().count("\n") > 1):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not out.exists()
    assert main([*map(str, command), "--resume"]) == 0
    resumed = out.read_bytes()
    assert main([*map(str, command)]) == 0
    assert out.read_bytes() == resumed
    assert pd.read_csv(out)["input"].nunique() == 40
    counts = json.loads((tmp_path / "faces.csv.manifest.json").read_text())["counts"]
    assert counts["pictures"] == 40


def test_bad_settings_are_refused(photo, capsys, tmp_path):
    assert "-o TABLE" in refused(capsys, "read", photo, "--resume")
    assert "--workers -1" in refused(capsys, "read", photo, "--workers", "-1")
