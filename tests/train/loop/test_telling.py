"""The log, the bar and the curves of a run."""

import json
import sys

import pytest

from facellm.errors import FaceLLMError
from facellm.train.loop.telling import StepFacts, Teller, cut_log
from facellm.train.run_config import load_run


@pytest.fixture
def teller(toy_config, tmp_path):
    def new(*changes, steps=(0, 4), speaks=True, quiet=True):
        run = load_run(toy_config, changes)
        return Teller(run, tmp_path, steps, speaks=speaks, quiet=quiet)

    return new


def facts(loss=1.0, tokens=30):
    return StepFacts({"total": loss, "answer": loss}, 0.5, 1.0, tokens, 40, 2.0)


def rows(tmp_path):
    return [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]


def test_speed_and_padding_are_over_the_steps_since_the_line_before(teller, tmp_path):
    telling = teller("keep.log_every=2")
    for step, tokens in ((1, 10), (2, 30), (3, 40), (4, 40)):
        telling.step(step, step / 4, facts(tokens=tokens), 2.0 * step)
    telling.close()
    first, second = rows(tmp_path)
    assert (first["step"], second["step"]) == (2, 4)
    assert (first["tokens_per_second"], first["padding"]) == (10.0, 0.5)
    assert (second["tokens_per_second"], second["padding"]) == (20.0, 0.0)


def test_the_last_step_is_always_logged(teller, tmp_path):
    telling = teller("keep.log_every=3")
    for step in range(1, 5):
        telling.step(step, 0, facts(), 0)
    assert [row["step"] for row in rows(tmp_path)] == [3, 4]


def test_other_ranks_write_nothing(teller, tmp_path):
    telling = teller(speaks=False)
    telling.step(1, 0, facts(), 0)
    telling.left_out({"too long": 3})
    telling.close()
    assert not list(tmp_path.iterdir())


def test_the_bar_shows_loss_speed_and_padding(teller, capsys):
    telling = teller(quiet=False)
    telling.step(1, 0, facts(loss=1.25), 0)
    telling.bar.refresh()
    telling.close()
    shown = capsys.readouterr().err
    assert all(part in shown for part in ("1/4", "loss=1.2500", "tok/s=15", "pad=25.0%"))


def test_what_is_left_out_is_told_and_logged(teller, tmp_path, capsys):
    teller(quiet=False).left_out({"longer than 64 tokens": 3})
    assert "left out: 3 longer than 64 tokens" in capsys.readouterr().err
    assert rows(tmp_path) == [{"step": 0, "left_out": {"longer than 64 tokens": 3}}]


def test_a_resumed_log_goes_on_where_the_checkpoint_is(tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"st')
    cut_log(log, 2)
    assert log.read_text() == '{"step": 1}\n{"step": 2}\n'


def test_curves_go_to_tensorboard(teller, tmp_path):
    accumulators = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="optional: tensorboard"
    )
    telling = teller("keep.report_to=tensorboard")
    telling.step(1, 0, facts(loss=1.5), 0)
    telling.valid(1, {"total": 2.5})
    telling.close()
    found = accumulators.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert found.Scalars("loss")[0].value == 1.5
    assert found.Scalars("valid/loss")[0].value == 2.5


@pytest.mark.parametrize("name", ["wandb", "tensorboard"])
def test_missing_curves_come_with_the_command(teller, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(FaceLLMError, match=f"{name}, which is not installed: pip install"):
        teller(f"keep.report_to={name}")
