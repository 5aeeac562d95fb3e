"""Put the trained parts together as one checkpoint folder, in half precision.

Writes ``<out>`` (``facellm.checkpoint``) from the encoder's averaged weights, the connector stage
and the landmark network, and ``<cache>/encoder/heads_test.json``: what the throw-away heads reach
on the test splits, for comparing the readouts with. Nothing is chosen by these figures.

Command: ``python -m facellm.train.export --cache .cache/default --out facellm/weights``
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import torch

from facellm.adapter_file import ADAPTER
from facellm.checkpoint import CALIBRATION, save_checkpoint
from facellm.folders import default_cache
from facellm.prepared import PreparedSet
from facellm.readout import Calibration

from .default_model import new_model, new_processor
from .encoder import FOLDER, trained_encoder
from .evaluate_encoder import evaluate


def main(argv: list[str] | None = None) -> None:
    """Export the default model."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--landmarks", type=Path, default=None)
    args = parser.parse_args(argv)
    landmarks = args.landmarks or args.cache / "landmarks" / "landmarks.safetensors"
    processor = new_processor(args.cache / "tokenizer")
    model = new_model(processor)
    state = torch.load(args.cache / "connector" / "checkpoint.pt", weights_only=True)
    model.load_state_dict(state["model"])
    encoder = trained_encoder(args.cache / FOLDER)
    model.vision_tower.load_state_dict(encoder.vision_tower.state_dict())
    model.region_attention.load_state_dict(encoder.region_attention.state_dict())
    kept = args.out / CALIBRATION
    calibration = Calibration.load(kept) if kept.is_file() else Calibration()
    save_checkpoint(args.out, model.half(), processor, landmarks, calibration)
    adapter = args.cache / "adapter" / ADAPTER
    if adapter.is_dir():
        skipped = shutil.ignore_patterns("README.md")  # peft's empty form of a model card
        shutil.copytree(adapter, args.out / ADAPTER, dirs_exist_ok=True, ignore=skipped)
    sets = {name: PreparedSet(args.cache / name) for name in ("ferplus", "utkface")}
    figures = evaluate(encoder, sets, split=2, limit=100_000)
    (args.cache / "encoder" / "heads_test.json").write_text(json.dumps(figures, indent=2))
    size = sum(f.stat().st_size for f in args.out.rglob("*") if f.is_file())
    print(f"{args.out}: {size / 1e6:.1f} MB; heads on test: {figures}")


if __name__ == "__main__":
    main()
