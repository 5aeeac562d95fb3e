"""What a run learns from, as digests: a resumed run is told where it has changed meanwhile.

Example: ``digests(run)`` -> ``{"corpus/": "9f2c...", "own.npz": "c01d..."}``
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from facellm.atomic import told_in_words

from ..data.records import shard_files
from ..encoder_config import EncoderRun
from ..run_config import TrainRun

WEIGHTS = (".safetensors", ".bin", ".pt")
# Of a large file, stretches spread over it are read: whole weights of a large model take a minute,
# and weights that were trained differ everywhere.
STRETCH, STRETCHES = 1 << 16, 256


def digests(run: TrainRun | EncoderRun) -> dict[str, str]:
    """Corpora, teacher and weights of a run by their names in the config.

    What is missing, or no local path, has no entry: whoever opens it says so.

    Raises:
        FaceLLMError: If a corpus is not whole, or a file cannot be read.
    """
    found = {}
    for name in filter(None, _corpora(run)):
        if (Path(name) / "manifest.json").is_file():
            found[name] = shard_files(Path(name), "train")[1]
    for name in filter(None, _weights(run)):
        files = sorted(_files(Path(name)))
        if files:
            found[name] = _digest_of(files)
    return found


def file_digest(path: Path) -> str:
    """SHA-256 of a file's size and of the whole file, or of stretches where it is large."""
    with told_in_words(path), path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        digest = hashlib.sha256(str(size).encode())
        last = max(size - STRETCH, 0)
        whole = size <= STRETCH * STRETCHES
        count = -(-size // STRETCH) if whole else STRETCHES
        for part in range(count):
            file.seek(part * STRETCH if whole else last * part // (STRETCHES - 1))
            digest.update(file.read(STRETCH))
    return digest.hexdigest()


def _corpora(run: TrainRun | EncoderRun) -> tuple[str, ...]:
    return run.data.corpora if isinstance(run, TrainRun) else (run.corpus,)


def _weights(run: TrainRun | EncoderRun) -> tuple[str, ...]:
    if not isinstance(run, TrainRun):
        return (run.start,)
    model = run.model
    return run.data.teacher, model.start, model.vision, model.language, model.encoder


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    elif path.is_dir():
        yield from (file for file in path.rglob("*") if file.suffix in WEIGHTS and file.is_file())


def _digest_of(files: list[Path]) -> str:
    if len(files) == 1:
        return file_digest(files[0])
    return hashlib.sha256("".join(map(file_digest, files)).encode()).hexdigest()
