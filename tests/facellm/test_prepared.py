"""Prepared sets: splits, and which landmarks count where two kinds exist."""

import numpy as np
import pytest

from facellm.prepared import PreparedSet, landmark_square


@pytest.fixture
def folder(tmp_path):
    np.save(tmp_path / "images.npy", np.zeros((3, 40, 40, 1), np.uint8))
    exact = np.full((3, 68, 2), 0.25, np.float32)
    np.savez(tmp_path / "labels.npz", split=np.array([0, 2, 0], np.int8), landmarks=exact)
    return tmp_path


def test_rows_of_a_split(folder):
    data = PreparedSet(folder)
    assert data.rows(0).tolist() == [0, 2]
    assert data.rows(1).tolist() == []
    assert data.side == 40


def test_exact_points_serve_where_the_network_has_not_looked(folder):
    assert (PreparedSet(folder).points(1) == 10.0).all()


def test_the_networks_points_come_before_exact_ones(folder):
    found = np.full((3, 68, 2), 0.5, np.float32)
    found[2, 7] = np.nan
    np.save(folder / "landmarks.npy", found)
    data = PreparedSet(folder)
    assert (data.points(0) == 20.0).all()
    assert data.points(2) is None  # not seen is not replaced by the truth
    assert (data.exact == 0.25).all()


def test_the_square_is_the_points_box_with_its_margin():
    points = np.array([[10.0, 20.0], [30.0, 60.0]])
    assert landmark_square(points) == (20.0, 40.0, pytest.approx(52.0))
