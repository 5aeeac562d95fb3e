"""Readouts: the model's restricted distributions, and what they become, by hand-computed cases."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from facellm.context import reading_text
from facellm.labels import ACTION_UNITS, EXPRESSIONS, GAZE_DEGREES, QUERIES, QUERY_INDEX
from facellm.readout import Calibration, Measured, quantile, reading_from_logprobs, shifted

MEASURED = Measured(
    (10.0, -5.0, 2.0),
    dict.fromkeys(("lip_corner_lift", "mouth_open", "brow_height"), 1.0),
    0.8,
)


def tables(**chosen) -> list[np.ndarray]:
    """Log-distributions of every query: uniform, but for the shares given by query name."""
    out = []
    for query in QUERIES:
        shares = chosen.get(query.name, [1 / len(query.labels)] * len(query.labels))
        out.append(np.log(np.maximum(np.asarray(shares, float), 1e-300)))
    return out


def read(measured: Measured | None = MEASURED, below: float = 0.0, **chosen):
    return reading_from_logprobs(tables(**chosen), measured, Calibration(abstain_below=below))


def ages(**shares: float) -> list[float]:
    row = [0.0] * 117
    for year, value in shares.items():
        row[int(year[1:])] = value
    return row


def test_expression_is_the_distribution_and_confidence_its_largest_share():
    shares = [0.05, 0.6, 0.1, 0.05, 0.05, 0.05, 0.05, 0.05]
    reading = read(expr=shares)
    assert reading.expression == pytest.approx(dict(zip(EXPRESSIONS, shares, strict=True)))
    assert reading.top_expression == "happiness"
    assert reading.confidence == pytest.approx(0.6)


def test_evidence_stands_out_and_is_allowed_for_the_expression_read():
    measured = Measured(
        (0, 0, 0), {"lip_corner_lift": 1.8, "mouth_open": 0.3, "brow_height": -2}, 1
    )
    happy = tables(expr=[0.1, 0.9, 0, 0, 0, 0, 0, 0])
    cited = {"happiness": ("lip_corner_lift+", "mouth_open+", "brow_height+"), "anger": ()}
    every = reading_from_logprobs(happy, measured, Calibration())
    assert every.evidence == ("lip_corner_lift", "brow_height")
    chosen = reading_from_logprobs(happy, measured, Calibration(cited=cited))
    assert chosen.evidence == ("lip_corner_lift",)  # the brows are low, only raised ones count
    surprised = tables(expr=[0.1, 0, 0.9, 0, 0, 0, 0, 0])
    assert reading_from_logprobs(surprised, measured, Calibration(cited=cited)).evidence == ()
    assert reading_from_logprobs(happy, None, Calibration()).evidence == ()


@pytest.mark.parametrize(("below", "abstains"), [(0.59, False), (0.61, True)])
def test_it_abstains_below_the_threshold_and_only_there(below, abstains):
    reading = read(expr=[0.6, 0.4, 0, 0, 0, 0, 0, 0], below=below)
    assert reading.abstain is abstains


def test_a_units_probability_is_one_minus_level_nought():
    reading = read(au12=[0.3, 0.1, 0.2, 0.1, 0.2, 0.1], au4=[1, 0, 0, 0, 0, 0])
    assert reading.action_units[12].probability == pytest.approx(0.7)
    # levels 0..5 are intensities 0, .2, .4, .6, .8, 1
    assert reading.action_units[12].intensity == pytest.approx(0.02 + 0.08 + 0.06 + 0.16 + 0.1)
    assert reading.action_units[4].probability == pytest.approx(0.0)
    assert list(reading.action_units) == list(ACTION_UNITS)


def test_age_mean_and_interval_of_a_hand_computed_case():
    reading = read(age=ages(_20=0.25, _30=0.5, _60=0.25))
    assert reading.age.mean == pytest.approx(0.25 * 20 + 0.5 * 30 + 0.25 * 60)
    # Each year's share is spread over [year - 1/2, year + 1/2].
    assert reading.age.low == pytest.approx(19.5 + 0.1 / 0.25)
    assert reading.age.high == pytest.approx(59.5 + 0.15 / 0.25)


def test_quantiles_of_a_uniform_decade():
    shares = np.array([0.0] * 30 + [0.1] * 10)
    assert quantile(shares, 0.1) == pytest.approx(30.5)
    assert quantile(shares, 0.5) == pytest.approx(34.5)
    assert quantile(shares, 0.9) == pytest.approx(38.5)


@given(st.lists(st.floats(0.01, 1), min_size=2, max_size=117), st.floats(0.01, 0.98))
def test_quantiles_never_fall_and_stay_in_range(weights, at):
    shares = np.array(weights) / sum(weights)
    low, high = quantile(shares, at), quantile(shares, at + 0.01)
    assert 0 <= low <= high + 1e-9
    assert high <= len(shares) - 0.5 + 1e-9


def test_a_certain_newborn_is_not_of_negative_age():
    age = read(age=ages(_0=1.0)).age
    assert (age.mean, age.low) == pytest.approx((0, 0), abs=1e-9)
    assert age.high <= 0.5


def test_yes_no_queries_give_the_probability_of_yes():
    reading = read(mask=[0.9, 0.1], mouth_open=[0.2, 0.8], fake=[0.25, 0.75], gender=[0.4, 0.6])
    assert reading.mask == pytest.approx(0.1)
    assert reading.mouth_open == pytest.approx(0.8)
    assert reading.generated == pytest.approx(0.75)
    assert reading.gender == pytest.approx({"female": 0.4, "male": 0.6})


def test_generated_is_shifted_in_its_log_odds_and_nothing_else_is():
    chosen = {"fake": [0.25, 0.75], "mask": [0.25, 0.75]}
    moved = reading_from_logprobs(
        tables(**chosen), MEASURED, Calibration(generated_shift=math.log(9))
    )
    assert moved.generated == pytest.approx(0.25)  # odds 3 / 9
    assert moved.mask == pytest.approx(0.75)
    assert shifted(0.4, 0.0) == pytest.approx(0.4)
    assert (shifted(1.0, 3.0), shifted(0.0, 3.0)) == pytest.approx((1.0, 0.0), abs=1e-6)


def test_gaze_is_the_expectation_over_its_bins():
    shares = [0.0] * len(GAZE_DEGREES)
    shares[GAZE_DEGREES.index(-20)], shares[GAZE_DEGREES.index(10)] = 0.5, 0.5
    assert read(gaze_yaw=shares).gaze == pytest.approx((-5.0, 0.0))


def test_logprobs_that_are_not_normalised_are_taken_by_their_ratio():
    shifted = [table - 3.0 for table in tables(expr=[0.6, 0.4, 0, 0, 0, 0, 0, 0])]
    reading = reading_from_logprobs(shifted, None, Calibration())
    assert reading.expression["neutral"] == pytest.approx(0.6)
    assert sum(reading.expression.values()) == pytest.approx(1)


def test_without_landmarks_geometry_is_none_and_the_context_says_so():
    reading = read(measured=None)
    assert (reading.geometry, reading.pose, reading.quality) == (None, None, 0.0)
    assert "<no_geometry>" in reading_text(reading)
    there = read()
    assert (there.pose, there.geometry) == (MEASURED.pose, MEASURED.zscores)
    assert "<no_geometry>" not in reading_text(there)


@pytest.mark.parametrize("change", ["missing query", "missing label", "extra label"])
def test_wrong_sizes_are_refused(change):
    given_tables = tables()
    if change == "missing query":
        given_tables.pop()
    else:
        wanted = 116 if change == "missing label" else 118
        given_tables[QUERY_INDEX["age"]] = np.zeros(wanted)
    with pytest.raises(ValueError, match=r"sizes \[8, 6"):
        reading_from_logprobs(given_tables, None, Calibration())


def test_calibration_survives_its_file(tmp_path):
    cited = {"happiness": ("mouth_open+",), "anger": ()}
    calibration = Calibration(abstain_below=0.43, units_on_real_faces=(12, 25), cited=cited)
    calibration.save(tmp_path / "calibration.json")
    assert Calibration.load(tmp_path / "calibration.json") == calibration
    assert json.loads((tmp_path / "calibration.json").read_text())["abstain_below"] == 0.43


# -- the model's side ------------------------------------------------------------------------------


def test_readouts_are_the_full_softmax_restricted_and_renormalised(model, processor, make_face):
    batch = processor.reading_prompt([make_face(1), make_face(2)])
    embeds = model.embed(batch["input_ids"], batch["pixel_values"], batch["landmarks"])
    found = model.readouts(embeds, None, batch["query_positions"], processor.label_ids)
    inputs = {name: batch[name] for name in ("input_ids", "pixel_values", "landmarks")}
    chances = model(**inputs).logits.double().softmax(-1)
    assert len(found) == len(QUERIES)
    for index, query in enumerate(QUERIES):
        place = batch["input_ids"].shape[1] - len(QUERIES) + index
        assert batch["input_ids"][0, place] == processor.token_id(query.token)
        ids = [processor.token_id(label) for label in query.labels]
        wanted = chances[:, place, ids] / chances[:, place, ids].sum(-1, keepdim=True)
        assert torch.allclose(found[index].exp().double(), wanted, atol=1e-5), query.name
        assert wanted.std(-1).max() > 1e-3  # not uniform


def test_readouts_of_a_face_alone_equal_those_in_a_batch(model, processor, make_face):
    def read(faces):
        batch = processor.reading_prompt(faces)
        embeds = model.embed(batch["input_ids"], batch["pixel_values"], batch["landmarks"])
        return model.readouts(embeds, None, batch["query_positions"], processor.label_ids)

    faces = [make_face(1), make_face(2, landmarks=False), make_face(3)]
    together = read(faces)
    for row, face in enumerate(faces):
        for alone, many in zip(read([face]), together, strict=True):
            assert torch.allclose(alone[0], many[row], atol=1e-5)
    assert not torch.allclose(together[0][0], together[0][2], atol=1e-3)


def test_a_readout_does_not_depend_on_the_queries_after_it(model, processor, make_face):
    batch = processor.reading_prompt([make_face(1)])
    embeds = model.embed(batch["input_ids"], batch["pixel_values"], batch["landmarks"])
    positions, ids = batch["query_positions"], processor.label_ids
    whole = model.readouts(embeds, None, positions, ids)
    cut = model.readouts(embeds[:, : positions[5] + 1], None, positions[:6], ids[:6])
    assert torch.allclose(whole[5], cut[5], atol=1e-5)
