"""Ablations: one difference between arms, paired faces, honest intervals, taken up when killed."""

import json

import numpy as np
import pytest
import torch
from loss_toys import batch_of, forwarded, reading_sample, setting_of
from train_toys import toy_makers, write_config

from facellm.checkpoint import load_checkpoint
from facellm.errors import FaceLLMError
from facellm.train import ablation
from facellm.train.ablation import (
    Arm,
    Switch,
    ablate,
    compare,
    main,
    paired_interval,
    train_and_score,
)
from facellm.train.ablation_edits import EDITS, GreyStream
from facellm.train.objectives.au_attention import UnitAttentionLoss
from facellm.train.readout_scores import readout_scores
from facellm.train.run_config import load_run

ROWS = 6
VOTES = np.eye(8, dtype=np.float32)


@pytest.fixture(scope="module")
def toy(tiny_checkpoint):
    return load_checkpoint(tiny_checkpoint)


class HeldOut:
    """A stream of one step: faces with an expression, an age and a unit each."""

    steps_per_epoch = 1
    left_out: dict = {}  # noqa: RUF012

    def __init__(self, processor):
        age = np.zeros(117, np.float32)
        age[30] = 1
        samples = [
            reading_sample(processor, str(n), expr=VOTES[n], age=age, au12=(0, 0, 1, 0, 0, 0))
            for n in range(ROWS)
        ]
        self.batch = batch_of(processor, samples)

    def micro_batches(self, step):
        return [self.batch]

    def close(self):
        pass


def test_scores_are_those_of_the_products_own_readouts(toy):
    stream = HeldOut(toy.processor)
    scores = readout_scores(toy.model, toy.processor, stream)
    batch = stream.batch
    with torch.no_grad():
        embeds = toy.model.embed(batch.input_ids, batch.pixel_values, None)
        said = toy.model.readouts(
            embeds, None, toy.processor.query_positions(), toy.processor.label_ids
        )
    by_name = dict(zip((q.name for q in ablation_queries()), said, strict=True))
    hits = by_name["expr"].argmax(1) == torch.arange(ROWS)
    years = (by_name["age"].exp() @ torch.arange(117.0) - 30).abs()
    levels = (by_name["au12"].exp() @ torch.arange(6.0) - 2).abs()
    for metric, expected in (("expression", hits.float()), ("age", years), ("units", levels)):
        assert list(scores[metric]) == [f"{n}/reading" for n in range(ROWS)]
        assert torch.allclose(torch.tensor(list(scores[metric].values())), expected, atol=1e-3)
    one = -by_name["expr"][torch.arange(ROWS), torch.arange(ROWS)]  # KL from a one-hot target
    assert torch.allclose(torch.tensor(list(scores["votes"].values())), one, atol=1e-4)


def ablation_queries():
    from facellm.labels import QUERIES

    return QUERIES


def test_attention_is_scored_on_faces_with_landmarks_and_a_present_unit(toy):
    stream = HeldOut(toy.processor)
    assert "attention" not in readout_scores(toy.model, toy.processor, stream)
    points = torch.rand(ROWS, 68, 2, generator=torch.Generator().manual_seed(0))
    points[1] = torch.nan
    stream.batch.landmarks = points
    scores = readout_scores(toy.model, toy.processor, stream)["attention"]
    assert list(scores) == [f"{n}/reading" for n in range(ROWS) if n != 1]
    loss = UnitAttentionLoss(setting_of(toy))
    with torch.no_grad():
        expected = 1 - loss(stream.batch, forwarded(toy.model, stream.batch))
    assert np.mean(list(scores.values())) == pytest.approx(expected.item(), abs=1e-6)


def test_faces_whose_raters_tie_have_no_majority_to_hit(toy):
    sample = reading_sample(toy.processor, "a", expr=(0.5, 0.5, 0, 0, 0, 0, 0, 0))
    stream = HeldOut(toy.processor)
    stream.batch = batch_of(toy.processor, [sample])
    assert set(readout_scores(toy.model, toy.processor, stream)) == {"votes"}


def test_the_interval_pairs_faces():
    """Two arms that vary much and differ by a constant: the difference is sure."""
    rng = np.random.default_rng(0)
    common = rng.normal(0, 10, 500)
    without = {str(n): float(v) for n, v in enumerate(common)}
    with_it = {str(n): float(v + 0.1 + 0.01 * (n % 2)) for n, v in enumerate(common)}
    (line,) = compare("x=1", {0: ({"age": with_it}, {"age": without})})
    assert line.low == pytest.approx(0.105, abs=0.002)
    assert line.high == pytest.approx(0.105, abs=0.002)
    assert line.n == 500


def test_the_interval_covers_the_truth_about_as_often_as_it_says(monkeypatch):
    monkeypatch.setattr(ablation, "RESAMPLES", 400)
    rng = np.random.default_rng(1)
    inside = [
        low <= 0.2 <= high for low, high in map(paired_interval, rng.normal(0.2, 1, (60, 80)))
    ]
    assert 51 <= sum(inside) <= 60  # 57 expected; 51 has a chance of about 1 %


def test_seeds_are_averaged_face_by_face():
    first = {"expression": {"a": 1.0, "b": 1.0}}, {"expression": {"a": 0.0, "b": 1.0}}
    second = {"expression": {"b": 0.0, "a": 0.0}}, {"expression": {"a": 0.0, "b": 1.0}}
    (line,) = compare("x=1", {0: first, 1: second})
    assert (line.with_it, line.without, line.difference) == (0.5, 0.5, 0.0)
    assert line.seeds == {"0": 0.5, "1": -0.5}
    assert (line.low, line.high) == (-0.5, 0.5) or line.low <= 0 <= line.high


def test_arms_scored_on_other_faces_are_refused():
    with pytest.raises(FaceLLMError, match="age: one arm was scored on 1 faces, another on 2"):
        compare("x=1", {0: ({"age": {"a": 1.0}}, {"age": {"a": 1.0, "b": 2.0}})})
    with pytest.raises(FaceLLMError, match=r"no held-out face was scored; see keep\.valid_rows"):
        compare("x=1", {0: ({}, {})})
    with pytest.raises(FaceLLMError, match="not the same ones"):
        compare("x=1", {0: ({"age": {"c": 1.0}}, {"age": {"a": 1.0}})})


@pytest.fixture
def plan(tiny_checkpoint, tmp_path):
    path = write_config(tmp_path, tiny_checkpoint)
    return lambda changes: load_run(path, changes)


def counting(asked):
    def runner(arm, folder):
        asked.append(arm)
        bonus = 0.25 * arm.run.losses.neighbourhood
        return {"expression": {"a": bonus + arm.run.schedule.seed, "b": bonus}}

    return runner


def test_arms_differ_in_the_switch_alone_and_the_base_is_trained_once_a_seed(plan, tmp_path):
    asked = []
    switches = [Switch.parse("losses.neighbourhood=1.0"), Switch.parse("no_regions")]
    lines = list(ablate(plan, switches, [1, 2], counting(asked), (tmp_path / "out", "valid")))
    assert [arm.run.schedule.seed for arm in asked] == [1, 1, 2, 2, 1, 2]
    base = asked[1]
    assert asked[0] == Arm(plan(["schedule.seed=1", "losses.neighbourhood=1.0"]), "", "valid")
    assert base == Arm(plan(["schedule.seed=1"]), "", "valid")
    assert asked[4] == Arm(base.run, "no_regions", "valid")
    assert [line.difference for line in lines] == [0.25, 0.0]
    kept = json.loads((tmp_path / "out" / "ablation.json").read_text())
    assert [line["switch"] for line in kept] == ["losses.neighbourhood=1.0", "no_regions"]
    assert kept[0]["seeds"] == {"1": 0.25, "2": 0.25}
    assert "difference +0.2500 [+0.2500, +0.2500]  n 2, seeds +0.2500 +0.2500" in str(lines[0])


def test_a_killed_ablation_trains_only_what_is_missing(plan, tmp_path):
    asked, out = [], (tmp_path / "out", "valid")
    runner = counting(asked)

    def dies(arm, folder):
        if len(asked) == 3:
            raise KeyboardInterrupt
        return runner(arm, folder)

    switch = [Switch.parse("losses.neighbourhood=1.0")]
    with pytest.raises(KeyboardInterrupt):
        list(ablate(plan, switch, [1, 2], dies, out))
    (line,) = ablate(plan, switch, [1, 2], runner, out)
    assert len(asked) == 4
    assert line.difference == 0.25


def test_a_switch_that_changes_nothing_is_refused(plan, tmp_path):
    switch = [Switch.parse("losses.neighbourhood=0.0")]
    with pytest.raises(FaceLLMError, match="changes nothing"):
        list(ablate(plan, switch, [1], counting([]), (tmp_path / "out", "valid")))
    with pytest.raises(FaceLLMError, match=r"neither section\.key=value nor one of"):
        Switch.parse("neighbourhood")
    switch = [Switch.parse("losses.neighbours=1.0")]
    with pytest.raises(FaceLLMError, match="did you mean 'neighbourhood'"):
        list(ablate(plan, switch, [1], counting([]), (tmp_path / "out", "valid")))


@pytest.fixture
def makers(toy):
    usual = toy_makers()

    def new_stream(run, processor, *, split="train", **options):
        if split == "train":
            return usual.new_stream(run, processor, split=split, **options)
        return HeldOut(processor)

    return type(usual)(usual.build_model, usual.prepare_parts, new_stream)


@pytest.mark.parametrize(
    ("edit", "name"), [("no_regions", "gate"), ("no_region_values", "pool.weight")]
)
def test_what_an_edit_takes_away_stays_away(plan, makers, edit, name):
    run = plan([])
    edited = EDITS[edit](makers)
    model, _ = edited.build_model(run)
    taken = dict(model.region_attention.named_parameters())[name]
    groups = edited.prepare_parts(model, run)
    assert not taken.any()
    assert not taken.requires_grad
    assert all(parameter is not taken for group in groups for parameter in group["params"])
    trained = {id(p) for p in model.parameters() if p.requires_grad}
    assert trained == {id(p) for group in groups for p in group["params"]}


def test_values_that_hold_no_patches_cannot_lose_them(plan, makers):
    run = plan([])

    def build(run):
        model, processor = makers.build_model(run)
        model.region_attention.pool = None
        return model, processor

    bare = type(makers)(build, makers.prepare_parts, makers.new_stream)
    with pytest.raises(FaceLLMError, match="hold no patch features"):
        EDITS["no_region_values"](bare).build_model(run)


def test_grey_pictures_have_their_luma_and_no_colour(toy):
    stream = HeldOut(toy.processor)
    crops = np.random.default_rng(0).integers(0, 256, (ROWS, 96, 96, 3), np.uint8)
    stream.batch.pixel_values = toy.processor.standardise(crops)
    (batch,) = GreyStream(stream, toy.processor).micro_batches(0)
    luma = crops @ np.array([0.299, 0.587, 0.114])
    expected = toy.processor.standardise(np.repeat(luma[..., None], 3, 3))
    assert torch.allclose(batch.pixel_values, expected.float(), atol=1e-4)
    stream.batch.features = torch.zeros(ROWS, 9, 64)
    with pytest.raises(FaceLLMError, match=r"data\.features hold colour"):
        GreyStream(stream, toy.processor).micro_batches(0)


def test_the_command_trains_both_arms_and_prints_a_line_a_metric(
    plan, makers, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(ablation, "usual_makers", lambda: makers)
    config, out = str(tmp_path / "toy.yaml"), tmp_path / "out"
    short = ["--set", "schedule.steps=2", "--set", "keep.save_every=2"]
    main([config, "-o", str(out), *short, "--switch", "losses.soft_targets=false"])
    printed = [line for line in capsys.readouterr().out.splitlines() if "difference" in line]
    metrics = [line.split("  ")[1].split(" ")[0] for line in printed]
    assert metrics == ["age", "expression", "units", "votes"]
    assert sorted(path.suffix for path in out.iterdir()) == [".json"] * 3  # no model is kept


def test_an_adapter_is_scored_merged_and_on_labels_never_on_a_teacher(plan, makers, tmp_path):
    teacher = tmp_path / "teacher.npz"
    teacher.write_bytes(b"readings")
    opened = []

    def new_stream(run, processor, *, split="train", **options):
        opened.append((split, run.data.teacher, run.model.start, run.lora.rank))
        return makers.new_stream(run, processor, split=split, **options)

    spied = type(makers)(makers.build_model, makers.prepare_parts, new_stream)
    changes = [
        "rates={multi_modal_projector: 1.0e-3, lora: 1.0e-2}",
        "lora={rank: 4, alpha: 8}",
        "schedule.steps=2",
        f"data.teacher={teacher}",
    ]
    folder = tmp_path / "arm"
    scores = train_and_score(Arm(plan(changes), "", "valid"), folder, spied)
    start = plan([]).model.start
    assert opened == [
        ("train", str(teacher), start, 4),
        ("valid", "", str(folder / "model"), 0),
    ]
    assert len(scores["expression"]) == ROWS
