"""The stabiliser's map: exact algebra, an untouched default, and files that are refused."""

import shutil

import numpy as np
import pytest
from safetensors.numpy import save_file
from turned_faces import tensors, turned_solids

from facellm.checkpoint import load_checkpoint, weight_digests
from facellm.errors import FaceLLMError
from facellm.geometry import MEASURES, measure
from facellm.instruct_data.rig_camera import rotation
from facellm.stabilise import (
    STABILISER,
    VERSION,
    StabilisedGeometry,
    Stabiliser,
    angle_between,
    rotations,
)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / STABILISER
    save_file(tensors(), path, metadata={"version": VERSION})
    return path


# --- angles ---------------------------------------------------------------------------------------


def test_rotations_are_the_face_models():
    poses = np.random.default_rng(0).uniform(-60, 60, (20, 3))
    expected = np.stack([rotation(tuple(pose)) for pose in poses])
    np.testing.assert_allclose(rotations(poses), expected, atol=1e-12)


def test_the_angle_between_rotations_is_the_turn_from_one_to_the_other():
    base = rotations(np.array([[20.0, -10.0, 5.0]]))
    for degrees in (0.0, 1e-4, 0.5, 30.0, 179.0):
        turned = base @ rotations(np.array([[degrees, 0.0, 0.0]]))
        assert angle_between(base, turned)[0] == pytest.approx(degrees, rel=1e-6, abs=1e-9)


# --- the map --------------------------------------------------------------------------------------


def test_place_size_and_roll_of_the_picture_change_roll_only(file):
    found, points = Stabiliser.load(file), turned_solids(4)
    angle = np.deg2rad(25)  # clockwise as seen: y points down
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    moved = 0.2 * points @ turn + 40
    np.testing.assert_allclose(found.frontal(moved), found.frontal(points), atol=1e-9)
    change = found.pose(moved) - found.pose(points)
    np.testing.assert_allclose(change, np.tile([0.0, 0.0, 25.0], (4, 1)), atol=1e-7)


# --- the file and the checkpoint ------------------------------------------------------------------


def test_a_checkpoint_without_the_file_measures_as_before(tiny_checkpoint):
    geometry = load_checkpoint(tiny_checkpoint).geometry
    points = turned_solids(2)
    assert not isinstance(geometry, StabilisedGeometry)
    np.testing.assert_array_equal(geometry.measures(points), measure(points))
    assert STABILISER not in weight_digests(tiny_checkpoint)


def test_a_checkpoint_with_the_file_measures_from_ahead(tiny_checkpoint, file, tmp_path):
    folder = tmp_path / "checkpoint"
    shutil.copytree(tiny_checkpoint, folder)
    shutil.copy(file, folder / STABILISER)
    geometry, points = load_checkpoint(folder).geometry, turned_solids(2)
    found = Stabiliser.load(file)
    np.testing.assert_allclose(geometry.pose(points), found.pose(points))
    z = (measure(found.frontal(points)) - found.tensors["neutral_mean"]) / (
        found.tensors["neutral_std"]
    )
    np.testing.assert_allclose(geometry.z_scores(points), z, rtol=1e-6)
    described = geometry.describe(points[0])
    assert described["mouth_open"]["z"] == pytest.approx(z[0, MEASURES.index("mouth_open")])
    assert STABILISER in weight_digests(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer2.bias": np.zeros(5, np.float32)}, r"layer2.bias has shape \(5,\), expected"),
        ({"neutral_std": None}, "neutral_std has shape None"),
    ],
)
def test_a_file_of_another_shape_is_refused(tmp_path, change, message):
    path = tmp_path / STABILISER
    held = {name: a for name, a in (tensors() | change).items() if a is not None}
    save_file(held, path, metadata={"version": VERSION})
    with pytest.raises(FaceLLMError, match=message):
        Stabiliser.load(path)


def test_other_versions_and_broken_files_are_refused(tmp_path):
    path = tmp_path / STABILISER
    save_file(tensors(), path, metadata={"version": "9"})
    with pytest.raises(FaceLLMError, match="version '9', expected '1'"):
        Stabiliser.load(path)
    path.write_bytes(b"not a file of tensors")
    with pytest.raises(FaceLLMError, match="cannot be read"):
        Stabiliser.load(path)
    with pytest.raises(FaceLLMError, match="cannot be read"):
        Stabiliser.load(tmp_path / "none.safetensors")
