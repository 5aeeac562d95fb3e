"""Any image-text model of ``transformers``, from a local folder or the hub: ``hf:ID``.

Loaded by ``AutoModelForImageTextToText``. Its own processor and chat template make the prompt;
options are scored as the continuation of the prompt, one pass each, so that no family's positions
or caches have to be known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from facellm.errors import FaceLLMError
from facellm.response_cache import request_key
from facellm.training_data import read_training_data

from ..asking import Request
from ..sample import FREE, LETTER, OPTIONS, UNREADABLE, Answer
from .function import normalised
from .local import folder_digest
from .pictures import pil_picture, shown_pictures

LONGEST_ANSWER = 128  # tokens


class ForeignModel:
    """See the module docstring.

    Args:
        name: Folder or hub id.
        model: In evaluation mode.
        processor: Its own.
    """

    ways: tuple[str, ...] = (OPTIONS, LETTER, FREE)
    deterministic = True

    def __init__(self, name: str, model: Any, processor: Any) -> None:
        self.name, self._model, self._processor = name, model, processor
        folder = Path(name)
        revision = getattr(model.config, "_commit_hash", None)
        local = folder.is_dir()
        self.digest = folder_digest(folder) if local else request_key(name, {"at": revision})
        self.training_data = read_training_data(folder) if local else None

    @classmethod
    def load(cls, name: str) -> ForeignModel:
        """Load it; ``FaceLLMError`` where that fails."""
        from transformers import AutoModelForImageTextToText, AutoProcessor

        device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            processor = AutoProcessor.from_pretrained(name)
            model: Any = AutoModelForImageTextToText.from_pretrained(name, dtype="auto")
            model = model.to(device)
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise FaceLLMError(f"model {name}: cannot be loaded: {error}") from error
        return cls(name, model.eval(), processor)

    def answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer]]:
        """See ``Model``; one after another."""
        for place, request in enumerate(requests):
            try:
                pictures = [pil_picture(p) for p in shown_pictures(request, crops=False)]
            except FaceLLMError as error:
                yield place, Answer(request.way, failure=UNREADABLE, detail=str(error))
                continue
            inputs = self._inputs(pictures, request.prompt)
            if request.way == OPTIONS:
                yield place, self._options(inputs, request.sample.options)
            else:
                yield place, Answer(request.way, self._written(inputs))

    def _inputs(self, pictures: list[Any], question: str) -> Any:
        images = [{"type": "image", "image": picture} for picture in pictures]
        turn = {"role": "user", "content": [*images, {"type": "text", "text": question}]}
        if getattr(self._processor, "chat_template", None):
            prompt = self._processor.apply_chat_template([turn], add_generation_prompt=True)
        else:
            image = getattr(self._processor, "image_token", "<image>")
            prompt = f"{image * len(pictures)}\n{question}\n"
        found = self._processor(text=[prompt], images=pictures, return_tensors="pt")
        return found.to(self._model.device)

    @torch.inference_mode()
    def _options(self, inputs: Any, options: Sequence[str]) -> Answer:
        tokenizer = self._processor.tokenizer
        prompt = inputs["input_ids"]
        scores = []
        for option in options:
            ids = tokenizer(option, add_special_tokens=False, return_tensors="pt")["input_ids"]
            ids = ids.to(prompt.device)
            whole = torch.cat((prompt, ids), dim=1)
            given = dict(inputs) | {"input_ids": whole, "attention_mask": torch.ones_like(whole)}
            logits = self._model(**given).logits[0, prompt.shape[1] - 1 : -1].float()
            taken = logits.log_softmax(-1).gather(1, ids.T)
            scores.append(float(taken.sum()))
        return Answer(OPTIONS, logprobs=normalised(scores))

    @torch.inference_mode()
    def _written(self, inputs: Any) -> str:
        ids = self._model.generate(**inputs, max_new_tokens=LONGEST_ANSWER, do_sample=False)
        new = ids[0, inputs["input_ids"].shape[1] :]
        return self._processor.tokenizer.decode(new, skip_special_tokens=True)
