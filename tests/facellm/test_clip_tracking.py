"""Numbers of faces: the same face keeps its number over gaps, crossings and cuts."""

import json

import cv2
import numpy as np
import pytest
from clip_files import flat
from real_faces import crossing, needs_data, people, switches
from skimage.data import astronaut

from facellm.assistant import FaceAssistant
from facellm.clip import following
from facellm.clip.following import Follower, changed, histogram
from facellm.clip.frames import ClipFrame, Losses
from facellm.clip.smoothing import Smoother
from facellm.clip.tracking import ALIKE, Tracker, likeness, look_of
from facellm.errors import FaceLLMError
from facellm.face import BoundingBox, Face


def face_at(x, y=100.0, size=80.0):
    return Face(BoundingBox(x - size / 2, y - size / 2, x + size / 2, y + size / 2), None, 0.9)


def noise(seed):
    """A face crop like no other: blots of light and colour."""
    rng = np.random.default_rng(seed)
    return cv2.GaussianBlur(rng.integers(0, 256, (96, 96, 3), np.uint8), (0, 0), 9) * 2


LOOKS = [look_of(noise(seed)) for seed in range(40)]


def follow(frames, interval=0.5):
    """Numbers over (time, [(x, person), ...]) frames."""
    tracker = Tracker(interval)
    return [
        tracker.update([face_at(x) for x, _ in faces], [LOOKS[p] for _, p in faces], time)
        for time, faces in frames
    ]


def test_looks_tell_faces_apart_and_bear_light_and_shift():
    crop = astronaut()[70:200, 160:290]
    same = cv2.convertScaleAbs(np.roll(crop, 2, 1), alpha=0.8, beta=10)
    assert likeness(look_of(crop), look_of(same)) > ALIKE
    apart = [likeness(LOOKS[i], LOOKS[j]) for i in range(8) for j in range(i)]
    assert max(apart) < ALIKE
    assert look_of(crop).shape == (432,)


def test_numbers_go_by_first_appearance_and_left_to_right():
    numbers = follow([(0.0, [(100, 0), (300, 1)]), (0.5, [(50, 2), (110, 0), (300, 1)])])
    assert numbers == [[1, 2], [3, 1, 2]]


@pytest.mark.parametrize("away", [1, 3])
def test_a_face_keeps_its_number_over_a_gap(away):
    frames = [(0.0, [(100, 0)]), (0.5, [(120, 0)]), *((0.5 * i + 1, []) for i in range(away))]
    frames.append((1.0 + 0.5 * away, [(150, 0)]))
    assert follow(frames)[-1] == [1]


def test_after_a_long_gap_a_face_is_a_new_one():
    assert follow([(0.0, [(100, 0)]), (3.0, [(100, 0)])]) == [[1], [2]]
    assert follow([(0.0, [(100, 0)]), (3.0, [(100, 0)])], interval=3.0) == [[1], [1]]


def test_another_face_at_another_place_gets_another_number():
    assert follow([(0.0, [(100, 0)]), (0.5, [(400, 1)])]) == [[1], [2]]


@pytest.mark.parametrize("hidden", [0, 1, 2])
def test_two_faces_that_cross_keep_their_numbers(hidden):
    frames = []
    for step in range(13):
        a, b = 60 + 40 * step, 540 - 40 * step
        faces = [(a, 0), (b, 1)] if abs(step - 6) >= hidden else [(a, 0)]
        frames.append((0.25 * step, sorted(faces)))
    numbers = follow(frames)
    assert numbers[0] == [1, 2]
    assert numbers[-1] == [2, 1]
    assert {n for frame in numbers for n in frame} == {1, 2}


def test_thirty_faces_keep_their_numbers():
    rng = np.random.default_rng(0)
    places = [(100.0 * (i % 6), 100.0 * (i // 6)) for i in range(30)]
    tracker, expected = Tracker(0.2), list[int]()
    for step in range(8):
        order = sorted(range(30), key=lambda i: places[i])
        moved = [face_at(*(np.array(places[i]) + rng.normal(0, 6, 2)), 70) for i in order]
        numbers = tracker.update(moved, [LOOKS[i] for i in order], 0.2 * step)
        expected = expected or numbers
        assert numbers == expected
    assert tracker.next_number == 31


def test_at_a_cut_only_looks_count():
    tracker = Tracker(0.5)
    tracker.update([face_at(100), face_at(300)], LOOKS[:2], 0.0)
    # The same places hold other people now; the first stands elsewhere.
    numbers = tracker.update([face_at(100), face_at(300)], [LOOKS[2], LOOKS[0]], 0.5, cut=True)
    assert numbers == [3, 1]


def test_a_tracker_goes_on_from_its_record_exactly():
    frames = [(0.2 * i, [(60 + 30 * i, 0), (500 - 30 * i, 1)]) for i in range(12)]
    straight, first = Tracker(0.2), Tracker(0.2)
    second = Tracker(0.2)
    for number, (time, faces) in enumerate(frames):
        placed = [face_at(x) for x, _ in faces]
        looks = [LOOKS[p] for _, p in faces]
        expected = straight.update(placed, looks, time)
        if number == 6:
            second.restore(json.loads(json.dumps(first.to_dict())))
        assert (first if number < 6 else second).update(placed, looks, time) == expected
    assert json.dumps(second.to_dict()) == json.dumps(straight.to_dict())


# --- finding --------------------------------------------------------------------------------------


class Scripted:
    """A detector that knows where faces are."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def detect(self, image):
        return self.answers.pop(0)


def frames_of(pictures, step=0.5):
    return [ClipFrame(i, i * step, lambda p=p: p) for i, p in enumerate(pictures)]


def test_a_frame_without_pixels_is_counted_and_the_rest_followed(loaded):
    def bad():
        raise FaceLLMError("not a picture")

    frames = frames_of([flat(90, (200, 200))] * 3)
    frames[1] = ClipFrame(1, 0.5, bad)
    assistant = FaceAssistant(loaded, Scripted([face_at(100)], [face_at(104)]))
    losses = Losses()
    seen = list(Follower(assistant, 0.5).follow(frames, losses))
    assert [[f.number for f in frame.faces] for frame in seen] == [[1], [1]]
    assert losses.lines() == ["1 time: not a picture (at 0:00.5)"]


def test_a_cut_is_a_change_of_colours():
    dark, light = histogram(flat(20)), histogram(flat(220))
    assert changed(dark, light) == pytest.approx(1.0)
    picture = astronaut()
    assert changed(histogram(picture), histogram(np.roll(picture, 40, 1))) < 0.1


@pytest.mark.slow
def test_looking_near_finds_the_boxes_that_searching_finds():
    """Between two searches of the whole frame faces are judged at the places they must be."""
    assistant = FaceAssistant.load()
    picture = astronaut()
    pictures = [np.roll(picture, (3 * i, 6 * i), (0, 1)) for i in range(4)]
    follower, searched = Follower(assistant, 0.04), []
    real = assistant.detector.detect

    def counted(image):
        searched.append(1)
        return real(image)

    assistant.detector.detect = counted  # type: ignore[method-assign]
    seen = list(follower.follow(frames_of(pictures, 0.04), Losses()))
    assert len(searched) == 1
    for frame, pixels in zip(seen, pictures, strict=True):
        (face,) = frame.faces
        (expected,) = real(pixels)
        assert face.number == 1
        assert face.face.box_xyxy.iou(expected.box_xyxy) > 0.93
        assert face.face.score == pytest.approx(expected.score, abs=0.1)


def test_a_lost_face_starts_a_search_at_once(loaded, monkeypatch):
    assistant = FaceAssistant(loaded)
    searched = []

    def search(image):
        searched.append(len(searched))
        return [face_at(100)]

    monkeypatch.setattr(assistant.detector, "detect", search)
    near = iter([[face_at(101)], [], [face_at(102)]])
    monkeypatch.setattr(following, "verify", lambda *_: next(near))
    follower = Follower(assistant, 0.04)
    counts = []
    for frame in frames_of([flat(90, (200, 200))] * 4, 0.04):
        follower.look(frame.index, frame.time, frame.pixels())
        counts.append(len(searched))
    assert counts == [1, 1, 2, 2]


# --- real faces -----------------------------------------------------------------------------------


@needs_data
def test_real_people_who_cross_keep_their_numbers():
    """Boxes are those of the published landmarks, so this is the tracker's work alone."""
    persons = people(16, frames=4)
    total = 0
    for one, two in zip(persons[::2], persons[1::2], strict=True):
        frames, truth = crossing(one, two)
        tracker, numbers = Tracker(0.25), []
        for step, (frame, places) in enumerate(zip(frames, truth, strict=True)):
            faces = [face_at(x, 135.0, 115.0) for x in sorted(p for p in places if p is not None)]
            crops = [cut(frame, face) for face in faces]
            found = tracker.update(faces, [look_of(crop) for crop in crops], 0.25 * step)
            numbers.append([(n, f.box_xyxy.center[0]) for n, f in zip(found, faces, strict=True)])
        total += switches(numbers, truth)
    assert total <= 1


def cut(frame, face):
    x, y = face.box_xyxy.center
    return frame[int(y - 75) : int(y + 75), max(0, int(x - 75)) : int(x + 75)]


# --- smoothing ------------------------------------------------------------------------------------


def test_smoothing_is_causal_forgets_and_goes_on_from_its_record():
    from timelines import shows

    from facellm.results import ReadFace

    def face(reading):
        return ReadFace(1, face_at(50), reading)

    smoother = Smoother(0.5, 0.3)
    first = smoother.smooth(face(shows("neutral", 1.0)), 0.0)
    assert first.reading.expression["neutral"] == 1.0
    again = Smoother(0.5, 0.3)
    again.restore(json.loads(json.dumps(smoother.to_dict())))
    for s in (smoother, again):
        jump = s.smooth(face(shows("happiness", 1.0)), 0.5).reading
        assert jump.expression["happiness"] == pytest.approx(1 - np.exp(-1))
        assert sum(jump.expression.values()) == pytest.approx(1)
        assert jump.confidence == max(jump.expression.values())
        assert s.smooth(face(shows("anger", 1.0)), 60.0).reading.expression["anger"] > 0.999
    plain = face(shows("anger"))
    assert Smoother(0.0, 0.3).smooth(plain, 1.0) is plain
