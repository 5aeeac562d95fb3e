"""What a switch is worth: the same short training with and without it, compared face by face.

Example (one command, one line for every metric)::

    $ python -m facellm.train.ablation faces.yaml -o runs/ablation --seeds 0 1
          --switch losses.neighbourhood=1.0 --switch losses.soft_targets=false --switch no_regions
    losses.neighbourhood=1.0  expression  with 0.8031  without 0.8012
          difference +0.0019 [-0.0060, +0.0101]  n 3412, seeds +0.0040 -0.0002

A switch is one or more changes of the config (``--set`` of ``facellm train``), separated by
spaces, or a name of ``ablation_edits.EDITS``. Both arms have the same seed, data and steps. The
interval is a paired bootstrap over the held-out faces of the difference averaged over the seeds;
it says how sure the difference is on other faces, not with other seeds, so each seed's difference
stands beside it. Scores are of the validation split, ``keep.valid_rows`` faces of it at most; the
test split needs ``--test``.

The folder keeps the scores of every arm and takes up where it was killed; models are not kept.
"""

from __future__ import annotations

import argparse
import gc
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from json import dumps
from pathlib import Path

import numpy as np

from facellm.atomic import read_json, write_json
from facellm.errors import FaceLLMError

from .ablation_edits import EDITS
from .loop.job import Makers, TrainJob, usual_makers
from .loop.training import train
from .readout_scores import HIGHER_IS_BETTER, Scores, readout_scores
from .run_config import TrainRun, load_run
from .run_sections import LoraSettings, ModelConfig

RESAMPLES = 2000
SCORE = "scores.json"


@dataclass(frozen=True)
class Switch:
    """What differs between the two arms.

    Attributes:
        name: As given on the command line.
        changes: ``section.key=value`` over the config.
        edit: A name of ``EDITS``, or empty.
    """

    name: str
    changes: tuple[str, ...] = ()
    edit: str = ""

    @classmethod
    def parse(cls, text: str) -> Switch:
        """A switch from the command line.

        Raises:
            FaceLLMError: If it is neither an edit nor a list of changes; the edits are named.
        """
        if text in EDITS:
            return cls(text, edit=text)
        words = tuple(text.split())
        if not words or not all("=" in word for word in words):
            raise FaceLLMError(
                f"--switch {text!r}: neither section.key=value nor one of {', '.join(EDITS)}"
            )
        return cls(text, words)


@dataclass(frozen=True)
class Arm:
    """One training and its scores.

    Attributes:
        run: The whole config, seed and steps included.
        edit: A name of ``EDITS``, or empty.
        split: What is scored: ``valid`` or ``test``.
    """

    run: TrainRun
    edit: str
    split: str

    @property
    def name(self) -> str:
        """Short digest of all that decides the scores."""
        return sha256(dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Line:
    """One metric of one switch.

    Attributes:
        switch: Its name.
        metric: Of ``readout_scores``.
        with_it: Mean over faces and seeds.
        without: The same of the other arm.
        difference: ``with_it - without``.
        low: Lower bound of its 95 % interval.
        high: Upper bound.
        n: Faces.
        seeds: Seed -> its own difference.
    """

    switch: str
    metric: str
    with_it: float
    without: float
    difference: float
    low: float
    high: float
    n: int
    seeds: dict[str, float]

    def __str__(self) -> str:
        better = "" if HIGHER_IS_BETTER.get(self.metric, True) else " (less is better)"
        seeds = " ".join(f"{value:+.4f}" for value in self.seeds.values())
        return (
            f"{self.switch}  {self.metric}{better}  with {self.with_it:.4f}  "
            f"without {self.without:.4f}  difference {self.difference:+.4f} "
            f"[{self.low:+.4f}, {self.high:+.4f}]  n {self.n}, seeds {seeds}"
        )


def compare(switch: str, pairs: dict[int, tuple[Scores, Scores]]) -> list[Line]:
    """Lines of a switch.

    Args:
        switch: Its name.
        pairs: Seed -> scores with and without it.

    Raises:
        FaceLLMError: If two arms were scored on different faces, or on none.
    """
    first = next(iter(pairs.values()))[1]
    if not first:
        raise FaceLLMError(f"{switch}: no held-out face was scored; see keep.valid_rows")
    lines = []
    for metric in sorted(first):
        names = sorted(first[metric])
        arms = np.array([[_column(arm, metric, names) for arm in pair] for pair in pairs.values()])
        differences = arms[:, 0] - arms[:, 1]  # (seeds, n)
        low, high = paired_interval(differences.mean(0))
        with_it, without = arms.mean((0, 2)).tolist()
        by_seed = zip(map(str, pairs), differences.mean(1).tolist(), strict=True)
        mean = float(differences.mean())
        facts = with_it, without, mean, low, high, len(names), dict(by_seed)
        lines.append(Line(switch, metric, *facts))
    return lines


def _column(scores: Scores, metric: str, names: list[str]) -> list[float]:
    found = scores.get(metric, {})
    if sorted(found) != names:
        raise FaceLLMError(
            f"{metric}: one arm was scored on {len(found)} faces, another on {len(names)}, "
            "not the same ones; a switch must not change what is held out"
        )
    return [found[name] for name in names]


def paired_interval(differences: np.ndarray) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the mean of paired differences (n,)."""
    rng, count = np.random.default_rng(0), len(differences)
    means = [rng.choice(differences, count).mean() for _ in range(RESAMPLES)]
    low, high = np.percentile(means, (2.5, 97.5)).tolist()
    return low, high


def train_and_score(arm: Arm, folder: Path, makers: Makers) -> Scores:
    """Train an arm in a folder and score it.

    Args:
        arm: What to train.
        folder: For the run; the caller removes it.
        makers: The product's; the arm's edit is put over them.
    """
    edited = EDITS[arm.edit](makers) if arm.edit else makers
    plan = replace(arm.run, keep=replace(arm.run.keep, valid_rows=0))
    trained = train(TrainJob(plan, folder, resume=folder.is_dir(), makers=edited))
    gc.collect()  # the trained model, before it is built again
    ready = scoring_run(arm.run, trained)
    model, processor = makers.build_model(ready)
    stream = edited.new_stream(ready, processor, rank=0, world=1, split=arm.split)
    try:
        return readout_scores(model, processor, stream)
    finally:
        stream.close()


def scoring_run(run: TrainRun, trained: Path) -> TrainRun:
    """The run whose held-out faces an arm is scored on: labels are the truth, never a teacher.

    No adapter is trained on: what it adds is merged. Pictures are looked at, answers left alone.
    """
    return replace(
        run,
        model=ModelConfig(start=str(trained)),
        data=replace(run.data, features="", teacher=""),
        lora=LoraSettings(),
        rates=replace(run.rates, lora=0.0, multi_modal_projector=1e-3),
        losses=replace(run.losses, answer=0.0, readout=1.0),
    )


Runner = Callable[[Arm, Path], Scores]


def scores_of(arm: Arm, out: Path, runner: Runner) -> Scores:
    """Scores of an arm: those kept in ``out``, or new ones."""
    kept = out / f"{arm.name}.json"
    if kept.is_file():
        return read_json(kept)["scores"]
    folder = out / arm.name
    scores = runner(arm, folder)
    write_json(kept, {"arm": asdict(arm), "scores": scores})
    shutil.rmtree(folder, ignore_errors=True)
    return scores


def ablate(
    plan: Callable[[Sequence[str]], TrainRun],
    switches: Sequence[Switch],
    seeds: Sequence[int],
    runner: Runner,
    target: tuple[Path, str],
) -> Iterator[Line]:
    """Lines of every switch, as they are ready; all of them in ``ablation.json`` in the end.

    Args:
        plan: Changes -> the run; ``lambda changes: load_run(path, changes)``.
        switches: What to compare.
        seeds: Of the trainings; every arm is trained once a seed.
        runner: Trains and scores an arm in a folder.
        target: Folder of the results, and the split that is scored.
    """
    out, split = target
    out.mkdir(parents=True, exist_ok=True)
    lines: list[Line] = []
    for switch in switches:
        pairs = {}
        for seed in seeds:
            fixed = (f"schedule.seed={seed}",)
            with_it = Arm(plan((*switch.changes, *fixed)), switch.edit, split)
            arms = with_it, Arm(plan(fixed), "", split)
            if arms[0] == arms[1]:
                raise FaceLLMError(f"--switch {switch.name}: changes nothing of the config")
            pairs[seed] = tuple(scores_of(arm, out, runner) for arm in arms)
        found = compare(switch.name, pairs)
        lines += found
        yield from found
    write_json(out / "ablation.json", [asdict(line) for line in lines])


def main(argv: list[str] | None = None) -> None:
    """Command line; see the module docstring."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("config", type=Path, help="the short training")
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--set", action="append", default=[], dest="changes", help="for both arms")
    parser.add_argument("--switch", action="append", required=True, dest="switches")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--test", action="store_true", help="score the test split")
    args = parser.parse_args(argv)
    switches = [Switch.parse(text) for text in args.switches]
    makers = usual_makers()
    for line in ablate(
        lambda changes: load_run(args.config, (*args.changes, *changes)),
        switches,
        args.seeds,
        lambda arm, folder: train_and_score(arm, folder, makers),
        (args.out, "test" if args.test else "valid"),
    ):
        print(line, flush=True)


if __name__ == "__main__":
    from facellm.cli import quiet_libraries

    quiet_libraries()
    try:
        main()
    except FaceLLMError as error:
        raise SystemExit(f"facellm: error: {error}") from error
