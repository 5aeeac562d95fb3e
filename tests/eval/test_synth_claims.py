"""The parts of the measurement on renders, against other implementations and by hand."""

import json

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from facellm.errors import FaceLLMError
from facellm.eval.synth_claims import _told, gradients, predicted, read_renders, ridge, uar


def test_ridge_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    x, y, held = rng.normal(size=(30, 80)), rng.normal(3, 1, 30), rng.normal(size=(9, 80))
    middle = x.mean(0)
    reference = Ridge(alpha=7.0).fit(x - middle, y).predict(held - middle)
    np.testing.assert_allclose(ridge(x - middle, y, held - middle, 7.0), reference, atol=1e-8)


def test_a_linear_target_is_recovered_and_noise_is_not():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(400, 20))
    y = x @ rng.normal(size=20)
    assert np.corrcoef(predicted(x, y, 300)[0], y[300:])[0, 1] > 0.999
    noise = rng.normal(size=400)
    assert abs(np.corrcoef(predicted(x, noise, 300)[0], noise[300:])[0, 1]) < 0.3


def test_uar_counts_classes_alike():
    truth, said = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1])
    assert uar(truth, said) == pytest.approx((2 / 3 + 1) / 2)


def test_gradients_see_edges_and_not_the_level():
    ramp = np.tile(np.arange(48, dtype=np.uint8), (48, 1))
    level, brighter, turned = gradients([ramp, ramp + 100, np.ascontiguousarray(ramp.T)])
    np.testing.assert_allclose(level, brighter, atol=1e-6)
    assert np.abs(level - turned).max() > 0.1


def test_a_gain_counts_only_where_its_interval_is_above_zero():
    base = [0.30, 0.32, 0.31, 0.29, 0.30, 0.33, 0.30, 0.31, 0.32, 0.30]
    better = [value + 0.02 + 0.001 * (i % 2) for i, value in enumerate(base)]
    mixed = [value + 0.02 * (-1) ** i for i, value in enumerate(base)]
    found = _told({"500 FER+": base, "better": better, "mixed": mixed}, 100)
    assert found["better"]["raises"] is True
    assert found["better"]["gain"] == pytest.approx(0.0205)
    assert found["mixed"]["raises"] is False


def test_renders_that_are_missing_or_not_posed_are_told(tmp_path):
    with pytest.raises(FaceLLMError, match=r"records\.jsonl: no such file"):
        read_renders(tmp_path)
    (tmp_path / "records.jsonl").write_text(json.dumps({"key": "synth/a/0", "strength": None}))
    with pytest.raises(FaceLLMError, match="synth/a/0 is not posed"):
        read_renders(tmp_path)
