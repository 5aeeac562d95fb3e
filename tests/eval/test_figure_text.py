"""Figures of answers on made-up answers; the command end to end on a random toy model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facellm.assistant import FaceAssistant
from facellm.errors import FaceLLMError
from facellm.eval import bench, figure_regions, figure_text, figures
from facellm.eval.answering import Answered
from facellm.labels import ACTION_UNITS, EXPRESSIONS, INTENTS
from facellm.reading import AgeReading, Reading, UnitReading

READING = Reading(
    expression={name: 0.93 if name == "happiness" else 0.01 for name in EXPRESSIONS},
    action_units={number: UnitReading(0.0, 0.0) for number in ACTION_UNITS},
    age=AgeReading(34.0, 27.0, 42.0),
    gender={"female": 0.1, "male": 0.9},
    mask=0.0,
    mouth_open=1.0,
    eyes_closed=0.0,
    gaze=(0.0, 0.0),
    generated=0.0,
)
TRUE = "The face clearly shows happiness (95 %). Looks 34 years old (27 to 42), looks male."
FALSE = "The face clearly shows anger (95 %)."
WHY = (
    "Happiness ({p} %). Measured: the lip corners are lifted (+2 SD against neutral faces); "
    "the mouth opening is large (+1 SD); the brows are raised (+1 SD)."
)


def answer(text: str, intent: str = "describe", question: str = "?") -> Answered:
    return Answered(question, text, intent, READING)


def test_an_answer_that_names_another_expression_contradicts_its_reading():
    figure, records = figure_text.contradiction_figure("x", [answer(TRUE), answer(FALSE)])
    assert (figure.estimate.value, figure.estimate.n) == (0.5, 2)
    assert [record["answer"] for record in records] == [FALSE]


def test_repeated_sentences_count_once():
    texts = ["One. Two!", "One. Three?", "One."]
    written = [part for text in texts for part in figure_text.sentences(text)]
    assert written == ["One.", "Two!", "One.", "Three?", "One."]
    assert figure_text.distinct(written).value == pytest.approx(3 / 5)


@pytest.mark.parametrize("name", ["held_out", "earlier"])
def test_wordings_kept_out_are_three_hundred_over_all_intents(name):
    asked = figure_text.kept_out_questions(name)
    assert len(asked) == 300
    assert {intent for intent, _ in asked} == set(INTENTS)
    assert len({question.lower() for _, question in asked}) == 300


def test_intents_refusals_and_misses_are_counted():
    intents = ["age", "age", "out_of_bounds", "off_topic"]
    answers = [
        answer(TRUE, "age", "how old"),
        answer(TRUE, "off_topic", "years?"),
        answer("I do not say who a person is.", "off_topic"),
        answer("I only answer questions about faces.", "off_topic"),
    ]
    findings = figure_text.score_wordings(intents, answers)
    found = {one.name: one.estimate.value for one in findings.figures}
    assert found["held-out question wordings: intent right"] == 0.5
    # A refusal under the wrong heading still refuses.
    assert found["held-out questions out of bounds: refused"] == 1.0
    assert found["held-out questions about the face: wrongly refused"] == 0.5
    assert findings.tables["misunderstood"][0] == {
        "intent": "age",
        "taken_for": "off_topic",
        "question": "years?",
    }
    assert findings.tables["intents"][0]["taken_for"] == {"age": 1, "off_topic": 1}


def test_cited_measures_are_regions_named_once():
    assert figure_regions.cited_regions(WHY) == ["mouth", "brows"]
    assert figure_regions.cited_regions(TRUE) == []


def test_every_cited_region_is_a_case_beside_one_that_is_not_cited():
    points = np.zeros((2, 68, 2), np.float32)
    points[1] = np.nan
    cases = figure_regions.cases_of([answer(WHY), answer(WHY)], points)
    assert [(case.face, case.cited) for case in cases] == [(0, "mouth"), (0, "brows")]
    assert all(case.other in {"eyes", "nose"} for case in cases)


def test_hiding_counts_the_cases_the_cited_region_wins():
    cases = [figure_regions.Case(0, "mouth", "nose"), figure_regions.Case(1, "eyes", "brows")]
    findings = figure_regions.score_cases(cases, np.array([0.5, 0.1]), np.array([0.2, 0.1]))
    assert findings.figures[0].estimate.value == 0.5  # a tie is not won
    assert findings.figures[1].estimate.value == pytest.approx(0.3)
    assert [row["cited"] for row in findings.tables["cited_regions"]] == ["eyes", "mouth"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small prepared sets of noise."""
    folder, rng = tmp_path_factory.mktemp("cache"), np.random.default_rng(0)
    votes = np.zeros((24, 10), np.int64)
    votes[np.arange(24), np.arange(24) % 8] = 10
    labels = {
        "ferplus": {"votes": votes},
        "utkface": {
            "age": np.arange(24) * 3,
            "male": np.arange(24) % 2 == 0,
            "group": np.array(["white"] * 24),
        },
    }
    for name, side, channels in (("ferplus", 48, 1), ("utkface", 64, 3)):
        (folder / name).mkdir()
        pictures = rng.integers(0, 255, (24, side, side, channels)).astype(np.uint8)
        np.save(folder / name / "images.npy", pictures)
        split = np.repeat([0, 1, 2], 8)
        np.savez(folder / name / "labels.npz", split=split, **labels[name])
    return folder


def run_figures(model: Path, cache: Path, out: Path, only: str) -> dict:
    where = ["--model", str(model), "--cache", str(cache), "--out", str(out)]
    figures.main([*where, "--limit", "6", "--only", only])
    return json.loads(out.read_text())


def test_the_command_measures_prints_and_keeps_what_the_same_weights_gave(
    tiny_checkpoint: Path, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "figures.json"
    first = run_figures(tiny_checkpoint, cache, out, "expression")
    second = run_figures(tiny_checkpoint, cache, out, "attributes,wordings")
    assert list(second["families"]) == ["expression", "attributes", "wordings"]
    assert second["families"]["expression"] == first["families"]["expression"]
    assert second["provenance"]["rows_per_split"] == 6
    printed = capsys.readouterr().out
    assert "| FER+ expression accuracy, published |" in printed
    assert "| held-out question wordings: intent right |" in printed


def test_figures_of_other_weights_are_dropped(tmp_path: Path):
    path = tmp_path / "figures.json"
    path.write_text(json.dumps({"provenance": {"sha256": "a"}, "families": {"mask": {}}}))
    assert figures.earlier_families(path, {"sha256": "a"}) == {"mask": {}}
    assert figures.earlier_families(path, {"sha256": "b"}) == {}


def test_an_unknown_family_is_named():
    with pytest.raises(FaceLLMError, match="unknown family 'expresion'"):
        figures.chosen_families("expresion")


def test_no_heads_file_is_no_line(tiny_checkpoint: Path, cache: Path, tmp_path: Path):
    from facellm.eval.figure_heads import head_figures
    from facellm.eval.held_out import HeldOut

    held_out = HeldOut(FaceAssistant.load(tiny_checkpoint), cache)
    assert head_figures(held_out).figures == []
    (cache / "encoder").mkdir()
    heads = {"ferplus_accuracy": 0.5, "ferplus_n": 8, "utkface_mae": 30.0, "utkface_n": 8}
    (cache / "encoder" / "heads_test.json").write_text(json.dumps(heads))
    found = {one.name: one for one in head_figures(held_out).figures}
    said = held_out.columns("ferplus").expression.argmax(1)
    accuracy = (said == np.arange(8)).mean()
    line = found["FER+ accuracy, readout minus head"]
    assert line.estimate.value == pytest.approx(accuracy - 0.5)
    assert line.estimate.n == 8


def test_every_photo_of_the_bench_is_new_and_has_one_megapixel():
    photos = [bench.new_photo(index) for index in range(3)]
    assert all(photo.shape == (1000, 1000, 3) for photo in photos)
    assert np.array_equal(photos[1], bench.new_photo(1))
    assert not np.array_equal(photos[0], photos[2])


def test_bench_writes_exactly_sixty_tokens_and_gives_the_stop_token_back(tiny_checkpoint: Path):
    assistant = FaceAssistant.load(tiny_checkpoint)
    stop = assistant.checkpoint.model.config.text_config.eos_token_id
    crop = np.zeros((96, 96, 3), np.uint8)
    [reading] = assistant.read_crops([crop])
    [prompt] = bench.answer_prompts(assistant, [crop], [reading], ["Why?"])
    marks = bench.write_marks(assistant, prompt)
    assert len(marks) == bench.TOKENS
    assert marks == sorted(marks)
    assert assistant.checkpoint.model.config.text_config.eos_token_id == stop


def test_bench_lines_are_medians_with_their_goals():
    record = {"import": 6.0, "load": 1.0, "decode": 0.1, "detect": 0.2, "read": 0.1}
    record |= {"first_word": 0.1, "wall": 8.0, "peak": 900.0}
    slow = record | {"load": 9.0, "wall": 30.0}
    lines = {line.name: line for line in bench.cold_lines([record, record, slow])}
    own = lines["cold start, own share until the first word"]
    assert (own.value, own.goal, own.runs) == (pytest.approx(1.5), 2.0, 3)
    text = bench.table([own, replace(own, value=2.5)])
    assert text.count("| yes |") == text.count("| NO |") == 1
