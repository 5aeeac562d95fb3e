"""Class prompts for a CLIP text tower: learnt context, then descriptors, in 77 places.

``[start][X x 8][descriptor tokens][end][padding]``: the eight places of ``X`` are where a prompt
learner puts its own vectors. The end token must stay inside, as the tower reads the class off it; a
prompt that is too long is an error, never cut.

The tokenizer is ``open_clip``'s, whose vocabulary is packaged: no network. Its module is loaded by
itself, since importing ``open_clip`` needs torchvision, which the CPU build of torch lacks.

Source: CLIP-CAER (arXiv 2507.00586), class-specific context at the end position; CoOp, 2109.01134.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from facellm.errors import FaceLLMError

PLACES = 77  # of a CLIP text tower
CONTEXT = 8  # learnt tokens a class
PLACEHOLDER = "X"
INSTALL = "pip install --no-deps open_clip_torch && pip install ftfy regex"


@dataclass(frozen=True)
class ClipTokenizer:
    """What a prompt needs of a tokenizer.

    Attributes:
        encode: Text -> ids, without start and end.
        start: Id of the start token.
        end: Id of the end token.
        padding: Id behind the end.
    """

    encode: Callable[[str], Sequence[int]]
    start: int
    end: int
    padding: int = 0


@cache
def clip_tokenizer() -> ClipTokenizer:
    """The tokenizer of ``open_clip``.

    Raises:
        FaceLLMError: If it is not installed, with the command that installs it.
    """
    package = importlib.util.find_spec("open_clip")
    if package is None or not package.submodule_search_locations:
        raise FaceLLMError(f"class prompts need open_clip's tokenizer: {INSTALL}")
    file = Path(package.submodule_search_locations[0]) / "tokenizer.py"
    spec = importlib.util.spec_from_file_location("open_clip_tokenizer", file)
    if spec is None or spec.loader is None:
        raise FaceLLMError(f"{file}: cannot be loaded")
    module: Any = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except ImportError as error:
        raise FaceLLMError(f"open_clip's tokenizer: {error}; {INSTALL}") from error
    tokenizer = module.SimpleTokenizer()
    return ClipTokenizer(tokenizer.encode, tokenizer.sot_token_id, tokenizer.eot_token_id)


@dataclass(frozen=True)
class PromptIds:
    """A class prompt as the text tower takes it.

    Attributes:
        ids: ``PLACES`` ids.
        context: Places of the learnt tokens.
        end: Place of the end token, where the tower reads the class.
    """

    ids: tuple[int, ...]
    context: slice
    end: int


@dataclass(frozen=True)
class ClassPrompt:
    """Text of one class.

    Attributes:
        name: Class, for messages.
        descriptors: Phrases, in order.
        n_ctx: Learnt tokens in front of them.
    """

    name: str
    descriptors: tuple[str, ...]
    n_ctx: int = CONTEXT

    @property
    def text(self) -> str:
        """The descriptors as one sentence."""
        return ", ".join(self.descriptors) + "."

    def ids(self, tokenizer: ClipTokenizer | None = None) -> PromptIds:
        """Ids of the prompt.

        Raises:
            FaceLLMError: If start, context, text and end need more than ``PLACES``.
        """
        tokenizer = tokenizer or clip_tokenizer()
        text = list(tokenizer.encode(self.text))
        needed = 1 + self.n_ctx + len(text) + 1
        if needed > PLACES:
            raise FaceLLMError(
                f"class {self.name!r}: {len(text)} tokens of descriptors and {self.n_ctx} learnt "
                f"ones need {needed} places; the text tower has {PLACES}"
            )
        placeholder = list(tokenizer.encode(PLACEHOLDER))[:1] * self.n_ctx
        ids = [tokenizer.start, *placeholder, *text, tokenizer.end]
        padding = [tokenizer.padding] * (PLACES - needed)
        return PromptIds((*ids, *padding), slice(1, 1 + self.n_ctx), needed - 1)
