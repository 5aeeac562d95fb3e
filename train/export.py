"""Put the trained parts together as one checkpoint folder, in half precision.

Writes ``<out>`` (``facellm.checkpoint``) from the run of the last stage and the landmark network,
and ``<encoder>/heads_test.json``: what the throw-away heads reach on the test splits, for comparing
the readouts with. Nothing is chosen by these figures.

Command::

    python -m facellm.train.export --run runs/instruct --encoder runs/encoder \
        --landmarks landmarks.safetensors --out facellm/weights
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from facellm.adapter_file import (
    ADAPTER,
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    BASE_DIGEST,
    BASE_NAME,
    language_digest,
)
from facellm.checkpoint import CALIBRATION, load_processor, save_checkpoint
from facellm.errors import FaceLLMError
from facellm.folders import default_cache
from facellm.model import FaceLLMForConditionalGeneration
from facellm.prepared import PreparedSet
from facellm.readout import Calibration

from .encoder import trained_encoder
from .evaluate_encoder import evaluate


def export(run: Path, landmarks: Path, out: Path) -> None:
    """Write the checkpoint folder of a finished run.

    A calibration that lies in ``out`` stays until ``eval.calibrate`` fits another.

    Raises:
        FaceLLMError: If the run has no model yet.
    """
    folder = run / "model"
    if not folder.is_dir():
        raise FaceLLMError(f"{run}: no finished run, model/ missing")
    model = FaceLLMForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    kept = out / CALIBRATION
    calibration = Calibration.load(kept) if kept.is_file() else Calibration()
    half = model.half()
    save_checkpoint(out, half, load_processor(folder), landmarks, calibration)
    if (folder / ADAPTER).is_dir():
        export_adapter(folder / ADAPTER, half, out / ADAPTER)


def export_adapter(adapter: Path, base: FaceLLMForConditionalGeneration, out: Path) -> None:
    """Copy an adapter for a base whose weights were rounded: it is known by another digest now."""
    out.mkdir(parents=True, exist_ok=True)
    shutil.copy(adapter / ADAPTER_CONFIG, out / ADAPTER_CONFIG)
    told = {"format": "pt", BASE_NAME: "facellm", BASE_DIGEST: language_digest(base)}
    save_file(load_file(adapter / ADAPTER_WEIGHTS), out / ADAPTER_WEIGHTS, metadata=told)


def main(argv: list[str] | None = None) -> None:
    """Export the default model."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--run", type=Path, required=True, help="run of the last stage")
    parser.add_argument("--encoder", type=Path, required=True, help="run of the stage encoder")
    parser.add_argument("--landmarks", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=default_cache(), help="prepared sets")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)
    export(args.run, args.landmarks, args.out)
    sets = {name: PreparedSet(args.cache / name) for name in ("ferplus", "utkface")}
    figures = evaluate(trained_encoder(args.encoder), sets, split=2, limit=100_000)
    (args.encoder / "heads_test.json").write_text(json.dumps(figures, indent=2))
    size = sum(f.stat().st_size for f in args.out.rglob("*") if f.is_file())
    print(f"{args.out}: {size / 1e6:.1f} MB; heads on test: {figures}")


if __name__ == "__main__":
    main()
