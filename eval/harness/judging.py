"""Answers rated by judges: scores, figures on the three axes, and whether two judges agree.

A task asks for ratings by ``judge=rated_against(reference)`` and scores by ``judged_scorer``. What
each judge said is read strictly (``facellm.eval.scoring.judge``); a reply that is no rating is
counted per judge and never guessed at. An answer that the model did not give gets the lowest
rating, so that silence cannot raise a mean.

Example of ``Score.said``: ``{"label": "anger", "ratings": [{"picture": 7, ...}, null]}``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from facellm.errors import FaceLLMError

from ..metrics.agreement import agreement
from ..scoring.answer_text import answer_part, without_words
from ..scoring.judge import AXES, LEAST, PROMPT_VERSION, judge_prompt, parse_rating
from ..scoring.lexicon import grammar
from ..statistics import Statistic, mean_statistic
from .files import estimate_record
from .sample import ANSWERED, Answer, Row, Sample, Score
from .task import Metric, Scorer

OF_TEN = "of 10"
SILENT = ("refused", "empty", "repeated")  # outcomes of words that hold no reason
Ratings = dict[str, int]


def ratings_of(answer: Answer) -> list[Ratings | None]:
    """What each judge gave; None where its reply is no rating."""
    found: list[Ratings | None] = []
    for verdict in answer.verdicts:
        try:
            found.append(parse_rating(verdict).to_dict())
        except FaceLLMError:  # counted: None, and told per judge by ``judges_record``
            found.append(None)
    return found


def judged_scorer(inner: Scorer) -> Scorer:
    """A scorer whose ``said`` holds the label of another one and the judges' ratings."""

    def score(sample: Sample, answer: Answer) -> Score:
        found = inner(sample, answer)
        return replace(found, said={"label": found.said, "ratings": ratings_of(answer)})

    return score


def words_scorer(sample: Sample, answer: Answer) -> Score:
    """Scorer of open reasoning without a label: whether there are words that are no refusal."""
    if answer.failure:
        return Score(answer.failure)
    part = answer_part(answer.text)
    nothing = without_words(answer.text, part)
    if nothing is not None:
        return Score(nothing.kind)
    opening = part.strip().split(".")[0]
    return Score("refused" if grammar("refusals").search(opening) else ANSWERED)


def rated_against(reference: Callable[[Sample], str]) -> Callable[[Sample, Answer], str]:
    """``Task.judge``: the prompt of one rating.

    Args:
        reference: What the answer is held against; never empty.
    """
    return lambda sample, answer: judge_prompt(sample.question, reference(sample), answer.text)


def rating_of(row: Row, axis: str) -> float | None:
    """Mean of the judges' ratings; the lowest without an answer; None where no judge rated."""
    ratings = row.score.said["ratings"]  # not of the answer: rows come back from disk without it
    if not ratings or row.score.outcome in SILENT:
        return float(LEAST)
    given = [one[axis] for one in ratings if one is not None]
    return sum(given) / len(given) if given else None


def rated(axis: str) -> Metric:
    """Mean rating on an axis, 1 to 10."""

    def of(rows: Sequence[Row]) -> Statistic:
        return mean_statistic([rating_of(row, axis) or 0.0 for row in rows])

    return Metric(f"rated: {axis}", of, lambda row: rating_of(row, axis) is not None, OF_TEN)


def rated_axes() -> tuple[Metric, ...]:
    """One metric an axis."""
    return tuple(rated(axis) for axis in AXES)


def judged_label(row: Row) -> str | None:
    """The label an answer of a judged task gave."""
    return row.score.said["label"]


def judged_accuracy(name: str = "accuracy") -> Metric:
    """Share of right labels of a judged task."""

    def of(rows: Sequence[Row]) -> Statistic:
        return mean_statistic([float(judged_label(row) == row.target["label"]) for row in rows])

    return Metric(name, of, lambda row: row.target["label"] is not None, share=True)


def judges_record(judges: Sequence[tuple[str, str]], rows: Sequence[Row]) -> dict[str, Any]:
    """Who rated, how many answers, by which prompt, and how far every two agree; JSON-ready.

    Args:
        judges: (name, digest) of each, in the order of the verdicts.
        rows: Scored rows.
    """
    told = [ratings_of(row.answer) for row in rows if row.answer.verdicts]
    columns = [[ratings[place] for ratings in told] for place in range(len(judges))]
    listed = [
        {
            "name": name,
            "digest": digest,
            "rated": sum(one is not None for one in column),
            "no_rating": sum(one is None for one in column),
        }
        for (name, digest), column in zip(judges, columns, strict=True)
    ]
    pairs = [
        {"first": judges[a][0], "second": judges[b][0]} | agreed(columns[a], columns[b])
        for a, b in combinations(range(len(judges)), 2)
    ]
    return {"prompt_version": PROMPT_VERSION, "judges": listed, "agreement": pairs}


def agreed(first: Sequence[Ratings | None], second: Sequence[Ratings | None]) -> dict[str, Any]:
    """Agreement of two judges on the answers both rated, an entry an axis."""
    both = [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    if len(both) < 2:
        return {"n": len(both), "axes": {}}
    axes = {}
    for axis in AXES:
        found = agreement([a[axis] for a, _ in both], [b[axis] for _, b in both])
        axes[axis] = {name: estimate_record(value) for name, value in found.items()}
    return {"n": len(both), "axes": axes}


def judges_lines(record: dict[str, Any]) -> list[str]:
    """The record in Markdown."""
    lines = [f"Judges, prompt {record['prompt_version']}:", ""]
    for one in record["judges"]:
        lost = f", {one['no_rating']:,} replies were no rating" if one["no_rating"] else ""
        lines.append(f"- {one['name']} (`{one['digest'][:16]}`): {one['rated']:,} rated{lost}")
    for pair in record["agreement"]:
        lines += ["", f"{pair['first']} and {pair['second']} both rated {pair['n']:,}:"]
        if pair["axes"]:
            names = ("kappa", "spearman", "difference")
            lines += ["", f"| axis | {' | '.join(names)} |", "|---|---|---|---|"]
        for axis, found in pair["axes"].items():
            cells = [shown_agreement(found[name]) for name in names]
            lines.append(f"| {axis} | {' | '.join(cells)} |")
    return lines


def shown_agreement(found: dict[str, Any]) -> str:
    """``.71 [.60, .80]``; a dash where a judge gave one and the same rating throughout."""
    if found["value"] is None:
        return "-"
    low, high = (("-" if v is None else f"{v:.2f}") for v in (found["low"], found["high"]))
    return f"{found['value']:.2f} [{low}, {high}]"
