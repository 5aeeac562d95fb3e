r"""Stage ``encoder``: vision tower + FRGCA, trained through throw-away heads.

No head is shipped (ARCHITECTURE.md, decision 1): the readout tokens of the language model take
over, and must come within half a point of these heads, which is what ``evaluate`` prints.

Command::

    facellm train default-encoder -o .cache/default/encoder --set corpus=.cache/default/corpus

Resumes from ``<out>/checkpoint.pt``; every step's batch depends on seed and step number only.
"""

from __future__ import annotations

import copy
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from pickle import UnpicklingError
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import AutoTokenizer

from facellm.errors import FaceLLMError
from facellm.folders import default_cache
from facellm.fusion import FaceRegionGuidedCrossAttention
from facellm.labels import ACTION_UNITS, AU_LEVELS, EXPRESSIONS, MAX_AGE
from facellm.prepared import landmark_square
from facellm.vision import ConvHybridTower

from .batches import EncoderBatches
from .encoder_config import EncoderRun
from .encoder_losses import WEIGHTS, TaskLoss, mixup, task_losses
from .encoder_steps import average_into, hold_back, learning_rate, parameter_groups
from .evaluate_encoder import evaluate
from .loop.run_folder import RunFolder, record_of
from .pretext import Captions, Pretext, read_captions

FOLDER = "encoder"  # in the cache
CHECKPOINT = "checkpoint.pt"
SPECTRUM = 128  # hidden units of the tower's texture branch


class ThrowAwayHeads(nn.Module):
    """Mean pooling plus one attention-pooling query and one linear map per task; this stage only.

    The attention starts at zero beside the mean: with attention pooling alone the first thousand
    steps are spent on learning to look (expression accuracy after 150 steps .28 against .52).
    """

    SIZES: ClassVar[dict[str, int]] = {
        "expr": len(EXPRESSIONS) + 1, "age": MAX_AGE + 1, "male": 2, "mask": 2, "fake": 2,
        "mouth_open": 2, "eyes_closed": 2, "au": len(ACTION_UNITS) * AU_LEVELS, "gaze": 2,
        "points": 136,
    }  # fmt: skip

    def __init__(self, width: int) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(len(self.SIZES), width) * 0.02)
        self.pool = nn.MultiheadAttention(width, 5, batch_first=True)
        nn.init.zeros_(self.pool.out_proj.weight)
        self.maps = nn.ModuleDict({k: nn.Linear(width, n) for k, n in self.SIZES.items()})
        self.drop = nn.Dropout(0.1)

    def forward(self, patches: Tensor) -> dict[str, Tensor]:
        """(N, P, D) -> one (N, size) tensor per task."""
        queries = self.queries.expand(len(patches), -1, -1)
        looked = self.pool(queries, patches, patches, need_weights=False)[0]
        pooled = self.drop(patches.mean(1, keepdim=True) + looked)
        return {name: m(pooled[:, i]) for i, (name, m) in enumerate(self.maps.items())}


class EncoderTrainee(nn.Module):
    """Tower, FRGCA and heads as one module."""

    def __init__(self) -> None:
        super().__init__()
        self.vision_tower = ConvHybridTower(spectrum=SPECTRUM)
        self.region_attention = FaceRegionGuidedCrossAttention(self.vision_tower.width)
        self.heads = ThrowAwayHeads(self.vision_tower.width)
        self.register_buffer("centres", self.vision_tower.centres())

    def features(self, pixel_values: Tensor, landmarks: Tensor) -> Tensor:
        """(N, 3, S, S), (N, 68, 2) -> (N, P, D)."""
        return self.region_attention(self.vision_tower(pixel_values), landmarks, self.centres)

    def forward(self, pixel_values: Tensor, landmarks: Tensor) -> dict[str, Tensor]:
        """Outputs of every head."""
        return self.heads(self.features(pixel_values, landmarks))


def set_mean_shape(model: EncoderTrainee, source: EncoderBatches) -> None:
    """Give FRLP the mean and spread of the training landmarks inside the product's crop."""
    shapes = []
    for name in ("ferplus", "utkface"):
        data = source.sets[name]
        for row in source.train[name][::5]:
            points = data.points(int(row))
            if points is not None:
                x, y, side = landmark_square(points)
                shapes.append((points - (x, y)) / side + 0.5)
    if shapes:
        stacked = np.stack(shapes)
        frlp = model.region_attention.region_projector
        frlp.mean_shape.copy_(torch.from_numpy(stacked.mean(0)))
        frlp.shape_scale.fill_(float(stacked.std(0).mean()))


def trained_encoder(folder: Path) -> EncoderTrainee:
    """The averaged weights that the stage left in ``folder``, for inference.

    Raises:
        FaceLLMError: If no run of the stage lies there, or one of other sizes or a damaged one.
    """
    if not (folder / CHECKPOINT).is_file():
        raise FaceLLMError(f"{folder}: no run of the stage encoder ({CHECKPOINT} missing)")
    encoder = EncoderTrainee().eval()
    try:
        state = torch.load(folder / CHECKPOINT, weights_only=True)
        encoder.load_state_dict(state["averaged"])
    except (RuntimeError, OSError, KeyError, TypeError, EOFError, UnpicklingError) as error:
        raise FaceLLMError(f"{folder / CHECKPOINT}: no encoder of this version: {error}") from error
    return encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def captions_of(run: EncoderRun) -> Captions | None:
    """The corpus's captions, where the run contrasts pictures with them."""
    if not run.pretext.contrast:
        return None
    tokenizer = AutoTokenizer.from_pretrained(run.pretext.tokenizer)
    return read_captions(Path(run.corpus), tokenizer)


class EncoderTraining:
    """The training loop with its checkpoint."""

    def __init__(self, run: EncoderRun, cache: Path, out: Path) -> None:
        torch.manual_seed(run.seed)
        self.run, self.out, self.quiet = run, out, False
        captions = captions_of(run)
        self.source = EncoderBatches(cache, run, captions)
        self.model = EncoderTrainee().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if run.start:
            state = torch.load(run.start, weights_only=True)
            self.model.load_state_dict(state["averaged"])
        set_mean_shape(self.model, self.source)
        self.averaged = copy.deepcopy(self.model).eval().requires_grad_(False)
        tower = self.model.vision_tower
        words = 0 if captions is None else len(captions.tokenizer)
        self.pretext = Pretext(run.pretext, tower.width, tower.n_patches, words)
        groups = parameter_groups(nn.ModuleList([self.model, self.pretext]), run.weight_decay)
        self.optimizer = torch.optim.AdamW(groups, run.lr, fused=True)
        self.step, self.seconds = 0, 0.0
        if (out / CHECKPOINT).is_file():
            self._resume()

    def _resume(self) -> None:
        state = torch.load(self.out / CHECKPOINT, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.averaged.load_state_dict(state["averaged"])
        self.pretext.load_state_dict(state.get("pretext", {}))
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]
        set_mean_shape(self.averaged, self.source)
        set_mean_shape(self.model, self.source)

    def save(self) -> None:
        """Write the checkpoint beside its final name, then rename: a kill leaves the old one."""
        self.out.mkdir(parents=True, exist_ok=True)
        state = {
            "model": self.model.state_dict(),
            "averaged": self.averaged.state_dict(),
            "pretext": self.pretext.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }
        torch.save(state, self.out / "checkpoint.tmp")
        (self.out / "checkpoint.tmp").replace(self.out / CHECKPOINT)

    def train(self, save_every: int = 250, evaluate_every: int = 500) -> None:
        """Run to ``run.steps``; prints losses, writes ``log.jsonl``."""
        with ThreadPoolExecutor(1) as pool:
            ahead = [pool.submit(self.source.batch, self.step + i) for i in range(3)]
            while self.step < self.run.steps:
                batch = ahead.pop(0).result()
                ahead.append(pool.submit(self.source.batch, self.step + 3))
                losses = self._one_step(batch)
                if self.step % 50 == 0:
                    self._log(losses)
                if self.step % save_every == 0 or self.step == self.run.steps:
                    self.save()
                if self.step % evaluate_every == 0 or self.step == self.run.steps:
                    figures = evaluate(self.averaged, self.source.sets, split=1, limit=1500)
                    self._write({"step": self.step, "valid": figures})
            for future in ahead:
                future.cancel()

    def _one_step(self, batch: dict[str, Tensor]) -> dict[str, TaskLoss]:
        start = time.monotonic()
        # Dropout is drawn from step and seed too: a resumed run ends with the same weights.
        torch.manual_seed(self.run.seed * 1_000_003 + self.step)
        if self.run.mixup > 0:
            rng = np.random.default_rng((self.run.seed, self.step, 1))
            batch = mixup(batch, self.run.mixup, rng)
        self.model.train()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.run, self.step)
        pixels = batch["pixel_values"].contiguous(memory_format=torch.channels_last)
        # On a CPU the fused attention kernels are slower to train than the plain ones.
        with sdpa_kernel(SDPBackend.MATH):
            patches = self.model.features(pixels, batch["landmarks"])
            losses = task_losses(self.model.heads(patches), batch)
            parts = [loss.mean * loss.share * WEIGHTS[name] for name, loss in losses.items()]
            tower, seed = self.model.vision_tower, self.run.seed + self.step
            beside = self.pretext.losses(tower, batch, patches, seed)
            total = torch.stack([*parts, *beside.values()]).sum()
            if not torch.isfinite(total):
                raise FaceLLMError(
                    f"step {self.step}: the loss is {float(total)}; {self.out / CHECKPOINT} holds "
                    "what was learned before"
                )
            self.optimizer.zero_grad(set_to_none=True)
            total.backward()
        if not self.run.stretch_at(self.step)[0].texture:
            hold_back(self.model.vision_tower.spectrum)
        nn.utils.clip_grad_norm_([*self.model.parameters(), *self.pretext.parameters()], 2.0)
        self.optimizer.step()
        self.step += 1
        # A short memory at first: the average must forget the random weights it began with.
        average_into(
            self.averaged, self.model, min(self.run.ema, (1 + self.step) / (10 + self.step))
        )
        self.seconds += time.monotonic() - start
        return losses | {name: TaskLoss(loss, 1.0) for name, loss in beside.items()}

    def _log(self, losses: dict[str, TaskLoss]) -> None:
        row = {name: round(float(loss.mean.detach()), 4) for name, loss in losses.items()}
        gate = float(self.model.region_attention.gate.detach())
        speed = self.step * self.run.batch / max(self.seconds, 1e-9)
        self._write({"step": self.step, "gate": round(gate, 4), "img_s": round(speed, 1), **row})

    def _write(self, row: dict[str, object]) -> None:
        if not self.quiet:
            print(json.dumps(row), flush=True)
        self.out.mkdir(parents=True, exist_ok=True)
        with (self.out / "log.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")


def train_encoder(
    run: EncoderRun,
    out: Path,
    *,
    resume: bool,
    cache: Path | None = None,
    quiet: bool = False,
) -> Path:
    """Run the stage, or go on with it, in the folder ``out``.

    Args:
        run: Its config.
        out: New, or with ``resume`` the folder of the same run.
        resume: Go on from the last checkpoint.
        cache: Folder of prepared sets; the default cache where None.
        quiet: Lines go to ``log.jsonl`` alone.

    Returns:
        The checkpoint with the averaged weights.

    Raises:
        FaceLLMError: If the folder is another run's, sets are missing or the loss is no number.
    """
    folder = RunFolder(out)
    with folder.locked():
        folder.open(record_of(run, 1), resume=resume)
        training = EncoderTraining(run, cache or default_cache(), out)
        training.quiet = quiet
        training.train()
    return out / CHECKPOINT
