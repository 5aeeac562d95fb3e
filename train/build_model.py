"""The model a run starts from: a checkpoint, two published bases joined, or random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from facellm.adapter_file import ADAPTER
from facellm.adapter_merge import merge_adapter
from facellm.bases import from_bases
from facellm.checkpoint import CONFIG, LANDMARKS, SHIPPED, WEIGHTS, check_config, load_processor
from facellm.crops import landmarker
from facellm.errors import FaceLLMError
from facellm.labels import reserved_tokens
from facellm.landmarks import LandmarkNet
from facellm.model import FaceLLMForConditionalGeneration
from facellm.processor import FaceLLMProcessor

from .default_model import new_model, new_processor
from .run_config import TrainRun

SHIPPED_NAME = "shipped"  # as a start
SHAPE = "region_attention.region_projector."  # what landmarks are standardised against


def build_model(run: TrainRun) -> tuple[FaceLLMForConditionalGeneration, FaceLLMProcessor]:
    """Make the model and its processor.

    Random parts come from the run's seed. FRLP's mean shape of a model that was never trained is
    the shipped model's: every model sees the same crop.

    Returns:
        The model, nothing frozen, and its processor; with a landmark function where the start
        folder holds a landmark network.

    Raises:
        FaceLLMError: If a folder holds something else, or the hub has no such model.
    """
    torch.manual_seed(run.schedule.seed)
    if run.model.start:
        model, processor = _from_start(run)
    elif run.model.vision:
        model, processor = _joined(run)
    else:
        processor = fresh_processor(run.model.tokenizer)
        model = new_model(processor)
    if run.model.encoder:
        _take_encoder(model, Path(run.model.encoder))
    elif not run.model.start:
        _copy_mean_shape(model)
    _check_reserved(model, processor)
    return model, processor


def fresh_processor(tokenizer: str) -> FaceLLMProcessor:
    """The default's processor around a tokenizer; ``FaceLLMError`` where there is none."""
    folder = Path(tokenizer)
    if not folder.is_dir():  # a hub name would be somebody else's words
        raise FaceLLMError(
            f"model.tokenizer {tokenizer}: no such folder; "
            "python -m facellm.instruct_data.tokenizer --out FOLDER makes one"
        )
    try:
        return new_processor(folder)
    except (OSError, ValueError, TypeError) as error:  # from an empty folder an empty tokenizer
        raise FaceLLMError(f"{folder}: no tokenizer of faces: {error}") from error


def start_folder(name: str) -> Path:
    """The folder of ``ModelConfig.start``, fetched from the hub where it is no local one.

    Raises:
        FaceLLMError: If it is neither, or holds another kind of model.
    """
    folder = SHIPPED if name == SHIPPED_NAME else _folder(name)
    if not (folder / CONFIG).is_file():
        raise FaceLLMError(f"{folder}: not a model, {CONFIG} missing")
    check_config(folder / CONFIG)
    return folder


def _from_start(run: TrainRun) -> tuple[FaceLLMForConditionalGeneration, FaceLLMProcessor]:
    folder = start_folder(run.model.start)
    try:
        model, report = _kept_exact(run).from_pretrained(
            folder, dtype=getattr(torch, run.model.dtype), output_loading_info=True
        )
    except (RuntimeError, OSError, ValueError) as error:
        raise FaceLLMError(f"{folder}: weights cannot be loaded: {error}") from error
    model.__class__ = FaceLLMForConditionalGeneration
    differing = [str(key) for kind in report.values() for key in kind]
    if differing:
        raise FaceLLMError(
            f"{folder}: weights of another version, {len(differing)} tensors differ, "
            f"first {differing[0]}"
        )
    if run.model.vision:
        _check_join(model, run)
    if run.model.adapter == "continue" and not (folder / ADAPTER).is_dir():
        raise FaceLLMError(f"{folder}: model.adapter is continue, but there is no {ADAPTER}/")
    if run.model.adapter == "merge" and (folder / ADAPTER).is_dir():
        model = merge_adapter(model, folder / ADAPTER)
    processor = load_processor(folder)
    if (folder / LANDMARKS).is_file():
        processor.landmarker = landmarker(LandmarkNet.load(folder / LANDMARKS))
    return model, processor


def _check_join(model: FaceLLMForConditionalGeneration, run: TrainRun) -> None:
    """A start that the run says was joined so and so has to be."""
    for name in ("region_position", "keep_cls"):
        found, wanted = getattr(model.config, name), getattr(run.model, name)
        if found != wanted:
            raise FaceLLMError(
                f"{run.model.start}: its {name} is {found}, but model.{name} is {wanted}"
            )


def _kept_exact(run: TrainRun) -> Any:
    """The model's class, loading in full precision what the run goes on training."""
    names = {
        "vision_tower": ("vision_tower",),
        "region_attention": ("region_attention",),
        "multi_modal_projector": ("multi_modal_projector",),
        "embeddings": ("embed_tokens", "lm_head"),
        "language_model": ("language_model",),
    }
    exact = {name for part in names if getattr(run.rates, part) for name in names[part]}

    class Kept(FaceLLMForConditionalGeneration):
        _keep_in_fp32_modules_strict = exact

    return Kept


def _joined(run: TrainRun) -> tuple[FaceLLMForConditionalGeneration, FaceLLMProcessor]:
    rates = run.rates
    exact = rates.vision_tower or rates.language_model or rates.embeddings
    try:
        return from_bases(
            run.model.vision,
            run.model.language,
            region_position=run.model.region_position,
            keep_cls=run.model.keep_cls,
            dtype=torch.float32 if exact else getattr(torch, run.model.dtype),
        )
    except FaceLLMError:
        raise
    except (OSError, ValueError) as error:
        raise FaceLLMError(
            f"{run.model.vision} with {run.model.language}: cannot be loaded: {error}"
        ) from error


def _folder(name: str) -> Path:
    """A local folder, or what the hub has by that name."""
    if Path(name).is_dir():
        return Path(name)
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name))
    except Exception as error:  # its own errors, requests' errors, ValueError for odd names
        raise FaceLLMError(f"{name}: no folder, and not to be had from the hub: {error}") from error


def _take_encoder(model: FaceLLMForConditionalGeneration, folder: Path) -> None:
    """Tower and FRGCA as the stage ``encoder`` left them."""
    from .encoder import trained_encoder

    encoder = trained_encoder(folder)
    try:
        model.vision_tower.load_state_dict(encoder.vision_tower.state_dict())
        model.region_attention.load_state_dict(encoder.region_attention.state_dict())
    except RuntimeError as error:
        raise FaceLLMError(f"{folder}: its encoder does not fit the model ({error})") from error


def _copy_mean_shape(model: FaceLLMForConditionalGeneration) -> None:
    shipped = load_file(SHIPPED / WEIGHTS)
    frlp = model.region_attention.region_projector
    for name in ("mean_shape", "shape_scale"):
        getattr(frlp, name).copy_(shipped[f"{SHAPE}{name}"])


def _check_reserved(model: FaceLLMForConditionalGeneration, processor: FaceLLMProcessor) -> None:
    """The reserved tokens are one stretch of ids that starts at the image token."""
    first = model.config.image_token_id
    for offset, token in enumerate(reserved_tokens()):
        if processor.token_id(token) != first + offset:
            raise FaceLLMError(
                f"the tokenizer holds {token} as {processor.token_id(token)}, "
                f"expected {first + offset}: reserved tokens in another order"
            )
