"""Models of others: any of transformers, Python functions; names, ways, what was seen."""

import json

import eval_toys
import pytest
import torch
from small_bases import save_clip, save_llama

from facellm.errors import FaceLLMError
from facellm.eval.harness.asking import prompt_of, request_of, way_for
from facellm.eval.harness.models import open_model
from facellm.eval.harness.models.function import FunctionModel
from facellm.eval.harness.runner import Plan, run_task
from facellm.eval.harness.sample import Answer
from facellm.eval.harness.seen import seen_by
from facellm.eval.harness.store import AnswerStore
from facellm.eval.tasks import TASKS
from facellm.training_data import TRAINING_DATA, read_training_data


def measured(task, model, tmp_path, ask=""):
    return run_task(Plan(task, tmp_path, "valid", None, ask), model, AnswerStore(None, None))


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    """A LLaVA of random weights, saved as its library saves one."""
    from transformers import (
        AutoTokenizer,
        CLIPImageProcessorPil,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    folder = tmp_path_factory.mktemp("foreign")
    save_clip(folder / "clip")
    save_llama(folder / "llama")
    tokenizer = AutoTokenizer.from_pretrained(folder / "llama")
    tokenizer.add_tokens(["<image>"], special_tokens=True)
    text = LlamaConfig.from_pretrained(folder / "llama")
    text.vocab_size = len(tokenizer)
    vision = CLIPVisionConfig.from_pretrained(folder / "clip")
    torch.manual_seed(0)
    image = tokenizer.convert_tokens_to_ids("<image>")
    config = LlavaConfig(vision_config=vision, text_config=text, image_token_id=image)
    LlavaForConditionalGeneration(config).save_pretrained(folder / "llava")
    images = CLIPImageProcessorPil.from_pretrained(folder / "clip")
    LlavaProcessor(
        images, tokenizer, patch_size=8, vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    ).save_pretrained(folder / "llava")  # fmt: skip
    return folder / "llava"


def test_any_image_text_model_of_a_folder_is_asked(foreign, tmp_path):
    model = open_model(str(foreign))
    task = eval_toys.toy_task(eval_toys.samples(2))
    by_options = measured(task, model, tmp_path)
    again = measured(task, open_model(str(foreign)), tmp_path)
    assert by_options.way == "options"
    assert [row.score for row in by_options.rows] == [row.score for row in again.rows]
    assert sum(by_options.rows[0].score.shares.values()) == pytest.approx(1.0)
    free = measured(task, model, tmp_path, ask="free")
    assert sum(free.outcomes().values()) == 2  # random words, whatever they come to
    assert seen_by(model, task, "test").verdict == "unknown"


def test_the_record_of_training_data_says_what_was_seen():
    task = TASKS["ferplus"]()
    shipped = open_model("eval_toys:sure")
    assert seen_by(shipped, task, "test").verdict == "unknown"
    for record, split, verdict in (
        ({"ferplus": ["train"]}, "train", "seen"),
        ({"fer2013": ["train"]}, "test", "held-out"),
        ({"utkface": ["train"]}, "test", "held-out"),
    ):
        shipped.training_data = record
        assert seen_by(shipped, task, split).verdict == verdict
    assert "zero-shot" in seen_by(shipped, task, "test").why


def test_what_a_function_returns_says_how_it_answered(tmp_path):
    task = eval_toys.toy_task(eval_toys.samples(2))
    assert measured(task, open_model("eval_toys:constant"), tmp_path).way == "options"
    broken = measured(task, open_model("eval_toys:broken"), tmp_path)
    assert broken.outcomes() == {"model error": 2}
    assert broken.rows[0].answer.detail == "RuntimeError: out of order"
    wrong = FunctionModel("x:y", lambda pictures, prompt, options: {"happiness": 1.0})
    with pytest.raises(FaceLLMError, match="a probability for each of neutral"):
        measured(task, wrong, tmp_path)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("no/such/folder", "no such folder; give a folder"),
        ("http://localhost:1/v1", "say which one, as http://localhost:1/v1#NAME"),
        ("eval_toys:nobody", "cannot be imported"),
        ("no_such_module:f", "cannot be imported"),
    ],
)
def test_a_model_that_is_none_is_refused(name, told):
    with pytest.raises(FaceLLMError, match=told):
        open_model(name)


def test_a_way_a_model_cannot_be_asked_is_refused():
    task = TASKS["utkface_age"]()
    with pytest.raises(FaceLLMError, match="cannot be asked by closed"):
        way_for(task, open_model("eval_toys:sure"), "closed")
    with pytest.raises(FaceLLMError, match=r"it can be asked by|can be asked by options"):
        way_for(task, open_model("eval_toys:constant"), "reading")
    assert way_for(task, open_model("eval_toys:chance")) == "free"


def test_answers_come_back_from_disk_as_they_were():
    answer = Answer("options", logprobs=(-0.1, -2.5), verdicts=("7",))
    assert Answer.from_json(answer.to_json()) == answer
    assert json.loads(Answer("free", "né").to_json()) == {"text": "né", "way": "free"}
    (sample,) = eval_toys.samples(1)
    task = eval_toys.toy_task([sample])
    assert request_of(task, sample, "free").prompt == prompt_of(sample, "free") == sample.question


def test_a_judge_rates_answers_and_is_never_the_model_itself(tmp_path):
    from facellm.eval.harness.runner import Judges
    from facellm.eval.harness.sample import Score

    def score(sample, answer):
        return Score("answered", answer.verdicts, float(len(answer.verdicts)))

    changes = {"judge": lambda sample, answer: f"Rate: {answer.text}", "score": score}
    task = eval_toys.toy_task(eval_toys.samples(2), ways=("free",), **changes)
    model = open_model("eval_toys:chance")
    asked = []

    def rater(pictures, prompt, options):
        asked.append(prompt)
        return "8"

    judge, other = FunctionModel("x:rater", rater), FunctionModel("x:other", rater)
    store = AnswerStore(None, None)
    plan = Plan(task, tmp_path, "valid")
    found = run_task(plan, model, store, Judges([(judge, store), (other, store)]))
    assert [row.answer.verdicts for row in found.rows] == [("8", "8")] * 2
    assert all(prompt.startswith("Rate: ") for prompt in asked)
    with pytest.raises(FaceLLMError, match="needs a judge"):
        run_task(plan, model, store)
    with pytest.raises(FaceLLMError, match="cannot be its own judge"):
        run_task(plan, model, store, Judges([(model, store)]))


def test_a_folder_says_what_its_model_was_trained_on_or_nothing(tmp_path):
    assert read_training_data(tmp_path) is None
    (tmp_path / TRAINING_DATA).write_text('{"sets": {"ferplus": ["train", "valid"]}}')
    assert read_training_data(tmp_path) == {"ferplus": ["train", "valid"]}
    for wrong in ('{"sets": {"ferplus": ["dev"]}}', "[]", "no", '{"sets": {"a": []}}'):
        (tmp_path / TRAINING_DATA).write_text(wrong)
        with pytest.raises(FaceLLMError, match="not a record of training data"):
            read_training_data(tmp_path)
