"""The file of an exported reading: one safetensors file beside the weights it was made from.

``reading_int8.safetensors`` holds two byte tensors, ``graph`` (the text of an OpenVINO model, XML)
and ``weights`` (its constants), and facts as text: of which weights it is (a digest), the openvino
that wrote it, its precision. Nothing in it can run code, as with every other file of weights.

Example: ``engine_facts(folder / ENGINE).source == source_digest(folder)``
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from facellm.adapter_file import ADAPTER, ADAPTER_FILES
from facellm.checkpoint import CONFIG, PROCESSOR, WEIGHTS
from facellm.errors import FaceLLMError

ENGINE = "reading_int8.safetensors"
FORMAT = "facellm reading 1"
# What decides the log-probabilities. The landmark network and the thresholds stand outside.
SOURCES = (CONFIG, WEIGHTS, *PROCESSOR, *(f"{ADAPTER}/{name}" for name in ADAPTER_FILES))


class EngineUnusable(FaceLLMError):
    """An engine cannot be used.

    Args:
        reason: Why not; names the file or package.
        mend: The command that mends it.
    """

    def __init__(self, reason: str, mend: str) -> None:
        super().__init__(f"{reason}: {mend}")
        self.reason, self.mend = reason, mend


@dataclass(frozen=True)
class EngineFacts:
    """What is known of an engine file without reading its tensors.

    Attributes:
        source: Digest of the weights it was made from (``source_digest``).
        precision: ``int8``, or ``f32`` where nothing was quantised.
        openvino: Version that wrote it.
    """

    source: str
    precision: str
    openvino: str


@dataclass(frozen=True)
class EngineFile:
    """An exported reading.

    Attributes:
        facts: Where it comes from.
        graph: The model's XML text.
        weights: (bytes,) uint8, its constants.
    """

    facts: EngineFacts
    graph: str
    weights: NDArray[np.uint8]

    def save(self, path: Path) -> None:
        """Write the file."""
        tensors = {
            "graph": np.frombuffer(self.graph.encode(), np.uint8),
            "weights": np.ascontiguousarray(self.weights),
        }
        # Not save_file: it makes a file that its owner alone may read, installed for all or not.
        path.write_bytes(save(tensors, {"format": FORMAT, **vars(self.facts)}))

    @classmethod
    def load(cls, path: Path) -> EngineFile:
        """Read the file.

        Raises:
            EngineUnusable: If it is missing, damaged or of another version.
        """
        facts = engine_facts(path)
        try:
            with safe_open(path, "numpy") as file:
                graph, weights = file.get_tensor("graph"), file.get_tensor("weights")
        except (SafetensorError, OSError) as error:
            raise EngineUnusable(f"{path}: cannot be read ({error})", making(path)) from error
        return cls(facts, graph.tobytes().decode(errors="replace"), weights)


def making(path: Path) -> str:
    """The command that makes an engine file."""
    return f"{sys.executable} -m facellm.train.engine --model {path.parent}"


def engine_facts(path: Path) -> EngineFacts:
    """The facts of an engine file; ``EngineUnusable`` as ``EngineFile.load``."""
    if not path.is_file():
        raise EngineUnusable(f"{path}: no such file", making(path))
    try:
        with safe_open(path, "numpy") as file:
            held = dict(file.metadata() or {})
        if held.pop("format", None) != FORMAT:
            raise ValueError(f"not of the kind {FORMAT!r}")
        return EngineFacts(**held)
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise EngineUnusable(f"{path}: cannot be read ({error})", making(path)) from error


def source_digest(folder: Path) -> str:
    """SHA-256 over the names and bytes of every file that decides the log-probabilities."""
    digest = hashlib.sha256()
    for name in SOURCES:
        path = folder / name
        if path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{name} {content}\n".encode())
    return digest.hexdigest()


def check_source(path: Path) -> None:
    """Refuse an engine file that was not made from the weights beside it.

    Raises:
        EngineUnusable: Also if the file is missing or damaged.
    """
    made_from, here = engine_facts(path).source, source_digest(path.parent)
    if made_from != here:
        raise EngineUnusable(
            f"{path}: made from other weights ({made_from[:16]}, those beside it are {here[:16]})",
            making(path),
        )
