"""The model a run ends with: its last checkpoint as a ``from_pretrained`` folder.

The model is built anew and takes the trained weights, so that this works on any machine, without
ranks, and while a run is going on (``facellm train consolidate``; a checkpoint that the run gives
up meanwhile is told as unreadable: ask again); ZeRO's parts are put together by
DeepSpeed's own reader, in float32. A LoRA adapter lies apart in ``model/adapter``, in PEFT layout,
and the base beside it is whole: never quantised, never merged.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from facellm.adapter_file import ADAPTER
from facellm.atomic import PART, sync_folder, told_in_words
from facellm.checkpoint import CALIBRATION, LANDMARKS, SHIPPED
from facellm.errors import FaceLLMError
from facellm.readout import Calibration
from facellm.stabilise import STABILISER

from ..adapters import plain_state, save_adapter
from ..build_model import start_folder
from ..run_config import TrainRun, run_of
from .checkpoints import UNREADABLE, latest_checkpoint, sync_tree
from .ds_engine import FOLDER, deepspeed_module
from .job import Makers
from .run_folder import load_record
from .single import WEIGHTS

COPIED = (LANDMARKS, CALIBRATION, STABILISER)  # from where the run started, as far as they are


def consolidate(out: Path, makers: Makers) -> Path:
    """Write ``OUT/model`` from the last checkpoint of a run.

    Raises:
        FaceLLMError: If there is no run, or no checkpoint of it yet.
    """
    return write_model(out, run_of(load_record(out)["config"]), makers)


def write_model(out: Path, run: TrainRun, makers: Makers) -> Path:
    """Write ``OUT/model``; see ``consolidate``.

    Each process writes beside it under a name of its own, so a run and a ``consolidate`` never mix
    their files; whoever is ready last has the name. What lies at ``OUT/model`` is whole, or not
    there for the moment between two renames: a kill just then leaves the model
    that was there as ``model.old.PID.part`` and the new one as ``model.PID.part``.
    """
    latest = latest_checkpoint(out)
    if latest is None:
        raise FaceLLMError(f"{out}: holds no checkpoint yet")
    whole = replace(run, lora=replace(run.lora, quantise="none"))
    model, processor = makers.build_model(whole)
    makers.prepare_parts(model, whole)
    set_weights(model, trained_weights(latest), latest)
    folder = out / "model"
    part = folder.with_name(f"{folder.name}.{os.getpid()}{PART}")
    with told_in_words(part):
        shutil.rmtree(part, ignore_errors=True)  # of a killed process of the same number
        part.mkdir()
        try:
            write_files(model, processor, part, run)
            sync_tree(part)
            put_in_place(part, folder)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        sync_folder(out)
    return folder


def put_in_place(part: Path, folder: Path) -> None:
    """Give a written folder its name; what had it keeps its files until then.

    Raises:
        OSError: If the folder cannot be renamed; the old one is put back.
    """
    old = folder.with_name(f"{folder.name}.old.{os.getpid()}{PART}")
    shutil.rmtree(old, ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        folder.rename(old)
    try:
        part.rename(folder)
    except OSError:
        if old.exists() and not folder.exists():
            old.rename(folder)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)  # where another one was quicker, too


def write_files(model: Any, processor: Any, folder: Path, run: TrainRun) -> None:
    """Model, processor, adapter, and what came with the model the run started from."""
    model.save_pretrained(folder, state_dict=plain_state(model))
    processor.save_pretrained(folder)
    words = getattr(processor.tokenizer, "vocab_file", None)
    if words and Path(words).is_file():
        shutil.copy(words, folder / "tokenizer.model")
    if run.lora.rank:
        save_adapter(model, folder / ADAPTER, run.model.start or run.model.language)
    copy_beside(run, folder)


def copy_beside(run: TrainRun, folder: Path) -> None:
    """Landmark network, thresholds and stabiliser of the start, so that a folder can be loaded.

    A start that has none, as two bases joined, gets the shipped landmark network and thresholds
    that hold nothing back.
    """
    if run.model.start:
        start = start_folder(run.model.start)
        for name in COPIED:
            if (start / name).is_file():
                shutil.copy(start / name, folder / name)
    if not (folder / LANDMARKS).is_file():
        shutil.copy(SHIPPED / LANDMARKS, folder / LANDMARKS)
    if not (folder / CALIBRATION).is_file():
        Calibration().save(folder / CALIBRATION)


def thresholds_note(folder: Path) -> str:
    """Where the thresholds of a trained model come from, and what fits them to it."""
    neutral = Calibration.load(folder / CALIBRATION) == Calibration()
    whose = "neutral" if neutral else "those of the model it started from"
    return f"thresholds are {whose}; python -m facellm.eval.calibrate --model {folder} fits them"


def trained_weights(checkpoint: Path) -> dict[str, Tensor]:
    """Trained weights and buffers of a checkpoint of either engine, by their names in ``Trainee``.

    Raises:
        FaceLLMError: If it is damaged, or DeepSpeed's and that is not installed.
    """
    try:
        if (checkpoint / WEIGHTS).is_file():
            return load_file(checkpoint / WEIGHTS)
        return _from_deepspeed(checkpoint)
    except (*UNREADABLE, ValueError, KeyError) as error:
        if isinstance(error, FaceLLMError):
            raise
        raise FaceLLMError(f"{checkpoint}: weights cannot be read: {error}") from error


def _from_deepspeed(checkpoint: Path) -> dict[str, Tensor]:
    deepspeed_module()
    from deepspeed.utils.zero_to_fp32 import get_fp32_state_dict_from_zero_checkpoint

    if not list((checkpoint / FOLDER).glob("*_optim_states.pt")):
        return _without_zero(checkpoint / FOLDER)
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        found: Any = get_fp32_state_dict_from_zero_checkpoint(
            str(checkpoint), tag=FOLDER, exclude_frozen_parameters=True
        )
        return found


def _without_zero(folder: Path) -> dict[str, Tensor]:
    """Stage 0 in float32 keeps the weights whole, in one file."""
    file = folder / "mp_rank_00_model_states.pt"
    # A pickle of DeepSpeed's own making, from a checkpoint of the user's own.
    return torch.load(file, weights_only=False, map_location="cpu")["module"]


def set_weights(model: Any, weights: dict[str, Tensor], where: Path) -> None:
    """Give a model what is trained; what objectives keep for themselves is left out.

    Raises:
        FaceLLMError: If a name is not the model's, or a trained one is missing.
    """
    own = model.state_dict()
    found = {n.removeprefix("model."): w for n, w in weights.items() if n.startswith("model.")}
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    wrong = sorted((set(found) - set(own)) | (trained - set(found)))
    if wrong:
        raise FaceLLMError(
            f"{where}: weights of another model, {len(wrong)} differ, first {wrong[0]}"
        )
    model.load_state_dict(found, strict=False)
