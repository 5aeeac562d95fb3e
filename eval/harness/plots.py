"""Plots of a report, each a small SVG: confusion, reliability, ROC, risk and coverage, groups.

Drawn from rows and nothing else. A plot that the answers give nothing for (no probabilities, one
class) is left out, and ``drawn`` says so by not holding it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..metrics.classes import confusion
from ..metrics.coverage import risk_coverage
from ..metrics.forgery import roc
from ..statistics import BINS
from .measures import has_shares, has_votes, share_of, target_label, vote_shares
from .runner import TaskResult
from .sample import Row

BLUE, GREY, RED = "#2563a8", "#8a8f98", "#b3261e"
NOBODY = "no answer"


def drawn(result: TaskResult, groups: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Kind of plot -> SVG text, in the task's order."""
    found = {}
    for kind in result.plan.task.plots:
        axes_drawn = _figure(lambda ax, k=kind: PLOTS[k](ax, result.rows, groups))
        if axes_drawn is not None:
            found[kind] = axes_drawn
    return found


def _figure(draw: Callable[[Any], bool]) -> str | None:
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "facellm", "font.size": 9, "svg.fonttype": "path"}):
        figure = Figure(figsize=(4.6, 3.7), layout="constrained")
        if not draw(figure.add_subplot()):
            return None
        out = io.StringIO()
        FigureCanvasSVG(figure).print_svg(out, metadata={"Date": None})
        return out.getvalue()


def draw_confusion(ax: Any, rows: Sequence[Row], _: Any) -> bool:
    """Rows: true labels; columns: what was said, and no answer; shares of each true label."""
    rows = [row for row in rows if target_label(row) is not None]
    if not rows:
        return False
    first = rows[0].score.shares
    labels = list(first) if first else sorted({str(target_label(row)) for row in rows})
    said = [*labels, NOBODY]
    table = confusion(
        [str(target_label(row)) for row in rows], [r.score.said for r in rows], labels
    )
    counts = table.sum(1)
    shares = table / np.maximum(counts[:, None], 1)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (y, x), share in np.ndenumerate(shares):
        if share >= 0.005:
            ink = "white" if share > 0.6 else "black"
            ax.text(x, y, f"{100 * share:.0f}", ha="center", va="center", color=ink, fontsize=7)
    ax.set_xticks(range(len(said)), said, rotation=40, ha="right")
    ax.set_yticks(range(len(labels)), [f"{n} ({c:.0f})" for n, c in zip(labels, counts)])  # noqa: B905
    ax.set_title("Said, % of each true label (n)")
    return True


def draw_reliability(ax: Any, rows: Sequence[Row], _: Any) -> bool:
    """Share of agreement over confidence; against a drawn rater where raters voted."""
    voted = any(has_votes(row) for row in rows)
    rows = [row for row in rows if (has_votes(row) if voted else has_shares(row))]
    rows = [row for row in rows if row.score.said is not None]
    if not rows:
        return False
    sure = np.array([share_of(row, row.score.said) for row in rows])
    right = np.array([agreement(row, voted=voted) for row in rows])
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    ax.plot([0, 1], [0, 1], color=GREY, lw=1, ls="--")
    for place in np.unique(bins):
        here = bins == place
        size = 12 + 160 * here.mean()
        ax.scatter(sure[here].mean(), right[here].mean(), s=size, color=BLUE)
    ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="mean confidence")
    ax.set_ylabel("agreement of one drawn rater" if voted else "share right")
    ax.set_title(f"Reliability (n = {len(rows):,}; area: share of rows)")
    return True


def agreement(row: Row, *, voted: bool) -> float:
    """Chance that what was said is right: share of raters, or 0 and 1."""
    if voted:
        return (vote_shares(row) or {}).get(row.score.said, 0.0)
    return float(row.score.said == target_label(row))


def draw_roc(ax: Any, rows: Sequence[Row], _: Any) -> bool:
    """ROC of the last option against the first."""
    rows = [row for row in rows if has_shares(row)]
    if not rows or len({target_label(row) for row in rows}) != 2:
        return False
    positive = list(rows[0].score.shares or {})[-1]
    scores = np.array([share_of(row, positive) for row in rows])
    truth = np.array([target_label(row) == positive for row in rows])
    curve = roc(truth, scores)
    ax.plot(curve.false_alarms, curve.found, color=BLUE)
    ax.plot([0, 1], [0, 1], color=GREY, lw=1, ls="--")
    ax.plot([0, 1], [1, 0], color=GREY, lw=0.5, ls=":")
    ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="false alarms", ylabel=f"{positive} found")
    ax.set_title(f"ROC (n = {len(rows):,}; dotted: equal error)")
    return True


def draw_risk(ax: Any, rows: Sequence[Row], _: Any) -> bool:
    """Share wrong among the answers it is surest of, over their share of all rows."""
    rows = [row for row in rows if has_shares(row) and row.score.said is not None]
    if len(rows) < 2:
        return False
    sure = np.array([share_of(row, row.score.said) for row in rows])
    right = np.array([row.score.said == target_label(row) for row in rows])
    curve = risk_coverage(sure, right)
    ax.plot(curve.coverage, curve.risk, color=RED)
    ax.set(xlim=(0, 1), ylim=(0, None), xlabel="coverage", ylabel="share wrong")
    ax.set_title(f"Risk and coverage (n = {len(rows):,})")
    return True


def draw_groups(ax: Any, _: Sequence[Row], groups: Sequence[dict[str, Any]]) -> bool:
    """The headline figure by group, with intervals; groups that are too small are not drawn."""
    bars = [(g["column"], one) for g in groups for one in g["groups"] if one["value"] is not None]
    if not bars:
        return False
    names = [f"{column}: {one['group']}" for column, one in bars]
    values = np.array([one["value"] for _, one in bars])
    low = values - np.array([one["low"] for _, one in bars])
    high = np.array([one["high"] for _, one in bars]) - values
    places = np.arange(len(bars))[::-1]
    ax.barh(places, values, color=BLUE, height=0.7)
    ax.errorbar(values, places, xerr=[low, high], fmt="none", ecolor="black", lw=1, capsize=2)
    ax.set_yticks(places, names, fontsize=7)
    ax.set_title(f"{groups[0]['metric']} by group, 95 % intervals")
    return True


PLOTS: dict[str, Callable[[Any, Sequence[Row], Sequence[dict[str, Any]]], bool]] = {
    "confusion": draw_confusion,
    "reliability": draw_reliability,
    "roc": draw_roc,
    "risk": draw_risk,
    "groups": draw_groups,
}
