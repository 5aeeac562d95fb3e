"""Token ids of all conversations of a corpus: made once, kept on disk.

A quarter of a million records take a minute or more; a second run with the same corpus, selection
and processor reads the ids in no time. They lie under ``FACELLM_CACHE`` by a digest of everything
they depend on, code included.

Legend: N records, I ids of all of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facellm import context, conversation, labels, pointers, prompts, reading, shown
from facellm import processor as core_processor
from facellm.atomic import atomic_file
from facellm.errors import FaceLLMError
from facellm.folders import default_cache
from facellm.processor import FaceLLMProcessor

from . import conversing, echo, intents
from .conversing import Manner
from .records import Records

KEPT_FROM = 5000  # records: fewer are tokenised again sooner than they are looked up
# Everything of ours between a record and its ids.
CODE = (
    conversing, echo, intents,
    context, conversation, core_processor, labels, pointers, prompts, reading, shown,
)  # fmt: skip
AT_ONCE = 512  # conversations handed to the tokenizer together


@dataclass(frozen=True)
class TokenTable:
    """Ids of N records, in order.

    Attributes:
        ids: (I,) int32, P placeholders a face (none where there is no picture).
        starts: (N + 1,) int64; an empty stretch where a record is left out.
        reasons: (N,) why a record is left out; empty where it is not.
    """

    ids: NDArray[np.int32]
    starts: NDArray[np.int64]
    reasons: NDArray[np.str_]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(N,) ids of each record."""
        return np.diff(self.starts)

    def of(self, index: int) -> list[int]:
        """Ids of one record."""
        return self.ids[self.starts[index] : self.starts[index + 1]].tolist()


def token_table(
    records: Records, numbers: NDArray[np.int64], processor: FaceLLMProcessor, manner: Manner
) -> TokenTable:
    """Ids of some records of a corpus, from the cache where they lie there.

    Args:
        records: The corpus.
        numbers: Which, rising.
        processor: The product's.
        manner: See ``conversing``.
    """
    if len(numbers) < KEPT_FROM:
        return tokenise(records, numbers, processor, manner)
    digest = digest_of(records, numbers, processor, manner)
    base = default_cache() / "tokens"
    try:
        base.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FaceLLMError(f"{base}: cannot be made ({error}); set FACELLM_CACHE") from error
    file = base / f"{digest}.npz"
    if not file.is_file():
        table = tokenise(records, numbers, processor, manner)
        with atomic_file(file) as out:
            np.savez(out, ids=table.ids, starts=table.starts, reasons=table.reasons)
        return table
    try:
        with np.load(file) as kept:
            return TokenTable(kept["ids"], kept["starts"], kept["reasons"])
    except (OSError, ValueError, KeyError) as error:
        raise FaceLLMError(f"{file}: cannot be read ({error}); remove it") from error


def tokenise(
    records: Records, numbers: NDArray[np.int64], processor: FaceLLMProcessor, manner: Manner
) -> TokenTable:
    """The same without a cache."""
    texts = _texts(records, numbers, processor, manner)
    chunks, lengths, reasons = [], [0], []
    while group := list(islice(texts, AT_ONCE)):
        said = [text for text, _, _ in group]
        listed = processor.tokenizer(said, add_special_tokens=False)["input_ids"]
        for ids, (_, reason, room) in zip(listed, group, strict=True):
            flat = np.asarray(ids, np.int32)
            faces = np.where(flat == processor.image_token_id, room, 1)
            chunks.append(np.repeat(flat, faces))
            lengths.append(len(chunks[-1]))
            reasons.append(reason)
    ids = np.concatenate([np.zeros(0, np.int32), *chunks])
    return TokenTable(ids, np.cumsum(lengths), np.array(reasons, np.str_))


def _texts(
    records: Records, numbers: NDArray[np.int64], processor: FaceLLMProcessor, manner: Manner
) -> Iterator[tuple[str, str, int]]:
    """Text of each record, why it is left out, and the tokens a face of it takes."""
    for number, messages in records.messages(numbers):
        facts = records.facts(number)
        try:
            text, reason = conversing.conversation_text(processor, facts, messages, manner)
            yield text, reason, processor.n_patches if facts.pictures else 0
        except FaceLLMError as error:
            raise FaceLLMError(f"{records.where(number)}: {error}") from error


def digest_of(
    records: Records, numbers: NDArray[np.int64], processor: FaceLLMProcessor, manner: Manner
) -> str:
    """Of all that ids depend on: corpus, selection, tokenizer, template, the code between."""
    tokenizer = processor.tokenizer
    words = (
        tokenizer.backend_tokenizer.to_str() if tokenizer.is_fast else repr(tokenizer.get_vocab())
    )
    template = processor.chat_template or tokenizer.chat_template
    code = [Path(str(module.__file__)).read_bytes() for module in CODE]
    digest = hashlib.sha256()
    for part in (
        records.digest.encode(),
        np.asarray(numbers, np.int64).tobytes(),
        words.encode(),
        str(template).encode(),
        f"{processor.n_patches} {manner}".encode(),
        *code,
    ):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()
