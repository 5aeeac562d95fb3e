"""Task: where samples come from, how they are asked about, scored and measured; nothing else.

A task is a function that returns a ``Task``; ``facellm.eval.tasks.TASKS`` names them all. See
``facellm/eval/tasks/ferplus.py`` for one that uses everything here, and docs/eval.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facellm.readers.row import Rejection
from facellm.readers.sources import SOURCES, UNKNOWN

from ..metrics.bootstrap import PLAIN, Bootstrap, measured, measured_share
from ..statistics import Estimate, Statistic
from .sample import CLOSED, FREE, READING, WAYS, Answer, Row, Sample, Score

TRAIN, VALID, TEST = "train", "valid", "test"
SPLITS = (TRAIN, VALID, TEST)
Samples = Callable[[Path, str], Iterator[Sample | Rejection]]
Scorer = Callable[[Sample, Answer], Score]
SHOWN_SHARE = "%"


@dataclass(frozen=True)
class Data:
    """The data of a task, which are the user's own copy.

    Attributes:
        source: Name in ``facellm.readers.sources.SOURCES``, or of a benchmark of its own; what
            ``--data NAME=PATH`` says, and what a model's training data name.
        where: Where to get it: an address, or whom to ask.
        places: Files or folders it is looked for at under the data folder, the first that exists.
        layout: What the path holds; by default what ``SOURCES`` says.
        terms: In a few words; by default what ``SOURCES`` says.
        size: How much there is, in words: ``35,710 pictures``.
        agreement: What the user has to say yes to (``--agreed SOURCE``) before anything is read;
            empty for most.
    """

    source: str
    where: str
    places: tuple[str, ...]
    layout: str = ""
    terms: str = ""
    size: str = ""
    agreement: str = ""

    def described(self) -> tuple[str, str]:
        """Layout and terms in words."""
        known = SOURCES.get(self.source)
        layout = self.layout or (known.layout if known else "see docs/eval.md")
        return layout, self.terms or (known.terms if known else UNKNOWN)


@dataclass(frozen=True)
class Published:
    """A figure somebody else printed for the same task.

    Attributes:
        system: Model.
        value: In the unit of the metric (shares in 0..1).
        metric: Name of the metric of ours that it stands beside.
        source: Paper, table.
        note: What makes the two differ (split, denominator, trained on the set); empty: nothing
            known.
        provenance: How the value came here: read off a picture, cited by others; empty: from the
            source itself.
    """

    system: str
    value: float
    metric: str
    source: str
    note: str = ""
    provenance: str = ""


def every_row(row: Row) -> bool:
    """Every row counts."""
    return True


@dataclass(frozen=True)
class Metric:
    """A figure over the rows of a task.

    Attributes:
        name: In a table: ``accuracy``.
        of: Rows -> a statistic over weights of exactly these rows (``facellm.eval.statistics``), so
            that intervals, groups, clusters and paired comparisons come from one definition.
        counts: Which rows it is taken on.
        unit: ``%`` prints a share in per cent; anything else follows the number.
        more_is_better: None where neither is.
        share: A plain share of right rows, each row's score value being 1 or 0: compared by
            McNemar's test too, and with an interval where all rows agree.
    """

    name: str
    of: Callable[[Sequence[Row]], Statistic]
    counts: Callable[[Row], bool] = every_row
    unit: str = SHOWN_SHARE
    more_is_better: bool | None = True
    share: bool = False

    def rows(self, rows: Sequence[Row]) -> list[Row]:
        """The rows it is taken on."""
        return [row for row in rows if self.counts(row)]

    def drawn(self, rows: Sequence[Row]) -> Bootstrap:
        """What is drawn for the interval over these rows: clusters where there are any."""
        apart = all(row.cluster is None for row in rows)
        return PLAIN if apart else Bootstrap(clusters(rows))

    def measure(self, rows: Sequence[Row]) -> Estimate:
        """Value, bootstrap 95 % interval and n; NaN where no row counts."""
        taken = self.rows(rows)
        if not taken:
            return Estimate(math.nan, math.nan, math.nan, 0)
        how = self.drawn(taken)
        found = measured(self.of(taken), len(taken), how)
        if not self.share or found.value not in (0.0, 1.0):
            return found
        # No resample of rows that all agree differs, which is not certainty.
        return measured_share(np.full(len(taken), found.value == 1.0), how)


def clusters(rows: Sequence[Row]) -> list[str]:
    """The cluster of every row; a row without one is its own."""
    return [f"row {row.id}" if row.cluster is None else row.cluster for row in rows]


@dataclass(frozen=True)
class Task:
    """Samples, how they are asked about, what is made of the answers.

    Attributes:
        name: In commands and files: ``ferplus``.
        version: Raised whenever samples, questions or scores change: answers kept under another one
            are not used.
        title: What is measured, in a line.
        data: Where it comes from.
        samples: Path and split (``train``, ``valid``, ``test``) -> samples, and a rejection for
            every row that cannot be one. Media stay unopened.
        score: Sample and answer -> score.
        metrics: The first is the task's headline.
        ways: How it may be asked, the best first: ``reading``, ``closed``, ``free``.
        published: Rows printed beside ours.
        trained_on: Names of sets a model that was trained on one of them has seen this data by; the
            data's own name where empty.
        columns: Sample columns that results are sliced by.
        floor: Train the small network on the task's ``train`` split and print it beside every
            score; for closed tasks of one picture with a label or votes.
        frames: Most frames of a clip that are shown.
        plots: What the report draws: ``confusion``, ``reliability``, ``roc``, ``risk``, ``groups``.
        judge: Sample and answer -> what a judge is asked; its words are ``Answer.verdicts``. None
            where none is needed.
        fixed: What was fixed before any answer was seen, thresholds above all, and where it comes
            from; printed with the figures.
        temperature: Print the calibration error against the label too, after a temperature fitted
            on validation rows (``harness.temperature``).
    """

    name: str
    version: int
    title: str
    data: Data
    samples: Samples
    score: Scorer
    metrics: tuple[Metric, ...]
    ways: tuple[str, ...] = (READING, CLOSED, FREE)
    published: tuple[Published, ...] = ()
    trained_on: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    floor: bool = False
    frames: int = 8
    plots: tuple[str, ...] = ()
    judge: Callable[[Sample, Answer], str] | None = None
    fixed: str = ""
    temperature: bool = False

    def __post_init__(self) -> None:
        wrong = set(self.ways) - set(WAYS)
        if wrong or not self.ways or not self.metrics:
            raise ValueError(f"task {self.name}: ways {self.ways}, metrics {len(self.metrics)}")

    @property
    def headline(self) -> Metric:
        """The first metric."""
        return self.metrics[0]
