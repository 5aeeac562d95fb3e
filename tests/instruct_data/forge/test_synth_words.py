"""What renders are asked for, and what is said of them: no rig is needed."""

import re

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facellm.errors import FaceLLMError
from facellm.instruct_data.forge.captions import ADVERBS, MENTIONED, SILENT, caption, hedged
from facellm.instruct_data.forge.codebook import (
    CODEBOOK,
    CORE,
    HIDING,
    parse_expressions,
    parse_units,
    pose_expression,
    pose_units,
)
from facellm.instruct_data.forge.skin import ITA_BINS, bin_of, ita_of, look_in, tone_of
from facellm.instruct_data.forge.synth_command import main
from facellm.labels import ACTION_UNITS, EXPRESSIONS, FACS

HEDGES = "|".join(word for _, word in ADVERBS)


def units_said(text):
    """An independent reader of captions: unit -> adverb, by the words of the FACS table."""
    found = {}
    for number, unit in FACS.items():
        first, verb, rest = re.split(r" (is|are) ", unit.phrase, maxsplit=1)
        match = re.search(rf"{first} {verb} ({HEDGES}) {rest}", text)
        if match:
            found[number] = match[1]
    return found


intensities = st.dictionaries(st.sampled_from(ACTION_UNITS), st.floats(0, 1, width=32), max_size=21)


@given(units=intensities, seed=st.integers(0, 9999))
def test_a_caption_mentions_every_unit_above_and_none_below(units, seed):
    said = units_said(caption(units, np.random.default_rng(seed)))
    assert {unit for unit, value in units.items() if value > MENTIONED} <= set(said)
    assert not {unit for unit in ACTION_UNITS if units.get(unit, 0) < SILENT} & set(said)


@given(units=intensities, seed=st.integers(0, 9999))
def test_names_and_numbers_of_a_caption_are_of_the_units_it_mentions(units, seed):
    text = caption(units, np.random.default_rng(seed))
    said = units_said(text)
    numbers = {int(number) for number in re.findall(r"AU(\d+)", text)}
    assert numbers <= set(said)
    assert {number for number, unit in FACS.items() if unit.name in text} <= set(said)
    assert not [word for word in EXPRESSIONS if word in text.lower()]


@pytest.mark.parametrize(
    ("intensity", "adverb"),
    [(0.1, "slightly"), (0.29, "slightly"), (0.3, "moderately"), (0.5, "clearly"),
     (0.75, "strongly"), (1.0, "strongly")],
)  # fmt: skip
def test_words_are_hedged_by_intensity(intensity, adverb):
    assert hedged(12, intensity) == f"the lip corners are {adverb} pulled up"
    assert hedged(26, intensity) == f"the jaw is {adverb} dropped"


def test_wording_varies_and_a_face_at_rest_has_words_too():
    rng = np.random.default_rng(0)
    assert len({caption({6: 0.5, 12: 0.9}, rng) for _ in range(60)}) >= 8
    assert units_said(caption({}, rng)) == {}
    assert "unit" in caption({}, rng)


def test_units_are_read_as_typed():
    assert parse_units("6:0.8,12:0.2-1") == {6: (0.8, 0.8), 12: (0.2, 1.0)}
    posed = pose_units(parse_units("6:0.8,12:0.2-1,1:0"), np.random.default_rng(0))
    assert posed.units[6] == 0.8
    assert 0.2 <= posed.units[12] <= 1
    assert 1 not in posed.units


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("12", "not of the form"),
        ("smile:1", "not of the form"),
        ("27:0.5", "AU27 is not one of"),
        ("12:0.5,12:0.6", "named twice"),
        ("12:1.5", r"\[0, 1\]"),
        ("12:0.9-0.2", "low end first"),
        ("12:nan", r"\[0, 1\]"),
        ("12:much", "'much'"),
        ("5:0.5,43:0.5", "AU5 and AU43 hide each other"),
    ],
)
def test_bad_units_are_named_with_their_bound(typed, words):
    with pytest.raises(FaceLLMError, match=words):
        parse_units(typed)


def test_an_expression_outside_of_the_codebook_is_refused():
    assert parse_expressions("all") == tuple(CODEBOOK)
    with pytest.raises(FaceLLMError, match="no 'contempt'"):
        parse_expressions("happiness,contempt")


@pytest.mark.parametrize("name", CODEBOOK)
def test_a_posed_expression_shows_its_core_and_nothing_outside_of_the_codebook(name):
    assert set(CORE[name]) <= set(CODEBOOK[name]) <= set(ACTION_UNITS)
    for seed in range(200):
        posed = pose_expression(name, np.random.default_rng(seed))
        assert set(CORE[name]) <= set(posed.units) <= set(CODEBOOK[name])
        assert all(0 < value <= 1 for value in posed.units.values())
        for unit in posed.units:
            hidden = {other for other in posed.units if frozenset((unit, other)) in HIDING}
            assert not hidden - set(CORE[name]) or unit in CORE[name]
        assert all(
            0.75 * posed.strength <= v <= 1.25 * posed.strength for v in posed.units.values()
        )


@pytest.mark.parametrize("wanted", ITA_BINS)
def test_a_look_of_a_bin_has_that_skin_by_its_albedo(wanted):
    """The angle computed here by hand: sRGB primaries, D65, CIE L*a*b*."""
    rng = np.random.default_rng(1)
    for _ in range(20):
        tone = tone_of(look_in(rng, wanted))
        xyz = np.array(
            [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
        )
        y, z = (xyz @ tone / (0.9505, 1.0, 1.089))[1:]
        lightness, yellow = 116 * np.cbrt(y) - 16, 200 * (np.cbrt(y) - np.cbrt(z))
        by_hand = np.degrees(np.arctan2(lightness - 50, yellow))
        assert ita_of(tone) == pytest.approx(by_hand, abs=0.5)
        assert bin_of(ita_of(tone)) == wanted


def test_bins_meet_without_a_gap():
    edges = sorted(ITA_BINS.values(), reverse=True)
    assert edges == list(ITA_BINS.values())
    for name, lowest in ITA_BINS.items():
        assert bin_of(lowest) == name
    assert bin_of(54.99) == "light"
    assert bin_of(-30.01) == "dark"
    grey = cv2.cvtColor(np.float32([[[0.2, 0.2, 0.2]]]), cv2.COLOR_LRGB2LAB)[0, 0]
    assert (
        abs(grey[2]) < 0.1
    )  # grey has no yellow: the angle is taken by both signs, not by a ratio


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["--n", "0"], "--n 0"),
        (["--size", "16"], "--size 16: must be from 32"),
        (["--people", "0"], "--people 0"),
        (["--workers", "0"], "--workers 0"),
        (["--seed", "-1"], "--seed -1"),
        (["--aus", "12:1", "--expression", "all"], "not allowed with"),
        ([], "no ICT-FaceKit light rig"),
    ],
)
def test_a_bad_command_is_told_before_anything_is_written(typed, words, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(FaceLLMError, match=words):
        main(["--rig", str(tmp_path), "-o", str(out), *typed])
    assert not out.exists()
