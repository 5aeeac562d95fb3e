"""Jobs for ``vllm_offline.py``: prompts as the local engine sees them, and what it says to them."""

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

RUNNER = Path(__file__).with_name("vllm_offline.py")
LONGEST = 24  # tokens of an answer
MISSING = "optional: vLLM is not set up (facellm serve --setup, or FACELLM_SERVE_PYTHON)"


def serve_python() -> Path:
    """The serving interpreter; the test is skipped where there is none."""
    from facellm.serve.setup_environment import serving_python

    found = serving_python()
    if found is None:
        pytest.skip(MISSING)
    return found


@dataclass
class Job:
    """Requests to one vLLM process, and the local answers they are held against.

    Attributes:
        checkpoint: What the local engine runs.
        crops: (N, S, S, 3) uint8.
        model: Folder that vLLM serves; the checkpoint's own by default.
        arguments: More of the engine.
    """

    checkpoint: Any
    crops: np.ndarray
    model: Path | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)
    wanted: list[Any] = field(default_factory=list)

    def parts(self, faces: Sequence[int]) -> list[Any]:
        """Face parts with readings and landmarks, as an assistant makes them."""
        from facellm.context import reading_text
        from facellm.conversation import FacePart
        from facellm.crop_reading import read_seen, see_crops
        from facellm.engine import TorchEngine

        if not faces:
            return []
        seen = see_crops(self.checkpoint, [self.crops[face] for face in faces])
        readings = read_seen(self.checkpoint, TorchEngine(self.checkpoint), seen)
        return [
            FacePart(self.crops[face], seen.landmarks[row].numpy(), reading_text(reading))
            for row, (face, reading) in enumerate(zip(faces, readings, strict=True))
        ]

    def ask(
        self, faces: Sequence[int], question: str, adapter: Path | None = None, local: Any = None
    ) -> None:
        """Add a question; ``local`` is the model that answers here, the checkpoint's by default."""
        from facellm.conversation import Conversation, TextPart, Turn
        from facellm.generation import greedy_tokens
        from facellm.serve.engines import Bounds
        from facellm.serve.vllm_requests import answer_ids, answer_sampling

        processor = self.checkpoint.processor
        turns = (Turn("user", (*self.parts(faces), TextPart(question))),)
        prompt = processor.answer_prompt(Conversation(turns))
        tokens = list(
            greedy_tokens(
                local or self.checkpoint.model,
                prompt,
                processor.intent_ids,
                LONGEST,
                processor.absent_ids,
            )
        )
        short, whole = answer_ids(processor, turns)
        params = {**answer_sampling(processor, whole, Bounds(LONGEST)), "detokenize": False}
        self._add(short, faces, params, adapter)
        self.wanted.append((whole, tokens))

    def read(self, face: int, adapter: Path | None = None, local: Any = None) -> None:
        """Add a reading."""
        from facellm.conversation import FacePart
        from facellm.serve.vllm_requests import reading_body

        processor = self.checkpoint.processor
        sent = reading_body(processor, "", FacePart(self.crops[face]))
        self._add(sent["token_ids"], [face], sent["sampling_params"], adapter)
        batch = processor.reading_prompt([FacePart(self.crops[face])])
        model = local or self.checkpoint.model
        embeds = model.embed(batch["input_ids"], batch["pixel_values"], batch["landmarks"])
        found = model.readouts(embeds, None, batch["query_positions"], processor.label_ids)
        self.wanted.append([table[0].detach().numpy() for table in found])

    def _add(
        self, ids: list[int], faces: Sequence[int], params: dict[str, Any], adapter: Path | None
    ) -> None:
        self.requests.append(
            {
                "ids": ids,
                "faces": list(faces),
                "params": params,
                "adapter": str(adapter) if adapter else None,
            }
        )

    def run(self, folder: Path) -> list[dict[str, Any]]:
        """What vLLM says, request by request."""
        np.save(folder / "crops.npy", self.crops)
        job = {
            "model": str(self.model or self.checkpoint.folder),
            "pictures": str(folder / "crops.npy"),
            "arguments": self.arguments,
            "requests": self.requests,
        }
        (folder / "job.json").write_text(json.dumps(job))
        clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run(
            [serve_python(), RUNNER, folder / "job.json", folder / "out.json"],
            capture_output=True,
            text=True,
            env=clean,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads((folder / "out.json").read_text())


def reading_of(found: dict[str, Any]) -> list[np.ndarray]:
    """The reading in what vLLM said, through the parser of its HTTP answers."""
    from facellm.serve.vllm_requests import reading_tables

    entries = [{"token_id": int(i), "logprob": p} for i, p in found["logprobs"][0].items()]
    return reading_tables({"choices": [{"logprobs": {"content": [{"top_logprobs": entries}]}}]})
