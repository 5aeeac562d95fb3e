"""Steps: drafts in, for each of them a draft or a reason out, in order."""

import io
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np
import pytest
from corpus_toys import LabelAnnotator, toy_picture
from PIL import Image
from skimage.data import astronaut

from facellm.errors import FaceLLMError
from facellm.face import BoundingBox
from facellm.instruct_data.corpus.assembly import image_ref, records_of, row_labels
from facellm.instruct_data.corpus.config import (
    PictureBounds,
    PluginConfig,
    QuestionsConfig,
    SourceConfig,
)
from facellm.instruct_data.corpus.decode import Decode
from facellm.instruct_data.corpus.faces import Faces
from facellm.instruct_data.corpus.filters import PictureFilter, sharpness
from facellm.instruct_data.corpus.record import (
    CorpusFace,
    Draft,
    Exchange,
    Rejection,
    draft_seed,
)
from facellm.instruct_data.corpus.steps import Annotate, new_steps, run_steps
from facellm.instruct_data.corpus.wording_step import Templates
from facellm.instruct_data.questions import is_withheld, normalise
from facellm.landmarks import LandmarkNet
from facellm.readers.row import FaceRow
from facellm.refine import whole_picture_face, whole_picture_faces

WEIGHTS = files("facellm").joinpath("weights/landmarks.safetensors")
needs_weights = pytest.mark.skipif(
    not WEIGHTS.is_file(), reason="optional: the default model is not trained yet"
)
POINTS = np.zeros((68, 2), np.float32)


def draft(key="1", **fields):
    notes, picture = {"source": 0}, fields.pop("pixels", None)
    faces = fields.pop("faces", ())
    row = FaceRow("toys", key, "train", **{"picture": toy_picture(1), **fields})
    return Draft(row, draft_seed(0, row), picture, faces, notes=notes)


def encoded(pixels, form="PNG", **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form, **options)
    return file.getvalue()


def reason(outcome):
    assert isinstance(outcome, Rejection)
    return outcome.reason


def test_a_picture_is_decoded_upright():
    pixels = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned clockwise
    (turned,) = Decode()([draft(picture=encoded(pixels, exif=exif))])
    assert np.array_equal(turned.picture, np.rot90(pixels, -1))


@pytest.mark.parametrize("data", [b"", b"no picture", toy_picture(1)[:60]])
def test_what_is_no_picture_is_rejected_with_the_place(data):
    (out,) = Decode()([draft(picture=data, where="a.csv:7")])
    assert (reason(out), out.step, out.where) == ("unreadable picture", "decode", "a.csv:7")
    assert out.detail


def test_a_missing_file_is_rejected_by_name(tmp_path):
    (out,) = Decode()([draft(path=tmp_path / "gone.jpg")])
    assert reason(out) == "unreadable picture"
    assert "gone.jpg: no such file" in out.detail


def test_a_folder_of_frames_shows_its_middle_one_and_says_which(tmp_path):
    for number in range(1, 12):
        Image.new("L", (8, 8), number).save(tmp_path / f"{number}.png")
    (out,) = Decode()([draft(path=tmp_path, media="frames")])
    assert out.notes["moment"] == "/6.png"
    assert out.picture[0, 0, 0] == 6
    shown = image_ref(out, SourceConfig("toys", "x"), tmp_path.parent)
    assert shown.path == f"{tmp_path.name}/6.png"


@needs_weights
def test_a_batch_of_crops_gives_what_one_by_one_gives():
    net = LandmarkNet.load(str(WEIGHTS))
    crops = [astronaut()[40:220, 160:300], astronaut()[40:220, 130:310], astronaut()[:200, :200]]
    together = whole_picture_faces(crops, net)
    for crop, face in zip(crops, together, strict=True):
        alone = whole_picture_face(crop, net)
        assert abs(alone.score - face.score) < 1e-3
        assert np.abs(alone.landmarks.points - face.landmarks.points).max() < 0.05


@needs_weights
@pytest.mark.parametrize("mode", ["crops", "detect"])
def test_a_face_is_found_and_a_wall_has_none(mode):
    wall = np.full((90, 90, 3), 128, np.uint8)
    crop = astronaut()[20:230, 140:320] if mode == "crops" else astronaut()
    steps = [Faces([mode], 0.3), PictureFilter(PictureBounds(), [mode])]
    seen, none = run_steps(steps, [draft(pixels=crop), draft(pixels=wall)])
    (face,) = seen.faces
    assert face.landmarks.shape == (68, 2)
    assert face.quality > 0.5
    left, top, right, bottom = face.box_xyxy
    assert 0 < left < right < crop.shape[1]
    assert 0 < top < bottom < crop.shape[0]
    assert reason(none) in {"no face", "no landmarks"}


@needs_weights
def test_a_box_of_the_set_is_judged_instead_of_a_search():
    step = Faces(["detect"], 0.3)
    box = (175.0, 70.0, 271.0, 189.0)
    seen, lost = step(
        [draft(pixels=astronaut(), box=box), draft(pixels=astronaut(), box=(0.0, 0.0, 40.0, 40.0))]
    )
    assert BoundingBox(*seen.faces[0].box_xyxy).iou(BoundingBox(*box)) > 0.6
    assert lost.faces[0].landmarks is None


def face(side=30.0, points=POINTS, quality=0.9):
    return CorpusFace((0.0, 0.0, side, side), points, quality)


@pytest.mark.parametrize(
    ("faces", "bounds", "expected"),
    [
        ((), {}, "no face"),
        ((face(), face()), {}, "several faces"),
        ((face(points=None, quality=0.1),), {}, "no landmarks"),
        ((face(20.0),), {}, "face too small"),
        ((face(),), {"least_side": 41}, "picture too small"),
        ((face(),), {"least_blur": 1e6}, "blurred"),
        ((face(),), {}, None),
        ((face(), face()), {"several_faces": "keep"}, None),
        ((face(points=None),), {"landmarks": "optional"}, None),
    ],
)
def test_a_picture_short_of_a_bound_is_rejected_for_it(faces, bounds, expected):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    (out,) = PictureFilter(PictureBounds(**bounds), ["crops"])([draft(pixels=noise, faces=faces)])
    assert (None if isinstance(out, Draft) else out.reason) == expected


def test_the_default_bound_parts_a_face_from_the_same_one_blurred():
    """By 6 % of its side; a picture in which no face was looked for is not judged."""
    whole = CorpusFace((0.0, 0.0, 128.0, 128.0), POINTS, 0.9)
    crop = np.ascontiguousarray(astronaut()[64:192, 160:288])
    blurred = cv2.GaussianBlur(crop, (0, 0), 128 * 0.06)
    look, skip = (PictureFilter(PictureBounds(), [mode]) for mode in ("crops", "none"))
    drafts = [draft(pixels=pixels, faces=(whole,)) for pixels in (crop, blurred)]
    kept, lost = look(drafts)
    assert isinstance(kept, Draft)
    assert (lost.reason, "is under 50.0" in lost.detail) == ("blurred", True)
    assert isinstance(skip([draft(pixels=blurred)])[0], Draft)


def test_blur_lowers_sharpness_whatever_the_size():
    sharp = Image.fromarray(astronaut()[20:230, 140:320])
    values = [
        sharpness(np.asarray(sharp.resize((side, side)).resize((180, 180))), None)
        for side in (180, 24, 12, 6)
    ]
    assert values == sorted(values, reverse=True)
    assert values[0] > 10 * values[-1]
    assert sharpness(np.full((9, 30, 3), 77, np.uint8), None) == 0
    doubled = sharpness(np.asarray(sharp.resize((360, 420))), None)
    assert doubled == pytest.approx(sharpness(np.asarray(sharp), None), rel=0.2)


def test_exchanges_are_bounded_per_task_and_drawn_by_seed():
    class Many:
        name = "many"

        def annotate(self, drafts):
            some = [Exchange("age", "age", f"{n}.") for n in range(20)]
            return [(*some, Exchange("limits", "off_topic", "No.")) for _ in drafts]

    step = Annotate([Many()], 4)
    first, again, other = step([draft("a"), draft("a"), draft("b")])
    assert [e.task for e in first.exchanges] == ["age"] * 4 + ["limits"]
    assert first.exchanges == again.exchanges != other.exchanges


def test_what_an_annotator_could_not_say_is_rejected_by_its_own_reason():
    annotator = LabelAnnotator()
    lost = Rejection("toys", "1", "openai", "no answer")
    annotator.annotate = lambda drafts: [lost, (Exchange("age", "age", "3."),)]
    out, said = Annotate([LabelAnnotator(), annotator], 9)([draft("1"), draft("2")])
    assert out == lost
    assert len(said.exchanges) == 4


@pytest.mark.parametrize(
    ("said", "expected"),
    [((), "nothing to say"), ((Exchange("age", "age", "<image> 3"),), "image mark in the text")],
)
def test_an_answer_that_is_no_use_is_rejected(said, expected):
    annotator = LabelAnnotator()
    annotator.annotate = lambda drafts: [said for _ in drafts]
    assert reason(Annotate([annotator], 4)([draft()])[0]) == expected


def test_questions_differ_inside_a_record_and_are_never_withheld():
    exchanges = tuple(Exchange("age", "age", "x") for _ in range(12))
    step = Templates(QuestionsConfig())
    drafts = [replace(draft(str(n)), exchanges=exchanges) for n in range(20)]
    for worded in step(drafts):
        asked = [exchange.question for exchange in worded.exchanges]
        assert len({normalise(question) for question in asked}) == len(asked)
        assert not any(is_withheld(question) for question in asked)
    assert step(drafts) == step(drafts[:3]) + step(drafts[3:])


def test_an_intent_that_nobody_words_is_an_error():
    asked = replace(draft(), exchanges=(Exchange("nonverbal", "no such", "x"),))
    with pytest.raises(FaceLLMError, match=r"nobody words .* 'no such' is none of"):
        Templates(QuestionsConfig())([asked])


def test_a_question_worded_before_stays():
    asked = replace(draft(), exchanges=(Exchange("nonverbal", "no such", "x", "And now?"),))
    assert Templates(QuestionsConfig())([asked]) == [asked]


def test_a_step_that_loses_a_draft_is_a_bug_and_said():
    step = Decode()
    step.__class__ = type("Loses", (Decode,), {"__call__": lambda *_: []})
    with pytest.raises(ValueError, match="decode: 0 outcomes for 1 drafts"):
        run_steps([step], [draft()])


def test_a_row_becomes_one_record_a_task():
    exchanges = (
        Exchange("age", "age", "34.", "how old?"),
        Exchange("expression", "expression", "neutral.", "what mood?"),
        Exchange("age", "age", "about 34.", "age?"),
    )
    done = replace(draft(pixels=astronaut()), exchanges=exchanges)
    source = SourceConfig("toys", "toys.parquet", embed=True)
    expression, age = records_of(done, source, Path())
    assert (age.id, expression.id) == ("toys/1/age", "toys/1/expression")
    assert (age.labels["intents"], expression.labels["intents"]) == (["age"] * 2, ["expression"])
    assert [m.content for m in age.messages] == ["<image>\nhow old?", "34.", "age?", "about 34."]
    assert age.images[0].path == "toys.parquet#1"
    assert age.images[0].data == done.row.picture
    referred = records_of(done, replace(source, embed=False), Path())
    assert referred[0].images[0].data is None
    (words,) = records_of(replace(done, picture=None, exchanges=exchanges[:1]), source, Path())
    assert (words.images, words.messages[0].content) == ((), "how old?")


def test_labels_hold_what_the_set_says_and_no_group():
    row = FaceRow(
        "s",
        "k",
        "train",
        votes=(1, 3, 0, 0, 0, 0, 0, 0, 2, 4),
        units={12: 0.5},
        group="x",
        age=0,
        making={"mask": "/data/forged/1.png", "regions": ("mouth", "nose")},
    )
    labels = row_labels(row, Path("/data"))
    assert labels["votes"] == [1, 3, 0, 0, 0, 0, 0, 0, 2, 4]
    assert labels["expression_shares"]["happiness"] == 0.75  # of the eight expressions' four
    assert labels["units"] == {"12": 0.5}
    assert labels["age"] == 0
    assert labels["making"] == {"mask": "forged/1.png", "regions": ["mouth", "nose"]}
    assert set(labels) == {"votes", "expression_shares", "units", "age", "making"}
    unknown = replace(row, votes=(0,) * 8 + (10, 0))
    assert "expression_shares" not in row_labels(unknown, Path("/data"))


def test_the_list_of_steps_is_the_configs():
    from corpus_toys import toy_config

    names = [step.name for step in new_steps(toy_config())]
    assert names == ["decode", "faces", "filters", "annotate", "templates"]
    rated = replace(toy_config(), rating=PluginConfig("corpus_toys:LabelAnnotator"))
    assert new_steps(rated)[-1].name == "labels"
