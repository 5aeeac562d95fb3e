"""Train the tokenizer on the grammar's own text and write it as a ``transformers`` folder.

4,096 pieces: four control pieces, the reserved tokens of ``labels.reserved_tokens()`` in order, 256
bytes for text never seen, and byte-pair merges of questions, answers and context words. Text is
taken as it is (no normalisation, no prefix blank), so that sentencepiece, the loaded and the
reloaded tokenizer give the same ids.

Command::

    python -m facellm.instruct_data.tokenizer --out .cache/default/tokenizer
"""

from __future__ import annotations

import argparse
import io
import string
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import sentencepiece
from tokenizers import AddedToken
from transformers import AutoTokenizer, LlamaTokenizer, PreTrainedTokenizerBase

from facellm.context import reading_text
from facellm.errors import FaceLLMError
from facellm.labels import BOS, EOS, INTENTS, PAD, UNK, reserved_tokens
from facellm.prompts import chat_template

from .grammar import compose_answer
from .questions import sample_question, wordings
from .synthetic_readings import sample_reading

VOCABULARY = 4096
CONTEXT_LINES = ("No face.", "Face 1:", "Face 2:", "Face 3:", "Face 4:")
FACE_COUNTS, FACE_SHARES = (1, 2, 3), (0.8, 0.15, 0.05)
LONGEST_CONTEXT = 2048


def corpus(lines: int, seed: int) -> Iterator[str]:
    """Questions, answers and contexts, then every base wording and every printable character.

    Args:
        lines: Number of sampled lines.
        seed: Of the sampling.
    """
    rng = np.random.default_rng(seed)
    for index in range(lines // 2):
        intent = INTENTS[index % len(INTENTS)]
        yield sample_question(rng, intent, typo_rate=0.1)
        faces = [sample_reading(rng) for _ in range(rng.choice(FACE_COUNTS, p=FACE_SHARES))]
        yield compose_answer(faces, intent, rng)
        if index % 50 == 0:
            yield CONTEXT_LINES[index // 50 % len(CONTEXT_LINES)]
            yield " ".join(f"Face {k}: {reading_text(face)}" for k, face in enumerate(faces, 1))
    for intent in INTENTS:
        yield from sorted(wordings()[intent])
    yield string.printable.split("\t")[0]


def train_sentencepiece(lines: Iterator[str]) -> bytes:
    """Train a byte-pair model on the lines; the result depends on them alone.

    Returns:
        The serialised ``tokenizer.model``.
    """
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=lines,
        model_writer=model,
        model_type="bpe",
        vocab_size=VOCABULARY,
        user_defined_symbols=reserved_tokens(),
        unk_id=0,
        bos_id=1,
        eos_id=2,
        pad_id=3,
        unk_piece=UNK,
        bos_piece=BOS,
        eos_piece=EOS,
        pad_piece=PAD,
        character_coverage=1.0,
        normalization_rule_name="identity",
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        byte_fallback=True,
        split_digits=True,
        num_threads=1,
        minloglevel=2,
    )
    return model.getvalue()


def write_folder(model: bytes, folder: Path) -> PreTrainedTokenizerBase:
    """Write ``tokenizer.model`` and the ``transformers`` files next to it.

    Returns:
        The tokenizer as reloaded from the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for stale in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (folder / stale).unlink(missing_ok=True)
    (folder / "tokenizer.model").write_bytes(model)
    loaded = LlamaTokenizer.from_pretrained(
        folder,
        legacy=False,
        add_prefix_space=False,
        add_bos_token=False,
        unk_token=UNK,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        padding_side="right",
        clean_up_tokenization_spaces=False,
        model_max_length=LONGEST_CONTEXT,
    )
    # Special, so that decoding leaves them out of the sentence.
    loaded.add_tokens(
        [AddedToken(token, special=True, normalized=False) for token in reserved_tokens()],
        special_tokens=True,
    )
    loaded.chat_template = chat_template()
    loaded.save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


def different_ids(folder: Path, texts: list[str]) -> list[str]:
    """Texts that sentencepiece, the loaded and the reloaded tokenizer do not split alike."""
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    loaded = LlamaTokenizer.from_pretrained(folder, legacy=False, add_prefix_space=False)
    reloaded = AutoTokenizer.from_pretrained(folder)
    return [
        text
        for text in texts
        if not (
            pieces.encode(text)
            == loaded(text, add_special_tokens=False)["input_ids"]
            == reloaded(text)["input_ids"]
        )
    ]


def main(argv: list[str] | None = None) -> None:
    """Train, write and check a tokenizer folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--lines", type=int, default=200_000, help="sampled lines")
    parser.add_argument("--seed", type=int, default=11)
    args = parser.parse_args(argv)
    tokenizer = write_folder(train_sentencepiece(corpus(args.lines, args.seed)), args.out)
    sample = list(corpus(1000, args.seed + 1))[:1000]
    different = different_ids(args.out, sample)
    if len(tokenizer) != VOCABULARY or different:
        raise FaceLLMError(
            f"{args.out}: {len(tokenizer)} pieces instead of {VOCABULARY}, "
            f"{len(different)} of {len(sample)} texts split differently, such as {different[:1]}"
        )
    lengths = [len(tokenizer(text)["input_ids"]) for text in sample]
    print(f"{args.out}: {len(tokenizer)} pieces, {np.mean(lengths):.1f} tokens a line")


if __name__ == "__main__":
    main()
