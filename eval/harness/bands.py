"""Age bands: options of a closed question, and the band an age said in years falls in.

Example: ``band_of(34, (0, 3, 10, 20, 30, 40, 50, 60, 70))`` -> ``"30-39"``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from facellm.labels import MAX_AGE
from facellm.reading import Reading

from ..scoring.age_text import read_age
from ..statistics import mean_statistic
from .sample import ANSWERED, FREE, READING, UNPARSED, Answer, Row, Sample, Score
from .scorers import label_of, label_scorer, outcome_of, wrong
from .task import Metric, Scorer


def bands_of(starts: Sequence[int]) -> tuple[str, ...]:
    """Names of bands by their first years, ``0-2`` ... ``70 and over``."""
    ends = [f"{low}-{high - 1}" for low, high in pairwise(starts)]
    return (*ends, f"{starts[-1]} and over")


def band_of(years: float, starts: Sequence[int]) -> str:
    """The band of an age; 34.6 is 34, as people say it."""
    place = sum(start <= years for start in starts) - 1
    return bands_of(starts)[max(place, 0)]


def bound_in(text: str, starts: Sequence[int]) -> float | None:
    """An age in the last band of "over 70" or "70+", in the first of "under 3"; else None."""
    low, high = starts[1], starts[-1]
    above = rf"(?<!not )\b(?:over|above|(?:more|older) than|at least) {high}\b|\b{high} ?\+"
    if re.search(above, text, re.I):
        return high
    below = re.search(rf"(?<!not )\b(?:under|below|(?:less|younger) than) {low}\b", text, re.I)
    return starts[0] if below else None


def band_scorer(starts: Sequence[int]) -> Scorer:
    """Scorer of bands: a reading's and a text's age falls into one, options are bands themselves.

    A reading has no shares of bands, so it gives none.
    """
    closed = label_scorer()

    def score(sample: Sample, answer: Answer) -> Score:
        if answer.failure or answer.way not in (READING, FREE):
            return closed(sample, answer)
        if answer.way == READING:
            assert answer.reading is not None
            years: float | None = Reading.from_dict(answer.reading).age.mean
        else:
            parsed = read_age(answer.text, MAX_AGE)
            outcome, years = outcome_of(parsed, answer), parsed.number
            if outcome == UNPARSED:
                years = bound_in(answer.text, starts)
            elif outcome != ANSWERED:
                return wrong(sample, outcome)
            if years is None:
                return wrong(sample, outcome)
        said = band_of(years, starts)
        return Score(ANSWERED, said, float(said == label_of(sample.target)))

    return score


def near_accuracy(starts: Sequence[int], name: str = "accuracy within one band") -> Metric:
    """Share of rows whose band is the true one or beside it."""
    names = bands_of(starts)

    def near(row: Row) -> float:
        said = row.score.said
        return float(
            said in names and abs(names.index(said) - names.index(label_of(row.target) or "")) < 2
        )

    def counts(row: Row) -> bool:
        return label_of(row.target) is not None

    return Metric(name, lambda rows: mean_statistic([near(row) for row in rows]), counts)
