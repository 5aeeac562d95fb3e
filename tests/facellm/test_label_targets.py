"""Labels -> target distributions, and readings stored by face."""

import numpy as np
import pytest

from facellm.errors import FaceLLMError
from facellm.label_targets import label_targets
from facellm.labels import ACTION_UNITS, QUERIES
from facellm.readout import Calibration, reading_from_logprobs
from facellm.stored_readings import StoredReadings, face_key, logprobs


def test_votes_become_shares_of_the_eight_expressions():
    found = label_targets({"votes": [2, 6, 0, 0, 0, 0, 0, 0, 1, 1]})
    np.testing.assert_allclose(found["expr"], [0.25, 0.75, 0, 0, 0, 0, 0, 0], atol=1e-6)
    assert set(found) == {"expr"}


def test_a_face_hardly_anybody_could_name_an_expression_for_has_no_target():
    assert label_targets({"votes": [1, 1, 0, 0, 0, 0, 0, 0, 8, 0]}) == {}


def test_every_other_label_gives_its_query_and_nothing_else():
    found = label_targets(
        {"age": 30, "male": True, "mask": False, "fake": True, "units": {"12": 0.6, "999": 1.0}}
    )
    assert set(found) == {"age", "gender", "mask", "fake", "au12"}
    years = np.arange(117)
    assert found["age"] @ years == pytest.approx(30, abs=1e-3)
    spread = np.sqrt(found["age"] @ (years - 30.0) ** 2)
    assert spread == pytest.approx(2.5, abs=0.05)  # DLDL's Gaussian
    assert found["gender"].tolist() == [0, 1]
    assert found["mask"].tolist() == [1, 0]
    assert found["au12"].argmax() == 4  # levels D: more than half of the range


def test_one_label_stands_for_all_taggers():
    assert label_targets({"expression": "fear"})["expr"].max() == 1


def stored(rows=3):
    rng = np.random.default_rng(0)
    shares = [
        rng.dirichlet(np.ones(len(query.labels)), rows).astype(np.float16) for query in QUERIES
    ]
    pose = rng.normal(0, 10, (rows, 3)).astype(np.float32)
    pose[1] = np.nan
    zscores = {"mouth_open": np.arange(rows, dtype=np.float32), "brow_height": np.zeros(rows)}
    keys = [face_key(f"set.parquet#{row}", 0) for row in range(rows)]
    return StoredReadings(keys, shares, pose, zscores, np.full(rows, 0.8, np.float32))


def test_stored_readings_come_back_as_they_were(tmp_path):
    before = stored()
    before.save(tmp_path / "own.npz")
    after = StoredReadings.load(tmp_path / "own.npz")
    assert list(after.keys) == before.keys
    for name, share in after.distributions("set.parquet#2@0").items():
        index = [query.name for query in QUERIES].index(name)
        np.testing.assert_array_equal(share, before.shares[index][2].astype(np.float32))
    assert after.measured("set.parquet#1@0") is None  # no landmarks
    measured = after.measured("set.parquet#2@0")
    assert measured.zscores == {"mouth_open": 2.0, "brow_height": 0.0}
    assert measured.quality == pytest.approx(0.8)


def test_stored_readings_make_a_reading(tmp_path):
    own = stored()
    key = own.keys[0]
    reading = reading_from_logprobs(
        logprobs(own.distributions(key)), own.measured(key), Calibration()
    )
    assert sum(reading.expression.values()) == pytest.approx(1)
    assert set(reading.action_units) == set(ACTION_UNITS)


def test_a_file_of_other_queries_is_refused_by_name(tmp_path):
    np.savez(tmp_path / "old.npz", keys=np.array(["a"]))
    with pytest.raises(FaceLLMError, match=r"old\.npz: no stored readings of this version"):
        StoredReadings.load(tmp_path / "old.npz")
    wrong = stored()
    wrong.shares[0] = wrong.shares[0][:, :3]
    wrong.save(tmp_path / "wrong.npz")
    with pytest.raises(FaceLLMError, match=rf"wrong\.npz: {QUERIES[0].name} has shape"):
        StoredReadings.load(tmp_path / "wrong.npz")
