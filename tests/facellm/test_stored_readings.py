"""Readings stored by face come back as they were, and make readings."""

from dataclasses import replace

import numpy as np
import pytest

from facellm.errors import FaceLLMError
from facellm.labels import ACTION_UNITS, QUERIES
from facellm.readout import Calibration, reading_from_logprobs
from facellm.stored_readings import StoredReadings, face_key, logprobs


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


def test_one_key_for_two_faces_is_refused_by_name_and_a_repeated_face_is_not(tmp_path):
    own = replace(stored(), keys=["a@0", "b@0", "a@0"])
    with pytest.raises(FaceLLMError, match=r"own\.npz: a@0 stands for two faces, rows 0 and 2"):
        own.save(tmp_path / "own.npz")
    assert not (tmp_path / "own.npz").exists()
    for column in (*own.shares, own.pose, *own.zscores.values(), own.quality):
        column[2] = column[0]
    own.save(tmp_path / "own.npz")
    assert len(StoredReadings.load(tmp_path / "own.npz").keys) == 3


def test_a_file_of_other_queries_is_refused_by_name(tmp_path):
    np.savez(tmp_path / "old.npz", keys=np.array(["a"]))
    with pytest.raises(FaceLLMError, match=r"old\.npz: no stored readings of this version"):
        StoredReadings.load(tmp_path / "old.npz")
    wrong = stored()
    wrong.shares[0] = wrong.shares[0][:, :3]
    wrong.save(tmp_path / "wrong.npz")
    with pytest.raises(FaceLLMError, match=rf"wrong\.npz: {QUERIES[0].name} has shape"):
        StoredReadings.load(tmp_path / "wrong.npz")
