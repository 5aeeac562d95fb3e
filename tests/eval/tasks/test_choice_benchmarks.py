"""FaceXBench, Face-Human-Bench, FaceBench on made-up trees: what is asked, what not, the scores."""

import json

import benchmark_trees as trees
import pytest

from facellm.errors import FaceLLMError
from facellm.eval.harness.gather import gather
from facellm.eval.harness.models.function import FunctionModel
from facellm.eval.harness.runner import Plan, run_task
from facellm.eval.harness.store import AnswerStore
from facellm.eval.tasks import task_named
from facellm.eval.tasks.choices import in_split, shuffled
from facellm.eval.tasks.not_asked import reason_not_to_ask


def picks(word):
    """A model that chooses the option with a word in it, else the last one."""

    def choose(pictures, prompt, options):
        chosen = next((o for o in options if word in o), options[-1])
        return {option: 0.9 if option == chosen else 0.01 for option in options}

    return FunctionModel(f"picks:{word}", choose)


def run(name, folder, word, split="test"):
    plan = Plan(task_named(name), folder, split)
    return run_task(plan, picks(word), AnswerStore(None, None))


def figures(result):
    return {m.name: m.measure(result.rows) for m in result.plan.task.metrics}


@pytest.fixture
def facexbench(tmp_path):
    ages, ends = ["20-29", "30-39", "40-49", "50-59"], ["0", "2", "1", "3"]
    trees.facexbench_part(
        tmp_path, "utkface_single_mcq_age_test", ("bias_fairness", "age"),
        [("How old does the person look?", ages, "B", 1), ("Which age range?", ages, "C", 1)],
    )  # fmt: skip
    trees.facexbench_part(
        tmp_path, "celebdf_multiple_mcq", ("fas_deepfakes", "deepfakes"),
        [
            ("How many images are deepfakes?", ends, "D", 3),
            ("Which deepfakes belong to the same identity?", ["1", "2", "3", "4"], "A", 2),
            ("How many are real?", ["1", "1", "2", "3"], "A", 2),
        ],
    )  # fmt: skip
    trees.facexbench_part(
        tmp_path, "utkface_single_mcq_race_test", ("bias_fairness", "race"),
        [("Which is it?", ["a", "b", "c", "d"], "A", 1)],
    )  # fmt: skip
    trees.facexbench_part(
        tmp_path, "lfw_multiple_mcq", ("face_recognition", "hr_fr"),
        [("How many people?", ["1", "2", "3", "4"], "A", 2)],
    )  # fmt: skip
    trees.facexbench_part(
        tmp_path, "tools_retrieval", ("tools_use", "tools_retrieval"),
        [("Which calls answer: who is it?", ["api_7", "api_3", "api_9", "api_5"], "A", 1)],
        context="api_7 does face recognition.",
    )  # fmt: skip
    return tmp_path


def test_facexbench_asks_what_may_be_asked_and_counts_the_rest(facexbench):
    found = gather(task_named("facexbench"), facexbench, "test")
    assert found.rejected == {
        "not asked: recognition": 2,
        "not asked: race": 1,
        "value outside its range": 1,
    }
    assert [sample.id for sample in found.samples] == [
        "celebdf_multiple_mcq/1",
        "tools_retrieval/1",
        "utkface_single_mcq_age_test/1",
        "utkface_single_mcq_age_test/2",
    ]
    assert len(found.samples[0].media) == 3
    assert found.samples[0].target == {"label": "3", "chance": 0.25}
    assert found.samples[1].question.startswith("api_7 does face recognition.")


def test_facexbench_is_scored_by_category_beside_chance(facexbench):
    result = run("facexbench", facexbench, "30-39")
    found = figures(result)
    assert found["accuracy"].value == pytest.approx(2 / 4)  # "30-39" once, the last option once
    assert found["accuracy, bias_fairness"].value == pytest.approx(1 / 2)
    assert found["accuracy, fas_deepfakes"].value == 1.0
    assert found["accuracy, tools_use"].value == 0.0
    assert found["chance level"].value == 0.25
    assert found["accuracy, face_localization"].n == 0
    names = {metric.name for metric in result.plan.task.metrics}
    assert {row.metric for row in result.plan.task.published} <= names


def test_face_human_bench_shuffles_what_is_always_first_and_averages_level_by_level(tmp_path):
    attribute = [("Which is true?", ["right a", "b", "c"])]
    ages = [("How old?", ["right 20", "30"]), ("How old?", ["wrong 40", "right 30"])]
    trees.human_bench_file(tmp_path, "test", "face_attribute_compound", attribute, cropped=True)
    trees.human_bench_file(tmp_path, "test", "face_age_basic_5", ages)
    trees.human_bench_file(tmp_path, "test", "face_age_basic_10", ages[1:])
    trees.human_bench_file(tmp_path, "test", "human_action_basic", [("What?", ["right", "no"])] * 3)
    trees.human_bench_file(tmp_path, "test", "face_recognition_basic", ages)
    trees.human_bench_file(tmp_path, "test", "human_reid_basic", ages)
    result = run("face_human_bench", tmp_path, "right")
    assert result.gathered.rejected == {"not asked: recognition": 4}
    # attribute 1; age: 5 years 1/2, 10 years 0 -> 1/4; face 5/8; people 1; in all 13/16.
    found = figures(result)
    assert found["mean over abilities"].value == pytest.approx((5 / 8 + 1) / 2)
    assert found["accuracy"].value == pytest.approx((2 + 1 + 0 + 3) / 8)
    assert found["accuracy, age"].value == pytest.approx(1 / 3)
    versions = {row.id: row for row in result.rows if "attribute" in row.id}
    assert {row.cluster for row in versions.values()} == {"face_attribute_compound/0"}
    media = {s.id: (s.media[0].face, s.options) for s in result.gathered.samples}
    cropped = media["face_attribute_compound/0/cropped"]
    assert cropped == ("aligned", media["face_attribute_compound/0/original"][1])


def test_the_right_option_stands_everywhere():
    """Every order of four is about as frequent; the same key gives the same."""
    first = [shuffled("abcd", f"part/{n}")[0] for n in range(400)]
    assert all(60 < first.count(place) < 140 for place in range(4))
    assert shuffled("abcd", "k") == shuffled("abcd", "k")


def test_facebench_asks_single_choice_and_yes_or_no_and_names_the_other_kinds(tmp_path):
    options = ["A. Yes", "B. No"]
    trees.facebench(
        tmp_path,
        [
            ("glasses", "Accessories", "TFQ", "Are there glasses?", options, "A. Yes"),
            ("hair", "Appearance", "SCQ", "How is the hair?", ["straight", "wavy"], "wavy"),
            ("hair", "Appearance", "MCQ", "Which are true?", ["a", "b"], ["a", "b"]),
            ("scene", "Surrounding", "OEQ", "Where?", [], "a park"),
            ("age", "Identity", "SCQ", "How old?", ["young", "old"], "old"),
            ("race", "Identity", "SCQ", "Which?", ["a", "b"], "a"),
            ("mood", "Psychology", "SCQ", "Which?", ["calm", "tense"], "sad"),
        ],
    )
    result = run("facebench", tmp_path, "wavy")
    assert result.gathered.rejected == {
        "MCQ questions are not scored": 1,
        "OEQ questions are not scored": 1,
        "not asked: identity": 1,
        "value outside its range": 1,
    }
    found = figures(result)
    assert (found["accuracy"].value, found["accuracy"].n) == (pytest.approx(2 / 3), 3)
    assert found["accuracy, accessories"].value == 0.0
    assert {row.cluster for row in result.rows} == {"7.jpg"}


def test_a_tenth_of_a_benchmark_is_its_validation_split_and_nothing_is_trained_on():
    keys = [f"part/{number}" for number in range(2000)]
    assert 140 < sum(in_split("valid", key) for key in keys) < 260
    assert all(in_split("test", key) and not in_split("train", key) for key in keys)


@pytest.mark.parametrize(
    ("question", "options", "reason"),
    [
        ("Who is the person in the picture?", (), "identity"),
        ("Are these the same person?", (), "recognition"),
        ("What is the most likely ethnicity?", (), "race"),
        ("Which group?", ("White", "Black", "East Asian"), "race"),
        ("Is the person trustworthy?", (), "traits"),
        ("Which expression does the person show?", ("sadness", "fear"), None),
        ("How many images show a person under 30?", ("1", "2"), None),
        ("What is the person doing in the race track picture frame?", (), "race"),
    ],
)
def test_what_is_not_asked_is_found_by_its_words(question, options, reason):
    """The last one is a false alarm: rather one question less than one of these."""
    assert reason_not_to_ask(question, options) == reason


def spoil_facexbench(folder):
    trees.write_json(folder / "benchmark" / "p.json", {"questions": {"1": "no question"}})
    return "p.json, question 1: not a row of FaceXBench"


def spoil_facexbench_part(folder):
    trees.write_json(folder / "benchmark" / "p.json", [])
    return "p.json: no part of FaceXBench"


def spoil_human_bench(folder):
    trees.write_json(folder / "test/json/en/face_age_basic_5.json", {"data": [{"type": "x"}]})
    return "face_age_basic_5.json, item 0: not a row of Face-Human-Bench"


def spoil_facebench(folder):
    (folder / "test.jsonl").write_text('{"image_id": "7.jpg"}\n')
    return r"test.jsonl, line 1: not a row of FaceBench \(KeyError\('question_id'\)\)"


def spoil_facebench_line(folder):
    (folder / "test.jsonl").write_text("\n{broken\n")
    return "test.jsonl, line 2: not a row of FaceBench"


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("facexbench", spoil_facexbench),
        ("facexbench", spoil_facexbench_part),
        ("face_human_bench", spoil_human_bench),
        ("facebench", spoil_facebench),
        ("facebench", spoil_facebench_line),
    ],
)
def test_a_file_that_is_not_as_published_is_named(tmp_path, name, spoil):
    told = spoil(tmp_path)
    with pytest.raises(FaceLLMError, match=told):
        gather(task_named(name), tmp_path, "test")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("facexbench", "holds no part of FaceXBench"),
        ("face_human_bench", "holds no file of Face-Human-Bench"),
        ("facebench", "test.jsonl"),
    ],
)
def test_an_empty_folder_says_what_it_should_hold(tmp_path, name, told):
    with pytest.raises(FaceLLMError, match=told):
        gather(task_named(name), tmp_path, "test")


def test_a_question_whose_picture_is_missing_is_counted(facexbench):
    (facexbench / "benchmark/images/celebdf_multiple_mcq/question_1_2.png").unlink()
    found = gather(task_named("facexbench"), facexbench, "test")
    assert found.rejected["picture missing"] == 1
    assert json.dumps(found.rejected)  # plain counts, as results.json holds them
