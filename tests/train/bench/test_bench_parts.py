"""Ranks, memory, GPU and the command around them."""

import io
import json
import sys
from contextlib import closing
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from train_corpora import face_corpus, face_records
from training_runs import new_run

from facellm.bench_lines import Line
from facellm.errors import FaceLLMError
from facellm.train.bench import command, gpu, memory
from facellm.train.bench import setting as bench_setting
from facellm.train.bench.ranks import World, work
from facellm.train.bench.setting import QUICK, Setting, build_corpus
from facellm.train.bench.turns import Steps
from facellm.train.build_model import build_model
from facellm.train.data.records import Records
from facellm.train.run_sections import LoraSettings, ScheduleConfig

# A rank that answers as the real one does, with noise of libraries before it.
RANK = """
import os, sys
for turn, _ in enumerate(sys.stdin):
    print("[INFO] a library speaks")
    print('{"tokens": %d, "seconds": 0.5}' % (10 * (turn + 1) * int(os.environ["WORLD_SIZE"])),
          flush=True)
"""


def test_a_world_answers_a_turn_at_a_time(tmp_path):
    with closing(World([sys.executable, "-c", RANK], 2, tmp_path)) as world:
        assert [world.take(), world.take()] == [40, 80]
    assert all(rank.returncode is not None for rank in world.ranks)  # none is left behind


def test_a_rank_that_dies_is_told_with_its_last_words(tmp_path):
    dying = "import sys; sys.exit('no such port')"
    with closing(World([sys.executable, "-c", dying], 1, tmp_path)) as world:
        world.ranks[0].wait()
        with pytest.raises(FaceLLMError, match="a rank has ended: no such port"):
            world.take()


def test_a_rank_takes_a_turn_a_line(tiny_checkpoint, tmp_path):
    corpus, pictures = face_corpus(tmp_path, list(face_records(3)))
    setting = Setting(replace(QUICK, length=128), corpus, str(tiny_checkpoint), str(pictures))
    out = io.StringIO()
    with closing(Steps(setting.run(), tmp_path / "run", 1)) as steps:
        work(steps, ["\n", "\n"], out)
        assert steps.step == 2
    answers = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [set(answer) for answer in answers] == [{"tokens", "seconds"}] * 2
    assert answers[1]["tokens"] == sum(map(len, steps.streams[0].shown))


@pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="optional: facellm[train]")
@pytest.mark.skipif(not memory.MARK.exists(), reason="the kernel's mark is Linux's")
def test_nf4_is_stored_smaller_and_the_peak_is_that_of_a_step():
    job = {"width": 128, "layers": 2, "runs": 2}
    bf16, nf4 = (memory.child({"store": store, **job}) for store in memory.STORES)
    for found in (bf16, nf4):
        assert len(found["peaks"]) == 2
        assert min(found["peaks"]) > found["before"] > 50
    # Maps of 2 layers: 4 of 128 x 128 and 3 of 128 x 384; 12 bits less a number, scales left out.
    saved = 2 * (4 * 128 * 128 + 3 * 128 * 384) * 12 / 8 / 1e6
    assert bf16["stored"] - nf4["stored"] == pytest.approx(saved, rel=0.05)


def test_memory_lines_take_what_imports_hold_off(monkeypatch):
    found = {
        "none": {"before": 400.0, "peaks": [900.0, 1000.0, 1000.0], "stored": 300.0},
        "nf4": {"before": 400.0, "peaks": [600.0, 600.0, 700.0], "stored": 90.0},
    }
    monkeypatch.setattr(memory, "measured", lambda store, sizes: found[store])
    monkeypatch.setattr(memory, "find_spec", lambda name: True)
    monkeypatch.setattr(memory, "MARK", Path("/dev/null"))
    lines = {line.name: line.value for line in memory.memory_lines(QUICK)}
    assert lines["bf16: peak memory of a step, whole process"] == 1000
    assert lines["nf4: the same without what imports take"] == 200
    assert lines["peak memory of a step without imports: bf16 over nf4"] == 2.5  # of 2.5, 3, 2
    assert lines["language model stored as nf4"] == 90


def test_a_shape_is_measured_on_any_device(tiny_checkpoint):
    plan = ScheduleConfig(micro_batch=2, global_batch=2, recompute=True)
    run = new_run(
        "instruct",
        {"multi_modal_projector": 1e-3, "lora": 1e-3},
        tiny_checkpoint,
        lora=LoraSettings(rank=4),
        schedule=plan,
        length=40,
    )
    config = build_model(run)[0].config
    lines = gpu.shape_lines("tiny", config, run, (2, torch.device("cpu")))
    assert [line.unit for line in lines] == ["/s", "GFLOP/s", "GFLOP/s", "%"]
    assert all(line.value > 0 for line in lines)


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what is skipped without a GPU")
def test_without_a_gpu_its_lines_say_so_and_the_command_prints_and_writes(tmp_path, capsys):
    file = tmp_path / "bench.json"
    command.main(["--quick", "--threads", "1", "--parts", "gpu", "--out", str(file)])
    printed = capsys.readouterr().out
    for shape in gpu.SHAPES:
        assert f"| {shape} (skipped: no GPU) | missing |  |  |" in printed
    assert "12 L^2 times the attention's width a layer" in printed
    record = json.loads(file.read_text())
    assert record["versions"]["torch"] == torch.__version__
    assert len(record["lines"]) == 3
    assert record["headline"].startswith("no headline")


def test_there_is_no_headline_under_load_of_others():
    line = Line(command.HEADLINES[0], 1.5, "x", None, 5, quartiles=(1.4, 1.6))
    assert "load 0.30 before and 2.60 after" in command.headline([line], (0.3, 2.6))
    told = command.headline([line, Line("else", 3.0, "x", None, 5)], (0.3, 2.5))
    assert told == "real tokens/s: packed over padded 1.50 x (1.40 to 1.60)"
    assert "no ratio was measured" in command.headline([], (0.3, 0.3))


def test_the_corpus_is_built_from_what_the_package_holds(tmp_path):
    pytest.importorskip("sklearn")
    pytest.importorskip("ftfy")
    corpus = build_corpus(tmp_path, 2)
    records = Records.load(corpus, "train")
    assert len(records) > 4
    assert {path for n in range(len(records)) for path in records.facts(n).pictures} == {
        "pictures/0000.png",
        "pictures/0001.png",
    }


def test_a_corpus_that_cannot_be_built_is_told_with_the_builder_s_words(tmp_path, monkeypatch):
    monkeypatch.setattr(bench_setting, "BUILD", "names: bench\n")
    with pytest.raises(FaceLLMError, match=r"was not built: .*build.yaml.*names"):
        build_corpus(tmp_path, 1)
