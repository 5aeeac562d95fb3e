"""FABA-Bench and DD-VQA on made-up trees: words that describe a face, and what they come to."""

import benchmark_trees as trees
import pytest

from facellm.errors import FaceLLMError
from facellm.eval.harness.compare import paired
from facellm.eval.harness.files import read_rows, write_rows
from facellm.eval.harness.gather import gather
from facellm.eval.harness.models.function import FunctionModel
from facellm.eval.harness.runner import Plan, run_task
from facellm.eval.harness.store import AnswerStore
from facellm.eval.tasks import task_named


def says(*answers, way="free"):
    """A model that gives these words in turn."""
    given = iter(answers)

    def answer(pictures, prompt, options):
        return next(given)

    answer.ways = (way,)
    return FunctionModel("says:these", answer)


def run(name, folder, model, split="test", ask=""):
    return run_task(
        Plan(task_named(name), folder, split, None, ask), model, AnswerStore(None, None)
    )


def figures(result):
    return {m.name: m.measure(result.rows) for m in result.plan.task.metrics}


def test_rege_is_recognition_plus_overlap_and_adjectives_are_read(tmp_path):
    """Hand-computed: 2 of 3 labels; overlap 1, 3 of 4 words, 0 for an answer that is empty."""
    reference = "the brows are low"
    trees.faba(tmp_path / "mine", [(3, "angry face"), ("sadness", reference), (4, reference)])
    model = says("angry face", "the brows are raised. sad", "")
    result = run("faba_emotion", tmp_path / "mine", model)
    assert [row.score.said for row in result.rows] == ["anger", "sadness", None]
    assert result.outcomes() == {"answered": 2, "empty": 1}
    found = figures(result)
    assert found["recognition"].value == pytest.approx(100 * 2 / 3)
    second = 2 * (3 / 4) * (3 / 5) / (3 / 4 + 3 / 5)  # recall 3 of 4 words, precision 3 of 5
    assert found["generation"].value == pytest.approx(100 * (1 + second) / 3, abs=1e-4)
    both = found["recognition"].value + found["generation"].value
    assert found["REGE"].value == pytest.approx(both)
    assert found["REGE"].n == 3


def test_emotions_without_a_label_or_of_another_set_are_counted(tmp_path):
    trees.faba(
        tmp_path, [(None, "it looks angry"), ("contempt", "x"), (9, "x"), (0, " "), (0, "a")]
    )
    found = gather(task_named("faba_emotion"), tmp_path, "test")
    assert found.rejected == {"no label": 2, "label outside the set": 2}
    assert [sample.target["label"] for sample in found.samples] == ["happiness"]


def test_units_are_those_labelled_or_those_the_reference_names(tmp_path):
    rows = [("1, 4, 25", "low brows"), (None, "AU12 and AU6 are seen, AU27 too")]
    trees.faba(tmp_path, units=rows)
    model = says("AU1 and AU4 are active, and the lips part (AU25).", "AU12 (lip corner puller).")
    result = run("faba_units", tmp_path, model)
    active = [{n for n, on in row.target["units"].items() if on} for row in result.rows]
    assert active == [{"AU1", "AU4", "AU25"}, {"AU6", "AU12"}]  # AU27 is none of the twelve
    assert [set(row.score.said) for row in result.rows] == [{"AU1", "AU4", "AU25"}, {"AU12"}]
    assert result.rows[1].score.value == pytest.approx(11 / 12)
    # F1 of 1, 4, 25 and 12 is 1, of 6 it is 0; units that nobody shows or says have none.
    assert figures(result)["recognition"].value == pytest.approx(100 * 4 / 5)


def test_pictures_of_faba_are_found_whatever_the_folder_is_called(tmp_path):
    for name in ("FABAInstruct", "elsewhere"):
        trees.faba(tmp_path / name, [(0, "a")])
        (sample,) = gather(task_named("faba_emotion"), tmp_path / name, "test").samples
        assert sample.media[0].path.is_file()


@pytest.fixture
def dd_vqa(tmp_path):
    """Test: a fake and a real picture; one part its annotators differ about, one frame lost."""
    whole, nose = "Does the image look real/fake?", "Do the person's nose look real/fake?"
    clips = {
        "1_000_003": [
            (
                whole,
                ["The image looks fake. The borders are blurred", "The image looks fake. Odd."],
            ),
            (nose, ["The nose looks real. Fine", "The nose looks fake. Flat"]),
        ],
        "2_004": [(whole, ["The image looks real. All fits"]), (nose, ["The nose looks real."])],
        "1_lost": [(whole, ["The image looks fake."])],
        "1_none": [(whole, [" "])],
    }
    trees.dd_vqa(tmp_path, "test_set", "Deepfakes", clips)
    return tmp_path


def test_the_verdict_is_what_all_annotators_say_first(dd_vqa):
    found = gather(task_named("dd_vqa"), dd_vqa, "test")
    assert found.rejected == {"picture missing": 1, "value missing": 1}
    labels = {sample.id: sample.target["label"] for sample in found.samples}
    assert labels == {
        "Deepfakes/1_000_003/0": "fake",
        "Deepfakes/1_000_003/1": None,
        "Deepfakes/2_004/0": "real",
        "Deepfakes/2_004/1": "real",
    }
    assert found.samples[1].question == "Does the nose of this person look real or fake? Say why."
    assert found.samples[0].cluster == "1_000_003"


def test_whole_pictures_and_parts_have_a_figure_each(dd_vqa, tmp_path):
    words = "The image looks fake. The borders are blurred"
    model = says(words, "It looks fake.", "It looks fake.", "It is not fake, it looks real.")
    result = run("dd_vqa", dd_vqa, model)
    found = figures(result)
    assert found["accuracy, whole picture"].value == pytest.approx(1 / 2)
    assert found["balanced accuracy, whole picture"].value == pytest.approx(1 / 2)
    parts = found["accuracy, parts of the face"]
    assert (parts.value, parts.n) == (1.0, 1)
    assert found["ROUGE-L"].n == 4
    assert result.rows[0].score.value == 1.0
    write_rows(tmp_path / "rows.parquet", result.rows)
    back = read_rows(tmp_path / "rows.parquet")
    again = paired(result.plan.task, back, back)
    assert again["ROUGE-L"].first.value == pytest.approx(found["ROUGE-L"].value)


@pytest.mark.parametrize("way", ["letter", "options"])
def test_letters_and_options_are_not_held_against_texts(dd_vqa, way):
    words = ["A"] * 4 if way == "letter" else [[0.0, -1.0]] * 4
    ask = "letter" if way == "letter" else "closed"
    found = figures(run("dd_vqa", dd_vqa, says(*words, way=way), ask=ask))
    assert found["ROUGE-L"].n == 0
    assert found["accuracy, whole picture"].value == pytest.approx(1 / 2)


def test_validation_clips_are_a_tenth_of_the_training_set(tmp_path):
    asked = [("Does the image look real/fake?", ["It looks fake."])]
    clips = {f"1_{n:03}_lost": asked for n in range(60)}
    clips |= {f"1_{n:03}_900": asked for n in range(60)}
    trees.dd_vqa(tmp_path, "train_set", "FaceSwap", clips)
    task = task_named("dd_vqa")
    parts = {s: {x.cluster for x in gather(task, tmp_path, s).samples} for s in ("train", "valid")}
    assert not parts["train"] & parts["valid"]
    assert len(parts["train"]) + len(parts["valid"]) == 60
    assert 0 < len(parts["valid"]) < 20


def spoil_faba(folder):
    trees.write_json(
        folder / "eval" / "eval_emotion_anno.json", [{"id": "a", "gpt4": "b", "label": 0}]
    )
    return r"item 0: not a row of FABA-Bench \(KeyError\('image'\)\)"


def spoil_faba_list(folder):
    trees.write_json(folder / "eval" / "eval_emotion_anno.json", {})
    return "not a list of annotations"


def spoil_dd_vqa(folder):
    trees.write_json(folder / "test_set" / "A" / "A.json", {"1_2": ["no", "mapping"]})
    return "A.json, 1_2: not a row of DD-VQA"


@pytest.mark.parametrize(
    ("name", "spoil"),
    [("faba_emotion", spoil_faba), ("faba_emotion", spoil_faba_list), ("dd_vqa", spoil_dd_vqa)],
)
def test_a_file_that_is_not_as_published_is_named(tmp_path, name, spoil):
    told = spoil(tmp_path)
    with pytest.raises(FaceLLMError, match=told):
        gather(task_named(name), tmp_path, "test")


@pytest.mark.parametrize(
    ("name", "told"),
    [("faba_units", "eval_au_anno.json"), ("dd_vqa", "holds no METHOD/METHOD.json of DD-VQA")],
)
def test_an_empty_folder_says_what_it_should_hold(tmp_path, name, told):
    with pytest.raises(FaceLLMError, match=told):
        gather(task_named(name), tmp_path, "test")
