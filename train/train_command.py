"""``facellm train CONFIG.yaml -o OUT``: a corpus and a start in, a trained model out.

Example::

    $ facellm train faces.yaml -o runs/faces --set schedule.steps=200
    100%|####| 200/200 [06:41<00:00, 2.0s/step, loss=1.2034, tok/s=1840, pad=2.1%]
    runs/faces/model

Several ranks: ``deepspeed --module facellm.train CONFIG -o OUT`` or
``torchrun --nproc-per-node 8 -m facellm.train CONFIG -o OUT``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from facellm.cli import new_parser
from facellm.errors import FaceLLMError

if TYPE_CHECKING:
    from .run_config import TrainRun

CONFIGS = Path(__file__).parent / "configs"
CONSOLIDATE = "consolidate"
DESCRIPTION = """\
Train a model of faces: regions, connector, language model or adapters on it.

CONFIG is a file or the name of one that comes with facellm. A run that was killed goes on with
--resume and ends with the same weights. Instead of CONFIG:
  facellm train consolidate OUT   OUT/model from the last checkpoint, also of a ZeRO run

Several GPUs:
  deepspeed --module facellm.train CONFIG -o OUT
  torchrun --nproc-per-node 8 -m facellm.train CONFIG -o OUT
"""
EXAMPLES = """\
  facellm train faces.yaml -o runs/faces
  facellm train faces.yaml -o runs/faces --resume
  facellm train faces.yaml -o runs/short --set schedule.steps=2 --set keep.save_every=1
  facellm train faces.yaml --dry-run           parts, memory and tokens; trains nothing
  facellm train consolidate runs/faces         runs/faces/model from the last checkpoint
"""
CONSOLIDATING = "Write OUT/model from the last checkpoint of a run; ZeRO's parts are put together."
CONSOLIDATE_EXAMPLES = """\
  facellm train consolidate runs/faces
  facellm train consolidate runs/short
"""


def new_train_parser() -> argparse.ArgumentParser:
    """Arguments of the verb."""
    parser = new_parser("train", DESCRIPTION, EXAMPLES)
    parser.add_argument("config", metavar="CONFIG", help="the run: a YAML file or a preset's name")
    parser.add_argument("-o", "--out", type=Path, metavar="OUT", help="folder of the run")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="changes",
        metavar="SECTION.KEY=VALUE",
        help="a setting over the config's; several times",
    )
    parser.add_argument("--resume", action="store_true", help="go on with a run that was begun")
    parser.add_argument(
        "--report-to",
        choices=("tensorboard", "wandb", "none"),
        help="where curves go besides OUT/log.jsonl (keep.report_to)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="parts, memory and tokens of the run; no training"
    )
    return parser


def new_consolidate_parser() -> argparse.ArgumentParser:
    """Arguments of ``facellm train consolidate``."""
    parser = new_parser(f"train {CONSOLIDATE}", CONSOLIDATING, CONSOLIDATE_EXAMPLES)
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of the run")
    return parser


def main(argv: list[str]) -> int:
    """Run the verb."""
    if argv[:1] == [CONSOLIDATE]:
        return consolidate(argv[1:])
    args = new_train_parser().parse_intermixed_args(argv)
    if args.model is not None:
        raise FaceLLMError("train takes its start from the config: --set model.start=FOLDER")
    if stage_of(config_path(args.config)) == "encoder":
        return encode(args)
    run = run_of_arguments(args)
    if args.dry_run:
        from .dry_run import report

        print(report(run))
        return 0
    if args.out is None:
        raise FaceLLMError("where to? give a folder with -o")
    quiet_transformers()
    from .loop.finish import thresholds_note
    from .loop.job import TrainJob
    from .loop.ranks import launched
    from .loop.training import train

    model = train(TrainJob(run, args.out, resume=args.resume, quiet=args.quiet))
    if not args.quiet and launched()[0] == 0:
        print(thresholds_note(model), file=sys.stderr)  # a script reads the folder alone
        print(model)
    return 0


def stage_of(path: Path) -> str:
    """Stage of a config; empty where it says none, which the strict reader then tells."""
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return ""
    return str(content.get("stage", "")) if isinstance(content, dict) else ""


def encode(args: argparse.Namespace) -> int:
    """The stage ``encoder``, which has a config and a loop of its own."""
    from .encoder import EncoderTrainee, train_encoder
    from .encoder_config import load_encoder_run

    if args.report_to not in (None, "none"):
        raise FaceLLMError(f"--report-to {args.report_to}: the stage encoder writes OUT/log.jsonl")
    run = load_encoder_run(config_path(args.config), args.changes)
    if args.dry_run:
        count = sum(parameter.numel() for parameter in EncoderTrainee().parameters())
        print(f"encoder: {count:,} parameters, {run.steps} steps of {run.batch} pictures")
        return 0
    if args.out is None:
        raise FaceLLMError("where to? give a folder with -o")
    made = train_encoder(run, args.out, resume=args.resume, quiet=args.quiet)
    if not args.quiet:
        print(made)
    return 0


def consolidate(argv: list[str]) -> int:
    """``facellm train consolidate OUT``."""
    args = new_consolidate_parser().parse_intermixed_args(argv)
    if args.model is not None:
        raise FaceLLMError("consolidate writes OUT/model; there is no --model to take")
    quiet_transformers()
    from .loop.finish import consolidate as write
    from .loop.job import usual_makers

    model = write(args.out, usual_makers())
    if not args.quiet:
        print(model)
    return 0


def quiet_transformers() -> None:
    """No bars for files that are read and written, no word about kernels nobody asked for."""
    import logging

    from transformers.utils.logging import disable_progress_bar, set_verbosity_error

    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    set_verbosity_error()
    disable_progress_bar()


def run_of_arguments(args: argparse.Namespace) -> TrainRun:
    """The run that arguments ask for."""
    from .run_config import load_run

    changes = list(args.changes)
    if args.report_to:
        changes.append(f"keep.report_to={args.report_to}")
    return load_run(config_path(args.config), changes)


def config_path(name: str) -> Path:
    """A file, or a config that comes with facellm by its name.

    Raises:
        FaceLLMError: If it is neither; the names are listed.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        return path
    preset = CONFIGS / f"{name}.yaml"
    if not preset.is_file():
        known = ", ".join(sorted(path.stem for path in CONFIGS.glob("*.yaml"))) or "none"
        raise FaceLLMError(f"{name}: no config file and no preset; the presets are {known}")
    return preset
