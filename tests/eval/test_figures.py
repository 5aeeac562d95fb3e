"""Figures on made-up predictions whose scores are known by hand."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from facellm.errors import FaceLLMError
from facellm.eval import (
    calibrate,
    figure,
    figure_attributes,
    figure_expression,
    figure_units,
    figures,
)
from facellm.eval.held_out import VALID, Columns
from facellm.eval.statistics import Estimate
from facellm.geometry import MEASURES
from facellm.labels import ACTION_UNITS, EXPRESSIONS
from facellm.readout import Calibration, shifted

HAPPY, ANGER, SURPRISE = (EXPRESSIONS.index(name) for name in ("happiness", "anger", "surprise"))


def made_up(count: int, **given: np.ndarray) -> Columns:
    """Readings without content, some columns given."""
    plain = {
        "expression": np.full((count, 8), 1 / 8),
        "units": np.zeros((count, len(ACTION_UNITS))),
        "age": np.zeros((count, 3)),
        "gaze": np.zeros((count, 2)),
        "pose": np.full((count, 3), np.nan),
        "zscores": np.full((count, len(MEASURES)), np.nan),
        "abstain": np.zeros(count, bool),
    }
    plain |= {name: np.zeros(count) for name in ("male", "mask", "generated", "confidence")}
    return Columns(**(plain | given))


def said(labels: list[int], sure: float = 0.9) -> np.ndarray:
    """Expression shares that name the labels with a given confidence."""
    shares = np.full((len(labels), 8), (1 - sure) / 7)
    shares[np.arange(len(labels)), labels] = sure
    return shares


def votes(*rows: dict[int, int]) -> np.ndarray:
    """FER+ votes, (N, 10), from index -> count."""
    table = np.zeros((len(rows), 10), np.int64)
    for index, row in enumerate(rows):
        for label, count in row.items():
            table[index, label] = count
    return table


def named(findings: figure.Findings) -> dict[str, figure.Figure]:
    return {one.name: one for one in findings.figures}


def test_denominators_keep_the_rows_their_rules_keep():
    table = votes(
        {HAPPY: 9, ANGER: 1},  # both
        {HAPPY: 4, ANGER: 3, SURPRISE: 3},  # argmax only: no majority
        {HAPPY: 5, ANGER: 5},  # neither
        {9: 8, HAPPY: 2},  # not a face by majority; the eight votes still have a top
    )
    columns = made_up(4, expression=said([HAPPY, ANGER, HAPPY, HAPPY]))
    found = named(figure_expression.score_expressions(columns, table, whole=False))
    published = found["FER+ expression accuracy, published"].estimate
    argmax = found["FER+ expression accuracy, argmax"].estimate
    assert (published.n, published.value) == (1, 1.0)
    assert (argmax.n, argmax.value) == (3, pytest.approx(2 / 3))


def test_a_wrong_number_of_rows_is_said():
    assert "all 3,153 rows" in figure_expression.count_note("published", 3153)
    assert "not comparable" in figure_expression.count_note("published", 3100)


def test_calibration_and_divergence_of_a_model_that_says_the_votes_are_zero():
    table = votes({HAPPY: 7, ANGER: 3}, {SURPRISE: 8, ANGER: 2}, {SURPRISE: 6, 8: 4})
    columns = made_up(3, expression=figure_expression.expression_shares(table))
    found = named(figure_expression.score_expressions(columns, table, whole=False))
    error = found["FER+ calibration error against a drawn tagger, all voted faces"]
    apart = found["FER+ KL divergence of the votes from the reading, all voted faces"]
    assert error.estimate.value == pytest.approx(0, abs=1e-9)
    assert apart.estimate.value == pytest.approx(0, abs=1e-9)
    assert apart.estimate.n == 3


def test_abstaining_faces_leave_the_answered_accuracy():
    table = votes({HAPPY: 10}, {HAPPY: 10}, {ANGER: 10}, {ANGER: 10})
    columns = made_up(
        4,
        expression=said([HAPPY, HAPPY, ANGER, HAPPY]),
        abstain=np.array([False, False, False, True]),
    )
    found = named(figure_expression.score_expressions(columns, table, whole=False))
    assert found["FER+ share left open, published"].estimate.value == 0.25
    answered = found["FER+ accuracy where answered, published"]
    assert (answered.estimate.value, answered.estimate.n) == (1.0, 3)
    assert answered.goal is not None
    assert answered.goal.reached(answered.estimate.value)


def test_confusion_counts_every_row_once():
    truth, guess = np.array([HAPPY, HAPPY, ANGER]), np.array([HAPPY, ANGER, ANGER])
    records = {row["truth"]: row for row in figure_expression.confusion(truth, guess)}
    assert records["happiness"]["said"] == {name: 0 for name in EXPRESSIONS} | {
        "happiness": 1,
        "anger": 1,
    }
    assert records["anger"]["recall"] == 1.0
    assert records["fear"]["recall"] is None


def test_groups_under_thirty_rows_are_not_shown():
    member = np.array(["a"] * 30 + ["b"] * 29)
    error, right = np.full(59, 4.0), np.ones(59, bool)
    [row] = figure_attributes.fairness(member, ["a", "b"], error, right)
    assert (row["group"], row["n"], row["age_error"]) == ("a", 30, [4.0, 4.0, 4.0])


def test_thumbnail_floor_finds_what_brightness_tells_and_nothing_in_noise():
    rng = np.random.default_rng(0)
    fake = np.arange(300) % 2
    split = np.repeat([0, 1, 2], 100)
    noise = rng.integers(60, 200, (300, 16, 16, 3)).astype(np.uint8)

    class Made:
        images = np.clip(noise + fake[:, None, None, None] * 50, 0, 255).astype(np.uint8)
        labels = {"fake": fake, "split": split}  # noqa: RUF012

        def rows(self, number: int) -> np.ndarray:
            return np.flatnonzero(split == number)

    def auc(data: Made) -> float:
        scores, _ = figure_attributes.thumbnail_floor(data, data.rows(2))  # type: ignore[arg-type]
        truth = fake[200:]
        above = scores[truth == 1][:, None] > scores[truth == 0][None]
        return float(above.mean())

    bright, plain = Made(), Made()
    plain.images = noise
    assert auc(bright) == 1.0
    assert 0.3 < auc(plain) < 0.7


def test_unit_check_ranks_one_expression_against_the_rest():
    truth = np.array([HAPPY, HAPPY, ANGER, SURPRISE, -1])
    units = np.zeros((5, len(ACTION_UNITS)))
    units[:, ACTION_UNITS.index(12)] = [0.9, 0.4, 0.5, 0.1, 1.0]
    found = figure_units.run_check(
        figure_units.Check((12,), "happiness"), made_up(5, units=units), truth
    )
    assert (found.value, found.n) == (0.75, 4)  # pairs won: .9 twice, .4 once of 2 x 2


def test_measured_check_takes_the_two_ends_and_leaves_the_middle():
    zscores = np.full((9, len(MEASURES)), np.nan)
    zscores[:, MEASURES.index("mouth_open")] = np.arange(9)
    check = next(c for c in figure_units.CHECKS if c.against == "mouth_open")
    high, low = figure_units.sides(check, made_up(9, zscores=zscores), np.zeros(9, int))
    assert np.flatnonzero(low).tolist() == [0, 1, 2]
    assert np.flatnonzero(high).tolist() == [6, 7, 8]


def test_closed_eyes_are_the_low_end_of_the_opening():
    zscores = np.full((100, len(MEASURES)), np.nan)
    zscores[:, MEASURES.index("eye_open")] = np.arange(100)
    check = next(c for c in figure_units.CHECKS if c.against == "eye_open")
    high, low = figure_units.sides(check, made_up(100, zscores=zscores), np.zeros(100, int))
    assert np.flatnonzero(high).tolist() == [0, 1, 2, 3, 4]
    assert np.flatnonzero(low).tolist() == list(range(50, 100))


def test_a_check_without_a_positive_row_is_not_a_number():
    check = figure_units.Check((12,), "happiness")
    found = figure_units.run_check(check, made_up(2), np.array([ANGER, ANGER]))
    assert math.isnan(found.value)


def test_calibration_keeps_passing_units_and_the_smallest_safe_confidence():
    truth = np.array([HAPPY] * 200 + [ANGER] * 200)
    shares = np.concatenate([said([HAPPY] * 200, 0.9), said([ANGER] * 100 + [HAPPY] * 100, 0.6)])
    units = np.zeros((400, len(ACTION_UNITS)))
    units[:200, ACTION_UNITS.index(12)] = 1.0  # AU12 ranks happiness, AU4 is at chance
    columns = made_up(400, expression=shares, confidence=shares.max(1), units=units)
    fitted = calibrate.fit(columns, truth, Calibration())
    assert fitted.abstain_below == pytest.approx(0.9)
    assert 12 in fitted.units_on_real_faces
    assert 4 not in fitted.units_on_real_faces


def test_weights_that_never_reach_the_accuracy_always_abstain():
    columns = made_up(4, expression=said([HAPPY] * 4), confidence=np.full(4, 0.9))
    fitted = calibrate.fit(columns, np.array([ANGER] * 4), Calibration())
    assert fitted.abstain_below > 1
    assert fitted.units_on_real_faces == ()


class Photographs:
    """Stands in for ``HeldOut``: a crop is its row number, its reading the share given for it."""

    def __init__(self, shares: dict[str, np.ndarray], fake: np.ndarray) -> None:
        self.shares, self.assistant = shares, self
        labels = {"utkface": {}, "real_vs_stylegan2": {"fake": fake}}
        self.sets = {name: SimpleNamespace(labels=held) for name, held in labels.items()}

    def rows(self, name: str, split: int) -> np.ndarray:
        assert split == VALID
        return np.arange(len(self.shares[name]))

    def data(self, name: str) -> SimpleNamespace:
        return self.sets[name]

    def crop(self, name: str, row: int) -> tuple[str, int]:
        return name, row

    def read_crops(self, crops: list[tuple[str, int]]) -> list[SimpleNamespace]:
        return [SimpleNamespace(generated=float(self.shares[name][row])) for name, row in crops]


def test_one_real_photograph_in_twenty_is_called_generated_after_the_shift():
    rng = np.random.default_rng(0)
    fake = np.arange(200) % 2
    shares = {"utkface": rng.uniform(0, 1, 500), "real_vs_stylegan2": rng.uniform(0, 1, 200)}
    shares["real_vs_stylegan2"][fake == 1] = 0.999  # forged rows must not count
    shift = calibrate.generated_shift(Photographs(shares, fake))  # type: ignore[arg-type]
    real = [*shares["utkface"], *shares["real_vs_stylegan2"][fake == 0]]
    called = np.mean([shifted(share, shift) >= 0.5 for share in real])
    assert called == pytest.approx(0.05, abs=0.005)


def test_a_row_says_whether_the_goal_is_reached_and_survives_json():
    low_is_good = figure.Goal(7.0, at_least=False)
    good = figure.Figure("age", Estimate(6.2, 6.0, 6.4, 2337), low_is_good, "years").to_dict()
    assert figure.table_row(json.loads(json.dumps(good))) == (
        "| age | 6.20 years | 6.00 years to 6.40 years | 2,337 | <= 7.00 years | yes |"
    )
    empty = figure.Figure("none", Estimate(math.nan, math.nan, math.nan, 0), figure.Goal(0.5))
    assert empty.to_dict()["value"] is None
    assert empty.to_dict()["reached"] is False


def test_the_card_gets_the_table_and_keeps_the_rest(tmp_path):
    row = figure.Figure("mask", Estimate(0.9, 0.8, 0.95, 10), note="small").to_dict()
    card = tmp_path / "CARD.md"
    begin, end = figures.CARD_MARKS
    card.write_text(f"# Card\n{begin}\nold\n{end}\nrest\n")
    for _ in range(2):  # again and again
        figures.write_card(card, {"mask": {"figures": [row]}})
    text = card.read_text()
    assert text.startswith(f"# Card\n{begin}\n| figure")
    assert "| mask | 90.0 %" in text
    assert "- mask: small" in text
    assert text.endswith(f"{end}\nrest\n")
    assert "old" not in text
    card.write_text("# Card without marks\n")
    with pytest.raises(FaceLLMError, match="figures"):
        figures.write_card(card, {})
