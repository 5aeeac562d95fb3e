"""``facellm eval run``: measure a model on tasks.

Writes a folder (``facellm.eval.harness.files``) and prints a line a figure. Killed at any moment it
goes on with ``--resume`` and ends in the same results.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from facellm.atomic import write_json
from facellm.errors import FaceLLMError

from ..tasks import task_named
from .asking import Model
from .eval_parser import add_data_argument, data_paths, new_subverb_parser, whole_number
from .fail_on import FailOn
from .files import ANSWERS, RESULTS, SAMPLES, TIMING, begin, write_rows
from .gather import required_data
from .models import open_model
from .models.options import KEY_VARIABLE, ModelOptions
from .plots import drawn
from .report import beside, write_reports
from .results import results_of, shown_metric
from .runner import Judges, Plan, TaskResult, run_task, silent, with_floor, with_temperature
from .seal import FinalUse, split_to_use
from .store import AnswerStore, eval_folder
from .task import TEST

DESCRIPTION = """\
Measure a model on face tasks. The validation split is used; --final opens the test split, and
every use of it is logged. MODEL is a folder of weights (default: those shipped), hf:ID or the
folder of any image-text model of transformers, http://host:8000/v1#NAME for an OpenAI-compatible
endpoint (key in FACELLM_EVAL_KEY), or module:function.
"""
EXAMPLES = """\
  facellm eval run --tasks ferplus --limit 8 -o measured/
  facellm eval run --tasks ferplus --limit 8 -o measured/ --resume
  facellm eval run --tasks ferplus,utkface_age --limit 4 --fail-on timeout,unreachable -o both/
"""
RESUMED = ("--resume", "--quiet")


def new_run_parser() -> argparse.ArgumentParser:
    """Arguments of the sub-verb."""
    parser = new_subverb_parser("run", DESCRIPTION, EXAMPLES)
    parser.add_argument("--model", metavar="MODEL", help="what is measured, see above")
    parser.add_argument("--tasks", metavar="T1,T2", default="", help="see `facellm eval tasks`")
    parser.add_argument(
        "--task-file",
        metavar="FILE.py[:NAME]",
        action="append",
        default=[],
        help="a task of your own (NAME is `task` by default); may be repeated",
    )
    add_data_argument(parser)
    parser.add_argument("--limit", type=whole_number, metavar="N", help="samples a task, spread")
    parser.add_argument("--split", metavar="SPLIT", help="train, valid (default) or test")
    parser.add_argument("--final", action="store_true", help="open the sealed test split")
    parser.add_argument("--ask", choices=("reading", "closed", "letter", "free"), help="one way")
    parser.add_argument(
        "--judge", metavar="MODEL", action="append", default=[], help="rates answers"
    )
    parser.add_argument(
        "--by",
        metavar="COLUMN",
        action="append",
        default=[],
        help='also slice by a column, "group & gender" by two at once',
    )
    parser.add_argument(
        "-o", "--out", metavar="FOLDER", type=Path, default=Path("eval-run"), help="%(default)s"
    )
    parser.add_argument("--resume", action="store_true", help="go on with a run that was cut off")
    parser.add_argument("--no-cache", action="store_true", help="use no answers of other runs")
    parser.add_argument("--no-floor", action="store_true", help="train no small network")
    parser.add_argument(
        "--fail-on",
        metavar="WHAT",
        default="",
        help="exit with 1 where such outcomes occur: any, or names, each with =SHARE if wanted",
    )
    add_endpoint_arguments(parser)
    parser.add_argument("--quiet", action="store_true", help="nothing on stderr but errors")
    return parser


def add_endpoint_arguments(parser: argparse.ArgumentParser) -> None:
    """How an endpoint is asked."""
    usual = ModelOptions()
    numbers: tuple[tuple[str, type, str], ...] = (
        ("concurrency", whole_number, "requests under way at once"),  # type: ignore[arg-type]
        ("retries", int, "further tries after a timeout, 429 or 5xx"),
        ("timeout", float, "seconds a try may take"),
        ("most_tokens", whole_number, "longest answer"),  # type: ignore[arg-type]
        ("temperature", float, "of sampling; above 0 no answer is kept for other runs"),
    )
    group = parser.add_argument_group("endpoints")
    for name, kind, told in numbers:
        option = "--" + name.replace("_", "-")
        value = getattr(usual, name)
        group.add_argument(option, type=kind, default=value, help=f"{told} (default: {value})")
    group.add_argument("--crops", action="store_true", help="send face crops, not pictures")
    group.add_argument("--key-variable", default=KEY_VARIABLE, help="holds the key (%(default)s)")


def main(argv: list[str]) -> int:
    """Run the sub-verb; 1 where ``--fail-on`` says so."""
    args = new_run_parser().parse_args(argv)
    fail_on = FailOn.parse(args.fail_on)
    split = split_to_use(args.split, final=args.final)
    tell = silent if args.quiet else tell_stderr
    plans = plans_of(args, split)
    model = open_model(args.model, options_of(args))
    command = begin(args.out, asked(args, plans, model), command_line(argv), resume=args.resume)
    results = []
    for plan in plans:
        store = store_of(args, model)
        result = run_task(plan, model, store, judges_of(args), tell)
        result = with_temperature(result, lambda p, s=store: run_task(p, model, s))
        result = result if args.no_floor else with_floor(result, eval_folder() / "floors")
        write_rows(args.out / SAMPLES / f"{plan.task.name}.parquet", result.rows)
        if split == TEST:
            earlier = FinalUse(plan.task, model, len(result.rows), plan.limit).log()
            tell(
                f"test split of {plan.task.name}: used with {earlier} other models before this one"
            )
        results.append(result)
    write_folder(args.out, model, results, command)
    if not args.quiet:
        print_results(results)
    return fail_on.exit_code({r.plan.task.name: r.outcomes() for r in results}, tell)


def write_folder(out: Path, model: Model, results: list[TaskResult], command: str) -> None:
    """Everything but the samples and answers, which are there."""
    record = results_of(model, results, command)
    groups = {name: task["groups"] for name, task in record["tasks"].items()}
    plots = {r.plan.task.name: drawn(r, groups[r.plan.task.name]) for r in results}
    write_json(out / RESULTS, record)
    write_json(out / TIMING, {r.plan.task.name: asdict(r.timing) for r in results})
    write_reports(out, record, plots)


def print_results(results: list[TaskResult]) -> None:
    """A line a figure, outcomes and times."""
    from .results import task_record

    for result in results:
        record, timing = task_record(result), result.timing
        print(
            f"{result.plan.task.name}: {record['n']:,} of the {record['split']} split, seen: "
            f"{record['seen']} ({record['seen_because']})"
        )
        for metric in record["metrics"]:
            floor, _ = beside(record, metric)
            told = f"   small network {floor}" if floor else ""
            print(f"  {metric['name']}: {shown_metric(metric)}{told}")
        counts = ", ".join(f"{name} {count:,}" for name, count in record["outcomes"].items())
        rate = timing.pictures / timing.seconds if timing.seconds else 0.0
        print(f"  outcomes: {counts}")
        print(f"  {timing.seconds:.1f} s, {timing.asked:,} asked, {rate:.1f} images/s")


def plans_of(args: argparse.Namespace, split: str) -> list[Plan]:
    """What is run; every set that is missing is told at once.

    Raises:
        FaceLLMError: If a task is unknown, named twice, or its data are missing.
    """
    names = [name.strip() for name in args.tasks.split(",") if name.strip()] + args.task_file
    if len(set(names)) != len(names) or not names:
        raise FaceLLMError(f"--tasks {args.tasks!r}: names tasks, each once")
    given, plans, missing = data_paths(args.data), [], []
    for name in names:
        task = task_named(name)
        if task.name in {plan.task.name for plan in plans}:
            raise FaceLLMError(f"{name}: a task {task.name!r} is named already")
        try:
            path = required_data(task, given, args.agreed)
        except FaceLLMError as error:
            missing.append(str(error))
            continue
        plans.append(Plan(task, path, split, args.limit, args.ask or "", tuple(args.by)))
    if missing:
        raise FaceLLMError("; ".join(missing))
    return plans


def options_of(args: argparse.Namespace) -> ModelOptions:
    """How an endpoint is asked."""
    return ModelOptions(
        concurrency=args.concurrency,
        retries=args.retries,
        timeout=args.timeout,
        most_tokens=args.most_tokens,
        temperature=args.temperature,
        crops=args.crops,
        key_variable=args.key_variable,
    )


def asked(args: argparse.Namespace, plans: list[Plan], model: Model) -> dict[str, Any]:
    """What a resumed run has to ask for again."""
    return {
        "model": model.digest,
        "tasks": {plan.task.name: plan.task.version for plan in plans},
        "split": plans[0].split,
        "limit": args.limit,
        "ask": args.ask,
        "judges": args.judge,
        "by": args.by,
        "floor": not args.no_floor,
    }


def store_of(args: argparse.Namespace, model: Model) -> AnswerStore:
    """The run's answers, and those of all runs where the model always says the same."""
    shared = model.deterministic and not args.no_cache
    return AnswerStore(args.out / ANSWERS, eval_folder() / ANSWERS if shared else None)


def judges_of(args: argparse.Namespace) -> Judges:
    """The judges of ``--judge``."""
    steady = replace(options_of(args), temperature=0.0)  # so that a verdict can be kept
    models = [open_model(name, steady) for name in args.judge]
    return Judges([(model, store_of(args, model)) for model in models])


def command_line(argv: list[str]) -> str:
    """The command as it is kept: what only says how it is run is left out."""
    return shlex.join(["facellm", "eval", "run", *(word for word in argv if word not in RESUMED)])


def tell_stderr(line: str) -> None:
    """One line of progress."""
    print(line, file=sys.stderr, flush=True)
