"""Age: mean absolute error, cumulative score, and what was no age at all.

A missing age has no error, so the plain mean is over answered rows and can be had by answering the
easy ones only. Beside it stands the mean over all rows in which a missing age, or one nobody has,
errs as far as the range allows.

Example: truth ``[30, 40]``, said ``[33, None]`` -> ``MAE`` 3 (n = 1), ``answered`` .5.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from facellm.errors import FaceLLMError
from facellm.labels import MAX_AGE

from ..statistics import Estimate, mean_statistic
from .bootstrap import PLAIN, Bootstrap, measured, measured_share, same_length

TOLERANCE = 5  # years of the cumulative score


def age_figures(
    truth: ArrayLike, said: Sequence[float | None], how: Bootstrap = PLAIN, oldest: float = MAX_AGE
) -> dict[str, Estimate]:
    """All figures of an age task.

    Args:
        truth: (n,) years.
        said: (n,) years; None or NaN is no answer.
        how: What is drawn.
        oldest: Years; ages are 0 to this.

    Returns:
        ``MAE`` in years, of rows with an age in range (absent where there is none); ``MAE_all``
        over all rows, missing ones at the far end; ``CS5``, the share of all rows within 5 years;
        ``answered`` and ``out_of_range``, shares of all rows.

    Raises:
        FaceLLMError: If lengths differ or a true age is out of range; the message names the row.
    """
    known = np.asarray(truth, np.float64)
    given = np.array([np.nan if age is None else age for age in said], np.float64)
    n = same_length(truth=known, said=given)
    wrong = ~((known >= 0) & (known <= oldest))
    if wrong.any():
        row = int(wrong.argmax())
        raise FaceLLMError(f"row {row}: true age {known[row]} is outside of 0 to {oldest:g} years")
    inside = (given >= 0) & (given <= oldest)
    error = np.where(inside, np.abs(given - known), np.maximum(known, oldest - known))
    figures = {
        "MAE_all": measured(mean_statistic(error), n, how),
        f"CS{TOLERANCE}": measured_share(inside & (error <= TOLERANCE), how),
        "answered": measured_share(~np.isnan(given), how),
        "out_of_range": measured_share(~np.isnan(given) & ~inside, how),
    }
    if inside.any():
        groups = None if how.groups is None else np.asarray(how.groups)[inside]
        kept = Bootstrap(groups, how.seed, how.resamples)
        mean = measured(mean_statistic(error[inside]), int(inside.sum()), kept)
        figures = {"MAE": mean, **figures}
    return figures
