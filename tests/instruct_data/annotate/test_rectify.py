"""Rectification: two readers, a bound each, and what happens to labels neither agrees with."""

from dataclasses import replace

import numpy as np
import pytest
from corpus_drafts import SIDE, draft, points

from facellm.errors import FaceLLMError
from facellm.instruct_data.annotate.facts import shipped_geometry
from facellm.instruct_data.annotate.fit_rectifier import far, other_labels
from facellm.instruct_data.annotate.rectify import REASON, RectifyStep
from facellm.instruct_data.annotate.rectify_reader import (
    Rectifier,
    expression_scores,
    features,
    unit_scores,
)
from facellm.instruct_data.corpus.record import Draft
from facellm.instruct_data.synthetic_readings import sample_reading
from facellm.labels import ACTION_UNITS, EXPRESSIONS
from facellm.readers.row import Rejection
from facellm.reading import UnitReading

PICTURE = np.zeros((SIDE, SIDE, 3), np.uint8)
N_UNITS, N_NAMES = len(ACTION_UNITS), len(EXPRESSIONS)
SMILE = points(lift_by=0.1, open_by=0.2)


@pytest.fixture
def weights(tmp_path):
    """A rectifier whose geometry reader is sure of AU12, and of happiness, on ``SMILE`` only."""
    seen = features(np.stack([SMILE, points()]), shipped_geometry())
    apart = seen[0] - seen[1]
    toward = apart / (apart @ apart) * 12  # logit 6 on the smile, -6 on the other
    unit_weights = np.zeros((seen.shape[1], N_UNITS))
    unit_weights[:, ACTION_UNITS.index(12)] = toward
    named = np.zeros((seen.shape[1], N_NAMES))
    named[:, EXPRESSIONS.index("happiness")] = toward
    rectifier = Rectifier(
        mean=seen.mean(axis=0),
        std=np.ones(seen.shape[1]),
        unit_weights=unit_weights,
        unit_bias=np.where(np.array(ACTION_UNITS) == 12, 0.0, -6.0),
        expression_weights=named,
        expression_bias=np.zeros(N_NAMES),
        unit_prior=np.full(N_UNITS, 0.05),
        expression_prior=np.full(N_NAMES, 1 / N_NAMES),
        unit_right=np.zeros((2, 10, N_UNITS)),  # bounds of 0: likelier than at large
        expression_right=np.zeros((2, 10)),
        published=np.array(False),
    )
    rectifier.save(tmp_path / "rectifier.npz")
    return tmp_path / "rectifier.npz"


def reading(expression="happiness", active=(12,)):
    units = {n: UnitReading(0.95 if n in active else 0.02, 0.5) for n in ACTION_UNITS}
    shares = {name: 0.93 if name == expression else 0.01 for name in EXPRESSIONS}
    made = sample_reading(np.random.default_rng(0))
    return replace(made, expression=shares, action_units=units)


def coded(*active):
    return {number: float(number in active) for number in ACTION_UNITS}


def judged(weights, face, read, **labels):
    made = draft(face=face, picture=PICTURE, **labels)
    return RectifyStep(str(weights)).judge([made], [read])[0]


def test_a_label_both_readers_agree_with_is_kept_with_its_scores(weights):
    kept = judged(weights, SMILE, reading(), units=coded(12))
    assert isinstance(kept, Draft)
    assert len(kept.notes["rectify"]["units"]) == 2
    assert min(kept.notes["rectify"]["units"]) > 0
    assert isinstance(judged(weights, SMILE, reading(), expression="happiness"), Draft)


@pytest.mark.parametrize(
    ("face", "read", "labels", "who"),
    [
        (SMILE, reading(), {"units": coded(15)}, "geometry .* model "),
        (points(), reading(), {"units": coded(12)}, "geometry "),
        (SMILE, reading(active=()), {"units": coded(12)}, "model "),
        (SMILE, reading(), {"expression": "fear"}, "geometry .* model "),
        (SMILE, reading("anger"), {"expression": "happiness"}, "model "),
        (SMILE, reading(), {"votes": (0, 0, 0, 9, 1, 0, 0, 0, 0, 0)}, "geometry .* model "),
    ],
)
def test_one_reader_that_disagrees_rejects_and_is_named(weights, face, read, labels, who):
    found = judged(weights, face, read, **labels)
    assert isinstance(found, Rejection)
    assert found.reason == REASON
    said = [name for name in ("geometry", "model") if f"{name} -" in found.detail]
    assert said == who.replace(".* ", "").split()


def test_only_units_a_set_coded_count(weights):
    """AU15 is not read and not coded: its absence from the label is no evidence."""
    found = judged(weights, SMILE, reading(active=(12, 15)), units={12: 1.0})
    assert isinstance(found, Draft)


def test_what_has_no_label_no_picture_or_several_faces_passes_with_an_empty_note(weights):
    step = RectifyStep(str(weights))
    labelled = draft(face=SMILE, picture=PICTURE, units=coded(15))
    others = [
        draft(face=SMILE, picture=PICTURE, age=30),
        draft(face=SMILE, units=coded(15)),
        draft(picture=PICTURE, units=coded(15)),
        replace(labelled, faces=labelled.faces * 2),
    ]
    assert [d.notes for d in step(others)] == [{"rectify": {}}] * 4


def test_the_model_reads_in_batches_in_order(weights, tiny_checkpoint):
    step = RectifyStep(str(weights), batch=2, checkpoint=str(tiny_checkpoint))
    drafts = [
        draft(str(k), face=SMILE, picture=PICTURE + 40 * k, units=coded(12)) for k in range(5)
    ]
    found = step(drafts)
    assert len(found) == 5
    alone = [step([one])[0] for one in drafts]
    for one, other in zip(found, alone, strict=True):
        assert type(one) is type(other)
        if isinstance(one, Draft):
            assert one.notes["rectify"]["units"] == pytest.approx(
                other.notes["rectify"]["units"], abs=0.02
            )


def test_scores_are_log_likelihood_ratios():
    found = unit_scores(np.array([[0.8, 0.1]]), np.array([[True, False]]), np.array([0.2, 0.4]))
    assert found.tolist() == [[pytest.approx(np.log(4)), pytest.approx(np.log(0.9 / 0.6))]]
    shares, labels = np.array([[0.7, 0.3], [0.7, 0.3]]), np.array([0, 1])
    assert expression_scores(shares, labels, np.array([0.5, 0.5])) == pytest.approx(
        np.log([1.4, 0.6])
    )


def test_bounds_lose_the_share_they_may(weights):
    held = Rectifier.load(weights)
    right = np.random.default_rng(0).normal(size=(2, 1000, N_UNITS))
    held = replace(held, unit_right=right)
    coded_units = np.arange(N_UNITS) < 7
    bounds = held.unit_bounds(coded_units, 0.1)
    lost = (right[:, :, :7].sum(axis=2) < bounds[:, None]).mean(axis=1)
    assert lost == pytest.approx([0.1, 0.1], abs=0.002)


def test_planted_labels_differ_in_most_units():
    rng = np.random.default_rng(0)
    labels = rng.random((60, N_UNITS)) < 0.2
    for own, planted in zip(labels, other_labels(labels, rng), strict=True):
        assert far(own, planted)
        assert (own & planted).sum() <= (own | planted).sum() / 3
    named = rng.integers(0, 8, 50)
    assert (other_labels(named, rng) != named).all()


def test_weights_that_are_none_are_refused_by_name(tmp_path):
    (tmp_path / "x.npz").write_text("no weights")
    for path in (tmp_path / "x.npz", tmp_path / "missing.npz"):
        step = RectifyStep(str(path))
        with pytest.raises(FaceLLMError, match=f"{path.name}: not the weights of a rectifier"):
            step([draft(face=SMILE, picture=PICTURE, units=coded(12))])
    with pytest.raises(FaceLLMError, match=r"lost: 0.9 is not in 0..0.5"):
        RectifyStep("x.npz", lost=0.9)
