"""Tasks of units, attributes, ages and forgeries on made-up trees, figures worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
import task_trees
from face_trees import picture, text
from readings_made import READING
from task_trees import grey, place_in, run, valid_names

from facellm.errors import FaceLLMError
from facellm.eval.harness.bands import band_of, bands_of
from facellm.eval.harness.gather import gather, limited
from facellm.eval.tasks import task_named
from facellm.eval.tasks.attributes import ASKED
from facellm.readers.celeba import ATTRIBUTES, JUDGEMENTS
from facellm.reading import AgeReading, UnitReading

READ = ("reading",)


def units_at(*probabilities):
    """A reading of AU12 by the place of a picture; AU4 always, nothing else ever."""

    def read(pictures, prompt, options):
        units = {unit: UnitReading(0.1, 0.0) for unit in READING.action_units}
        units[12] = UnitReading(probabilities[place_in(pictures)], 0.4)
        return replace(READING, action_units=units | {4: UnitReading(0.9, 0.5)})

    return read


def disfa_tree(folder, intensities):
    (subject,) = valid_names("SN{:03d}", "disfa/{}", 1)
    for unit in (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26):
        values = intensities if unit == 12 else [3 if unit == 4 else 0] * len(intensities)
        lines = [f"{n},{value}" for n, value in enumerate(values, 1)]
        text(folder / f"ActionUnit_Labels/{subject}/{subject}_au{unit}.txt", *lines)
    for n in range(len(intensities)):
        picture(folder / f"Frames/{subject}/{n + 1}.jpg", grey(n))


def test_a_unit_of_disfa_is_shown_from_2_and_called_from_a_half_on(tmp_path):
    disfa_tree(tmp_path, [2, 5, 1, 0])  # shown in the first two frames
    task = task_named("disfa")
    result, found = run(task, tmp_path, "valid", units_at(0.5, 0.49, 0.7, 0.1), READ)
    assert found["F1 of AU12"] == pytest.approx(2 * 1 / (2 * 1 + 1 + 1))
    assert found["F1 of AU4"] == 1.0
    assert np.isnan(found["F1 of AU1"])  # neither shown nor called
    assert found["mean F1"] == pytest.approx((0.5 + 1) / 2)
    balanced = {"AU12": 0.5, "AU4": 1.0}  # the six others are absent and not called: 1
    assert found["mean balanced accuracy"] == pytest.approx((sum(balanced.values()) + 6) / 8)
    assert result.rows[0].score.shares["AU12"] == 0.5
    assert len({row.cluster for row in result.rows}) == 1
    assert "probability 0.5 on" in task.fixed


def test_units_in_words_are_scored_too_and_no_answer_calls_nothing(tmp_path):
    disfa_tree(tmp_path, [2, 2, 2, 2])
    said = ("AU4 and AU12.", "AU4, but no AU12.", "I cannot tell.", "AU4, AU12, AU17")

    def words(pictures, prompt, options):
        return said[place_in(pictures)]

    result, found = run(task_named("disfa"), tmp_path, "valid", words, ("free",))
    assert result.outcomes() == {"answered": 3, "refused": 1}
    assert found["F1 of AU12"] == pytest.approx(2 * 2 / (2 * 2 + 2))
    assert found["F1 of AU4"] == pytest.approx(2 * 3 / (2 * 3 + 1))


def test_units_of_bp4d_that_were_not_coded_count_nowhere(tmp_path):
    subject = next(n for n in valid_names("F{:03d}", "bp4d/{}", 1))
    lines = ["1,1,0,1", "2,9,0,1", "3,0,0,0"]  # AU12 of the second frame is not coded
    text(tmp_path / f"AUCoding/{subject}_T1.csv", "frame,12,4,23", *lines)
    for n in (1, 2, 3):
        picture(tmp_path / f"2D+3D/{subject}/T1/{n:04d}.jpg", grey(n))
    result, found = run(task_named("bp4d"), tmp_path, "valid", units_at(0, 0.9, 0.9, 0.9), READ)
    assert found["F1 of AU12"] == pytest.approx(2 * 1 / (2 * 1 + 1))
    assert found["F1 of AU4"] == 0.0
    assert found["mean F1"] == pytest.approx((2 / 3 + 0) / 2)
    assert [set(row.target) for row in result.rows] == [{"AU4", "AU12"}, {"AU4"}, {"AU4", "AU12"}]
    assert result.rows[0].columns == {"gender": "female"}


def celeba_tree(folder, shown):
    """Pictures of the validation part, each with the attributes that it shows."""
    names = [f"{n:06d}.jpg" for n in range(len(shown))]
    rows = [
        ",".join([name, *("1" if attribute in has else "-1" for attribute in ATTRIBUTES)])
        for name, has in zip(names, shown, strict=True)
    ]
    text(folder / "list_attr_celeba.csv", ",".join(("image_id", *ATTRIBUTES)), *rows)
    parts = [f"{name},1" for name in names]
    text(folder / "list_eval_partition.csv", "image_id,partition", *parts)
    for name, place in zip(names, range(9), strict=False):
        picture(folder / "img_align_celeba" / name, grey(place))


def test_celeba_asks_32_attributes_each_counting_the_same(tmp_path):
    celeba_tree(tmp_path, [{"Smiling", "Male"}, {"Male"}, {"Male"}])
    asked = []

    def says(pictures, prompt, options):
        """Smiling in the first two; every other attribute is there."""
        asked.append(prompt)
        yes = place_in(pictures) < 2 if "smiling" in prompt else True
        return {"yes": 0.8, "no": 0.2} if yes else {"yes": 0.2, "no": 0.8}

    result, found = run(task_named("celeba"), tmp_path, "valid", says)
    assert (len(ASKED), len(result.rows)) == (32, 96)
    assert found["accuracy of Smiling"] == pytest.approx(2 / 3)
    assert found["mean accuracy"] == pytest.approx((2 / 3 + 1 + 30 * 0) / 32)
    assert found["mean balanced accuracy"] == pytest.approx(((1 + 1 / 2) / 2 + 1 + 0) / 32)
    judged = {name.replace("_", " ").lower() for name in JUDGEMENTS}
    assert not [words for words in asked if words.split('"')[1] in judged]
    few = limited(list(result.gathered.samples), 32)
    assert {sample.columns["attribute"] for sample in few} == set(ASKED)


def aged(pictures, prompt, options):
    """The grey of a picture, in years."""
    return replace(READING, age=AgeReading(float(np.mean(pictures[0])), 0.0, 99.0))


def test_ages_of_utkface_and_morph(tmp_path):
    (young,) = valid_names("20_0_1_{:05d}.jpg", "utkface/{}", 1)
    (old,) = valid_names("64_1_0_{:05d}.jpg", "utkface/{}", 1)
    picture(tmp_path / "utk" / young, 24)
    picture(tmp_path / "utk" / old, 61)
    (person,) = valid_names("{}", "morph/{}", 1)
    head = "id_num,race,gender,age,photo"
    rows = [f"00{person},W,F,20,a.jpg", f"00{person},W,F,64,b.jpg", f"00{person},W,F,640,b.jpg"]
    text(tmp_path / "morph/MORPH_2.csv", head, *rows)
    picture(tmp_path / "morph/a.jpg", 24)
    picture(tmp_path / "morph/b.jpg", 61)
    for name, folder in (("utkface_age", "utk"), ("morph_age", "morph")):
        result, found = run(task_named(name), tmp_path / folder, "valid", aged, READ)
        assert found["MAE"] == pytest.approx((4 + 3) / 2, abs=0.02)
    assert result.gathered.rejected == {"value outside its range": 1}
    assert {row.cluster for row in result.rows} == {person}


@pytest.mark.parametrize(
    ("years", "band"), [(0, "0-2"), (2.9, "0-2"), (3, "3-9"), (99, "70 and over")]
)
def test_an_age_falls_in_its_band(years, band):
    assert band_of(years, (0, 3, 10, 70)) == band
    assert bands_of((0, 3, 10, 70)) == ("0-2", "3-9", "10-69", "70 and over")


def test_fairface_asks_the_age_group_and_words_in_years_fall_into_one(tmp_path):
    said = {"3-9": 12, "20-29": 25, "more than 70": 40}
    lines = [f"val/{age}.jpg,{band},Male,Black,True" for band, age in said.items()]
    text(tmp_path / "fairface_label_val.csv", "file,age,gender,race,service_test", *lines)
    for age in said.values():
        picture(tmp_path / f"val/{age}.jpg", age)
    for function, ways in (
        (aged, READ),
        (lambda pictures, prompt, options: f"About {pictures[0].mean():.0f} years.", ("free",)),
    ):
        result, found = run(task_named("fairface_age"), tmp_path, "test", function, ways)
        assert found["accuracy"] == pytest.approx(1 / 3)
        assert found["accuracy within one band"] == pytest.approx(2 / 3)
    assert [row.target for row in result.rows] == ["3-9", "20-29", "70 and over"]


def test_forgeries_have_figures_by_method(tmp_path):
    # Greys 20, 38, 56, 74 are read as .1, .3, .5 and .7 of being fake; .5 is above the threshold.
    items = [("000", None, 20), ("001", None, 56)]
    items += [("000_001", "Deepfakes", 74), ("001_000", "Deepfakes", 74)]
    items += [("000_001", "FaceSwap", 38), ("001_000", "FaceSwap", 74)]
    split = task_trees.ffpp(tmp_path, items)

    def fake(pictures, prompt, options):
        share = (0.1, 0.3, 0.51, 0.7)[place_in(pictures)]
        assert len(pictures) == 8
        return {"real": 1 - share, "fake": share}

    result, found = run(task_named("ffpp"), tmp_path, split, fake)
    assert found["AUC on Deepfakes"] == 1.0
    assert found["AUC on FaceSwap"] == pytest.approx(3 / 4)
    assert found["AUC"] == pytest.approx(7 / 8)
    assert found["balanced accuracy"] == pytest.approx((1 / 2 + 3 / 4) / 2)
    assert found["balanced accuracy on FaceSwap"] == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert found["accuracy"] == pytest.approx(4 / 6)
    assert np.isnan(found["AUC on NeuralTextures"])  # the user holds no such videos
    assert {row.cluster for row in result.rows} == {"000", "001"}
    with pytest.raises(FaceLLMError, match="holds none of Deepfakes"):
        gather(task_named("ffpp"), tmp_path / "splits", split)
