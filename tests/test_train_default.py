"""Stages of `make train-default`: every command is there and takes what it is given."""

import ast
import importlib.util
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from facellm.instruct_data.build_command import SUBVERBS, new_build_parser, subverb_parser
from facellm.train.encoder_config import load_encoder_run
from facellm.train.run_config import load_run
from facellm.train.train_command import config_path, new_train_parser, stage_of

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture(scope="module")
def commands():
    """Each command of the stages as words, without the variables in front."""
    told = subprocess.run(
        ["make", "-n", "-B", "train-default"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    lines = told.replace("\\\n", " ").splitlines()
    return [shlex.split(line.split("||")[-1]) for line in lines if "facellm" in line]


def after(words, name):
    """Words behind the one that ends so."""
    return words[next(i for i, word in enumerate(words) if word.endswith(name)) + 1 :]


def test_every_module_it_runs_can_be_run(commands):
    modules = {after(words, "-m")[0] for words in commands if "-m" in words}
    modules = {module for module in modules if module.startswith("facellm.")}
    assert {"facellm.train.export", "facellm.eval.calibrate", "facellm.train.engine"} <= modules
    for module in modules:
        tree = ast.parse(Path(importlib.util.find_spec(module).origin).read_text())
        assert any(isinstance(n, ast.FunctionDef) and n.name == "main" for n in tree.body), module
        guards = [ast.unparse(n.test) for n in tree.body if isinstance(n, ast.If)]
        assert "__name__ == '__main__'" in guards, module


def test_every_run_it_trains_is_a_valid_one(commands):
    runs = [after(words, "facellm") for words in commands if "train" in words]
    runs = [words[1:] for words in runs if words and words[0] == "train"]
    assert [words[0] for words in runs] == [
        "default-encoder",
        "default-text",
        "default-base",
        "default-instruct",
    ]
    for words in runs:
        args = new_train_parser().parse_intermixed_args(words)
        path = config_path(args.config)
        load = load_encoder_run if stage_of(path) == "encoder" else load_run
        assert load(path, args.changes).stage == stage_of(path)
        assert args.resume  # an interrupted stage goes on


def test_every_corpus_it_builds_is_asked_for_in_words_the_builder_knows(commands):
    built = [after(words, "facellm") for words in commands if "build" in words]
    built = [words[1:] for words in built if words and words[0] == "build"]
    assert {words[0] for words in built} == {"local", "made", "synth", "forge", "readings"}
    for words in built:
        name = words[0]
        parser = subverb_parser(name) if name in SUBVERBS else new_build_parser()
        parser.parse_intermixed_args(words[1:] if name in SUBVERBS else words)
