"""``facellm show``: what is drawn stands where it was found, and hiding is what it says."""

from dataclasses import replace

import numpy as np
import pytest
from cli_runs import refused
from PIL import Image

from facellm.assistant import FaceAssistant
from facellm.cli import main
from facellm.drawing import (
    CARD_HEIGHT,
    EXPRESSIONS,
    PHOTO_SIDE,
    draw_card,
    draw_photo,
    face_cards,
    face_colour,
    facts,
    hiding_effects,
    result_picture,
    tinted,
)
from facellm.region_hiding import REGIONS, hide, hiding_mask


@pytest.fixture(scope="module")
def assistant(tiny_checkpoint):
    return FaceAssistant.load(tiny_checkpoint)


@pytest.fixture
def pixels(make_face):
    return make_face(1).crop


@pytest.fixture
def card(assistant, pixels):
    (card,) = face_cards(assistant, pixels, crops=True)
    grid = np.stack(np.meshgrid(np.linspace(0.25, 0.75, 17), np.linspace(0.3, 0.8, 4)), -1)
    return replace(card, points_unit=grid.reshape(68, 2).astype(np.float32))


def test_effects_are_differences_of_two_readings(assistant, card):
    effects = hiding_effects(assistant, card.crop, card.points_unit, card.found)
    assert set(effects) == set(REGIONS)
    side, top = card.crop.shape[0], card.found.reading.top_expression
    mask = hiding_mask(card.points_unit * side, "mouth", side)
    hidden = assistant.read_crops([hide(card.crop, mask)])[0]
    expected = hidden.expression[top] - card.found.reading.expression[top]
    assert effects["mouth"] == pytest.approx(expected, abs=1e-5)


def test_without_landmarks_nothing_is_hidden(assistant, card):
    missing = np.full((68, 2), np.nan, np.float32)
    assert hiding_effects(assistant, card.crop, missing, card.found) == {}


@pytest.mark.parametrize(("change", "channel"), [(-0.6, 0), (0.6, 2)])
def test_only_the_region_is_tinted_red_for_a_fall_and_blue_for_a_rise(card, change, channel):
    flat = np.full((192, 192, 3), 120, np.uint8)
    drawn = np.asarray(tinted(replace(card, crop=flat, effects={"mouth": change}))).astype(int)
    mask = hiding_mask(card.points_unit * 192, "mouth", 192)
    assert (drawn[mask][:, channel] > 150).all()
    assert (drawn[~mask] == 120).all()


def test_the_box_is_drawn_where_the_face_is(card):
    black = np.zeros((500, 250, 3), np.uint8)
    drawn = np.asarray(draw_photo(black, [card]))
    assert max(drawn.shape) == PHOTO_SIDE
    box = card.found.face.box_xyxy
    column, row = round(box.left * 2), round((box.top + box.bottom) / 2 * 2)
    assert tuple(drawn[row, column]) == face_colour(card)
    assert (drawn[:5, -40:] == 0).all()


def test_bars_are_as_long_as_the_shares(card):
    def bar(share):
        others = (1 - share) / (len(EXPRESSIONS) - 1)
        shares = dict.fromkeys(EXPRESSIONS, others) | {EXPRESSIONS[0]: share}
        reading = replace(card.found.reading, expression=shares)
        row = np.asarray(draw_card(replace(card, found=replace(card.found, reading=reading))))[48]
        return int((row == (70, 110, 170)).all(1).sum())

    assert bar(0.9) == pytest.approx(3 * bar(0.3), abs=4)


def test_every_face_has_a_card_and_no_face_is_said(card, pixels):
    two = result_picture(pixels, [card, replace(card, found=replace(card.found, id=2))])
    assert two.height >= 2 * CARD_HEIGHT
    assert result_picture(pixels, []).width == two.width
    assert any("apparent age" in line for line in facts(card.found))
    bare = replace(card.found, reading=replace(card.found.reading, pose=None))
    assert "head not measured" in facts(bare)


def test_the_command_writes_a_picture(tiny_checkpoint, pixels, tmp_path, capsys):
    Image.fromarray(pixels).save(tmp_path / "face.png")
    out = tmp_path / "result.png"
    face = str(tmp_path / "face.png")
    assert main(["show", face, "--crops", "-o", str(out), "--model", str(tiny_checkpoint)]) == 0
    assert "1 face drawn" in capsys.readouterr().err
    with Image.open(out) as drawn:
        assert drawn.width > PHOTO_SIDE


def test_bad_targets_are_refused_before_anything_is_read(capsys, tmp_path):
    assert "legal endings" in refused(capsys, "show", "x.jpg", "-o", tmp_path / "out.txt")
    assert "does not exist" in refused(capsys, "show", "x.jpg", "-o", tmp_path / "no" / "out.png")
    assert "x.jpg" in refused(capsys, "show", "x.jpg", "-o", tmp_path / "out.png")
