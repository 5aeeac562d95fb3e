"""The landmark network: shapes, batches, files, and the points of a real face."""

import os
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from safetensors.torch import save_file

from facellm.errors import FaceLLMError
from facellm.face import Square, crop_image
from facellm.landmarks import GRID, INPUT_SIZE, LandmarkNet, to_input

SHIPPED = Path(__file__).parents[2] / "facellm/weights/landmarks.safetensors"


@pytest.fixture(scope="module")
def net() -> LandmarkNet:
    path = Path(os.environ.get("FACELLM_WEIGHTS", SHIPPED))
    if not path.exists():
        pytest.skip(f"no landmark weights at {path}")
    return LandmarkNet.load(path)


@pytest.fixture(scope="module")
def toy() -> LandmarkNet:
    torch.manual_seed(0)
    return LandmarkNet().eval()


def crops(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (96, 96, 3), dtype=np.uint8) for _ in range(count)]


def test_network_is_small(toy):
    assert 0.8e6 < sum(p.numel() for p in toy.parameters()) < 1.5e6


def test_output_shapes(toy):
    out = toy(torch.rand(3, 1, INPUT_SIZE, INPUT_SIZE))
    assert out.landmarks_unit.shape == (3, 68, 2)
    assert out.face_logit.shape == (3,)


def test_a_crop_alone_equals_the_same_crop_in_a_batch(toy):
    batch = crops(5)
    points, quality = toy.predict(batch)
    for index, crop in enumerate(batch):
        alone, chance = toy.predict([crop])
        assert alone[0] == pytest.approx(points[index], abs=1e-5)
        assert chance[0] == pytest.approx(quality[index], abs=1e-5)


def test_no_crops_give_no_points(toy):
    points, quality = toy.predict([])
    assert points.shape == (0, 68, 2)
    assert quality.shape == (0,)


def test_a_heat_map_peak_is_its_point_in_x_y_order(toy):
    heat = torch.full((1, 68, GRID, GRID), -50.0)
    heat[0, :, 5, 17] = 50.0  # row 5 is y, column 17 is x
    found = toy._expectation(heat)[0, 0]
    assert found.tolist() == pytest.approx([17.5 / GRID, 5.5 / GRID])


def test_light_and_contrast_do_not_matter(toy):
    grey = torch.rand(1, 1, INPUT_SIZE, INPUT_SIZE)
    darker = grey * 0.6 + 0.1
    first, second = toy(grey).landmarks_unit, toy(darker).landmarks_unit
    assert (first - second).abs().max() < 0.02


def test_a_flat_crop_stays_finite(toy):
    points, quality = toy.predict([np.full((96, 96, 3), 128, np.uint8)])
    assert np.isfinite(points).all()
    assert np.isfinite(quality).all()


@pytest.mark.parametrize("side", [20, 96, 333])
def test_crops_of_any_size_grey_or_colour_are_taken(toy, side):
    assert to_input(np.zeros((side, side), np.uint8)).shape == (1, 96, 96)
    assert to_input(np.zeros((side, side, 3), np.uint8)).shape == (1, 96, 96)
    points, _ = toy.predict([np.zeros((side, side), np.uint8)])
    assert points.shape == (1, 68, 2)


def test_half_precision_file_round_trip(toy, tmp_path):
    path = tmp_path / "landmarks.safetensors"
    state = {k: v.half() if v.is_floating_point() else v for k, v in toy.state_dict().items()}
    save_file({**state, "measures.neutral_mean": torch.zeros(3)}, path)
    loaded = LandmarkNet.load(path)
    assert not loaded.training
    assert loaded.heat.weight.dtype == torch.float32
    assert loaded.predict(crops(1))[0] == pytest.approx(toy.predict(crops(1))[0], abs=5e-3)


def test_missing_or_foreign_weights_are_a_clear_error(tmp_path):
    with pytest.raises(FaceLLMError, match="cannot be read"):
        LandmarkNet.load(tmp_path / "none.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"not a weight file")
    with pytest.raises(FaceLLMError, match=r"bad\.safetensors"):
        LandmarkNet.load(tmp_path / "bad.safetensors")
    save_file({"other": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(FaceLLMError, match="another version"):
        LandmarkNet.load(tmp_path / "other.safetensors")


# The astronaut's face, marked by eye on the 512-px picture.
ASTRONAUT = {36: (194, 100), 45: (258, 104), 30: (224, 126), 48: (203, 141), 54: (244, 141)}


def test_points_of_a_real_face_lie_where_they_should(net):
    square = Square(160, 66, 128)
    image = skimage.data.astronaut()
    unit, quality = net.predict([crop_image(image, square, INPUT_SIZE)])
    points = square.to_pixels(unit[0])
    assert quality[0] > 0.8
    for index, truth in ASTRONAUT.items():
        assert np.linalg.norm(points[index] - truth) < 6, index


def test_a_shifted_crop_finds_the_same_points(net):
    image = skimage.data.astronaut()
    squares = [Square(160, 66, 128), Square(168, 58, 128), Square(152, 60, 145)]
    unit, _ = net.predict([crop_image(image, square, INPUT_SIZE) for square in squares])
    found = [square.to_pixels(points) for square, points in zip(squares, unit, strict=True)]
    for other in found[1:]:
        assert np.linalg.norm(other - found[0], axis=1).mean() < 3


def test_a_face_upside_down_or_none_is_no_face(net):
    image = skimage.data.astronaut()
    upright = crop_image(image, Square(160, 66, 128), INPUT_SIZE)
    rocket = crop_image(image, Square(380, 10, 120), INPUT_SIZE)
    _, quality = net.predict([upright, np.ascontiguousarray(upright[::-1, ::-1]), rocket])
    assert quality[0] > 0.8
    assert quality[1:].max() < 0.3
