"""Clips through the whole command: a folder of frames in, forged frames and masks out."""

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from facellm.clip.opening import open_clip
from facellm.instruct_data.forge.forge_command import main
from facellm.instruct_data.forge.reader import read_forged


@pytest.fixture(scope="module")
def shots(tmp_path_factory):
    """A photograph that sways, as 20 frames without loss."""
    folder = tmp_path_factory.mktemp("clip") / "shots"
    folder.mkdir()
    picture = cv2.resize(astronaut()[:320, 100:360], (208, 256), interpolation=cv2.INTER_AREA)
    for index in range(20):
        turned = cv2.getRotationMatrix2D((104, 100), 4 * np.sin(index / 4), 1.0)
        frame = cv2.warpAffine(picture, turned, (208, 256), borderMode=cv2.BORDER_REPLICATE)
        cv2.imwrite(str(folder / f"{index}.png"), frame[..., ::-1])
    return folder


@pytest.fixture(scope="module")
def rows(shots, tmp_path_factory):
    out = tmp_path_factory.mktemp("clips") / "out"
    methods = "frozen_identity,clip_seam,seam"
    typed = [str(shots), "-o", str(out), "--frames", "25", "--n", "2", "--methods", methods]
    assert main([*typed, "--quiet"]) == 0
    return list(read_forged(out))


def test_clips_take_clip_methods_only_and_the_copy_comes_once(rows):
    assert [(row.fake, row.making["method"]) for row in rows] == [
        (True, "frozen_identity"), (False, None), (True, "clip_seam")
    ]  # fmt: skip
    assert [row.forgery for row in rows] == ["id_preserving_t2v", None, "portrait_animation_dit"]
    assert {row.media for row in rows} == {"frames"}
    assert len({row.split for row in rows}) == 1


def test_frames_can_be_opened_as_a_clip_with_a_mask_each(rows):
    for row in rows:
        frames = list(open_clip(row.path, row.making["rate"]).frames())
        assert len(frames) == row.making["frames"] == 20
        assert frames[3].pixels().shape == (256, 208, 3)
        if row.fake:
            masks = list(open_clip(row.making["mask"], 25.0).frames())
            assert len(masks) == 20
            shares = [(mask.pixels() > 0).mean() for mask in masks]
            assert max(shares) < 0.5
            assert np.median(shares[16:]) > 0.01


def test_the_first_stretch_before_a_seam_is_untouched(rows):
    seam = next(row for row in rows if row.making["method"] == "clip_seam")
    real = next(row for row in rows if not row.fake)
    for index in range(16):
        pair = [(row.path / f"{index:05d}.jpg").read_bytes() for row in (seam, real)]
        assert pair[0] == pair[1]
    assert seam.making["drawn"]["seams"] == [16]


def test_a_short_clip_is_rejected_with_its_length(shots, tmp_path, capsys):
    few = tmp_path / "few"
    few.mkdir()
    for index in range(5):
        (few / f"{index}.png").write_bytes((shots / f"{index}.png").read_bytes())
    typed = [str(few), "-o", str(tmp_path / "out"), "--frames", "25", "--n", "1"]
    assert main([*typed, "--methods", "clip_seam", "--quiet"]) == 0
    assert "too few frames 1" in capsys.readouterr().out
    assert "5, clip_seam needs 20" in (tmp_path / "out" / "rejected.jsonl").read_text()
