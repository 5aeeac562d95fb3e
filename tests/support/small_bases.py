"""Foreign bases on disk, small: what ``save_pretrained`` of CLIP, SigLIP, Qwen2 and Llama writes.

Random weights and a tokenizer trained on a few lines, so nothing is downloaded and nothing known.
"""

from __future__ import annotations

from pathlib import Path

import torch

LINES = ["Which brow is raised?", "The face shows happiness.", "How old is this person? About 34."]
VISION_SIZES = {
    "image_size": 32,
    "patch_size": 8,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
}


def save_clip(folder: Path) -> None:
    """A CLIP vision model, 3 layers, 32 px in 8-px patches, with its image processor."""
    from transformers import CLIPImageProcessorPil, CLIPVisionConfig, CLIPVisionModel

    torch.manual_seed(2)
    CLIPVisionModel(CLIPVisionConfig(**VISION_SIZES)).save_pretrained(folder)
    square = {"height": 32, "width": 32}
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=square).save_pretrained(folder)


def save_siglip(folder: Path) -> None:
    """As ``save_clip``, a SigLIP vision model."""
    from transformers import SiglipImageProcessorPil, SiglipVisionConfig, SiglipVisionModel

    torch.manual_seed(3)
    SiglipVisionModel(SiglipVisionConfig(**VISION_SIZES)).save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)


def small_text_sizes(vocabulary: int) -> dict[str, int]:
    """Sizes both small language models share; grouped keys, as 7B bases have them."""
    return {
        "vocab_size": vocabulary,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
    }


def save_qwen(folder: Path, *, tied: bool, **wanted: int) -> None:
    """A Qwen2 with a byte-level BPE tokenizer; more embedding rows than tokens, as published."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(4)
    words = Tokenizer(models.BPE())
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<|endoftext|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    words.train_from_iterator(LINES, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<|endoftext|>", eos_token="<|im_end|>"
    )
    tokenizer.save_pretrained(folder)
    sizes = small_text_sizes(len(tokenizer) + 37) | wanted
    config = Qwen2Config(**sizes, tie_word_embeddings=tied, initializer_range=0.2)
    Qwen2ForCausalLM(config).save_pretrained(folder)


def save_llama(folder: Path, **sizes: int) -> None:
    """A Llama with a sentencepiece tokenizer of the usual options and no padding token."""
    import sentencepiece
    from transformers import LlamaConfig, LlamaForCausalLM, LlamaTokenizer

    torch.manual_seed(5)
    folder.mkdir(exist_ok=True)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES * 4),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=3 + 256 + 60,
        model_type="bpe",
        byte_fallback=True,
        minloglevel=2,
        num_threads=1,
    )
    tokenizer = LlamaTokenizer.from_pretrained(folder)
    tokenizer.save_pretrained(folder)
    config = LlamaConfig(**small_text_sizes(len(tokenizer)) | sizes, initializer_range=0.2)
    LlamaForCausalLM(config).save_pretrained(folder)
