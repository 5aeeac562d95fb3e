"""Stages ``language``, ``connector`` and ``adapter``: text, then cached features, then LoRA.

``language`` teaches the model to write from a reading and to tell what is asked, without pictures.
``connector`` trains projector and language model together: every step reads a batch of cached faces
(readout loss), and every few steps writes answers under the model's own readings too. ``adapter``
freezes all of it and trains LoRA (arXiv 2106.09685, rank 16, by ``peft``) on fresh wordings with
the same two losses; the adapter is kept apart, in PEFT layout.

Command::

    python -m facellm.train.language --stage language --cache .cache/default
    python -m facellm.train.language --stage connector --steps 1260 --batch 24 --lr 1e-3
    python -m facellm.train.language --stage adapter --steps 80 --batch 16 --lr 5e-4

Resumes from ``<cache>/<stage>/checkpoint.pt``.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn
from torch.nn import functional as F

from facellm.folders import default_cache
from facellm.labels import ACTION_UNITS, QUERIES
from facellm.model import LORA_TARGETS, FaceLLMForConditionalGeneration, merge_visual_tokens
from facellm.processor import IGNORE_INDEX, FaceLLMProcessor

from .default_model import new_model, new_processor
from .text_batches import TextSample, answer_weights, grouped_batches, load_corpus, pad

QUERY_WEIGHTS = {
    **{f"au{number}": 0.3 for number in ACTION_UNITS},
    "expr": 1.5, "age": 0.4, "gender": 0.4, "mask": 0.15, "fake": 0.3, "mouth_open": 0.1,
    "eyes_closed": 0.1, "gaze_yaw": 0.3, "gaze_pitch": 0.3,
}  # fmt: skip


BEFORE = {"connector": "language", "adapter": "connector"}
CORPUS = {"language": "synthetic.jsonl", "connector": "own.jsonl", "adapter": "dialogue.jsonl"}


@dataclass(frozen=True)
class LanguageRun:
    """Settings of both stages.

    Attributes:
        stage: ``language``, ``connector`` or ``adapter``.
        steps: Optimizer steps.
        batch: Conversations a step.
        faces: Cached faces read a step (``connector``, ``adapter``).
        lr: Peak learning rate of the language model.
        connector_lr: Peak learning rate of the projector.
        warmup: Steps of linear warm-up; the rate then falls as a cosine to a twentieth.
        text_every: Every how many steps answers are learned too (``connector``, ``adapter``).
        seed: Of weights and batches.
        start: Checkpoint to start from instead of the stage before.
    """

    stage: str = "language"
    steps: int = 2000
    batch: int = 32
    faces: int = 64
    lr: float = 1.5e-3
    connector_lr: float = 1e-3
    warmup: int = 60
    text_every: int = 3
    seed: int = 11
    start: str = ""


def text_loss(
    model: FaceLLMForConditionalGeneration,
    embeds: Tensor,
    batch: dict[str, Tensor],
    token_weights: Tensor,
) -> Tensor:
    """Weighted mean cross-entropy of the answer tokens; logits are computed at those places alone.

    Args:
        model: The model.
        embeds: (B, T, D) input embeddings.
        batch: ``labels`` and ``attention_mask``, (B, T).
        token_weights: (V,) how much each token counts.
    """
    hidden = model.language_model.model(
        inputs_embeds=embeds, attention_mask=batch["attention_mask"], use_cache=False
    ).last_hidden_state
    wanted = batch["labels"][:, 1:] != IGNORE_INDEX
    logits = hidden[:, :-1][wanted] @ model.get_output_embeddings().weight.T
    labels = batch["labels"][:, 1:][wanted]
    weights = token_weights[labels]
    each = F.cross_entropy(logits, labels, reduction="none")
    return (weights * each).sum() / weights.sum()


def readout_loss(logprobs: list[Tensor], wanted: list[Tensor]) -> Tensor:
    """Weighted soft cross-entropy summed over the queries."""
    terms = [
        -(target * said).sum(-1).mean() * QUERY_WEIGHTS[query.name]
        for query, said, target in zip(QUERIES, logprobs, wanted, strict=True)
    ]
    return torch.stack(terms).sum()


class FeatureCache:
    """Cached features and targets (``facellm.train.features``)."""

    def __init__(self, folder: Path) -> None:
        self.features = np.load(folder / "features.npy", mmap_mode="r")
        stored = np.load(folder / "targets.npz")
        self.targets = [stored[query.name] for query in QUERIES]

    def rows(self, rows: np.ndarray) -> tuple[Tensor, list[Tensor]]:
        """Features (B, P, Dv) and Q target distributions (B, n_labels), float32."""
        features = torch.from_numpy(self.features[rows].astype(np.float32))
        return features, [torch.from_numpy(t[rows].astype(np.float32)) for t in self.targets]


class LanguageTraining:
    """The loop of both stages with its checkpoint."""

    def __init__(self, run: LanguageRun, cache: Path) -> None:
        torch.manual_seed(run.seed)
        self.run, self.cache, self.out = run, cache, cache / run.stage
        self.processor: FaceLLMProcessor = new_processor(cache / "tokenizer")
        if run.stage == "language":
            self.processor.n_patches = 0
        self.model = new_model(self.processor)
        if run.stage != "language":
            before = cache / BEFORE[run.stage] / "checkpoint.pt"
            self._continue_from(Path(run.start) if run.start else before)
            self.cached = FeatureCache(cache / "features")
        self.adapted = self._add_lora() if run.stage == "adapter" else None
        self.samples = load_corpus(
            cache / "text" / CORPUS[run.stage], self.processor, echo=run.stage == "language"
        )
        self.token_weights = answer_weights(self.processor)
        fast = [p for p in self.model.multi_modal_projector.parameters() if p.requires_grad]
        slow = [p for p in self.model.language_model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": slow, "peak": run.lr},
                {"params": fast, "peak": run.connector_lr},
            ],
            weight_decay=0.05,
            betas=(0.9, 0.98),
            fused=True,
        )
        self.step, self.seconds = 0, 0.0
        if (self.out / "checkpoint.pt").is_file():
            state = torch.load(self.out / "checkpoint.pt", weights_only=True)
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step, self.seconds = state["step"], state["seconds"]

    def _continue_from(self, checkpoint: Path) -> None:
        state = torch.load(checkpoint, weights_only=True)
        self.model.load_state_dict(state["model"])

    def _add_lora(self) -> PeftModel:
        config = LoraConfig(r=16, lora_alpha=32, target_modules=LORA_TARGETS, lora_dropout=0.0)
        return get_peft_model(self.model, config)  # type: ignore[return-value]

    def save(self) -> None:
        """Write the checkpoint under another name, then rename it; an adapter also by itself."""
        self.out.mkdir(parents=True, exist_ok=True)
        if self.adapted is not None:
            self.adapted.save_pretrained(str(self.out / "adapter"))
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }
        torch.save(state, self.out / "checkpoint.tmp")
        (self.out / "checkpoint.tmp").replace(self.out / "checkpoint.pt")

    def train(self, save_every: int = 200) -> None:
        """Run to ``run.steps``."""
        batches = grouped_batches(self.samples, self.run.batch, self.run.seed)
        for _ in range(self.step):
            next(batches)
        self.model.train()
        while self.step < self.run.steps:
            start = time.monotonic()
            for group in self.optimizer.param_groups:
                group["lr"] = group["peak"] * self._rate()
            losses = self._losses(next(batches))
            self.optimizer.zero_grad(set_to_none=True)
            torch.stack(list(losses.values())).sum().backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.step += 1
            self.seconds += time.monotonic() - start
            if self.step % 20 == 0:
                row = {name: round(float(value.detach()), 4) for name, value in losses.items()}
                row = {"step": self.step, "seconds": round(self.seconds), **row}
                print(json.dumps(row), flush=True)
            if self.step % save_every == 0 or self.step == self.run.steps:
                self.save()

    def _rate(self) -> float:
        warm = min(1.0, (self.step + 1) / self.run.warmup)
        fall = 0.5 * (1 + math.cos(math.pi * self.step / self.run.steps))
        return warm * (0.05 + 0.95 * fall)

    def _losses(self, samples: list[TextSample]) -> dict[str, Tensor]:
        if self.run.stage == "language":
            batch = pad(samples, self.processor.tokenizer.pad_token_id)
            embeds = self.model.get_input_embeddings()(batch["input_ids"])
            return {"text": text_loss(self.model, embeds, batch, self.token_weights)}
        rng = np.random.default_rng((self.run.seed, self.step))
        rows = np.sort(rng.choice(len(self.cached.features), self.run.faces, replace=False))
        features, wanted = self.cached.rows(rows)
        losses = {"readout": readout_loss(self._read(features), wanted)}
        if self.step % self.run.text_every == 0:
            losses["text"] = self._answer_loss(samples)
        return losses

    def _read(self, features: Tensor) -> list[Tensor]:
        ids = torch.tensor([self.processor.reading_ids()] * len(features))
        embeds = self._merge(ids, features)
        first = ids.shape[1] - len(QUERIES)
        positions = torch.arange(first, ids.shape[1])
        return self.model.readouts(embeds, None, positions, self.processor.label_ids)

    def _answer_loss(self, samples: list[TextSample]) -> Tensor:
        batch = pad(samples, self.processor.tokenizer.pad_token_id)
        rows = [row for sample in samples for row in sample.rows]
        features = torch.from_numpy(self.cached.features[rows].astype(np.float32))
        merged = self._merge(batch["input_ids"], features)
        return text_loss(self.model, merged, batch, self.token_weights)

    def _merge(self, input_ids: Tensor, features: Tensor) -> Tensor:
        text = self.model.get_input_embeddings()(input_ids)
        faces = self.model.multi_modal_projector(features)
        image = self.model.config.image_token_id
        return merge_visual_tokens(text, input_ids, faces, image_token_id=image)


def main(argv: list[str] | None = None) -> None:
    """Command line of both stages."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--threads", type=int, default=2)
    for name, value in asdict(LanguageRun()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    run = LanguageRun(**{name: getattr(args, name) for name in asdict(LanguageRun())})
    LanguageTraining(run, args.cache).train()


if __name__ == "__main__":
    main()
