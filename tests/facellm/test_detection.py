"""Faces of a picture: found, refined, ordered, and nothing where there is none."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
from shared_data import DATA, needs

from facellm.detection import CascadeDetector
from facellm.face import BoundingBox, Face, Landmarks, Square
from facellm.images import load_image
from facellm.landmarks import LandmarkNet
from facellm.refine import (
    Proposal,
    agreement,
    suppress,
    turn_around,
    verify,
    whole_picture_face,
)

SHIPPED = Path(__file__).parents[2] / "facellm/weights/landmarks.safetensors"
# The astronaut's face, from brows to chin, marked by eye on the 512-px picture.
ASTRONAUT = BoundingBox(176, 90, 270, 176)


@pytest.fixture(scope="module")
def net() -> LandmarkNet:
    path = Path(os.environ.get("FACELLM_WEIGHTS", SHIPPED))
    if not path.exists():
        pytest.skip(f"no landmark weights at {path}")
    return LandmarkNet.load(path)


@pytest.fixture(scope="module")
def detector(net) -> CascadeDetector:
    return CascadeDetector(net)


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return load_image(skimage.data.astronaut())


def test_one_face_is_found_where_it_is(detector, astronaut):
    (face,) = detector.detect(astronaut)
    assert face.box_xyxy.iou(ASTRONAUT) > 0.6
    assert 0.5 < face.score <= 1
    assert face.landmarks is not None
    assert face.landmarks.box == face.box_xyxy


def test_detection_is_a_pure_function_of_the_pixels(detector, net, astronaut):
    before = astronaut.copy()
    assert detector.detect(astronaut) == CascadeDetector(net).detect(astronaut.copy())
    assert np.array_equal(before, astronaut)


@pytest.mark.parametrize("scene", ["rocket", "hubble_deep_field", "grass", "page"])
def test_no_face_is_an_empty_list(detector, scene):
    assert detector.detect(load_image(getattr(skimage.data, scene)())) == []


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (20, 20), (19, 600)])
def test_tiny_and_thin_pictures_are_searched_without_error(detector, size):
    assert isinstance(detector.detect(np.full((*size, 3), 90, np.uint8)), list)


def test_another_array_is_refused(detector):
    with pytest.raises(ValueError, match="expected"):
        detector.detect(np.zeros((10, 10), np.uint8))


def test_faces_come_left_to_right(detector, astronaut):
    face = astronaut[30:230, 120:320]
    canvas = np.full((300, 900, 3), 127, np.uint8)
    for left, size in ((620, 200), (30, 160), (320, 240)):
        canvas[20 : 20 + size, left : left + size] = cv2.resize(face, (size, size))
    faces = detector.detect(canvas)
    centers = [face.box_xyxy.center[0] for face in faces]
    assert len(faces) == 3
    assert centers == sorted(centers)


@pytest.mark.parametrize("degrees", [-30, 30, 90, 180, -90])
def test_a_turned_face_is_found_with_its_points_in_place(detector, astronaut, degrees):
    upright = detector.detect(astronaut)[0].landmarks
    center = (223.0, 135.0)  # the face stays in the picture
    matrix = turn_around(center, degrees).matrix
    turned = cv2.warpAffine(astronaut, matrix, (512, 512), borderMode=cv2.BORDER_REPLICATE)
    faces = detector.detect(turned)
    truth = turn_around(center, degrees).apply(upright.points)
    best = max(faces, key=lambda face: face.box_xyxy.iou(Landmarks(truth).box))
    eyes = np.linalg.norm(truth[45] - truth[36])
    error = np.linalg.norm(best.landmarks.points - truth, axis=1).mean() / eyes
    assert error < 0.12


def test_a_larger_copy_gives_larger_points(detector, astronaut):
    doubled = cv2.resize(astronaut, (1024, 1024), interpolation=cv2.INTER_CUBIC)
    small, large = detector.detect(astronaut)[0], detector.detect(doubled)[0]
    error = np.linalg.norm(large.landmarks.points / 2 - small.landmarks.points, axis=1)
    assert error.mean() < 3


def test_repainting_one_face_leaves_the_other_exactly(detector, astronaut):
    face = cv2.resize(astronaut[30:230, 120:320], (240, 240))
    canvas = np.full((280, 700, 3), 127, np.uint8)
    canvas[20:260, 20:260] = face
    canvas[20:260, 440:680] = face
    repainted = canvas.copy()
    repainted[20:260, 440:680] = face[:, ::-1]
    assert detector.detect(canvas)[0] == detector.detect(repainted)[0]


def test_a_face_crop_given_as_such_always_has_its_face(net, astronaut):
    crop = np.ascontiguousarray(astronaut[70:192, 162:284])
    face = whole_picture_face(crop, net)
    moved = BoundingBox(
        ASTRONAUT.left - 162, ASTRONAUT.top - 70, ASTRONAUT.right - 162, ASTRONAUT.bottom - 70
    )
    assert face.box_xyxy.iou(moved) > 0.6
    assert face.score > 0.5
    assert whole_picture_face(np.full((48, 48, 3), 99, np.uint8), net).score < 0.5


def test_a_tight_crop_is_found_by_search_too(detector, astronaut):
    crop = np.ascontiguousarray(astronaut[75:187, 167:279])
    assert len(detector.detect(crop)) == 1


def face_at(x: float, score: float) -> Face:
    return Face(BoundingBox(x, 0, x + 10, 10), None, score)


def test_suppression_keeps_the_best_of_overlapping_faces():
    kept = suppress([face_at(50, 0.6), face_at(0, 0.7), face_at(2, 0.9), face_at(1, 0.8)])
    assert [(face.box_xyxy.left, face.score) for face in kept] == [(2, 0.9), (50, 0.6)]


def test_agreement_is_one_for_equal_looks_and_a_half_at_its_unit():
    points = np.random.default_rng(0).uniform(0, 100, (68, 2))
    eyes = np.linalg.norm(points[45] - points[36])
    assert agreement(points, points) == 1
    assert agreement(points + np.array([0.12 * eyes, 0]), points) == pytest.approx(0.5)


def test_no_proposals_give_no_faces(net, astronaut):
    assert verify(astronaut, [], net) == []


def test_a_proposal_without_a_face_is_refused(net, astronaut):
    assert verify(astronaut, [Proposal(Square(380, 10, 120))], net) == []


def test_turning_there_and_back_is_the_identity():
    points = np.random.default_rng(0).uniform(0, 100, (68, 2))
    turn = turn_around((30, 40), 37)
    assert turn.undo(turn.apply(points)) == pytest.approx(points)
    down = turn_around((0, 0), 90).apply(np.array([1.0, 0.0]))
    assert down == pytest.approx([0, 1])  # clockwise where y points down


@needs("ytf_landmarks.parquet")
def test_most_held_out_published_faces_are_found(detector):
    pytest.importorskip("pandas")
    from facellm.eval.compose import held_out_faces

    faces = [face for face in held_out_faces(DATA, "test", 40, 1) if face.source == "ytf"]
    hits = 0
    for face in faces:
        found = detector.detect(face.pixels)
        hits += any(f.box_xyxy.iou(face.box) > 0.5 for f in found)
    assert hits >= 0.9 * len(faces)


def test_evaluation_scenes_were_never_negatives():
    from facellm.eval.detection import CALIBRATION_SCENES, SCENES
    from facellm.train.landmark_data import TRAINING_SCENES

    files = {"hubble_deep_field": "hubble_deep_field", "immunohistochemistry": "ihc"}
    evaluated = {files.get(name, name) for name in SCENES}
    assert len(SCENES) >= 8
    assert not evaluated & set(TRAINING_SCENES)
    assert not set(SCENES) & set(CALIBRATION_SCENES)
