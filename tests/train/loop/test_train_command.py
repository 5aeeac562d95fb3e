"""``facellm train`` and what it refuses."""

import runpy

import pytest

from facellm.cli import main
from facellm.train import train_command
from facellm.train.loop import job


@pytest.fixture
def run(capsys):
    def run(*words):
        code = main(["train", *map(str, words)])
        return code, capsys.readouterr()

    return run


@pytest.fixture
def toys(monkeypatch):
    """The command trains on the toy's batches."""
    from train_toys import ToyStream

    monkeypatch.setattr(job, "BatchStream", ToyStream)


@pytest.mark.usefixtures("toys")
def test_a_config_is_trained_and_the_model_is_named(run, toy_config, tmp_path):
    out = tmp_path / "run"
    code, printed = run(toy_config, "-o", out, "--set", "schedule.steps=1", "--report-to", "none")
    assert (code, printed.out) == (0, f"{out / 'model'}\n")
    assert "1/1" in printed.err
    assert "Loading" not in printed.err
    (out / "model" / "config.json").unlink()
    code, printed = run("consolidate", out)
    assert (code, printed.out) == (0, f"{out / 'model'}\n")
    assert (out / "model" / "config.json").is_file()


@pytest.mark.usefixtures("toys")
def test_quiet_is_quiet(run, toy_config, tmp_path):
    done = run(toy_config, "-o", tmp_path / "run", "--set", "schedule.steps=1", "--quiet")
    assert (done[0], done[1].out, done[1].err) == (0, "", "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["no-such-preset", "-o", "x"], "no-such-preset: no config file and no preset"),
        (["missing.yaml", "-o", "x"], "missing.yaml: cannot be read"),
        (["{config}"], "where to? give a folder with -o"),
        (["{config}", "more", "-o", "x"], "unrecognized arguments: more"),
        (["{config}", "-o", "x", "--model", "m"], "--set model.start=FOLDER"),
        (["{config}", "-o", "x", "--set", "schedule.step=4"], "did you mean 'steps'?"),
        (["{config}", "-o", "x", "--report-to", "paper"], "invalid choice: 'paper'"),
        (["consolidate"], "required: OUT"),
        (["consolidate", "x", "--model", "m"], "there is no --model to take"),
        (["consolidate", "{config}"], "no run lies here (run.json missing)"),
    ],
)
def test_wrong_words_are_one_line(run, toy_config, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    code, printed = run(*[word.format(config=toy_config) for word in words])
    assert code == 2
    assert printed.err.startswith("facellm: error: ")
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert not (tmp_path / "x").exists()


def test_several_processes_need_the_engine_that_knows_them(run, toy_config, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    code, printed = run(toy_config, "-o", tmp_path / "x")
    assert code == 2
    assert "--set engine.kind=deepspeed" in printed.err
    monkeypatch.setenv("WORLD_SIZE", "3")
    code, printed = run(toy_config, "-o", tmp_path / "x", "--set", "engine.kind=deepspeed")
    assert code == 2
    assert "global_batch 4 is no multiple of 3 ranks times micro_batch 2" in printed.err


def test_the_launchers_word_for_the_rank_is_taken(monkeypatch):
    given = []
    monkeypatch.setattr("sys.argv", ["facellm.train", "--local_rank=1", "a.yaml", "-o", "x"])
    monkeypatch.setattr("facellm.cli.main", lambda words: given.append(words) or 0)
    with pytest.raises(SystemExit):
        runpy.run_module("facellm.train", run_name="__main__")
    assert given == [["train", "a.yaml", "-o", "x"]]


def test_presets_are_found_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(train_command, "CONFIGS", tmp_path)
    (tmp_path / "tiny.yaml").write_text("")
    assert train_command.config_path("tiny") == tmp_path / "tiny.yaml"
