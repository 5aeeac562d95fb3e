"""Held-out pictures are cut, read and asked about as the product does it, on a random toy model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facellm import region_hiding
from facellm.assistant import FaceAssistant
from facellm.errors import FaceLLMError
from facellm.eval import answering
from facellm.eval.held_out import TEST, HeldOut, spread
from facellm.face import Square, crop_image
from facellm.prepared import landmark_square
from facellm.prepared_crops import GUESS_SIDE


def oval_points(side: int) -> np.ndarray:
    """68 points of a plausible face in the middle of a picture, (68, 2) in [0, 1]."""
    turn = np.linspace(np.pi, 0, 17)
    points = np.full((68, 2), 0.5)
    points[:17] = np.column_stack([0.5 + 0.3 * np.cos(turn), 0.5 + 0.3 * np.sin(turn)])
    points[17:27] = np.column_stack([np.linspace(0.28, 0.72, 10), np.full(10, 0.35)])
    points[27:36] = np.column_stack([np.linspace(0.45, 0.55, 9), np.linspace(0.45, 0.6, 9)])
    for start, x in ((36, 0.38), (42, 0.62)):
        circle = np.linspace(0, 2 * np.pi, 6, endpoint=False)
        points[start : start + 6] = np.column_stack(
            [x + 0.06 * np.cos(circle), 0.44 + 0.02 * np.sin(circle)]
        )
    circle = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    points[48:] = np.column_stack([0.5 + 0.1 * np.cos(circle), 0.7 + 0.04 * np.sin(circle)])
    return points.astype(np.float32)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two prepared sets of noise: grey 48 px and colour 64 px, every second row with landmarks."""
    folder, rng = tmp_path_factory.mktemp("cache"), np.random.default_rng(0)
    for name, side, channels in (("ferplus", 48, 1), ("utkface", 64, 3)):
        (folder / name).mkdir()
        shape = (10, side, side, channels)
        np.save(folder / name / "images.npy", rng.integers(0, 255, shape).astype(np.uint8))
        points = np.repeat(oval_points(side)[None], 10, axis=0)
        points[::2] = np.nan
        np.save(folder / name / "landmarks.npy", points)
        np.savez(folder / name / "labels.npz", split=np.repeat([0, 2], 5), age=np.arange(10))
    return folder


@pytest.fixture(scope="module")
def assistant(tiny_checkpoint: Path) -> FaceAssistant:
    return FaceAssistant.load(tiny_checkpoint)


def test_crop_sets_are_given_whole(assistant: FaceAssistant, cache: Path):
    held_out = HeldOut(assistant, cache)
    size = assistant.checkpoint.processor.crop_size
    grey = held_out.data("ferplus").images[7]
    expected = crop_image(np.repeat(grey, 3, axis=2), Square(0, 0, 48.0), size)
    assert np.array_equal(held_out.crop("ferplus", 7), expected)


def test_other_sets_are_cut_by_the_square_of_their_landmarks(assistant: FaceAssistant, cache: Path):
    held_out = HeldOut(assistant, cache)
    size, data = assistant.checkpoint.processor.crop_size, held_out.data("utkface")
    x, y, side = landmark_square(data.points(7))
    expected = crop_image(
        np.asarray(data.images[7]), Square(x - side / 2, y - side / 2, side), size
    )
    difference = held_out.crop("utkface", 7).astype(int) - expected
    assert np.abs(difference).max() <= 1  # points are float32 in a Face, float64 here


def test_without_landmarks_a_fixed_square_is_cut_and_counted(assistant: FaceAssistant, cache: Path):
    held_out = HeldOut(assistant, cache)
    size, side = assistant.checkpoint.processor.crop_size, 64 * GUESS_SIDE
    square = Square(32 - side / 2, 64 * 0.52 - side / 2, side)
    expected = crop_image(np.asarray(held_out.data("utkface").images[8]), square, size)
    assert np.array_equal(held_out.crop("utkface", 8), expected)
    assert held_out.guessed("utkface") == 2  # rows 6 and 8 of the test rows 5 to 9


def test_columns_hold_the_assistants_own_readings(assistant: FaceAssistant, cache: Path):
    held_out = HeldOut(assistant, cache)
    columns, rows = held_out.columns("utkface"), held_out.rows("utkface")
    reading = assistant.read_crops([held_out.crop("utkface", int(rows[2]))])[0]
    assert columns.age[2, 0] == pytest.approx(reading.age.mean, abs=1e-3)
    assert columns.unit(12)[2] == pytest.approx(reading.action_units[12].probability, abs=1e-5)
    assert columns.take(rows >= 7).age[0, 0] == columns.age[2, 0]


def test_a_limit_spreads_over_the_split_and_a_missing_set_is_named(
    assistant: FaceAssistant, cache: Path
):
    assert HeldOut(assistant, cache, limit=3).rows("utkface", TEST).tolist() == [5, 7, 9]
    assert spread(np.arange(4), 9).tolist() == [0, 1, 2, 3]
    with pytest.raises(FaceLLMError, match="rig: no prepared set"):
        HeldOut(assistant, cache).columns("rig")


def test_answers_side_by_side_equal_the_assistants_answers(assistant: FaceAssistant, cache: Path):
    held_out = HeldOut(assistant, cache)
    crops = [held_out.crop("utkface", row) for row in range(6)]
    questions = ["How old is he?", "Does she smile?", "Why?"] * 2
    found = answering.ask_many(assistant, crops, questions, longest=24)
    for crop, question, answer in zip(crops, questions, found, strict=True):
        [alone] = answering.ask_many(assistant, [crop], [question], longest=24)
        assert (answer.text, answer.intent) == (alone.text, alone.intent)
    whole = answering.ask_many(assistant, crops[:2], questions[:2])
    for crop, question, answer in zip(crops, questions, whole, strict=False):
        product = assistant.ask(crop, question, crops=True)
        assert (answer.text, answer.intent) == (product.text, product.intent)


def test_a_hidden_region_and_its_rival_have_one_area_and_share_no_pixel():
    points = oval_points(96) * 96.0
    for cited in region_hiding.REGIONS:
        taken = region_hiding.hiding_mask(points, cited, 96)
        for other in set(region_hiding.REGIONS) - {cited}:
            rival = region_hiding.rival_mask(points, other, taken)
            assert rival.sum() == taken.sum() > 0
            assert not (rival & taken).any()


def test_a_hiding_mask_holds_the_regions_points():
    points = oval_points(96) * 96.0
    mask = region_hiding.hiding_mask(points, "mouth", 96)
    x, y = np.round(points[48:68]).astype(int).T
    assert mask[y, x].all()
    assert not mask[:40].any()  # nothing of brows and eyes


def test_hiding_paints_the_mask_in_the_mean_colour_and_leaves_the_rest():
    rng = np.random.default_rng(1)
    crop = rng.integers(0, 255, (96, 96, 3)).astype(np.uint8)
    mask = np.zeros((96, 96), bool)
    mask[40:60, 40:60] = True
    hidden = region_hiding.hide(crop, mask)
    mean = crop.reshape(-1, 3).mean(0)
    assert np.abs(hidden[45:55, 45:55] - mean).max() <= 1
    assert np.array_equal(hidden[:30], crop[:30])
